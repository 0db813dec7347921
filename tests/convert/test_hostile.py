"""Hostile copies: what cannot be read is an error of ours, and nothing is written outside the destination."""

from __future__ import annotations

import json
import tarfile
import warnings
from pathlib import Path

import pytest

from mlstac_hf import MLSTACError, convert
from mlstac_hf._convert import FORMATS

for package in ("pyarrow", "pyproj", "shapely", "rasterio"):
    pytest.importorskip(package)


@pytest.fixture(scope="module")
def hostile(real_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    with tarfile.open(real_data / "hostile.tar.xz") as archive:
        archive.extractall(folder, filter="tar")
    (found,) = folder.glob("**/cases.json")
    return found.parent, [case["id"] for case in json.loads(found.read_text())["cases"]]


@pytest.mark.parametrize("name", FORMATS)
def test_no_copy_ends_in_anything_but_our_errors(hostile, tmp_path, monkeypatch, name):
    folder, cases = hostile

    def refuse(host, *_, **__):
        raise OSError(f"{host} is not known")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    written, refused = [], []
    for case in cases:
        out = tmp_path / case / "out"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = convert(folder / case, out, name, on_error="skip")
            except MLSTACError as error:
                refused.append(str(error))
            else:
                written.append(case)
                assert all(Path(path).parent == out for path in ([found] if isinstance(found, str) else found))
    assert len(written) > 10
    assert len(refused) > 3
    assert max(map(len, refused)) < 2000
    assert not list(tmp_path.rglob("*.part"))

"""Downloads from the Hub: of one commit, checked against its hashes, and kept once, not twice."""

from __future__ import annotations

import hashlib
import re

import pytest

pytest.importorskip("huggingface_hub")

from downloads import check_same, files
from misbehaving import Changed
from publishing import DESCRIBED, samples

import mlstac_hf
from mlstac_hf import Collection, CollectionWarning, CorruptSampleError, download


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "made"
    ponds = Collection(id="ponds", **DESCRIBED, labels={"land": 0, "water": 1, "ice": 2})
    mlstac_hf.write(samples(6, dtype="uint8"), made, ponds)
    for path in made.glob("*/SHA256SUMS"):  # so that the Hub alone vouches for the files
        path.unlink()
    main = made / "main.json"
    main.write_text(re.sub(r',\s*"mlhf:checksums": \{[^}]*\}', "", main.read_text()))
    assert "checksums" not in main.read_text()
    return made


def test_a_repository_comes_as_it_is_and_once(hub, folder, tmp_path):
    hub.add_repository("user/demo", folder)
    result = download("user/demo", tmp_path / "out")
    assert files(tmp_path / "out") == files(folder)
    assert result.fetched == 6
    kept = [path for path in (tmp_path / "hf").rglob("*") if path.name.endswith(".safetensors")]
    assert not kept
    assert download("user/demo", tmp_path / "out").fetched == 0
    check_same(folder, tmp_path / "out", ["train"])


def test_a_file_that_is_not_that_of_the_commit_is_named(hub, folder, tmp_path):
    hub.add_repository("user/demo", folder)
    path = folder / "train/0000002.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    hub.add(Changed(bytes(data)), f"/cdn/{hashlib.sha256(path.read_bytes()).hexdigest()}", method="GET")
    with pytest.raises(CorruptSampleError, match=r"train/0000002\.safetensors \(sample 1\): expected bytes of sha256:"):
        download("user/demo", tmp_path / "out")
    with pytest.warns(CollectionWarning, match="1 bad samples left out"):
        assert download("user/demo", tmp_path / "out", on_error="skip").samples == {"train": 5}


def test_a_large_file_is_checked_against_its_hash(hub, tmp_path):
    pytest.importorskip("pyarrow")
    made = tmp_path / "made"
    ponds = Collection(id="ponds", **DESCRIBED, labels={"land": 0, "water": 1, "ice": 2})
    mlstac_hf.write(samples(6, dtype="uint8"), made, ponds, layout="container")
    hub.add_repository("user/demo", made)
    download("user/demo", tmp_path / "out", limit=2)
    check_same(made, tmp_path / "out", ["train"], limit=2)

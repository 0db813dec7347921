"""Servers that misbehave: what comes is right, or an error names the file; a collection that is not whole is none."""

from __future__ import annotations

import pytest
from containers import make_containers
from downloads import files
from misbehaving import (
    Answers,
    Changed,
    MisbehavingServer,
    OneOf,
    Truncate,
    WrongCount,
    WrongStart,
    after,
    always,
    chance,
    compressed,
    first,
    hang_up,
    ignore_ranges,
    login_page,
    no_head,
    no_length,
    no_validators,
    redirect_to_itself,
    weak_tags,
)
from publishing import DESCRIBED, samples

import mlstac_hf
from mlstac_hf import Collection, MLSTACError, StoreError, download
from mlstac_hf._download import _fetch
from mlstac_hf._stores import _http_client

FAULTS = {
    "ignores ranges": (ignore_ranges, always),
    "no head": (no_head, always),
    "no length": (no_length, always),
    "no validators": (no_validators, always),
    "weak tags": (weak_tags, always),
    "compresses": (compressed, always),
    "redirects for ever": (redirect_to_itself, after(2)),
    "login page": (login_page, after(2)),
    "wrong start": (WrongStart(), after(2)),
    "wrong count": (WrongCount(-3), after(2)),
    "cut now and then": (Truncate(100), chance(0.4, 1)),
    "hangs up first": (hang_up, first(2)),
    "busy first": (Answers(503), first(2)),
    "gone": (Answers(404), after(3)),
    "changes": (Changed(b"\x01" * 4000), after(3)),
    "anything": (
        OneOf((ignore_ranges, no_length, hang_up, Truncate(7), Answers(500), WrongStart(-1)), 3),
        chance(0.5, 2),
    ),
}


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch):
    """The real retries, without the pauses between them."""
    monkeypatch.setattr(_http_client, "RETRY", _http_client.RETRY.new(backoff_factor=0, backoff_jitter=0))


@pytest.fixture(params=["samples", "containers"])
def made(request, tmp_path):
    folder = tmp_path / "made"
    if request.param == "samples":
        ponds = Collection(id="ponds", **DESCRIBED, labels={"land": 0, "water": 1, "ice": 2})
        mlstac_hf.write(samples(12, dtype="uint8"), folder, ponds)
    else:
        pytest.importorskip("pyarrow")
        pytest.importorskip("rasterio")
        make_containers(folder, counts={"train": (4, 3)}, plain=True)
    return folder


def error_of(address, folder):
    """What a download raises; None where it is done."""
    try:
        download(address, folder)
    except (MLSTACError, FileExistsError) as error:
        return error
    return None


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.filterwarnings("ignore:.*the file holds:mlstac_hf.CollectionWarning")
def test_what_comes_is_right_or_an_error_names_the_file(tmp_path, made, fault, monkeypatch):
    monkeypatch.setattr(_fetch, "PART", 1000)
    out = tmp_path / "out"
    with MisbehavingServer(tmp_path) as server:
        for pattern in ("/made/train/*.mlstac", "/made/train/*.safetensors"):
            server.add(FAULTS[fault][0], pattern, FAULTS[fault][1])
        address = f"{server.url}/made/main.json"
        error = error_of(address, out)
        if error is not None:
            assert isinstance(error, MLSTACError)
            assert "/made/train" in str(error) or "split 'train'" in str(error)
            assert not (out / "main.json").exists()
            server.behave()  # what came before was right, or is not trusted
            refused = error_of(address, out)
            if refused is not None:
                assert isinstance(refused, FileExistsError)
                assert "changed since" in str(refused)
                return
    assert files(out) == files(made)


def test_a_file_that_changes_between_calls_is_told(tmp_path, made):
    with MisbehavingServer(tmp_path) as server:
        address = f"{server.url}/made/main.json"
        last = max(path for path in (made / "train").iterdir() if path.suffix in (".mlstac", ".safetensors"))
        server.add(Answers(500), f"/made/train/{last.name}", after(1), "GET")
        server.add(Answers(500), "/made/train/000000A.safetensors", method="GET")
        with pytest.raises(StoreError):
            download(address, tmp_path / "out")
        server.behave()
        last.write_bytes(last.read_bytes()[:-1] + b"?")
        with pytest.raises(FileExistsError, match="its files have changed since"):
            download(address, tmp_path / "out")
        assert not (tmp_path / "out/main.json").exists()

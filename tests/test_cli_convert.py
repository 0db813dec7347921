"""`mlstac-hf convert`: what it prints, and how it ends."""

from __future__ import annotations

import json

import pytest

from mlstac_hf._cli import main

for package in ("pyarrow", "pyproj", "shapely"):
    pytest.importorskip(package)


def test_it_prints_what_it_wrote(collection, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["convert", collection.address, str(out), "--bbox", "-180,-90,180,90", "--limit", "2"]) == 0
    printed, complained = capsys.readouterr()
    assert printed.splitlines() == [str(out / f"{split}.parquet") for split in ("train", "validation", "test")]
    assert not complained


def test_json_is_a_list(collection, tmp_path, capsys):
    call = ["convert", collection.address, str(tmp_path / "out"), "--json"]
    assert main([*call, "--format", "croissant"]) == 0
    assert json.loads(capsys.readouterr().out) == [str(tmp_path / "out" / "croissant.json")]
    assert main([*call, "--split", "test", "--split", "train"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        str(tmp_path / "out" / f"{name}.parquet") for name in ("test", "train")
    ]


def test_bad_data_ends_with_1_unless_it_is_skipped(collection, tmp_path, capsys):
    (collection.folder / "train" / "0000002.safetensors").write_bytes(b"\x01" * 40)
    call = ["convert", collection.address, str(tmp_path / "one.parquet"), "--split", "train"]
    assert main(call) == 1
    assert "error: train/0000002.safetensors (sample 1)" in capsys.readouterr().err
    assert main([*call, "--skip"]) == 0
    assert "warning: 1 bad samples left out" in capsys.readouterr().err


def test_a_wrong_call_ends_with_2_and_a_store_that_fails_with_3(collection, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["convert", collection.address, str(tmp_path / "out"), "--split", "nowhere"]) == 2
    assert main(["convert", collection.address, str(tmp_path / "out"), "--format", "croissant", "--limit", "1"]) == 2
    assert main(["convert", collection.address, "https://example.org/x"]) == 2
    assert main(["convert", collection.address, str(tmp_path / "file" / "out")]) == 3
    assert "Traceback" not in "".join(capsys.readouterr())

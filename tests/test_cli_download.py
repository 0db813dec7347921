"""`mlstac-hf download`: what it prints, and how it ends."""

from __future__ import annotations

import json
import logging

from mlstac_hf._cli import main


def test_it_says_how_much_before_and_what_came_after(collection, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["download", collection.address, str(out), "--limit", "2"]) == 0
    printed, said = capsys.readouterr()
    assert printed.startswith(f"in {out}: train 2, validation 2, test 2 samples, 6 files, ")
    assert said.startswith("downloading made for a test to ")
    assert "6 files" in said
    assert logging.getLogger("mlstac_hf").propagate
    assert not logging.getLogger("mlstac_hf").handlers


def test_json_is_one_object(collection, tmp_path, capsys):
    call = ["download", collection.address, str(tmp_path / "out"), "--json", "--split", "test", "--split", "train"]
    assert main([*call, "--dry-run"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["samples"], found["files"], found["dry_run"]) == ({"test": 2, "train": 5}, 7, True)
    assert not (tmp_path / "out").exists()
    assert main(call) == 0
    assert json.loads(capsys.readouterr().out)["fetched"] == 7


def test_bad_data_ends_with_1_unless_it_is_skipped(collection, tmp_path, capsys):
    (collection.folder / "train" / "0000002.safetensors").write_bytes(b"\x01" * 40)
    call = ["download", collection.address, str(tmp_path / "out"), "--split", "train"]
    assert main(call) == 1
    assert "error: train/0000002.safetensors (sample 1)" in capsys.readouterr().err
    assert main([*call, "--skip"]) == 0
    printed, said = capsys.readouterr()
    assert "warning: 1 bad samples left out" in said
    assert "1 samples were left out:\n  train/0000002.safetensors (sample 1)" in printed


def test_a_wrong_call_ends_with_2_and_a_store_that_fails_with_3(collection, tmp_path, capsys):
    out = str(tmp_path / "out")
    assert main(["download", collection.address, out, "--split", "nowhere"]) == 2
    assert main(["download", collection.address, "s3://bucket/folder"]) == 2
    assert main(["download", collection.address, out, "--limit", "1"]) == 0
    assert main(["download", collection.address, out, "--limit", "2"]) == 2
    assert main(["download", "http://127.0.0.1:1/main.json", out]) == 3
    assert "Traceback" not in "".join(capsys.readouterr())

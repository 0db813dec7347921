"""`mlstac-hf validate`: what it prints, and how it ends."""

from __future__ import annotations

import json

import pytest
from unsound import CASES, sound

from mlstac_hf import Finding, Report
from mlstac_hf._cli import main
from mlstac_hf._cli_validate import end_of


def test_a_sound_collection_ends_with_0(tmp_path, capsys):
    sound(tmp_path)
    assert main(["validate", str(tmp_path), "--deep"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{tmp_path}: sound (8 samples, pixels read)\n")
    assert not err


def test_errors_end_with_1_and_say_where(tmp_path, capsys):
    CASES["E301"].build(tmp_path)
    assert main(["validate", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert "  E301 train/0000003.safetensors, sample 2: " in out
    assert "Traceback" not in out + err


def test_json_is_one_object(tmp_path, capsys):
    CASES["E310"].build(tmp_path)
    assert main(["validate", str(tmp_path), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert [finding["code"] for finding in report["findings"] if finding["severity"] == "error"] == ["E310"]


def test_nothing_at_the_address_ends_with_2_and_a_store_that_fails_with_3(tmp_path, capsys):
    assert main(["validate", str(tmp_path)]) == 2
    (tmp_path / "main.json").mkdir()
    assert main(["validate", str(tmp_path)]) == 3
    capsys.readouterr()


@pytest.mark.parametrize(
    ("codes", "end"),
    [
        ([], 0),
        (["W208", "N106"], 0),
        (["E104"], 2),
        (["E301", "E104"], 1),
        (["E301", "E103"], 3),
        (["E999"], 1),
    ],
)
def test_exit_codes(codes, end):
    severity = {"E": "error", "W": "warning", "N": "note"}
    found = tuple(Finding(code=code, severity=severity[code[0]], message="x") for code in codes)
    assert end_of(Report(address="a", deep=False, findings=found)) == end

"""How findings look, as text and as JSON."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

import pytest

from mlstac_hf._validate._report import Distance, Finding, Place, Report

BAD = Finding(
    code="E301",
    severity="error",
    message="the file is cut short",
    place=Place(file="train/a.mlstac", split="train", sample=2, span=(10, 20)),
    remedy="Fetch it anew.",
)
ODD = Finding(code="W208", severity="warning", message="2 of 3 samples", place=Place(split="test"))


def test_a_report_is_ok_without_errors():
    assert Report(address="a", deep=False, findings=(ODD,)).ok
    report = Report(address="a", deep=True, findings=(BAD, ODD))
    assert not report.ok
    assert (report.errors, report.warnings, report.notes) == ((BAD,), (ODD,), ())


def test_a_report_is_ready_for_json():
    distance = Distance(splits=("a", "b"), samples=(3, 2), minimum_m=12.345, overlapping=0, within_1km=1)
    report = Report(
        address="x", deep=True, findings=(BAD,), left_out={"E301": 3}, distances=(distance,), samples={"a": 3}
    )
    assert json.loads(json.dumps(report.to_dict())) == {
        "address": "x",
        "ok": False,
        "deep": True,
        "samples": {"a": 3},
        "findings": [
            {
                "code": "E301",
                "severity": "error",
                "message": "the file is cut short",
                "place": {"file": "train/a.mlstac", "split": "train", "sample": 2, "bytes": [10, 20]},
                "remedy": "Fetch it anew.",
            }
        ],
        "left_out": {"E301": 3},
        "distances": [{"splits": ["a", "b"], "samples": [3, 2], "minimum_m": 12.3, "overlapping": 0, "within_1km": 1}],
    }


def test_a_report_reads_as_a_page():
    report = Report(address="here", deep=False, findings=(BAD, BAD, ODD), left_out={"E301": 1000}, samples={"train": 5})
    assert str(report).splitlines() == [
        "here: NOT sound (5 samples, headers only)",
        "",
        "1,002 errors",
        "  E301 train/a.mlstac, sample 2, bytes 10 to 20: the file is cut short",
        "  E301 train/a.mlstac, sample 2, bytes 10 to 20: the file is cut short",
        "     Fetch it anew.",
        "  E301 and 1,000 more",
        "",
        "1 warning",
        "  W208 test: 2 of 3 samples",
    ]


def test_findings_and_reports_are_frozen():
    with pytest.raises(FrozenInstanceError):
        BAD.code = "E302"
    with pytest.raises(FrozenInstanceError):
        Report(address="a", deep=False).deep = True

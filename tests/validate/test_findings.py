"""Caps, tallies, and errors of ours as findings."""

from __future__ import annotations

import pytest

from mlstac_hf import _errors
from mlstac_hf._validate._codes import CODES
from mlstac_hf._validate._findings import LONGEST, MOST, Findings, Tally, code_of
from mlstac_hf._validate._report import Place


def test_of_each_code_the_first_are_kept_and_the_others_counted():
    findings = Findings()
    for index in range(MOST + 7):
        findings.say("E301", f"bad {index}")
    findings.more("E301", 100)
    findings.more("E301", -3)
    assert [finding.message for finding in findings.all()] == [f"bad {index}" for index in range(MOST)]
    assert findings.left_out == {"E301": 107}


def test_errors_come_first():
    findings = Findings()
    for code in ("N106", "W601", "E704", "W109", "E101"):
        findings.say(code, "x")
    assert [finding.code for finding in findings.all()] == ["E101", "E704", "W109", "W601", "N106"]


def test_what_a_collection_holds_fills_no_screen_and_moves_no_cursor():
    findings = Findings()
    findings.say("W109", "\x1b[31m" + "x" * 10_000)
    (found,) = findings.all()
    assert len(found.message) == LONGEST
    assert found.message.startswith("\N{REPLACEMENT CHARACTER}[31mxxx")


@pytest.mark.parametrize(
    "kind",
    [kind for kind in vars(_errors).values() if isinstance(kind, type) and issubclass(kind, _errors.MLSTACError)],
)
def test_every_error_of_ours_has_a_code(kind):
    assert CODES[code_of(kind("x"))]


def test_a_tally_tells_the_few_from_the_many():
    tally = Tally(most=2)
    for index, value in enumerate("abbbbcca"):
        tally.add(value, Place(sample=index))
    assert tally.usual == "b"
    assert tally.others() == [("a", 2, [Place(sample=0), Place(sample=7)])]
    assert Tally().usual is None

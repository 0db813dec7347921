"""Every code: pinned, documented, produced by a collection that has the fault and by none that has not."""

from __future__ import annotations

import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from unsound import CASES, boxed, sound

from mlstac_hf import validate
from mlstac_hf._spec import TASKS
from mlstac_hf._validate._codes import CODES, SEVERITIES

PAGE = Path(__file__).parents[2] / "docs" / "validate.md"


def test_codes_are_pinned():
    assert " ".join(CODES) == (
        "E101 E102 E103 E104 E105 N106 E107 W108 W109 W110 W111 W112 W113 W114 W115 N116 "
        "E201 N202 E203 E204 E205 W206 W207 W208 W209 E210 W211 W212 E213 "
        "E301 E302 E303 E304 W305 E310 E311 W312 N313 W314 E315 W316 "
        "W401 W402 W403 W404 W405 W406 W407 W408 W409 W410 N411 "
        "W501 N502 E503 W504 W505 N506 W507 "
        "W601 W602 W603 W604 W605 "
        "E701 E702 E703 E704 W705 W706 W707 W708 W709 E710 "
        "N901 E999"
    )
    assert len({code[1:] for code in CODES}) == len(CODES)


def test_every_code_is_documented_as_it_is_defined():
    rows = re.findall(r"^\| `([EWN]\d{3})` \| (.*?) \| (.*?) \|$", PAGE.read_text(), re.MULTILINE)
    assert {code: (title, remedy) for code, title, remedy in rows} == {code: tuple(row) for code, row in CODES.items()}
    assert [code for code, *_ in rows] == list(CODES)


def test_the_tasks_that_are_known_are_documented():
    listed = PAGE.read_text().partition("Tasks that are known (`W110`): ")[2].partition(".\n")[0]
    assert re.findall(r"`(.*?)`", listed) == sorted(TASKS)


def test_every_code_has_a_collection_that_produces_it():
    assert set(CASES) | {"E999"} == set(CODES)


def made(code, folder, request, monkeypatch):
    """The report on the collection of a code."""
    case = CASES[code]
    for name in case.needs:
        pytest.importorskip(name)
    case.build(folder)
    if case.without:
        monkeypatch.setitem(sys.modules, case.without, None)
    address = folder
    if case.served:
        server = request.getfixturevalue("server")
        server.folder = folder
        address = f"{server.url}/main.json"
    return validate(address, case.deep)


@pytest.mark.parametrize("code", CASES)
def test_a_fault_is_found_where_it_is(code, tmp_path, request, monkeypatch):
    report = made(code, tmp_path / "made", request, monkeypatch)
    found = [finding for finding in report.findings if finding.code == code]
    assert found, str(report)
    assert {finding.severity for finding in found} == {SEVERITIES[code[0]]}
    expected = CASES[code].place
    assert {key: found[0].place.to_dict()[key] for key in expected} == expected
    assert found[0].message
    assert found[0].remedy == CODES[code].remedy
    assert "E999" not in {finding.code for finding in report.findings}, str(report)
    assert report.ok == (not any(finding.code.startswith("E") for finding in report.findings))
    if code.startswith(("W", "N")):
        assert {finding.code for finding in report.errors} <= {"E701", "E703"}, str(report)
    assert json.loads(json.dumps(report.to_dict()))["ok"] == report.ok


@pytest.mark.parametrize("deep", [False, True], ids=["headers", "deep"])
def test_a_sound_collection_has_none(tmp_path, deep):
    sound(tmp_path)
    report = validate(tmp_path, deep)
    expected = {"N106"} if find_spec("pyproj") and find_spec("shapely") else {"N106", "N901"}
    assert {finding.code for finding in report.findings} == expected, str(report)
    assert report.samples == {"train": 4, "validation": 2, "test": 2}


@pytest.mark.parametrize("deep", [False, True], ids=["headers", "deep"])
def test_sound_containers_have_none(tmp_path, deep):
    pytest.importorskip("pyarrow")
    boxed(tmp_path)
    report = validate(tmp_path, deep)
    expected = {"N106", "N202", "N411"} if deep else {"N106", "N202"}
    assert {finding.code for finding in report.findings} - {"N901"} == expected, str(report)

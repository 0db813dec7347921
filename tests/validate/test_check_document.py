"""What a publisher should mend, as a validation says it: with its codes, and never as an error."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from unsound import edited, sound

import mlstac_hf
from mlstac_hf import validate
from mlstac_hf._validate._check_document import _CODE_OF

SPEC = Path(mlstac_hf.__file__).parent / "_spec"


def found(folder, **changes):
    sound(folder)
    edited(folder, **changes)
    report = validate(folder)
    assert report.ok, str(report)
    assert "E999" not in report.left_out
    return {(finding.code, finding.message) for finding in report.findings if finding.code not in ("N106", "N901")}


def test_every_problem_with_a_code_of_its_own_exists_and_none_is_an_error():
    source = "".join(path.read_text() for path in SPEC.glob("_publishable*.py"))
    named = {name for name in _CODE_OF if "band-" not in name}
    assert named <= set(re.findall(r'"([a-z-]+)"', source))
    assert {code[0] for code in _CODE_OF.values() if code} == {"N", "W"}


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"id": None}, "W108", "id: expected a name"),
        ({"description": " "}, "W108", "description: expected what is in"),
        ({"license": None}, "W108", "license: expected an SPDX identifier"),
        ({"ml:task": []}, "W108", "task: expected what the samples are for"),
        ({"id": "a/b"}, "W109", "id: expected a name that can be a folder's, found 'a/b'"),
        ({"id": "x" * 201}, "W109", "id: expected at most 200 bytes"),
        ({"ml:task": ["image segmentation"]}, "W110", "Did you mean image-segmentation?"),
        ({"ml:task": ["sorting"]}, "W110", "TextToTensor, and tasks of the Hugging Face Hub"),
        ({"extent": {"spatial": {"bbox": [[1, 2, 3, 4], [5e5, 0, 6e5, 1]]}}}, "W111", "found (500000.0, 0.0"),
        ({"license": "CC BY 4.0"}, "W115", "license: expected an SPDX identifier such as"),
        ({"ml:reviewers": {"reviewers": [{"name": "Bo", "organization": "X", "score": 9}]}}, "W115", "from 0 to 5"),
        ({"title": None}, "W115", "title: expected a title"),
    ],
)
def test_a_problem_is_one_finding(tmp_path, changes, code, message):
    ((said, text),) = found(tmp_path, **changes)
    assert said == code
    assert message in text


def test_labels_that_the_description_explains_may_share_a_value(tmp_path):
    labels = {"water": 0, "field": 1, "forest": 2, "wood": 2}
    changes = {"ml:labels": {"labels": labels}}
    assert {code for code, _ in found(tmp_path / "a", **changes)} == {"W114"}
    assert found(tmp_path / "b", description="of forest, that is wood", **changes) == set()


def test_a_document_of_many_odd_values_costs_little(tmp_path):
    labels = {f"class {number}": number // 2 for number in range(30_000)}
    sound(tmp_path)
    edited(tmp_path, license=" AND ".join(["Zork"] * 6_000), **{"ml:labels": {"labels": labels}})
    report = validate(tmp_path)
    assert report.ok, json.dumps(report.to_dict())[:600]
    assert report.left_out["W114"] == 15_000 - 20


def test_the_entry_of_a_split_that_is_not_there_is_none(collection):
    """Written because mlstac asks for all three."""
    absent = {"ml:validation": {"n_items": 0, "mlhf:absent": True}, "ml:test": {"n_items": 0, "mlhf:absent": True}}
    (collection.folder / "main.json").write_text(json.dumps({**collection.document, **absent}))
    assert "W112" not in {finding.code for finding in validate(collection.folder).findings}

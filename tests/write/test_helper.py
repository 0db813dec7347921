"""What a helper does with an order; that it comes and goes is tested with `_helpers`."""

from __future__ import annotations

import base64
import errno
import gzip
import hashlib
import json
import os

import numpy as np
import pytest

from mlstac_hf._write import _helper
from mlstac_hf._write._measure import Survey

SHARED = memoryview(b"..first..second")
PARTS = [[2, 5], [9, 6]]


@pytest.fixture
def said(monkeypatch):
    """What it says, in order."""
    answers = []
    monkeypatch.setattr(_helper, "_say", answers.append)
    return answers


def order(path, **more):
    return {
        "path": str(path),
        "head": base64.b64encode(b"head").decode(),
        "parts": PARTS,
        "compress": False,
        "measure": None,
        **more,
    }


def test_parts_lie_one_after_another_behind_the_head(tmp_path, said):
    answer = _helper._done(order(tmp_path / "new/file"), SHARED, os.getppid())
    content = b"headfirstsecond"
    assert (tmp_path / "new/file").read_bytes() == content
    assert answer == {"nbytes": len(content), "sha256": hashlib.sha256(content).hexdigest(), "measured": None}
    assert said == []


def test_a_part_that_is_compressed_is_hashed_as_it_is_stored(tmp_path, said):
    answer = _helper._done(order(tmp_path / "file", head="", parts=PARTS[:1], compress=True), SHARED, os.getppid())
    stored = (tmp_path / "file").read_bytes()
    assert gzip.decompress(stored) == b"first"
    assert answer == {"nbytes": len(stored), "sha256": hashlib.sha256(stored).hexdigest(), "measured": None}


def test_it_says_how_much_it_has_taken(tmp_path, said, monkeypatch):
    monkeypatch.setattr(_helper, "_TELL", 11)
    _helper._done(order(tmp_path / "file", parts=PARTS * 2), SHARED, os.getppid())
    assert said == [{"taken": 2}, {"taken": 2}]


def test_what_the_system_says_is_the_answer(tmp_path, said):
    (tmp_path / "file").mkdir()
    answer = _helper._done(order(tmp_path / "file"), SHARED, os.getppid())
    assert answer == {"errno": errno.EISDIR, "error": os.strerror(errno.EISDIR)}
    assert os.listdir(tmp_path) == ["file"]


def test_nothing_is_put_for_a_caller_that_is_gone(tmp_path, said):
    answer = _helper._done(order(tmp_path / "file"), SHARED, -1)
    assert answer == {"errno": None, "error": "left alone"}
    assert os.listdir(tmp_path) == []


def test_what_is_measured_is_put_or_not(tmp_path, said):
    array = np.arange(24, dtype="<u2").reshape(2, 3, 4)
    shared = memoryview(b".." + array.tobytes())
    survey = Survey(band_axis=0)
    asked = json.loads(json.dumps(survey.ask({"input": array}, {"input": 2}, 5)))
    measured = survey.measure({"input": array}, 5)
    alone = _helper._done(order("", measure=asked), shared, os.getppid())
    assert alone == {"nbytes": 0, "sha256": "", "measured": measured}
    both = _helper._done(order(tmp_path / "file", parts=[[2, 48]], measure=asked), shared, os.getppid())
    assert both["measured"] == measured
    assert (tmp_path / "file").read_bytes() == b"head" + array.tobytes()

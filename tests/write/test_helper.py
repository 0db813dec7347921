"""What a helper does with an order; that it comes and goes is tested with `_helpers`."""

from __future__ import annotations

import base64
import errno
import gzip
import hashlib
import os

import pytest

from mlstac_hf._write import _helper

SHARED = memoryview(b"..first..second")
PARTS = [[2, 5], [9, 6]]


@pytest.fixture
def said(monkeypatch):
    """What it says, in order."""
    answers = []
    monkeypatch.setattr(_helper, "_say", answers.append)
    return answers


def order(path, **more):
    return {"path": str(path), "head": base64.b64encode(b"head").decode(), "parts": PARTS, "compress": False, **more}


def test_parts_lie_one_after_another_behind_the_head(tmp_path, said):
    answer = _helper._done(order(tmp_path / "new/file"), SHARED, os.getppid())
    content = b"headfirstsecond"
    assert (tmp_path / "new/file").read_bytes() == content
    assert answer == {"nbytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert said == []


def test_a_part_that_is_compressed_is_hashed_as_it_is_stored(tmp_path, said):
    answer = _helper._done(order(tmp_path / "file", head="", parts=PARTS[:1], compress=True), SHARED, os.getppid())
    stored = (tmp_path / "file").read_bytes()
    assert gzip.decompress(stored) == b"first"
    assert answer == {"nbytes": len(stored), "sha256": hashlib.sha256(stored).hexdigest()}


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

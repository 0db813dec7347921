"""Checksums of files, piece by piece, and paths that leave the collection."""

from __future__ import annotations

import hashlib

from unsound import checksums, edited, sound

from mlstac_hf import validate
from mlstac_hf._stores import LocalStore
from mlstac_hf._validate import _check_checksums
from mlstac_hf._validate._check_checksums import digest_of


def codes(report):
    return {finding.code for finding in report.findings} - {"N106", "N901"}


def test_right_checksums_are_no_finding(tmp_path):
    sound(tmp_path)
    edited(tmp_path, **{"mlhf:checksums": checksums(tmp_path)})
    assert codes(validate(tmp_path)) == codes(validate(tmp_path, deep=True)) == set()


def test_a_file_is_hashed_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(_check_checksums, "_PIECE", 10)
    for size in (0, 9, 10, 11, 30):
        (tmp_path / "a").write_bytes(bytes(range(size)))
        assert digest_of(LocalStore(tmp_path), "a") == hashlib.sha256(bytes(range(size))).hexdigest()


def test_a_changed_byte_is_found_where_nothing_else_shows_it(tmp_path):
    sound(tmp_path)
    edited(tmp_path, **{"mlhf:checksums": checksums(tmp_path)})
    path = tmp_path / "train" / "0000002.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert codes(validate(tmp_path)) == set()
    assert "E303" in codes(validate(tmp_path, deep=True))


def test_a_path_that_leads_out_is_refused(tmp_path):
    sound(tmp_path / "inside")
    (tmp_path / "secret").write_bytes(b"x")
    edited(tmp_path / "inside", **{"mlhf:checksums": {"../secret": "sha256:0", "/etc/passwd": "sha256:0"}})
    for deep in (False, True):
        report = validate(tmp_path / "inside", deep)
        refused = [finding for finding in report.errors if finding.code == "E105"]
        assert [finding.place.file for finding in refused] == ["../secret", "/etc/passwd"]

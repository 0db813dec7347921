"""Checksums of files, piece by piece, and paths that leave the collection."""

from __future__ import annotations

import hashlib

import pytest
from publishing import DESCRIBED, samples
from unsound import checksums, edited, sound

from mlstac_hf import Collection, validate, write
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


# SHA256SUMS, which stands for the files of a split


@pytest.fixture
def summed(tmp_path):
    """A collection as `write` writes it."""
    for split in ("train", "validation", "test"):
        given = ({**one, "id": f"{split} {one['id']}"} for one in samples(3))
        write(given, tmp_path, Collection(id="ponds", **DESCRIBED), split=split)
    return tmp_path


def found(report, code):
    return [(finding.place.file, finding.message) for finding in report.findings if finding.code == code]


def checksum_codes(report):
    return codes(report) & {"E301", "E303", "E304", "W305", "E105"}


def test_what_write_writes_has_its_checksums(summed):
    assert checksum_codes(validate(summed)) == checksum_codes(validate(summed, deep=True)) == set()


def test_a_changed_byte_of_a_listed_file_is_found(summed):
    path = summed / "train/0000002.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert checksum_codes(validate(summed)) == set()
    ((file, message),) = found(validate(summed, deep=True), "E303")
    assert (file, message[:16]) == ("train/0000002.safetensors", "expected sha256:")


def test_a_listed_file_that_is_gone_and_one_that_is_not_listed(summed):
    (summed / "test/0000003.safetensors").rename(summed / "train/0000004.safetensors")
    report = validate(summed)
    assert found(report, "E304") == [
        ("test/0000003.safetensors", "test/SHA256SUMS has it, and it is not there"),
    ]
    assert [message for _, message in found(report, "W305")] == ["train/SHA256SUMS has others, and not this one"]


@pytest.mark.parametrize(
    "line", [b"0" * 64 + b"  ../secret\n", b"0" * 64 + b"  /etc/passwd\n", b"what\n", b"\xff\n", b"\n"]
)
def test_a_list_that_is_none_leads_nowhere(summed, line):
    with (summed / "train/SHA256SUMS").open("ab") as file:
        file.write(line)
    message = "expected lines of a checksum, two blanks and a file's name"
    assert ("train/SHA256SUMS", message) in found(validate(summed), "E303")


def test_a_list_that_is_gone_is_told_once(summed):
    (summed / "train/SHA256SUMS").unlink()
    report = validate(summed)
    assert found(report, "E304") == [("train/SHA256SUMS", "mlhf:checksums has it, and it is not there")]
    assert checksum_codes(report) == {"E304"}

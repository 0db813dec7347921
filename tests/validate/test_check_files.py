"""Gaps, strays and counts, told one by one."""

from __future__ import annotations

from unsound import sound, tiny

from mlstac_hf import validate
from mlstac_hf._validate._findings import MOST


def found(report, code):
    return [finding for finding in report.findings if finding.code == code]


def test_missing_samples_are_named_and_a_wild_name_costs_nothing(tmp_path):
    sound(tmp_path)
    (tmp_path / "train" / "0000004.safetensors").rename(tmp_path / "train" / "zzzzzzz.safetensors")
    report = validate(tmp_path)
    gaps = found(report, "E205")
    assert [gap.place.file for gap in gaps[:2]] == ["train/0000004", "train/0000005"]
    assert len(gaps) == MOST
    assert len(gaps) + report.left_out["E205"] == 61**7 - 4


def test_names_that_collide_are_counted(tmp_path):
    sound(tmp_path, tiny, {"train": 38, "validation": 1, "test": 1})
    (told,) = found(validate(tmp_path), "W208")
    assert told.message == "6 of 38 samples; on disks of Windows and macOS only 35 of them stay"


def test_other_files_of_a_folder_are_passed_over(tmp_path):
    sound(tmp_path)
    (tmp_path / "train" / "metadata.parquet").write_bytes(b"x")
    (tmp_path / "train" / "README.md").write_text("x")
    assert validate(tmp_path).findings == validate(tmp_path).notes

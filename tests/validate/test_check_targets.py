"""Forms of targets by task, and values by label."""

from __future__ import annotations

import numpy as np
import pytest
from unsound import sound

from mlstac_hf import validate

IMAGE = np.zeros((4, 8, 8), np.uint16)


def codes_of(folder, task, target, *, deep=False, **document):
    def change(split, index, made):
        made.stored = {"input": IMAGE + len(split) * 10 + index, "target": target}

    sound(folder, change, **{"ml:task": task, **document})
    return {finding.code for finding in validate(folder, deep).findings} - {"N106", "N901"}


def number(value, dtype=np.int64):
    return np.array(value, dtype)


@pytest.mark.parametrize(
    ("task", "target"),
    [
        ("TensorSegmentation", np.zeros((8, 8), np.uint8)),
        ("image-segmentation", np.zeros((1, 8, 8), np.uint8)),
        ("TensorClassification", number(1)),
        ("TensorClassification", np.zeros(3, np.uint8)),
        ("TensorObjectDetection", np.zeros((0, 4), np.float32)),
        ("ObjectDetection", np.zeros((3, 5), np.float32)),
        ("TensorRegression", np.zeros(9, np.float16)),
        ("depth-estimation", np.zeros((1, 8, 8), np.float32)),
        ("TensorToTensor", IMAGE),
        (["TensorRegression", "TensorSegmentation"], np.zeros(9, np.float16)),
    ],
)
def test_what_fits_its_task(tmp_path, task, target):
    assert codes_of(tmp_path, task, target) == set()


@pytest.mark.parametrize(
    ("task", "target"),
    [
        ("TensorSegmentation", number(1)),
        ("TensorSegmentation", np.zeros((9, 8), np.uint8)),
        ("TensorSegmentation", np.zeros((8, 8), np.float32)),
        ("image-segmentation", np.zeros((2, 1, 8, 8), np.uint8)),
        (["TensorRegression", "TensorClassification"], np.zeros((8, 8), np.uint8)),
        ("TensorClassification", np.zeros((8, 8), np.uint8)),
        ("object-detection", np.zeros((3, 2), np.float32)),
        ("ObjectDetection", np.zeros(4, np.float32)),
        ("TensorToText", number(1)),
        ("TextToTensor", number(1)),
    ],
)
def test_what_does_not(tmp_path, task, target):
    assert codes_of(tmp_path, task, target) == {"W501"}


def test_a_task_that_is_not_known_fits_every_sample(tmp_path):
    assert codes_of(tmp_path, "a task of tomorrow", number(1)) == {"W110"}


def test_values_of_any_task_of_classes_are_labels(tmp_path):
    labels = {"ml:labels": {"labels": {"no": 0, "yes": 1}}}
    assert codes_of(tmp_path, "zero-shot-image-classification", number(5), deep=True, **labels) == {"E503", "N506"}


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "uint16", "int16", "int32", "uint64"])
def test_values_among_the_labels_in_every_dtype(tmp_path, dtype):
    values = np.arange(64).reshape(1, 8, 8)
    mask = (values % 2).astype(dtype)
    labels = {"ml:labels": {"labels": {"no": 0, "yes": 1}}}
    assert codes_of(tmp_path / "a", "TensorSegmentation", mask, deep=True, **labels) == set()
    if dtype != "bool":
        assert codes_of(tmp_path / "b", "TensorSegmentation", mask * 5, deep=True, **labels) == {"E503", "N506"}
    if dtype.startswith("int"):
        assert codes_of(tmp_path / "c", "TensorSegmentation", -mask, deep=True, **labels) == {"E503", "N506"}


def test_values_of_another_task_are_no_labels(tmp_path):
    target = np.full((1, 8, 8), 99, np.int32)
    assert codes_of(tmp_path, "TensorToTensor", target, deep=True) == set()


@pytest.mark.parametrize("dtype", ["float16", "float64", "complex64", "bfloat16"])
def test_nan_is_found_in_every_dtype_that_has_it(tmp_path, dtype):
    import ml_dtypes

    target = np.full((2, 3), np.inf).astype(getattr(ml_dtypes, dtype, dtype))
    assert codes_of(tmp_path, "TensorToTensor", target, deep=True) == {"W505"}


def test_class_counts_that_are_right_are_no_finding(tmp_path):
    counts = {"train": {"water": 4 * 22, "field": 4 * 21, "forest": 4 * 21}}
    sound(tmp_path, **{"mlhf:class_counts": counts})
    assert {finding.code for finding in validate(tmp_path, True).findings} <= {"N106", "N901"}

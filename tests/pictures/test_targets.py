"""What a target shows."""

from __future__ import annotations

import numpy as np
import pytest

import mlstac_hf
from mlstac_hf._pictures._colours import UNLABELLED, class_colours, rgb
from mlstac_hf._pictures._targets import labels_of, target_of

LABELS = {"water": 0, "wood": 1, "x": 7}


def shown(value, *task, labels=None, longest=100):
    return target_of(mlstac_hf.Collection(id="x", task=task, labels=labels or {}), value, longest)


@pytest.mark.parametrize(
    ("value", "task", "line"),
    [
        (np.int64(1), ["TensorClassification"], "wood"),
        (np.int64(5), ["TensorClassification"], "class 5"),
        (np.uint8(7), [], "x"),
        (np.array([1, 0, 1]), ["TensorClassification"], "water, x"),
        (np.array([0, 0, 0]), ["TensorClassification"], "none of the classes"),
        (np.float32(2.5), ["TensorRegression"], "2.5"),
        (np.arange(6) / 4, ["TensorRegression"], "0, 0.25, 0.5, 0.75, … (6 numbers)"),
        (np.int32(40), ["TensorRegression"], "40"),
        (np.zeros((0, 5)), ["ObjectDetection"], "0 objects"),
        (np.zeros((1, 5)), ["object-detection"], "1 object"),
        (None, [], None),
    ],
)
def test_lines(value, task, line):
    found = shown(value if value is None else np.asarray(value), *task, labels=LABELS)
    assert found.line == line
    assert not found.is_picture


@pytest.mark.parametrize("shape", [(6, 8), (1, 6, 8), (3, 1, 6, 8)])
@pytest.mark.parametrize(("task", "labels"), [(["TensorSegmentation"], {}), ([], LABELS), ([], {})])
def test_masks(shape, task, labels):
    mask = np.arange(48, dtype=np.uint8).reshape(6, 8) % 3
    found = shown(np.broadcast_to(mask, shape), *task, labels=labels)
    np.testing.assert_array_equal(found.mask, mask)


def test_a_mask_in_the_colours_of_its_classes():
    picture = shown(np.array([[0, 1], [7, 3]]), "TensorSegmentation", labels=LABELS).picture(LABELS)
    colours = class_colours(LABELS)
    expected = [rgb(colours["water"]), rgb(colours["wood"]), rgb(colours["x"]), rgb(UNLABELLED)]
    assert [tuple(pixel) for pixel in picture.reshape(-1, 3).tolist()] == expected


@pytest.mark.parametrize("shape", [(5, 40), (40, 5), (40, 40), (1, 400)])
def test_a_large_mask_is_thinned_out(shape):
    found = shown(np.ones(shape, np.uint8), "TensorSegmentation", longest=10).mask
    assert max(found.shape) == 10
    assert min(found.shape) >= 1


def test_many_numbers_are_no_classes():
    assert shown(np.arange(100).reshape(10, 10)).mask is None
    assert shown(np.arange(100).reshape(10, 10)).planes.shape == (10, 10, 1)
    assert shown(np.zeros((4, 4)), "TensorSegmentation", labels=LABELS).planes is not None  # no whole numbers
    assert shown(np.zeros((1, 0, 4), np.uint8), "TensorSegmentation").is_picture is False


def test_texts_and_images():
    assert shown("a pond", "TensorToText").text == "a pond"
    assert shown(np.zeros((3, 8, 8), np.uint16), "TensorToTensor").planes.shape == (8, 8, 3)


def test_labels_that_nobody_named():
    masks = [np.array([[4, 5]]), np.array([[9, 4]])]
    assert labels_of(mlstac_hf.Collection(id="x"), masks) == {"4": 4, "5": 5, "9": 9}
    assert labels_of(mlstac_hf.Collection(id="x", labels=LABELS), masks) == LABELS
    assert labels_of(mlstac_hf.Collection(id="x"), []) == {}

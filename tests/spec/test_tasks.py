"""Tasks: which there are, where their texts go, and which samples fit them."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlstac_hf import TensorForm
from mlstac_hf._spec import TASKS, TensorSchema, applying, check_sample_shapes, find_task, flags_of, text_columns
from mlstac_hf._spec._tasks import KINDS, near_tasks

UPSTREAM = [
    "TensorClassification",
    "TensorRegression",
    "TensorSegmentation",
    "ObjectDetection",
    "TensorToTensor",
    "TensorToText",
    "TextToTensor",
    "TensorObjectDetection",
]
IMAGE = ("uint16", (4, 32, 48))
VIDEO = ("uint16", (6, 4, 32, 48))
TEXT = "a text"


def check(task, input_=None, target=None):
    given_ = {name: value for name, value in (("input", input_), ("target", target)) if value is not None}
    forms = {
        name: TensorForm(np.dtype(value[0]), value[1]) for name, value in given_.items() if not isinstance(value, str)
    }
    return check_sample_shapes(task, forms, [name for name, value in given_.items() if isinstance(value, str)])


def test_every_task_of_upstream_and_more_than_ten_of_the_hub_are_known():
    assert set(UPSTREAM) <= set(TASKS)
    own = [task.name for task in TASKS.values() if task.hub == task.name]
    assert len(own) > 10
    assert {"image-segmentation", "text-to-image", "video-classification", "image-text-to-text"} <= set(own)
    for task in TASKS.values():
        assert {task.input, *task.target} <= set(KINDS)
        assert task.hub is None or TASKS[task.hub].hub == task.hub


@pytest.mark.parametrize(
    ("task", "input_", "target"),
    [
        ("TensorClassification", IMAGE, ("int64", ())),
        ("TensorClassification", ("float32", (7,)), ("uint8", (19,))),
        ("image-classification", IMAGE, ("uint8", (1,))),
        ("TensorRegression", IMAGE, ("float32", ())),
        ("TensorRegression", IMAGE, ("int16", (3,))),
        ("TensorSegmentation", IMAGE, ("uint8", (1, 32, 48))),
        ("TensorSegmentation", VIDEO, ("int64", (32, 48))),
        ("image-segmentation", IMAGE, ("bool", (32, 48))),
        ("mask-generation", IMAGE, ("uint8", (9, 32, 48))),
        ("depth-estimation", IMAGE, ("float32", (1, 32, 48))),
        ("ObjectDetection", IMAGE, ("float32", (0, 5))),
        ("TensorObjectDetection", ("float32", (3,)), ("int32", (7, 4))),
        ("object-detection", IMAGE, ("float64", (2, 6))),
        ("TensorToTensor", ("float32", (5,)), ("complex64", (2, 2))),
        ("image-to-image", ("uint8", (32, 48)), ("uint8", (3, 64, 96))),
        ("TensorToText", IMAGE, TEXT),
        ("visual-question-answering", IMAGE, TEXT),
        ("TextToTensor", TEXT, ("float32", (2,))),
        ("text-to-image", TEXT, IMAGE),
        ("text-to-video", TEXT, VIDEO),
        ("video-classification", VIDEO, ("int32", ())),
        ("video-to-text", VIDEO, TEXT),
        ("zero-shot-image-classification", IMAGE, TEXT),
        ("zero-shot-image-classification", IMAGE, ("int64", ())),
        ("image-feature-extraction", IMAGE, None),
        ("image-feature-extraction", IMAGE, ("float32", (768,))),
        ("time-series-forecasting", ("float32", (24, 3)), ("float32", (6, 3))),
        ("a task of tomorrow", None, None),
    ],
)
def test_a_sample_that_fits_its_task_is_passed(task, input_, target):
    assert check(task, input_, target) is None


@pytest.mark.parametrize(
    ("task", "input_", "target", "found"),
    [
        ("TensorSegmentation", IMAGE, ("float32", (1, 32, 48)), "target .*integers.*found float32"),
        (
            "TensorSegmentation",
            IMAGE,
            ("uint8", (1, 32, 47)),
            r"H and W of the input; found uint8 \(1, 32, 47\) beside",
        ),
        ("TensorSegmentation", IMAGE, ("uint8", (1, 48, 32)), "H and W"),
        ("TensorSegmentation", IMAGE, ("uint8", (2, 32, 48)), "TensorToTensor"),
        ("TensorSegmentation", ("uint8", (7,)), ("uint8", (7, 7)), "H and W"),
        ("TensorSegmentation", IMAGE, ("uint8", ()), r"found uint8 \(\)"),
        ("TensorSegmentation", IMAGE, None, "found no target"),
        ("TensorSegmentation", None, ("uint8", (3, 3)), "input to be a tensor .*found no input"),
        ("depth-estimation", IMAGE, ("float32", (1, 16, 24)), "a map"),
        ("TensorClassification", IMAGE, ("float32", ()), "a class"),
        ("TensorClassification", IMAGE, ("int64", (1, 32, 48)), "segmentation"),
        ("TensorClassification", IMAGE, ("int64", (0,)), "a class"),
        ("TensorRegression", IMAGE, ("complex64", ()), "real numbers"),
        ("TensorRegression", IMAGE, ("bool", ()), "real numbers"),
        ("TensorRegression", IMAGE, ("float32", (1, 32, 48)), "TensorToTensor"),
        ("ObjectDetection", IMAGE, ("float32", (4,)), "boxes"),
        ("ObjectDetection", IMAGE, ("float32", (2, 3)), "boxes"),
        ("ObjectDetection", IMAGE, ("float32", (2, 10)), "boxes"),
        ("TensorToText", IMAGE, ("uint8", (9,)), r"target to be a text; found uint8 \(9,\).*as a str"),
        ("TensorToText", IMAGE, None, "found no target"),
        ("TextToTensor", IMAGE, IMAGE, "input to be a text"),
        ("TensorToTensor", ("uint8", (0,)), IMAGE, "not empty"),
        ("image-to-image", ("uint8", (9,)), IMAGE, "bands before height"),
        ("image-to-image", IMAGE, TEXT, "found a text"),
        ("image-segmentation", TEXT, ("uint8", (3, 3)), "found a text"),
        ("video-classification", ("uint8", (32, 48)), ("uint8", ()), "first axis"),
        ("zero-shot-image-classification", IMAGE, ("float32", ()), "or a text"),
        ("time-series-forecasting", ("float32", (24,)), ("float32", ()), "target to be a time series"),
    ],
)
def test_a_sample_that_does_not_fit_is_told_what_was_expected_and_found(task, input_, target, found):
    message = check(task, input_, target)
    assert message.startswith(f"task '{task}' expects ")
    assert re.search(found, message), message


shapes = st.lists(st.integers(0, 4), max_size=5).map(tuple)
forms = st.tuples(st.sampled_from(["uint8", "int64", "float32", "bool", "complex128"]), shapes)


@given(st.sampled_from(sorted(TASKS)), st.none() | st.just(TEXT) | forms, st.none() | st.just(TEXT) | forms)
def test_any_sample_whatever_fits_or_gets_a_message_that_names_the_task(task, input_, target):
    message = check(task, input_, target)
    assert message is None or (repr(task) in message and "found" in message)


@given(st.sampled_from(sorted(TASKS)), forms, forms)
def test_a_length_that_is_not_known_is_never_the_reason(task, input_, target):
    vague = {
        name: TensorSchema(dtype=dtype, shape=(None,) * len(shape))
        for name, (dtype, shape) in (("input", input_), ("target", target))
    }
    if check(task, input_, target) is None:
        assert check_sample_shapes(task, vague) is None


def test_texts_go_where_the_table_says():
    for name, task in TASKS.items():
        column = task.text
        texts = text_columns({"input": "an input", "target": "a target"}, {"input": 4, "target": 4}, [name])
        assert list(texts) == ([column] if column else [])
    assert find_task("TensorToText").text == "target"
    assert find_task("TextToTensor").text == "input"
    assert find_task("zero-shot-image-classification").text is None


@pytest.mark.parametrize(
    ("name", "near"),
    [("image segmentation", "image-segmentation"), ("tensorSegmentation", "TensorSegmentation"), ("sorting", None)],
)
def test_a_misspelt_task_has_neighbours(name, near):
    assert near_tasks(name)[:1] == ([near] if near else [])
    assert find_task(name) is None


def test_anything_with_a_dtype_and_a_shape_is_a_form():
    assert check_sample_shapes("TensorRegression", {
        "input": SimpleNamespace(dtype="float32", shape=(3,)), "target": SimpleNamespace(dtype="float64", shape=()),
    }) is None  # fmt: skip


def test_places_of_flags_are_classes_by_number():
    labels = {"forest": 7, "wood": 7, "water": 1, "urban": 3}
    assert flags_of(["TensorToTensor", "video-classification"], labels) == (1, 3, 7)
    for task, known in ((["TensorSegmentation"], labels), ([], labels), (["TensorClassification"], {"one": 1})):
        assert flags_of(task, known) == ()


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64"])
def test_flags_say_which_classes_apply(dtype):
    assert applying(np.array([1, 0, 1], dtype), (1, 3, 7)) == [1, 7]
    assert applying(np.zeros(3, dtype), (1, 3, 7)) == []


@pytest.mark.parametrize(
    "target", [np.array([0, 1, 7]), np.array([0, 1]), np.array(1), np.ones(3), np.zeros((3, 1), int)]
)
def test_what_is_no_row_of_flags(target):
    assert applying(target, (1, 3, 7)) is None
    assert applying(target, ()) is None

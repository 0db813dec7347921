"""Tables from buffers are what `datasets` itself makes of the same samples, row by row."""

from __future__ import annotations

import datasets
import pytest
from loading import load
from made import TRAITS

from mlstac_hf._formats import widen
from mlstac_hf._hf._features import class_names, is_ragged


@pytest.mark.parametrize(
    "name",
    [
        "plain",
        "time_series",
        "class_labels",
        "half_vector",
        "ragged_boxes",
        "bool_bfloat16_float16",
        "float8_complex64",
    ],
)
def test_the_fast_path_equals_the_plain_loop(tmp_path, cache, name):
    made = TRAITS[name](tmp_path)
    fast = load(made, cache, split="train")

    def slow():
        for sample in made.splits["train"]:
            row = {}
            for column, value in sample.shown.items():
                plain = widen(value)
                ragged = is_ragged(fast.features[column])
                row[column] = {"data": plain.reshape(-1), "shape": plain.shape} if ragged else plain
            yield row

    columns = list(made.splits["train"][0].shown)
    features = datasets.Features({column: fast.features[column] for column in columns})
    reference = datasets.Dataset.from_generator(slow, features=features, cache_dir=cache)
    assert fast.select_columns(columns)[:] == reference[:]
    assert fast.select_columns(columns).data.schema.types == reference.data.schema.types


def test_class_names_are_those_that_count_from_zero():
    assert class_names({"b": 1, "a": 0}) == ["a", "b"]
    for labels in ({}, {"a": 1, "b": 2}, {"a": 0, "b": 0, "c": 1}, {"a": 0, "b": 255}):
        assert class_names(labels) is None

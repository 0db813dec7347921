"""What is measured here and what a helper is asked for are the same; what it cannot know, it is not asked for."""

from __future__ import annotations

import json

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mlstac_hf._formats._saving import safetensors_parts, starts_of, views_of
from mlstac_hf._write._measure import Survey, measure_in

NATIVE = st.sampled_from(["bool", "uint8", "int16", "uint16", "int64", "float16", "float32", "float64"])
TENSORS = NATIVE.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0)))


@given(
    st.dictionaries(st.sampled_from(["input", "target", "extra"]), TENSORS),
    st.booleans(),
    st.booleans(),
    st.integers(0, 5000),
    st.sampled_from([None, 0, -1]),
)
def test_a_helper_measures_the_same(tensors, statistics, classes, index, axis):
    survey = Survey(statistics=statistics, classes=classes, band_axis=axis)
    data = b"".join(safetensors_parts(tensors, {}))
    views = views_of(data, tensors)
    asked = survey.ask(views, starts_of(3, len(data), views), index)
    assert (asked is None) == (not statistics and not classes)
    if asked is not None:
        told = json.loads(json.dumps(asked))
        here = json.dumps(survey.measure(views, index))
        assert json.dumps(measure_in(memoryview(b"..." + data), told)) == here


@pytest.mark.parametrize("dtype", [ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2])
def test_what_numpy_alone_does_not_read_is_not_asked_for(dtype):
    tensors = {"input": np.ones((1, 2, 2), dtype), "target": np.ones(2, "u1")}
    assert Survey(classes=True).ask(tensors, {"input": 0, "target": 8}, 0) is None

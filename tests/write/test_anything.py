"""Any shapes, dtypes and Unicode survive a write, in both layouts."""

from __future__ import annotations

import tempfile

import ml_dtypes
import numpy as np
import pytest
import safetensors
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from publishing import DESCRIBED, LOOSE

import mlstac_hf
from mlstac_hf import Collection
from mlstac_hf._formats import HeaderError
from mlstac_hf._formats._dtypes import CODES
from mlstac_hf._formats._saving import safetensors_parts, views_of

pytest.importorskip("pyarrow")
pytestmark = pytest.mark.filterwarnings(LOOSE)

EXOTIC = [np.dtype(getattr(ml_dtypes, name)) for name in ("bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu")]
PLAIN = [dtype for dtype in CODES.values() if dtype.isbuiltin == 1]
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
RESERVED = {"isText", "isSTAC", "input", "target", "extra", "datapoint_id", "begin", "length", "metadata_length", "url"}
RESERVED |= {"split", "id", "crs", "geotransform", "start_datetime", "end_datetime"}
KEY = TEXT.filter(lambda key: key and key not in RESERVED and not key.startswith("mlhf:"))
VALUES = st.one_of(
    TEXT, st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.booleans(), st.datetimes(), st.none()
)
NUMBERS = st.floats(-1e9, 1e9).filter(lambda value: abs(value) > 1e-3)


@st.composite
def arrays(draw):
    dtype = draw(st.sampled_from(PLAIN + EXOTIC))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=6, min_side=0, max_side=4))
    data = draw(st.binary(min_size=64, max_size=64))
    count = int(np.prod(shape)) * dtype.itemsize
    raw = np.frombuffer((data * (count // 64 + 1))[:count], np.uint8)
    return (raw & 1).view(bool).reshape(shape) if dtype.kind == "b" else raw.view(dtype).reshape(shape)


COLUMN = st.none() | arrays() | TEXT.filter(bool)


@st.composite
def one_sample(draw, kinds):
    return {
        "input": draw(arrays()),
        "target": draw(COLUMN),
        "extra": draw(st.none() | arrays()),
        "crs": draw(st.sampled_from([None, "EPSG:32633", "ESRI:54009", "FOO:x-1"])),
        "geotransform": draw(st.none() | st.tuples(NUMBERS, NUMBERS, st.just(0.0), NUMBERS, st.just(0.0), NUMBERS)),
        "start_datetime": draw(st.none() | st.datetimes()),
        **{key: draw(st.none() | strategy) for key, strategy in kinds.items()},
    }


@st.composite
def many_samples(draw):
    """Samples whose keys have one type each."""
    kind = st.sampled_from([TEXT, st.integers(-(2**53), 2**53), st.floats(allow_nan=False), st.booleans()])
    kinds = draw(st.dictionaries(KEY, kind, max_size=3))
    names = draw(st.lists(TEXT.filter(bool), min_size=1, max_size=4, unique=True))
    return [{**draw(one_sample(kinds)), "id": name} for name in names]


@settings(max_examples=60)
@given(many_samples(), st.sampled_from([{}, {"compress": True}, {"layout": "container"}]))
def test_anything_survives(given_samples, options):
    with tempfile.TemporaryDirectory() as folder:
        mlstac_hf.write(given_samples, folder, Collection(id="any", **DESCRIBED), workers=2, **options)
        split = mlstac_hf.load(folder, "numpy")
        assert len(split) == len(given_samples)
        for index, expected in enumerate(given_samples):
            found, metadata = split[index], split.metadata[index]
            columns = {name: expected[name] for name in ("input", "target", "extra") if expected[name] is not None}
            assert list(found) == list(columns)
            for name, value in columns.items():
                if isinstance(value, str):
                    assert found[name] == value
                else:
                    assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape)
                    assert found[name].tobytes() == value.tobytes()
            for key in expected.keys() - {"input", "target", "extra", "start_datetime"}:
                assert metadata.get(key) == expected[key], key
                assert expected[key] is None or type(metadata[key]) is type(expected[key])
            start = metadata["start_datetime"]
            assert (start and start.replace(tzinfo=None)) == expected["start_datetime"]


@given(
    st.dictionaries(TEXT.filter(bool).filter(lambda name: name != "__metadata__"), arrays(), max_size=4),
    st.dictionaries(TEXT, TEXT, max_size=4),
)
def test_the_safetensors_package_reads_what_we_write(tensors, metadata):
    tensors = {name: array for name, array in tensors.items() if array.dtype in PLAIN}
    data = b"".join(safetensors_parts(tensors, metadata))
    assert data == b"".join(safetensors_parts(dict(reversed(tensors.items())), metadata))
    views = views_of(data, tensors)
    assert {name: (view.dtype, view.shape, view.tobytes()) for name, view in views.items()} == {
        name: (array.dtype, array.shape, array.tobytes()) for name, array in tensors.items()
    }
    read = safetensors.deserialize(data)
    assert sorted(name for name, _ in read) == sorted(tensors)
    for name, slice_ in read:
        assert tuple(slice_["shape"]) == tensors[name].shape
        assert bytes(slice_["data"]) == tensors[name].tobytes()
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        with safetensors.safe_open(file.name, "numpy") as opened:
            assert (opened.metadata() or {}) == metadata


def test_what_the_format_cannot_hold_is_refused():
    for tensors, metadata, message in (
        ({"a": np.ones(1, "complex128")}, {}, "no dtype complex128"),
        ({}, {"a": "\ud800"}, "is not Unicode text"),
        ({}, {"a": "x" * (17 << 20)}, "more than the 16777216 that readers accept"),
    ):
        with pytest.raises(HeaderError, match=message):
            b"".join(safetensors_parts(tensors, metadata))

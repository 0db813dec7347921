"""Read, written in either layout and read again: every tensor byte and every value, in its type."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from publishing import DESCRIBED, LOOSE, samples
from writing import MadeSample, main_json, sample, write_main, write_samples

import mlstac_hf
from mlstac_hf import Collection

pytest.importorskip("pyarrow")
pytestmark = pytest.mark.filterwarnings(LOOSE)

LAYOUTS = {
    "plain": {},
    "gzip": {"compress": True},
    "container": {"layout": "container"},
    "rasters": {"layout": "container", "payload": "geotiff"},
}
MADE = Collection(id="made", **DESCRIBED)


def rewritten(source, folder, options, splits=("train",)):
    """A collection as it is read, written anew."""
    for split in splits:
        opened = mlstac_hf.load(source, "numpy", split=split)
        mlstac_hf.write(opened, folder, opened.collection, split=split, **options)
    return folder


def assert_same(found, expected):
    """Two splits as `load` gives them."""
    assert len(found) == len(expected)
    for index in range(len(expected)):
        one, other = found[index], expected[index]
        assert list(one) == list(other)
        for name, value in other.items():
            if isinstance(value, str):
                assert one[name] == value
            else:
                assert (one[name].dtype, one[name].shape) == (value.dtype, value.shape)
                assert one[name].tobytes() == value.tobytes()
        read, given_ = found.metadata[index], expected.metadata[index]
        assert list(read.items()) == list(given_.items())
        assert [type(value) for value in read.values()] == [type(value) for value in given_.values()]


def described(collection):
    """What a collection says of its data, whatever its files."""
    facts = collection.model_dump(exclude={"annotations", "splits", "stac_version", "extent", "dataset_version"})
    return {key: value for key, value in facts.items() if value}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["genA_s2_lulc", "genA_plain", "genB_clouds"])
def test_real_collections(real_data, name, layout, tmp_path):
    if layout == "rasters" or name == "genB_clouds":
        pytest.importorskip("rasterio")
    if layout == "rasters" and name != "genB_clouds":
        with pytest.raises(ValueError, match='payload="geotiff" holds'):
            rewritten(real_data / name, tmp_path, LAYOUTS[layout])
        return
    splits = ("train", "validation", "test")
    first = rewritten(real_data / name, tmp_path / "first", LAYOUTS[layout], splits)
    back = rewritten(first, tmp_path / "back", LAYOUTS["gzip" if "layout" in LAYOUTS[layout] else "container"], splits)
    for folder in (first, back):
        for split in splits:
            assert_same(
                mlstac_hf.load(folder, "numpy", split=split), mlstac_hf.load(real_data / name, "numpy", split=split)
            )
        opened = mlstac_hf.open_collection(folder)
        assert described(opened) == described(mlstac_hf.open_collection(real_data / name))
        assert mlstac_hf.validate(folder, deep=True).ok


def test_what_no_sample_of_a_split_has_is_none_in_both_layouts(tmp_path):
    known = [{"input": np.ones((1, 2, 2)), "target": np.ones(1), "never": None, "now": [None, 3][n]} for n in (0, 1)]
    for name, options in LAYOUTS.items():
        if name == "rasters":
            continue
        mlstac_hf.write(known, tmp_path / name, MADE, **options)
        found = mlstac_hf.load(tmp_path / name, "numpy").metadata[:]
        assert [(one["never"], one["now"]) for one in found] == [(None, None), (None, 3)]
        pytest.importorskip("cql2")
        assert len(mlstac_hf.load(tmp_path / name, "numpy", filter="never IS NULL AND now = 3")) == 1


def test_keys_that_are_declared_are_none_where_they_lack_and_take_no_other_place(tmp_path):
    made = [sample(index, {"input": np.ones((1, 2, 2))}, user={"a": "1"} if index else None) for index in (0, 1)]
    write_samples(tmp_path / "train", made)
    declared = {"a": "int64", "b": "null", "id": "int64", "crs": "bool", "isText": "string", "target": "double"}
    write_main(tmp_path, main_json({"train": 2}) | {"mlhf:types": declared})
    found = mlstac_hf.load(tmp_path, "numpy").metadata[:]
    own = ["a", "b"]
    standard = ["id", "crs", "geotransform", "start_datetime", "end_datetime"]
    assert [list(one) for one in found] == [standard + own] * 2
    assert [[one[key] for key in own] for one in found] == [[None, None], [1, None]]
    assert found[0]["crs"] == "EPSG:32633"
    assert "target" not in mlstac_hf.load(tmp_path, "numpy")[0]


def test_a_key_with_the_name_of_a_tensor_gets_another(tmp_path):
    tensors = {"input": np.ones((1, 2, 2)), "target": np.ones((1, 2, 2))}
    made: list[MadeSample] = [sample(0, tensors, user={"target": "wheat"})]
    write_samples(tmp_path / "one/train", made)
    write_main(tmp_path / "one", main_json({"train": 1}, task="TensorToTensor") | {"id": "made"})
    for name, options in LAYOUTS.items():
        opened = mlstac_hf.load(tmp_path / "one", "numpy")
        if name != "rasters":
            mlstac_hf.write(opened, tmp_path / name, opened.collection, **options)
            assert mlstac_hf.load(tmp_path / name, "numpy").metadata[0]["meta_target"] == "wheat"


@pytest.mark.parametrize("framework", ["torch", "jax", pytest.param("paddle", marks=pytest.mark.paddle)])
def test_dtypes_are_kept_whatever_the_framework(framework, tmp_path):
    """Also those that it has not: what it would refuse or widen is not asked of it."""
    pytest.importorskip(framework, exc_type=ImportError)
    given_ = [{"input": np.arange(8, dtype="uint16").reshape(2, 2, 2), "target": np.array([0.1, 2**-60])}]
    mlstac_hf.write(given_, tmp_path / "one", MADE)
    opened = mlstac_hf.load(tmp_path / "one", framework)
    mlstac_hf.write(opened, tmp_path / "two", opened.collection)
    assert_same(mlstac_hf.load(tmp_path / "two", "numpy"), mlstac_hf.load(tmp_path / "one", "numpy"))


def test_bad_samples_are_left_out_where_that_was_asked(tmp_path):
    mlstac_hf.write(samples(3), tmp_path / "one", MADE)
    path = tmp_path / "one/train/0000002.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(mlstac_hf.CorruptSampleError, match=r"0000002\.safetensors \(sample 1\)"):
        rewritten(tmp_path / "one", tmp_path / "two", {})
    opened = mlstac_hf.load(tmp_path / "one", "numpy", on_error="skip")
    with pytest.warns(mlstac_hf.CollectionWarning, match="1 bad samples left out"):
        mlstac_hf.write(opened, tmp_path / "three", opened.collection)
    found = mlstac_hf.load(tmp_path / "three", "numpy").metadata[:]
    assert [one["id"] for one in found] == ["tile-000", "tile-002"]


def test_columns_that_are_not_asked_for_are_not_written(tmp_path):
    mlstac_hf.write(samples(2), tmp_path / "one", MADE)
    opened = mlstac_hf.load(tmp_path / "one", "numpy", columns=["input"], filter=None, limit=1)
    mlstac_hf.write(opened, tmp_path / "two", opened.collection)
    assert [list(one) for one in mlstac_hf.load(tmp_path / "two", "numpy")] == [["input"]]


# made collections, in both directions

TEXT = st.text(st.characters(codec="utf-8"), max_size=9)
TAKEN = {"input", "target", "extra", "id", "crs", "geotransform", "start_datetime", "end_datetime", "isText", "isSTAC"}
TAKEN |= {"datapoint_id", "begin", "length", "metadata_length", "url", "split"}
KEY = TEXT.filter(lambda key: key and key not in TAKEN and not key.startswith("mlhf:"))
VALUE = {
    "text": TEXT,
    "int": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False),
    "bool": st.booleans(),
    "time": st.datetimes(),
    "none": st.none(),
}
NUMBERS = st.floats(-1e9, 1e9).filter(lambda value: abs(value) > 1e-3)
ARRAYS = hnp.arrays(
    st.sampled_from(["bool", "uint8", "int16", "uint16", "int64", "float32", "float64"]).map(np.dtype),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3),
)


@st.composite
def collections(draw):
    """Samples whose keys have one type each, and are unknown in some."""
    kinds = draw(st.dictionaries(KEY, st.sampled_from(sorted(VALUE)), max_size=4))
    names = draw(st.lists(TEXT.filter(bool), min_size=1, max_size=4, unique=True))
    place = st.none() | st.tuples(NUMBERS, NUMBERS, st.just(0.0), NUMBERS, st.just(0.0), NUMBERS)
    return [
        {
            "id": name,
            "input": draw(ARRAYS),
            "target": draw(st.none() | ARRAYS | TEXT.filter(bool)),
            "extra": draw(st.none() | ARRAYS),
            "crs": draw(st.sampled_from([None, "EPSG:32633", "FOO:x-1"])),
            "geotransform": draw(place),
            "start_datetime": draw(st.none() | st.datetimes()),
            **{key: draw(st.none() | VALUE[kind]) for key, kind in kinds.items()},
        }
        for name in names
    ]


@settings(max_examples=40)
@given(collections(), st.sampled_from([{}, {"compress": True}]))
def test_from_one_layout_to_the_other_and_back(made, options):
    with tempfile.TemporaryDirectory() as folder:
        first, boxed, back = (Path(folder, name) for name in ("first", "boxed", "back"))
        mlstac_hf.write(made, first, MADE, workers=1, **options)
        rewritten(first, boxed, {"layout": "container", "workers": 1})
        rewritten(boxed, back, {"workers": 1, **options})
        expected = mlstac_hf.load(first, "numpy")
        for other in (boxed, back):
            assert_same(mlstac_hf.load(other, "numpy"), expected)
        documents = [json.loads((at / "main.json").read_text()) for at in (first, back)]
        assert documents[0].get("mlhf:types") == documents[1].get("mlhf:types")

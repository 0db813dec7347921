"""Scale and offset: exactly what numpy makes of the stored values, number by number on the right band."""

from __future__ import annotations

import json

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from layouts import KINDS, Grid, images, write_kind

import mlstac_hf
from mlstac_hf import InvalidCollectionError, SchemaMismatchError, open_collection
from mlstac_hf._formats import dtype_of
from mlstac_hf._reading import Selection, open_split, read_batch, select
from mlstac_hf._reading._scale import check_scale

FITTING = ["bool", "uint8", "int8", "uint16", "int16", "float16", "float32", "bfloat16"]
FITTING += ["float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu", "float8_e4m3fnuz", "float8_e5m2fnuz"]
WIDE = ["uint32", "int32", "uint64", "int64", "float64"]


def load(folder, **options):
    return mlstac_hf.load(folder, "numpy", **options)


def assert_is(found, expected):
    assert found.dtype == expected.dtype == np.float32
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()


def scaled(array, factors, axis=-3, offsets=0):
    """In float32 where every value fits one, else in float64, rounded once."""
    fits = array.dtype.name in FITTING
    kind = np.float32 if fits else np.float64
    shape = [-1 if place == axis % array.ndim else 1 for place in range(array.ndim)]
    with np.errstate(all="ignore"):
        result = array.astype(kind) * np.array(factors, kind).reshape(shape)
        if np.any(offsets):
            result = result + np.array(offsets, kind).reshape(shape)
        return result.astype(np.float32)


def extremes(name, shape=(2, 3, 4)):
    """Numbers all over a dtype, its ends, and what is no number."""
    dtype, rng = dtype_of(name), np.random.default_rng(5)
    if dtype.itemsize == 1 and name != "bool":
        return np.resize(np.arange(256, dtype=np.uint8), (4, 8, 8)).view(dtype)
    if dtype.kind in "iu":
        ends = np.iinfo(dtype)
        values = rng.integers(ends.min, ends.max, shape, dtype=dtype, endpoint=True)
        values.flat[:2] = ends.min, ends.max
        return values
    if name == "bool":
        return rng.random(shape) > 0.5
    ends = ml_dtypes.finfo(dtype)
    values = (rng.standard_normal(shape) * 100).astype(dtype)
    values.flat[:6] = np.nan, np.inf, -np.inf, ends.max, ends.min, ends.smallest_subnormal
    return values


@pytest.mark.parametrize("name", FITTING + WIDE)
@pytest.mark.parametrize("factor", [1e-4, 3, 0, -2.5e30])
def test_every_dtype_is_what_numpy_makes_of_it(tmp_path, name, factor):
    array = extremes(name)
    write_kind("plain", tmp_path, {"train": [Grid({"input": array, "target": array}), Grid({"input": array[::-1]})]})
    split = load(tmp_path, scale=factor)
    assert_is(split[0]["input"], scaled(array, factor))
    assert split[0]["target"].dtype == array.dtype
    assert split[0]["target"].tobytes() == array.tobytes()
    assert_is(split[:]["input"], scaled(np.stack([array, array[::-1]]), factor))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_every_layout_is_scaled_alike(tmp_path, kind, name):
    grids = images(2, (3, 8, 8), name)
    write_kind(kind, tmp_path, {"train": grids})
    for sample, grid in zip(load(tmp_path, scale=1e-4), grids, strict=True):
        assert_is(sample["input"], scaled(grid.tensors["input"], 1e-4))


def test_signalling_nans_and_overflow_are_no_news(tmp_path):
    """They are NaN and infinity, as asked, and warnings are errors here."""
    signalling = np.array([0x7F800001, 0x7F000000], np.uint32).view(np.float32)
    halves = np.array([0x7F81, 0x7F00], np.uint16).view(ml_dtypes.bfloat16)
    doubles = np.array([0x7FF0000000000001, 0x7FE0000000000000], np.uint64).view(np.float64)
    write_kind("plain", tmp_path, {"train": [Grid({"input": a}) for a in (signalling, halves, doubles)]})
    for sample in load(tmp_path, scale=1e30):
        assert np.isnan(sample["input"][0])
        assert sample["input"][1] == np.inf
    assert load(tmp_path, scale=1e300)[0]["input"][1] == np.inf


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factors", [[0.5, 3, 1e-4], np.array([0.5, 3, 1e-4]), (0.5, 3, 1e-4), np.array([1, 3, 2])])
def test_a_list_has_a_number_for_each_band_that_is_read_in_that_order(tmp_path, kind, factors):
    grids = images(2, (4, 3, 3))
    write_kind(kind, tmp_path, {"train": grids})
    for options, planes in (
        ({"bands": [3, 0, 3]}, [3, 0, 3]),
        ({"target": [1]}, [0, 2, 3]),
        ({"target": [0], "bands": [0, 2, 1]}, [0, 2, 1]),
    ):
        split = load(tmp_path, scale=factors, **options)
        expected = [scaled(grid.tensors["input"][planes], factors) for grid in grids]
        assert_is(split[0]["input"], expected[0])
        assert_is(split[:]["input"], np.stack(expected))
    assert split[0]["target"].dtype == np.uint16


@pytest.mark.parametrize("kind", ["plain", "safetensors", "hdf5"])
@pytest.mark.parametrize(
    ("shape", "axis"), [((4, 5, 3), 2), ((4, 3, 2, 2), 1), ((3, 4), 0), ((3,), -1), ((2, 3, 4, 4), None)]
)
def test_numbers_go_along_the_declared_axis(tmp_path, kind, shape, axis):
    grid = images(1, shape)[0]
    spectral = {} if axis is None else {"ml:spectral": {"bands": [], "axis": axis}}
    write_kind(kind, tmp_path, {"train": [grid]}, **spectral, **{"mlhf:scale": {"input": [2, 3, 4]}})
    array, where = grid.tensors["input"], -3 if axis is None else axis
    assert_is(load(tmp_path, scale=[2, 3, 4])[0]["input"], scaled(array, [2, 3, 4], where))
    assert_is(load(tmp_path, scale=True)[0]["input"], scaled(array, [2, 3, 4], where))
    assert_is(load(tmp_path, scale=[5, 6], bands=[2, 0])[0]["input"], scaled(array.take([2, 0], where), [5, 6], where))
    assert_is(load(tmp_path, scale=True, bands=[2, 0])[0]["input"], scaled(array.take([2, 0], where), [4, 2], where))


def test_one_number_in_a_list_is_that_number(tmp_path):
    grid = images(1, (3, 4, 4))[0]
    write_kind("plain", tmp_path, {"train": [grid]})
    assert_is(load(tmp_path, scale=[1e-4])[0]["input"], scaled(grid.tensors["input"], 1e-4))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("factors", "bands"), [([1, 2], None), ([1, 2, 3, 4, 5], [0, 1]), ([1, 2, 3], [0, 1])])
def test_another_number_of_numbers_is_refused_by_name(tmp_path, kind, factors, bands):
    write_kind(kind, tmp_path, {"train": images(1, (5, 4, 4))})
    count = 5 if bands is None else 2
    said = rf"\(sample 0\): scale= has {len(factors)} numbers, but input has 5 bands, of which {count} are read"
    with pytest.raises(SchemaMismatchError, match=said):
        load(tmp_path, scale=factors, bands=bands)[0]


def test_an_input_without_bands_takes_one_number_only(tmp_path):
    grid = images(1, (2, 3))[0]
    write_kind("plain", tmp_path, {"train": [grid]})
    assert_is(load(tmp_path, scale=2)[0]["input"], scaled(grid.tensors["input"], 2))
    with pytest.raises(SchemaMismatchError, match="scale= has 2 numbers"):
        load(tmp_path, scale=[1, 2])[0]


@pytest.mark.parametrize(
    "value",
    [
        "1e-4",
        b"1",
        ["1", "2"],
        float("nan"),
        float("inf"),
        [1, -np.inf],
        [],
        [[1, 2]],
        [1, [2]],
        1j,
        {},
        object(),
        [None],
    ],
)
def test_what_is_no_number_is_refused_before_anything_is_opened(value):
    with pytest.raises(ValueError, match="expected scale to be True, a number, or a list of one a band"):
        load("/nowhere", scale=value)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**62), 2**62))
def test_any_finite_number_is_a_scale(value):
    assert check_scale(value) == check_scale([value]) == (float(value),)
    assert check_scale(np.float64(value)) == (float(value),)


def test_true_false_and_none():
    assert check_scale(None) is check_scale(False) is check_scale(np.bool_(False)) is False
    assert check_scale(True) is check_scale(np.bool_(True)) is True


def test_no_scale_is_no_copy(tmp_path):
    write_kind("plain", tmp_path, {"train": images(1, (3, 4, 4))})
    for scale in (None, False):
        assert load(tmp_path, scale=scale)[0]["input"].dtype == np.uint16


# as the collection declares


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("document", "factors", "offsets"),
    [
        ({"mlhf:scale": {"input": [1e-4]}}, [1e-4] * 5, [0] * 5),
        ({"mlhf:scale": {"input": 1e-4}, "mlhf:offset": {"input": -1}}, [1e-4] * 5, [-1] * 5),
        ({"mlhf:scale": {"input": [1, 2, 3, 4, 5]}}, [1, 2, 3, 4, 5], [0] * 5),
        ({"mlhf:offset": {"input": [-1000]}}, [1] * 5, [-1000] * 5),
        ({"mlhf:scale": {"input": [1e-4]}, "mlhf:offset": {"input": [-0.1]}}, [1e-4] * 5, [-0.1] * 5),
        ({"mlhf:scale": {"input": [1, 2, 3, 4, 5]}, "mlhf:offset": {"input": [5]}}, [1, 2, 3, 4, 5], [5] * 5),
        ({"mlhf:offset": {"input": [0]}}, [1] * 5, [0] * 5),
        (
            {
                "ml:spectral": {
                    "bands": [
                        {"name": "c", "index": 2, "raster:scale": 0.5, "raster:offset": -3},
                        {"name": "b", "index": 1, "raster:scale": 0.25},
                        {"name": "e", "index": 4, "scale": 8},
                        {"name": "d", "index": 3, "raster:scale": "much"},
                    ]
                }
            },
            [1, 0.25, 0.5, 1, 8],
            [0, 0, -3, 0, 0],
        ),
        (
            {
                "ml:spectral": {
                    "bands": [{"name": "a", "raster:scale": 2}, {"name": "b"}, {"name": "c", "raster:scale": 4}]
                }
            },
            [2, 1, 4, 1, 1],
            [0] * 5,
        ),
        (
            {"mlhf:scale": {"input": [7]}, "ml:spectral": {"bands": [{"name": "a", "raster:scale": 2}]}},
            [7] * 5,
            [0] * 5,
        ),
    ],
    ids=[
        "one",
        "bare",
        "each",
        "offset",
        "both",
        "each and one",
        "neutral",
        "bands by index",
        "bands by place",
        "nearest wins",
    ],
)
def test_physical_values_are_stored_times_scale_plus_offset(tmp_path, kind, document, factors, offsets):
    grid = images(1, (5, 4, 4))[0]
    write_kind(kind, tmp_path, {"train": [grid]}, **document)
    for options, planes in (
        ({}, [0, 1, 2, 3, 4]),
        ({"bands": [2, 0, -1, 2]}, [2, 0, 4, 2]),
        ({"bands": [1]}, [1]),
        ({"target": [0, 3]}, [1, 2, 4]),
        ({"target": [4], "bands": [3, 2]}, [3, 2]),
    ):
        expected = scaled(grid.tensors["input"][planes], np.take(factors, planes), offsets=np.take(offsets, planes))
        assert_is(load(tmp_path, scale=True, **options)[0]["input"], expected)


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_may_leave_the_target_out(tmp_path, kind):
    """One number for each plane that is no target, as those count who think of input alone."""
    grid = images(1, (5, 4, 4))[0]
    document = {"mlhf:target_planes": [1], "mlhf:scale": {"input": [2, 3, 4, 5]}}
    write_kind(kind, tmp_path, {"train": [grid]}, **document)
    array = grid.tensors["input"]
    assert_is(load(tmp_path, scale=True)[0]["input"], scaled(array[[0, 2, 3, 4]], [2, 3, 4, 5]))
    assert_is(load(tmp_path, scale=True, bands=[4, 2])[0]["input"], scaled(array[[4, 2]], [5, 3]))
    with pytest.raises(SchemaMismatchError, match="scale=True has 4 numbers"):
        load(tmp_path, scale=True, bands=[1])[0]


def test_another_number_of_declared_numbers_is_refused_by_name(tmp_path):
    write_kind("plain", tmp_path, {"train": images(1, (5, 4, 4))}, **{"mlhf:scale": {"input": [1, 2]}})
    with pytest.raises(
        SchemaMismatchError, match=r"scale=True has 2 numbers, but input has 5 bands, of which 1 are read"
    ):
        load(tmp_path, scale=True, bands=[0])[0]


@pytest.mark.parametrize("document", [{}, {"mlhf:scale": {"target": [2]}}, {"ml:spectral": {"bands": [{"name": "a"}]}}])
def test_a_collection_that_declares_none_says_so(tmp_path, document):
    write_kind("plain", tmp_path, {"train": images(1, (3, 4, 4))}, **document)
    with pytest.raises(ValueError, match=r"collection 'made for a test' declares no scale .* such as scale=1e-4"):
        load(tmp_path, scale=True)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("key", ["mlhf:scale", "mlhf:offset"])
def test_declared_numbers_that_are_none_are_refused(tmp_path, key, number):
    write_kind("plain", tmp_path, {"train": images(1, (3, 4, 4))})
    document = json.loads((tmp_path / "main.json").read_text())
    text = json.dumps(document | {key: {"input": ["here"]}}).replace('"here"', number)
    (tmp_path / "main.json").write_text(text)
    with pytest.raises(InvalidCollectionError, match="finite"):
        load(tmp_path, scale=True)


# what cannot be scaled


@pytest.mark.parametrize("kind", ["plain", "safetensors", "raster"])
def test_complex_values_are_refused_by_name(tmp_path, kind):
    write_kind(kind, tmp_path, {"train": images(1, (2, 4, 4), np.complex64)})
    assert load(tmp_path)[0]["input"].dtype == np.complex64
    with pytest.raises(SchemaMismatchError, match=r"\(sample 0\): scale= needs real numbers, found complex64"):
        load(tmp_path, scale=2)[0]


@pytest.mark.parametrize("dummy", [True, False])
@pytest.mark.parametrize("dialect", ["0.0.12", "0.0.23"])
def test_a_text_input_is_left_alone(tmp_path, dummy, dialect):
    from made import texts

    made = texts(tmp_path, "input", dialect, dummy=dummy)
    split = load(tmp_path, scale=2)
    for sample, one in zip(split, made.splits["train"], strict=True):
        assert sample["input"] == one.shown["input"]
        assert sample["target"].dtype == np.uint8
    assert split[:]["input"] == [one.shown["input"] for one in made.splits["train"]]


def test_a_sample_without_input_is_left_alone(tmp_path):
    write_kind("plain", tmp_path, {"train": [Grid({"target": np.arange(4, dtype=np.uint8)})]})
    np.testing.assert_array_equal(load(tmp_path, scale=2)[0]["target"], np.arange(4, dtype=np.uint8))
    assert list(load(tmp_path, scale=2, columns=["target"])[0]) == ["target"]


def test_tensors_without_axes_or_values_are_scaled(tmp_path):
    write_kind(
        "plain",
        tmp_path,
        {"train": [Grid({"input": np.array(7, np.int64)}), Grid({"input": np.ones((3, 0, 2), "u1")})]},
    )
    split = load(tmp_path, scale=0.5)
    assert_is(split[0]["input"], np.array(3.5, np.float32))
    assert_is(split[1]["input"], np.zeros((3, 0, 2), np.float32))
    assert_is(load(tmp_path, scale=[1, 2, 3])[1]["input"], np.zeros((3, 0, 2), np.float32))


def test_a_header_that_claims_a_trillion_bands_costs_nothing(tmp_path):
    (tmp_path / "train").mkdir()
    header = b'{"input":{"dtype":"U8","shape":[1099511627776,0,3],"data_offsets":[0,0]}}'
    (tmp_path / "train" / "0000001.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    (tmp_path / "main.json").write_text('{"id": "x", "mlhf:scale": {"input": [1, 2]}, "ml:train": {"n_items": 1}}')
    for scale in (True, [1, 2]):
        with pytest.raises(SchemaMismatchError, match="has 2 numbers, but input has 1099511627776 bands"):
            load(tmp_path, scale=scale)[0]


# batches


@given(
    hnp.arrays(np.uint16, st.tuples(st.integers(1, 4), st.just(3), st.integers(0, 3), st.integers(1, 3))),
    st.lists(st.floats(-1e3, 1e3, width=32), min_size=3, max_size=3),
)
def test_a_batch_filled_in_place_is_the_samples_one_by_one(tmp_path_factory, arrays, factors):
    folder = tmp_path_factory.mktemp("made")
    write_kind("plain", folder, {"train": [Grid({"input": array, "target": array}) for array in arrays]})
    split = load(folder, scale=factors)
    batch = split[:]
    assert_is(batch["input"], np.stack([sample["input"] for sample in split]))
    assert_is(batch["input"], scaled(arrays, factors))
    assert batch["input"].ctypes.data % 64 == 0
    np.testing.assert_array_equal(batch["target"], arrays)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_a_batch_are_filled_and_not_copied(tmp_path, kind):
    write_kind(kind, tmp_path, {"train": images(3, (2, 4, 4))})
    source = select(open_collection(tmp_path), "train", Selection(scale=3))
    row = np.zeros((2, 4, 4), np.float32)
    assert source.read(0, None, {"input": row}).values["input"] is row
    other = np.zeros((2, 4, 4), np.uint16)  # as stored, and not as handed out
    assert source.read(0, None, {"input": other}).values["input"] is not other
    assert not other.any()
    batch = read_batch(source, [2, 0, 1])
    assert batch.columns["input"].base is not None
    assert [head.tensors["input"].dtype for head in batch.heads] == [np.float32] * 3
    assert source.head(0).tensors["input"].nbytes == row.nbytes


@pytest.mark.parametrize("kind", KINDS)
def test_samples_of_unlike_shapes_and_dtypes_make_lists(tmp_path, kind):
    grids = [*images(1, (2, 4, 4)), *images(1, (2, 5, 3), np.int32), *images(1, (2, 4, 4), np.float64)]
    write_kind(kind, tmp_path, {"train": grids})
    batch = load(tmp_path, scale=0.1)[:]["input"]
    assert isinstance(batch, list)
    for found, grid in zip(batch, grids, strict=True):
        assert_is(found, scaled(grid.tensors["input"], 0.1))
    assert_is(load(tmp_path, scale=0.1)[::2]["input"], np.stack([scaled(g.tensors["input"], 0.1) for g in grids[::2]]))


def test_the_stored_file_stays_as_it_is(tmp_path):
    """It may be mapped, and arithmetic must not write to the map of another reader."""
    grid = images(1, (3, 300, 300), np.float32)[0]
    write_kind("plain", tmp_path, {"train": [grid]})
    before = load(tmp_path)
    first = before[0]["input"]
    load(tmp_path, scale=2)[0]["input"] += 1
    np.testing.assert_array_equal(first, grid.tensors["input"])
    np.testing.assert_array_equal(before[0]["input"], grid.tensors["input"])


def test_other_numbers_are_another_fingerprint(tmp_path):
    write_kind("plain", tmp_path, {"train": images(1, (3, 4, 4))})
    collection = open_collection(tmp_path)
    prints = [select(collection, "train", Selection(scale=scale)).fingerprint() for scale in (1, 1, 2, [1, 2, 3])]
    prints.append(open_split(collection, "train").fingerprint())
    assert prints[0] == prints[1]
    assert len(set(prints)) == 4

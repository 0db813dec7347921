"""What of a sample is handed out: planes, windows and sizes, against numpy's own indexing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlstac_hf import Collection, UnknownNameError
from mlstac_hf._formats import TensorForm
from mlstac_hf._reading._view import MAX_PLANES, WHOLE, View, ViewError, moved, parse_size, view_of

BANDS = [
    {"name": "B02", "index": 0, "common_name": "blue"},
    {"name": "B04", "index": 2, "common_name": "red"},
    {"name": "red", "index": 1},
    {"name": "B08", "index": 3, "common_name": "nir"},
]


def named(**more):
    return Collection.from_dict({"id": "named", "ml_spectral": {"bands": BANDS, **more}})


def form(*shape, dtype="uint16"):
    return TensorForm(np.dtype(dtype), shape)


def taken(view, arrays, unpadded=None):
    """The columns a view makes of arrays, each by its piece."""
    pieces = view.pieces({name: form(*a.shape, dtype=a.dtype) for name, a in arrays.items()}, unpadded)
    return {
        name: piece.copy(arrays[piece.stored], np.empty(piece.shape, arrays[piece.stored].dtype))
        for name, piece in pieces.items()
    }


def numbers(*shape):
    return np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)


# which planes


@pytest.mark.parametrize(
    ("asked", "indices"),
    [
        (2, (2,)),
        ([2, 0, 2], (2, 0, 2)),
        ((-1,), (-1,)),
        (range(2), (0, 1)),
        (np.int16(3), (3,)),
        (np.array([3, 1]), (3, 1)),
        ("B04", (2,)),
        (["nir", "B02", 1], (3, 0, 1)),
        ("red", (1,)),  # a band's own name, though it is another's common name
    ],
)
def test_planes_are_asked_for_by_index_name_or_common_name(asked, indices):
    assert view_of(named(), asked).bands == indices


def test_a_band_without_an_index_counts_where_it_stands():
    collection = Collection.from_dict({"ml_spectral": {"bands": [{"name": "a"}, {"name": "b"}]}})
    assert view_of(collection, ["b", "a"]).bands == (1, 0)


def test_a_name_that_is_not_there_is_an_error_that_lists_those_there_are():
    with pytest.raises(UnknownNameError, match=r"bands: collection 'named' has no band 'swir': .*B02, B04, red, B08"):
        view_of(named(), ["B02", "swir"])
    with pytest.raises(UnknownNameError, match=r"target: .* has no band 'CM1': it names none; use 0-based indices"):
        view_of(Collection(id="bare"), target="CM1")


@pytest.mark.parametrize(
    "asked", [True, [False], 1.0, [None], [[1]], {1, 2}, {"B02": 1}, b"B02", slice(2), np.array(1)]
)
def test_what_is_neither_name_nor_index_is_a_type_error(asked):
    with pytest.raises(TypeError, match="bands: expected names or 0-based indices"):
        view_of(named(), asked)


def test_no_band_at_all_is_an_error_and_no_target_at_all_is_none():
    with pytest.raises(ValueError, match="at least one band"):
        view_of(named(), [])
    declares = Collection.from_dict({"mlhf:target_planes": [2]})
    assert view_of(declares).target == (2,)
    assert view_of(declares, target=[]).target == ()
    assert view_of(declares, target=0).target == (0,)


def test_the_axis_is_the_declared_one():
    assert view_of(named(axis=1)).axis == 1
    assert view_of(named()).axis is None


# which pieces


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=5).map(tuple),
    st.none() | st.integers(-6, 5),
    st.none() | st.lists(st.integers(-5, 5), min_size=1, max_size=5).map(tuple),
    st.lists(st.integers(-5, 5), max_size=2).map(tuple),
    st.booleans(),
)
def test_pieces_are_what_numpy_takes(shape, axis, bands, target, own_target):
    arrays = {"input": numbers(*shape)} | ({"target": numbers(3)} if own_target else {})
    view = View(bands=bands, target=target, axis=axis)
    target = () if own_target else target
    where = -3 if axis is None else axis
    asked = (*(bands or ()), *target)
    if not asked:
        expected = arrays
    elif not -len(shape) <= where < len(shape) or any(not -shape[where] <= plane < shape[where] for plane in asked):
        with pytest.raises(ViewError):
            taken(view, arrays)
        return
    else:
        count = shape[where]
        rest = [plane for plane in range(count) if plane not in {t % count for t in target}]
        chosen = {"input": rest if bands is None else bands, "target": target}
        expected = {name: arrays["input"].take(planes, where) for name, planes in chosen.items() if len(planes)}
        expected = {**arrays, **expected}
        if not rest and bands is None:
            del expected["input"]
    found = taken(view, arrays)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].shape == array.shape


def test_a_raster_is_input_whole_unless_somebody_says_otherwise():
    raster = numbers(5, 2, 2)
    assert list(taken(WHOLE, {"raster": raster})) == ["input"]
    found = taken(View(target=(-1,)), {"raster": raster})
    np.testing.assert_array_equal(found["input"], raster[:4])
    np.testing.assert_array_equal(found["target"], raster[4:])
    np.testing.assert_array_equal(taken(View(bands=(1,), axis=2), {"raster": raster})["input"], raster[[1]])


def test_all_bands_in_order_are_the_tensor_itself():
    for bands in (None, (0, 1, 2), (0, -2, 2)):
        assert View(bands=bands).pieces({"input": form(3, 2, 2)}, None)["input"].is_whole
    assert not View(bands=(0, 1)).pieces({"input": form(3, 2, 2)}, None)["input"].is_whole


def test_a_text_target_is_a_target_too():
    pieces = View(target=(3,)).pieces({"input": form(4, 2, 2)}, None, taken=("target",))
    assert list(pieces) == ["input"]
    assert pieces["input"].is_whole


def test_a_header_that_claims_a_trillion_planes_costs_nothing():
    huge = {"input": form(1 << 40, 0, 4)}
    assert View().pieces(huge, None)["input"].is_whole
    for view in (View(bands=(0,)), View(target=(3,))):
        with pytest.raises(ViewError, match=f"more than the {MAX_PLANES}"):
            view.pieces(huge, None)


# which window


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (61, (61, 61)),
        (61.0, (61, 61)),
        (np.float32(61), (61, 61)),
        ("61", (61, 61)),
        (" 61.0 ", (61, 61)),
        ("[61, 64]", (61, 64)),
        ("(61,64)", (61, 64)),
        ((61, 64), (61, 64)),
        ([61.0, 64.0], (61, 64)),
    ],
)
def test_sizes_are_read_as_people_write_them(value, size):
    assert parse_size(value) == size


@pytest.mark.parametrize(
    "value",
    [None, True, "", "0", 0, -61, 61.5, "nan", float("nan"), "61, 0", "[1, 2, 3]", "six", "9" * 10, "٦١", 1e300],
)
def test_what_is_no_size_is_none(value):
    assert parse_size(value) is None


def test_a_long_text_is_no_size_whatever_it_begins_with():
    assert parse_size("61" + " " * 60 + "or so") is None


def test_padding_lies_on_the_left_and_at_the_bottom():
    (piece,) = View(crop=True).pieces({"raster": form(15, 512, 512)}, 509).values()
    assert piece.window == (0, 509, 3, 512)
    assert piece.shape == (15, 509, 509)
    assert piece.origin == (0, 3)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 7), st.integers(1, 7), st.sampled_from([(), (2,), (3, 2)]))
def test_a_window_is_what_numpy_cuts(rows, columns, height, width, outer):
    arrays = {"input": numbers(*outer, height, width), "target": numbers(height, width), "extra": numbers(height)}
    view = View(crop=True)
    if rows > height or columns > width:
        with pytest.raises(ViewError, match=rf"proj_shape says {rows} x {columns} pixels, but its image is \("):
            taken(view, arrays, f"[{rows}, {columns}]")
        return
    found = taken(view, arrays, f"[{rows}, {columns}]")
    for name in ("input", "target"):
        np.testing.assert_array_equal(found[name], arrays[name][..., :rows, width - columns :])
    np.testing.assert_array_equal(found["extra"], arrays["extra"])


def test_other_sizes_are_not_cut():
    arrays = {"input": numbers(3, 6, 6), "target": numbers(1, 12, 12)}
    assert taken(View(crop=True), arrays, 5)["target"].shape == (1, 12, 12)


def test_planes_and_window_together():
    arrays = {"raster": numbers(5, 6, 6)}
    found = taken(View(bands=(2, -1, 2), target=(0,), crop=True), arrays, "4")
    np.testing.assert_array_equal(found["input"], arrays["raster"][[2, -1, 2], :4, 2:])
    np.testing.assert_array_equal(found["target"], arrays["raster"][[0], :4, 2:])


def test_a_raster_that_is_all_target_is_cut_too():
    found = taken(View(target=(0, 1), crop=True), {"raster": numbers(2, 6, 6)}, 4)
    assert {name: array.shape for name, array in found.items()} == {"target": (2, 4, 4)}


def test_where_input_is_text_the_target_is_the_image():
    found = taken(View(crop=True), {"target": numbers(1, 6, 6)}, 4)
    assert found["target"].shape == (1, 4, 4)
    assert taken(View(crop=True), {}, None) == {}


def test_images_whose_bands_come_last_are_refused_not_cut_wrong():
    for view in (View(crop=True, axis=2), View(crop=True, axis=-1), View(crop=True, axis=2, bands=(0,))):
        with pytest.raises(ViewError, match="found bands along axis"):
            taken(view, {"input": numbers(6, 6, 6)}, 4)
    assert taken(View(crop=True, axis=1), {"input": numbers(2, 3, 6, 6)}, 4)["input"].shape == (2, 3, 4, 4)


def test_a_size_that_is_not_there_is_said_to_be_lacking():
    with pytest.raises(ViewError, match="expected proj_shape, found none"):
        View(crop=True).pieces({"raster": form(1, 4, 4)}, None)
    with pytest.raises(ViewError, match="expected proj_shape, found 'large'"):
        View(crop=True).pieces({"raster": form(1, 4, 4)}, "large")


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # rasterio's own
@given(st.lists(st.integers(-50, 50), min_size=6, max_size=6), st.integers(0, 9), st.integers(0, 9))
def test_the_geotransform_moves_as_rasterio_moves_it(transform, row, column):
    windows = pytest.importorskip("rasterio.windows")
    from rasterio.transform import Affine

    expected = windows.transform(windows.Window(column, row, 1, 1), Affine.from_gdal(*transform))
    assert moved(tuple(map(float, transform)), (row, column)) == pytest.approx(expected.to_gdal())
    assert moved(None, (row, column)) is None

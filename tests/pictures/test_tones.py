"""Which planes make a picture, and how numbers become light."""

from __future__ import annotations

import warnings

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import mlstac_hf
from mlstac_hf._pictures._colours import FAINT, rgb
from mlstac_hf._pictures._tones import Stretch, Tones, averaged
from mlstac_hf._spec import BandStatistics

S2 = mlstac_hf.Collection(id="x", sensor="Sentinel-2", bands=["B02", "B03", "B04", "B08"])


def numbered(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


class TestPlanes:
    @pytest.mark.parametrize(
        ("collection", "shape", "planes"),
        [
            (S2, (4, 2, 2), (2, 1, 0)),
            (S2, (2, 2, 2), (0,)),  # fewer than it says
            (S2, (5, 4, 2, 2), (2, 1, 0)),
            (mlstac_hf.Collection(id="x"), (4, 2, 2), (0, 1, 2)),
            (mlstac_hf.Collection(id="x"), (2, 2, 2), (0,)),
            (mlstac_hf.Collection(id="x"), (6, 6), (0,)),
            (mlstac_hf.Collection(id="x", bands=[{"name": n} for n in ("Blue", "NIR", "Green", "Red")]), (4, 2, 2),
             (3, 2, 0)),
            (mlstac_hf.Collection(id="x", bands=[{"name": "red"}, {"name": "green"}]), (4, 2, 2), (0, 1, 2)),
            (mlstac_hf.Collection(id="x", bands=[{"name": n, "index": i} for i, n in enumerate(("red", "green", "blue"),
             -1)]), (4, 2, 2), (0, 1, 2)),
        ],
    )  # fmt: skip
    def test_which(self, collection, shape, planes):
        tones = Tones(collection)
        assert tones.chosen(shape) == planes
        image = numbered(*shape)
        stack = image if image.ndim > 2 else image[None]
        expected = np.stack([(stack if stack.ndim == 3 else stack[0])[plane] for plane in planes], axis=-1)
        np.testing.assert_array_equal(tones.planes(image, 100), expected)
        assert tones.is_true_colour(image) == (planes not in ((0,), (0, 1, 2)))

    def test_bands_last(self):
        tones = Tones(S2.model_copy(update={"band_axis": 2}))
        image = numbered(3, 5, 4)
        np.testing.assert_array_equal(tones.planes(image, 100), image[..., [2, 1, 0]])

    @pytest.mark.parametrize("shape", [(), (7,), (2, 3), (4, 2, 3), (2, 4, 2, 3), (2, 2, 4, 2, 3)])
    @pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "complex64", ml_dtypes.bfloat16])
    def test_any_array(self, shape, dtype):
        planes = Tones(S2).planes(numbered(*shape).astype(dtype), 100)
        assert planes.dtype == np.float64
        assert planes.ndim == 3
        Stretch.of([planes], is_true_colour=planes.shape[-1] == 3).picture(planes)

    @pytest.mark.parametrize("shape", [(0,), (3, 0, 4), (0, 8, 8)])
    def test_no_pixels(self, shape):
        assert Tones(S2).planes(np.zeros(shape), 100) is None

    @given(arrays.arrays(np.float64, st.tuples(*[st.integers(1, 40)] * 2, st.sampled_from([1, 3]))), st.integers(1, 50))
    def test_averages(self, planes, longest):
        small = averaged(planes, longest)
        assert max(small.shape[:2]) <= longest
        assert small.shape[2] == planes.shape[2]
        stretch = Stretch.of([small], is_true_colour=planes.shape[2] == 3)
        assert stretch.picture(small).shape == (*small.shape[:2], 3)
        if max(planes.shape[:2]) <= longest:
            assert small is planes

    def test_averages_are_means_of_what_is_known(self):
        planes = np.array([[1.0, 3.0, 5.0, np.nan], [5.0, 7.0, np.nan, np.nan]])[..., None]
        np.testing.assert_array_equal(averaged(planes, 2)[..., 0], [[4.0, 5.0]])

    def test_a_huge_image_is_thinned_out(self):
        image = np.broadcast_to(np.arange(9000, dtype=np.uint16), (1, 10, 9000))
        planes = Tones().planes(image, 256)
        assert planes.shape[1] <= 256
        assert np.all(np.diff(planes[0, :, 0]) > 0)


class TestStretch:
    def test_dark_to_bright(self):
        planes = np.linspace(100, 900, 101)[:, None, None]
        picture = Stretch.of([planes], is_true_colour=False).picture(planes)
        assert picture.shape == (101, 1, 3)
        assert (picture[0] == 0).all()
        assert (picture[-1] == 255).all()
        assert np.all(np.diff(picture[:, 0, 0].astype(int)) >= 0)

    def test_what_is_no_number_is_light_grey_and_moves_nothing(self):
        planes = np.linspace(0, 1, 100).reshape(10, 10, 1)
        holed = planes.copy()
        holed[3, 3] = np.nan
        with_hole = Stretch.of([holed], is_true_colour=False).picture(holed)
        assert tuple(with_hole[3, 3]) == rgb(FAINT)
        assert (
            abs(with_hole[5, 5].astype(int) - Stretch.of([planes], is_true_colour=False).picture(planes)[5, 5]).max()
            < 5
        )

    def test_padding_is_not_counted(self):
        image = np.full((10, 10, 3), 500.0) + np.arange(10)[:, None, None]
        padded = np.pad(image, ((0, 5), (5, 0), (0, 0)))
        one, two = (Stretch.of([planes], is_true_colour=False) for planes in (image, padded))
        np.testing.assert_allclose(one.low, two.low)

    @pytest.mark.parametrize("planes", [np.full((3, 3, 1), 7.0), np.full((3, 3, 3), np.nan), np.zeros((2, 2, 3))])
    @pytest.mark.parametrize("is_true_colour", [True, False])
    def test_nothing_to_stretch(self, planes, is_true_colour):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            stretch = Stretch.of([planes], is_true_colour=is_true_colour)
            assert stretch.picture(planes).dtype == np.uint8
            assert stretch.suits(planes)

    def test_true_colour_keeps_hues(self):
        planes = np.stack([np.linspace(0, 1000, 50), np.linspace(0, 500, 50), np.linspace(0, 250, 50)], axis=-1)[None]
        picture = Stretch.of([planes], is_true_colour=True).picture(planes)[0, 25].astype(int)
        assert picture[0] > picture[1] + 30 > picture[2] + 60

    def test_statistics(self):
        bands = [BandStatistics(mean=1, std=1, percentiles={"2": 10.0 * n, "98": 100.0 * n}) for n in (1, 2, 3)]
        stretch = Stretch.of_statistics(bands, (2, 0, 1), is_true_colour=False)
        np.testing.assert_array_equal(stretch.low, [30, 10, 20])
        np.testing.assert_array_equal(stretch.high, [300, 100, 200])
        assert Stretch.of_statistics(bands, (3,), is_true_colour=False) is None
        lacking = [BandStatistics(mean=1, std=1)]
        assert Stretch.of_statistics(lacking, (0,), is_true_colour=True) is None
        wrong = [BandStatistics(mean=1, std=1, percentiles={"2": float("-inf"), "98": 4.0})]
        assert Stretch.of_statistics(wrong, (0,), is_true_colour=True) is None

    def test_numbers_of_another_sensor_do_not_suit(self):
        bright, dark = numbered(8, 8, 3) * 100, numbered(8, 8, 3) / 100
        stretch = Stretch.of([bright], is_true_colour=False)
        assert stretch.suits(bright)
        assert not stretch.suits(dark)

"""Statistics of bands: Python's integers, fractions and `fsum`, value by value, are the oracle."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mlstac_hf._formats._dtypes import CODES
from mlstac_hf._spec import BandStatistics
from mlstac_hf._write._band_sums import BandSums
from mlstac_hf._write._bands import bands_of, share, stride

REAL = [dtype for dtype in CODES.values() if dtype.kind != "c"]
INTEGERS = [dtype for dtype in REAL if dtype.kind in "iub"]
ENOUGH, LITTLE = 1e100, 1e-150
"""Squares of what is between these are no end of float64."""


def values_of(arrays, axis, band):
    """The finite values of one band over all samples, exactly."""
    for array in arrays:
        axes = -array.ndim <= axis < array.ndim
        plane = np.moveaxis(array, axis, 0)[band] if axes else array
        with np.errstate(invalid="ignore"):  # signalling NaN
            numbers = plane.astype(object if array.dtype.kind in "iub" else np.float64).reshape(-1).tolist()
        yield from (Fraction(number) for number in numbers if math.isfinite(number))


def plainly(arrays, axis, band):
    """Mean, deviation, least and largest, the simple way."""
    values = list(values_of(arrays, axis, band))
    mean = sum(values) / len(values)
    variance = sum((value - mean) ** 2 for value in values) / len(values)
    return as_float(mean), math.sqrt(as_float(variance)), float(min(values)), float(max(values))


def as_float(number):
    try:
        return float(number)
    except OverflowError:
        return math.inf


@st.composite
def arrays(draw, dtype, bands):
    """Any bits, or values at the edges; also big-endian, and with gaps in memory."""
    shape = (bands, *draw(hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=5)))
    count = math.prod(shape)
    if dtype.kind in "iu" and draw(st.booleans()):
        edges = np.iinfo(dtype)
        some = [edges.min, edges.max, 0, 1, edges.max // 2, min(edges.max, 2**20), min(edges.max, 2**20 + 1)]
        flat = np.array(draw(st.lists(st.sampled_from(some), min_size=count, max_size=count)), dtype)
    else:
        raw = draw(st.binary(min_size=count * dtype.itemsize, max_size=count * dtype.itemsize))
        flat = np.frombuffer(raw, np.uint8)
        flat = (flat & 1).view(bool) if dtype.kind == "b" else flat.view(dtype)
    array = flat.reshape(shape)
    match draw(st.sampled_from(["plain", "swapped", "gaps", "turned"])):
        case "swapped":
            return array.astype(dtype.newbyteorder(">"))
        case "gaps":
            return np.repeat(array, 2, axis=-1)[..., ::2]
        case "turned":
            return np.ascontiguousarray(array.swapaxes(-1, -2)).swapaxes(-1, -2)
        case _:
            return array


@st.composite
def splits(draw, dtypes):
    bands = draw(st.integers(1, 3))
    return [draw(arrays(draw(st.sampled_from(dtypes)), bands)) for _ in range(draw(st.integers(1, 3)))]


def sums(split, axis=-3):
    """Statistics by way of the journal."""
    found = BandSums()
    for index, array in enumerate(split):
        assert found.add(json.loads(json.dumps(bands_of(array, axis, index))), index)
    return found.statistics()


@given(splits(REAL))
def test_any_dtypes_give_what_the_simple_way_gives(split):
    largest = [max(map(abs, values_of(split, -3, band)), default=None) for band in range(len(split[0]))]
    found = sums(split)
    known = [number for number in largest if number is not None]
    if not known:
        assert found is None
        return
    if max(known) > ENOUGH:
        return
    for number, (band, scale) in enumerate(zip(found, largest, strict=True)):
        if scale is None:
            assert band == BandStatistics(mean=0, std=0)
            continue
        mean, std, low, high = plainly(split, -3, number)
        assert (band.minimum, band.maximum) == (low, high)
        assert abs(band.mean - mean) <= 1e-13 * scale + LITTLE
        assert abs(band.std - std) <= 1e-7 * scale + LITTLE
        assert all(low <= value <= high for value in band.percentiles.values())


@given(splits([dtype for dtype in INTEGERS if dtype.itemsize <= 2]))
def test_integers_are_summed_exactly(split):
    for band, found in enumerate(sums(split)):
        mean, std, low, high = plainly(split, -3, band)
        assert (found.mean, found.minimum, found.maximum) == (mean, low, high)
        assert found.std == pytest.approx(std, rel=1e-15, abs=0)


@pytest.mark.parametrize("count", [1, 2**13 - 1, 2**13, 2**13 + 1, 20_000, 2**18 + 3])
@pytest.mark.parametrize(
    ("dtype", "value"), [("uint16", 65535), ("int32", -(2**20)), ("uint8", 255), ("int16", -(2**15))]
)
def test_large_values_of_large_images_are_summed_exactly(count, dtype, value):
    array = np.full((3, count), value, dtype)
    array[1, ::2] = 1
    array[2, -1] = 0
    found = bands_of(array, 0, 1)
    rows = [[int(number) for number in row] for row in array]
    assert found["count"] == count
    assert found["sums"] == [sum(row) for row in rows]
    assert found["squares"] == [sum(number**2 for number in row) for row in rows]


@pytest.mark.parametrize(("value", "exact"), [(2**20, True), (2**20 + 1, False), (2**40, False), (-(2**63), False)])
def test_integers_whose_squares_no_float_holds_are_taken_in_two_passes(value, exact):
    array = np.array([[value, 0, 0, 0]], np.int64)
    assert ("sums" in bands_of(array, 0, 1)) == exact
    (band,) = sums([array], 0)
    assert (band.mean, band.std) == pytest.approx((value / 4, abs(value) * math.sqrt(3) / 4), rel=1e-14)


def test_many_bands_and_bands_elsewhere():
    rng = np.random.default_rng(5)
    array = rng.integers(0, 9, (40, 30, 512)).astype("int8")
    found = sums([array], 2)
    np.testing.assert_array_equal([band.mean for band in found], array.mean(axis=(0, 1)))
    assert bands_of(rng.integers(0, 9, (513, 2, 2)), None, 0) is None
    assert len(sums([np.ones((7, 4, 5, 5))], -3)) == 4
    assert len(sums([np.ones(7, bool)], -3)) == 1


def test_the_same_values_give_the_same_bits_however_they_lie_in_memory():
    values = np.random.default_rng(3).normal(size=(5, 40, 50))
    for dtype in ("float32", "float64", ml_dtypes.bfloat16, "int16"):
        array = (values * 100).astype(dtype)
        turned = np.ascontiguousarray(array.transpose(2, 1, 0)).transpose(2, 1, 0)
        assert bands_of(turned, None, 0) == bands_of(array, None, 0)


def test_another_number_of_bands_has_no_sum():
    found = BandSums()
    assert found.statistics() is None
    assert found.add(bands_of(np.ones((2, 3, 3)), None, 0), 0)
    assert not found.add(bands_of(np.ones((3, 3, 3)), None, 1), 1)


def test_percentiles_come_from_samples_evenly_spread():
    for count in (1, 100, 512, 513, 5000, 100_000):
        kept = [index for index in range(count) if index % stride(count - 1) == 0]
        noted = sum(index % stride(index) == 0 for index in range(count))
        assert min(count, 256) <= len(kept) <= 1024
        assert noted < 512 * 12


def test_percentiles_of_a_long_split_are_those_of_all_values():
    noise = np.random.default_rng(1).integers(0, 1000, (1100, 1, 20, 20))
    split = (np.sort(noise, axis=-1) + np.arange(1100)[:, None, None, None]).astype("uint16")
    (band,) = sums(list(split))
    for name, value in band.percentiles.items():
        assert abs(value - np.percentile(split, int(name))) < 20  # of 2100


@pytest.mark.parametrize("count", [1, 3, 12, 65, 200])
def test_percentiles_of_few_samples_are_those_of_many_values(count):
    rng = np.random.default_rng(count)
    split = [rng.lognormal(index % 3, 1, (2, 128, 128)).astype("float32") for index in range(count)]
    for number, band in enumerate(sums(split)):
        whole = np.sort(np.concatenate([array[number] for array in split], axis=None))
        for name, value in band.percentiles.items():
            rank = 100 * np.searchsorted(whole, value) / len(whole)
            assert abs(rank - int(name)) < 2, name


def test_samples_give_equal_shares_of_enough_values():
    for index in range(4, 5000):
        given = (index // stride(index) + 1) * share(index)
        assert 2**14 <= given <= 2**16
        assert share(index) <= share(index - 1)


def test_a_band_without_a_value_takes_nothing_from_the_others():
    array = np.random.default_rng(0).normal(size=(3, 8, 8)).astype("float32")
    array[1] = np.nan
    first, empty, last = sums([array, array])
    assert empty == BandStatistics(mean=0, std=0)
    for band, plane in ((first, array[0]), (last, array[2])):
        assert (band.minimum, band.maximum) == (plane.min(), plane.max())
        assert band.mean == pytest.approx(plane.mean(dtype="float64"))
        assert list(band.percentiles) == ["2", "5", "25", "50", "75", "95", "98"]

"""Statistics of the training split, against numpy in float64 over all of it at once."""

from __future__ import annotations

import os
from contextlib import contextmanager
from unittest.mock import patch

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from layouts import KINDS, Grid, images, write_kind

import mlstac_hf
from mlstac_hf import CollectionWarning, CorruptSampleError, InvalidCollectionError, SchemaMismatchError
from mlstac_hf._reading._containers import ContainerFolder
from mlstac_hf._reading._folder import SampleFolder
from mlstac_hf._reading._statistics import Moments


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def load(folder, cache, **options):
    return mlstac_hf.load(folder, "numpy", normalize="collection", cache_dir=str(cache), **options)


def oracle(arrays, axis=-3):
    """Mean and standard deviation a band of the finite values of many arrays."""
    flat = np.concatenate([np.moveaxis(a, axis, 0).reshape(a.shape[axis], -1).astype(np.float64) for a in arrays], 1)
    flat = np.where(np.isfinite(flat), flat, np.nan)
    return np.nanmean(flat, 1), np.nanstd(flat, 1)


def normal(array, mean, std, axis=-3):
    shape = [-1 if place == axis % array.ndim else 1 for place in range(array.ndim)]
    return (array.astype(np.float64) - mean.reshape(shape)) / std.reshape(shape)


def check(split, arrays, mean, std, axis=-3):
    for sample, array in zip(split, arrays, strict=True):
        found = sample["input"]
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, normal(array, mean, std, axis), rtol=2e-5, atol=2e-5)


def inputs(grids, planes=...):
    return [grid.tensors["input"][planes] for grid in grids]


@contextmanager
def reads_counted():
    """Samples read meanwhile, of either layout."""
    read = []
    with (
        patch.object(SampleFolder, "read", _counting(SampleFolder.read, read)),
        patch.object(ContainerFolder, "read", _counting(ContainerFolder.read, read)),
    ):
        yield read


def _counting(method, calls):
    def counted(self, index, *rest):
        calls.append(index)
        return method(self, index, *rest)

    return counted


# the numbers


@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 3), st.integers(1, 12)),
        elements=st.floats(-1e6, 1e6) | st.sampled_from([np.nan, np.inf, -np.inf, 7.0]),
    ),
    st.integers(1, 5),
)
def test_moments_of_parts_merged_are_those_of_the_whole(values, size):
    parts = [Moments.of(values[:, start : start + size], 0) for start in range(0, values.shape[1], size)]
    merged = parts[0]
    for part in parts[1:]:
        merged = merged.merge(part)
    for band, (mean, std) in enumerate(zip(merged.mean, merged.std, strict=True)):
        known = values[band][np.isfinite(values[band])]
        assert merged.count[band] == len(known)
        assert mean == pytest.approx(known.mean() if len(known) else 0, rel=1e-9, abs=1e-6)
        assert std == pytest.approx(known.std() if len(known) else 0, rel=1e-6, abs=1e-6)
        if len(set(known)) == 1:
            assert (mean, std) == (known[0], 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32", "float64"])
def test_each_band_is_normal_over_the_training_split(tmp_path, cache, kind, dtype):
    grids = [*images(3, (3, 8, 8), dtype), *images(2, (3, 5, 9), dtype, first=3)]
    for grid in grids:
        grid.tensors["input"][1] //= 3
    write_kind(kind, tmp_path / "made", {"train": grids})
    mean, std = oracle(inputs(grids))
    split = load(tmp_path / "made", cache)
    check(split, inputs(grids), mean, std)
    values = np.concatenate([sample["input"].reshape(3, -1) for sample in split], 1)
    np.testing.assert_allclose(values.mean(1, dtype=np.float64), 0, atol=1e-5)
    np.testing.assert_allclose(values.std(1, dtype=np.float64), 1, atol=1e-5)


@pytest.mark.parametrize("dtype", ["bool", "int64", "uint64", "float16", ml_dtypes.bfloat16, ml_dtypes.float8_e5m2])
def test_every_real_dtype_has_statistics(tmp_path, cache, dtype):
    grids = images(3, (2, 8, 8), dtype)
    grids[0].tensors["input"][:, :4] = 0
    write_kind("plain", tmp_path / "made", {"train": grids})
    check(load(tmp_path / "made", cache), inputs(grids), *oracle(inputs(grids)))


@pytest.mark.parametrize("kind", ["plain", "raster", "hdf5"])
def test_what_is_no_number_does_not_count_and_stays(tmp_path, cache, kind):
    grids = images(3, (3, 6, 6), np.float32)
    grids[0].tensors["input"][0, :3] = np.nan
    grids[1].tensors["input"][1, 2] = np.inf
    for grid in grids:
        grid.tensors["input"][2] = np.nan
    write_kind(kind, tmp_path / "made", {"train": grids})
    mean, std = oracle([array[:2] for array in inputs(grids)])
    split = load(tmp_path / "made", cache)
    for sample, array in zip(split, inputs(grids), strict=True):
        known = np.isfinite(array[:2])
        found = normal(array[:2], mean, std)[known]
        np.testing.assert_allclose(sample["input"][:2][known], found, rtol=2e-5, atol=2e-5)
        np.testing.assert_array_equal(np.isnan(sample["input"]), np.isnan(array))


@pytest.mark.parametrize(
    ("dtype", "value"), [("uint16", 37), ("float32", 0.1), ("float64", 0.1), ("float64", -1e15 / 3)]
)
def test_a_band_that_never_changes_is_zero(tmp_path, cache, dtype, value):
    grids = images(5, (2, 7, 7), dtype)
    for grid in grids:
        grid.tensors["input"][1] = value
    write_kind("plain", tmp_path / "made", {"train": grids})
    for sample in load(tmp_path / "made", cache):
        assert (sample["input"][1] == 0).all()


def test_values_far_from_zero_keep_their_spread(tmp_path, cache):
    grids = images(4, (1, 9, 9), np.float64)
    for grid in grids:
        grid.tensors["input"] += 1e9
    write_kind("plain", tmp_path / "made", {"train": grids})
    values = load(tmp_path / "made", cache)[:]["input"]
    assert values.mean(dtype=np.float64) == pytest.approx(0, abs=1e-6)
    assert values.std(dtype=np.float64) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("shape", [(6, 6), (5,), ()])
def test_an_input_without_bands_has_one_mean(tmp_path, cache, shape):
    grids = images(4, shape)
    write_kind("plain", tmp_path / "made", {"train": grids})
    values = np.stack(inputs(grids)).astype(np.float64)
    expected = (values - values.mean()) / values.std()
    np.testing.assert_allclose(load(tmp_path / "made", cache)[:]["input"], expected, rtol=2e-5, atol=2e-5)


# which planes, which pixels, which split


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("options", "planes"),
    [
        ({"bands": [2, 0]}, [2, 0]),
        ({"bands": [1]}, [1]),
        ({"target": [3]}, [0, 1, 2]),
        ({"target": [0], "bands": [3, 3, 1]}, [3, 3, 1]),
    ],
)
def test_numbers_go_with_their_bands(tmp_path, cache, kind, options, planes):
    grids = images(3, (4, 6, 6))
    for grid in grids:
        grid.tensors["input"] *= np.array([1, 5, 25, 100], np.uint16).reshape(4, 1, 1)
    write_kind(kind, tmp_path / "made", {"train": grids})
    mean, std = oracle(inputs(grids))
    check(load(tmp_path / "made", cache, **options), inputs(grids, planes), mean[planes], std[planes])


@pytest.mark.parametrize("kind", ["gzip", "safetensors", "hdf5"])
@pytest.mark.parametrize(("shape", "axis"), [((6, 5, 3), 2), ((4, 3, 2, 2), 1)])
def test_bands_lie_along_the_declared_axis(tmp_path, cache, kind, shape, axis):
    grids = images(3, shape)
    write_kind(kind, tmp_path / "made", {"train": grids}, **{"ml:spectral": {"bands": [], "axis": axis}})
    mean, std = oracle(inputs(grids), axis)
    check(load(tmp_path / "made", cache), inputs(grids), mean, std, axis)
    planes = [2, 0]
    taken = [array.take(planes, axis) for array in inputs(grids)]
    check(load(tmp_path / "made", cache, bands=planes), taken, mean[planes], std[planes], axis)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_that_is_cut_off_does_not_count(tmp_path, cache, kind):
    grids = [*images(2, (2, 8, 8), proj_shape=6), *images(1, (2, 8, 8), proj_shape=5, first=2)]
    for grid, size in zip(grids, (6, 6, 5), strict=True):
        grid.tensors["input"][:, size:] = 0
        grid.tensors["input"][:, :, : 8 - size] = 0
    write_kind(kind, tmp_path / "made", {"train": grids})
    cut = [array[:, :size, 8 - size :] for array, size in zip(inputs(grids), (6, 6, 5), strict=True)]
    check(load(tmp_path / "made", cache), inputs(grids), *oracle(inputs(grids)))
    check(load(tmp_path / "made", cache, crop=True), cut, *oracle(cut))
    assert len(list(cache.rglob("*.json"))) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_other_splits_take_the_numbers_of_the_training_split(tmp_path, cache, kind):
    splits = {"train": images(3, (2, 6, 6)), "validation": images(2, (2, 6, 6), first=8)}
    for grid in splits["validation"]:
        grid.tensors["input"] += 1000
    write_kind(kind, tmp_path / "made", splits)
    mean, std = oracle(inputs(splits["train"]))
    check(load(tmp_path / "made", cache, split="validation"), inputs(splits["validation"]), mean, std)
    check(load(tmp_path / "made", cache, limit=1), inputs(splits["train"][:1]), mean, std)


def test_without_a_training_split_there_is_nothing_to_compute_from(tmp_path, cache):
    write_kind("plain", tmp_path / "made", {"test": images(1, (2, 4, 4))})
    with pytest.raises(
        InvalidCollectionError, match=r"stores no statistics \(mlhf:statistics\), and has no split 'train'"
    ):
        load(tmp_path / "made", cache, split="test")


def test_without_training_samples_there_is_nothing_to_compute_from(tmp_path, cache):
    write_kind("plain", tmp_path / "made", {"train": [], "test": images(1, (2, 4, 4))})
    with pytest.raises(InvalidCollectionError, match="split 'train' has no sample"):
        load(tmp_path / "made", cache, split="test")


# stored ones


def stored(mean, std):
    bands = [{"mean": m, "std": s, "minimum": 0, "percentiles": {"2": 1}} for m, s in zip(mean, std, strict=True)]
    return {"mlhf:statistics": {"input": bands}}


@pytest.mark.parametrize("kind", KINDS)
def test_stored_statistics_are_taken_and_no_sample_is_read(tmp_path, cache, kind):
    grids = images(2, (3, 4, 4))
    mean, std = np.array([1.5, 20, -3]), np.array([2, 0.5, 0])
    write_kind(kind, tmp_path / "made", {"test": grids}, **stored(mean, std))
    with reads_counted() as read:
        split = load(tmp_path / "made", cache, split="test")
    assert not read
    assert not cache.exists()
    std[2] = 1
    check(split, inputs(grids), mean, std)
    for planes in ([2, 0], [1]):
        split = load(tmp_path / "made", cache, split="test", bands=planes)
        check(split, inputs(grids, planes), mean[planes], std[planes])


@pytest.mark.parametrize("kind", ["plain", "raster"])
def test_stored_statistics_may_leave_the_target_out(tmp_path, cache, kind):
    grids = images(2, (4, 4, 4))
    mean, std = np.array([10.0, 20, 30]), np.array([1.0, 2, 3])
    write_kind(kind, tmp_path / "made", {"train": grids}, **stored(mean, std), **{"mlhf:target_planes": [0]})
    check(load(tmp_path / "made", cache), inputs(grids, [1, 2, 3]), mean, std)
    check(load(tmp_path / "made", cache, bands=[3]), inputs(grids, [3]), mean[[2]], std[[2]])


def test_stored_statistics_of_other_bands_are_refused_by_name(tmp_path, cache):
    write_kind("plain", tmp_path / "made", {"train": images(1, (4, 4, 4))}, **stored([1, 2], [1, 2]))
    with pytest.raises(SchemaMismatchError, match=r"\(sample 0\): normalize= has 2 numbers, but input has 4 bands"):
        load(tmp_path / "made", cache)[0]


@pytest.mark.parametrize(("mean", "std"), [(float("nan"), 1.0), (1.0, float("inf")), (0.0, -1.0)])
def test_stored_statistics_that_are_none_are_refused(tmp_path, cache, mean, std):
    write_kind("plain", tmp_path / "made", {"train": images(1, (1, 4, 4))}, **stored([mean], [std]))
    with pytest.raises(InvalidCollectionError, match="no finite number, or is negative"):
        load(tmp_path / "made", cache)


# what has none


def test_fill_values_too_large_to_square_are_named(tmp_path, cache):
    grids = images(2, (2, 4, 4), np.float64)
    grids[1].tensors["input"][1, 0] = -1.7976931348623157e308
    write_kind("plain", tmp_path / "made", {"train": grids})
    with pytest.raises(InvalidCollectionError, match="the values that stand for no data"):
        load(tmp_path / "made", cache)


@pytest.mark.parametrize("kind", KINDS)
def test_samples_with_other_numbers_of_bands_have_no_one_mean(tmp_path, cache, kind):
    write_kind(kind, tmp_path / "made", {"train": [*images(2, (3, 4, 4)), *images(1, (4, 4, 4))]})
    with pytest.raises(InvalidCollectionError, match=r"\(sample 2\): input has 4 bands, those before it 3"):
        load(tmp_path / "made", cache)


def test_texts_and_complex_numbers_have_no_mean(tmp_path, cache):
    from made import texts

    texts(tmp_path / "texts", "input", "0.0.23")
    write_kind("plain", tmp_path / "waves", {"train": images(1, (2, 4, 4), np.complex64)})
    write_kind("plain", tmp_path / "none", {"train": [Grid({"target": np.zeros(3)})]})
    for name in ("texts", "waves", "none"):
        with pytest.raises(InvalidCollectionError, match=r"\(sample 0\): .* needs an input of numbers"):
            load(tmp_path / name, cache)


def test_a_bad_training_sample_is_named_or_left_out(tmp_path, cache):
    grids = images(3, (2, 4, 4))
    write_kind("plain", tmp_path / "made", {"train": grids, "test": images(1, (2, 4, 4), first=9)})
    path = tmp_path / "made" / "train" / "0000002.safetensors"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(CorruptSampleError, match=r"0000002.*\(sample 1\)"):
        load(tmp_path / "made", cache, split="test")
    with pytest.warns(CollectionWarning, match=r"1 bad samples left out:\n.*0000002"):
        split = load(tmp_path / "made", cache, split="test", on_error="skip")
    mean, std = oracle(inputs(grids[::2]))
    check(split, inputs(images(1, (2, 4, 4), first=9)), mean, std)
    assert not list(cache.rglob("*.json"))


def test_a_header_that_claims_a_trillion_bands_costs_nothing(tmp_path, cache):
    (tmp_path / "train").mkdir()
    header = b'{"input":{"dtype":"U8","shape":[1099511627776,0,3],"data_offsets":[0,0]}}'
    (tmp_path / "train" / "0000001.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    (tmp_path / "main.json").write_text('{"id": "x", "ml:train": {"n_items": 1}}')
    with pytest.raises(InvalidCollectionError, match="input claims 1099511627776 bands"):
        load(tmp_path, cache)


# kept


@pytest.mark.parametrize("kind", KINDS)
def test_they_are_computed_once(tmp_path, cache, kind):
    splits = {"train": images(3, (3, 4, 4)), "test": images(1, (3, 4, 4), first=7)}
    write_kind(kind, tmp_path / "made", splits)
    with reads_counted() as read:
        first = load(tmp_path / "made", cache)
        assert read == [0, 1, 2]
        for options in ({}, {"bands": [1]}, {"split": "test"}, {"limit": 2}):
            load(tmp_path / "made", cache, **options)
        assert read == [0, 1, 2]
        second = load(tmp_path / "made", cache)[:]["input"]
    np.testing.assert_array_equal(first[:]["input"], second)
    assert len(list(cache.rglob("*.json"))) == 1


def test_another_training_split_is_computed_anew(tmp_path, cache):
    grids = images(2, (2, 4, 4))
    write_kind("plain", tmp_path / "made", {"train": grids, "test": images(1, (2, 4, 4), first=9)})
    load(tmp_path / "made", cache, split="test")
    grids[0].tensors["input"] += 500
    write_kind("plain", tmp_path / "other", {"train": grids})
    os.replace(tmp_path / "other/train/0000001.safetensors", tmp_path / "made/train/0000001.safetensors")
    split = load(tmp_path / "made", cache, split="test")
    check(split, inputs(images(1, (2, 4, 4), first=9)), *oracle(inputs(grids)))


DAMAGED = [
    b"",
    b"\xff\xfe",
    b"{",
    b"[]",
    b"null",
    b"{}",
    b'{"mean": [], "std": []}',
    b'{"mean": [1, 2], "std": [1]}',
    b'{"mean": 1, "std": 1}',
    b'{"mean": ["a", "b"], "std": ["c", "d"]}',
    b'{"mean": [null, 1], "std": [1, 1]}',
    b'{"mean": [NaN, 1], "std": [1, 1]}',
    b'{"mean": [1, 1], "std": [1, -1]}',
    b'{"mean": [[1], [1]], "std": [[1], [1]]}',
    b"[" * 100_000,
]


@pytest.mark.parametrize("damage", DAMAGED, ids=lambda damage: repr(damage[:30]))
def test_a_damaged_note_is_computed_anew_and_mended(tmp_path, cache, damage):
    grids = images(2, (2, 4, 4))
    write_kind("plain", tmp_path / "made", {"train": grids})
    load(tmp_path / "made", cache)
    (note,) = cache.rglob("*.json")
    good = note.read_bytes()
    note.write_bytes(damage)
    check(load(tmp_path / "made", cache), inputs(grids), *oracle(inputs(grids)))
    assert note.read_bytes() == good


def test_a_cache_that_cannot_be_written_to_is_no_error(tmp_path):
    grids = images(2, (2, 4, 4))
    write_kind("plain", tmp_path / "made", {"train": grids})
    (tmp_path / "file").write_bytes(b"here")
    for place in ("file", "file/below"):
        check(load(tmp_path / "made", tmp_path / place), inputs(grids), *oracle(inputs(grids)))
    assert (tmp_path / "file").read_bytes() == b"here"


def test_a_cache_whose_folder_is_a_link_is_used(tmp_path, cache):
    write_kind("plain", tmp_path / "made", {"train": images(2, (2, 4, 4))})
    (tmp_path / "elsewhere").mkdir()
    cache.mkdir()
    (cache / "statistics").symlink_to(tmp_path / "elsewhere")
    load(tmp_path / "made", cache)
    assert len(list((tmp_path / "elsewhere").iterdir())) == 1
    with reads_counted() as read:
        load(tmp_path / "made", cache)
    assert not read


def test_without_a_cache_folder_it_is_the_platforms(tmp_path):
    import platformdirs

    write_kind("plain", tmp_path / "made", {"train": images(1, (2, 4, 4))})
    mlstac_hf.load(tmp_path / "made", "numpy", normalize="collection")
    assert len(list((platformdirs.user_cache_path("mlstac-hf") / "statistics").iterdir())) == 1


@pytest.mark.parametrize("kind", ["plain", "raster"])
def test_over_http_they_are_the_same_and_fetched_once(tmp_path, cache, server, kind):
    grids = images(3, (2, 6, 6))
    write_kind(kind, tmp_path / "made", {"train": grids, "test": images(1, (2, 6, 6), first=5)})
    first = load(f"{server.url}/made", cache)
    check(first, inputs(grids), *oracle(inputs(grids)))
    server.requests.clear()
    load(f"{server.url}/made", cache, split="test")
    fetched = [headers.get("Range") for how, path, headers in server.requests if how == "GET" and "/train/0" in path]
    assert not fetched

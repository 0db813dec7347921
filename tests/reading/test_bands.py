"""Bands and targets end to end: whatever the layout, what `load` gives is what numpy takes out of the whole."""

from __future__ import annotations

import pickle
from unittest.mock import patch

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import KINDS, Grid, images, payload_of, write_kind

import mlstac_hf
from mlstac_hf import SchemaMismatchError, UnknownNameError

OWN = [kind for kind in KINDS if kind != "raster"]
"""Those whose samples may have tensors of any shape, and a target of their own."""
NAMED = {
    "ml:spectral": {
        "bands": [
            {"name": "B02", "index": 0, "common_name": "blue"},
            {"name": "B04", "index": 2, "common_name": "red"},
            {"name": "B08", "index": 3, "common_name": "nir"},
            {"name": "CM1", "index": 4},
        ]
    }
}


def load(folder, **options):
    return mlstac_hf.load(folder, "numpy", **options)


def assert_is(found, expected):
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()


def check(folder, expected, **options):
    """One by one, in a batch, and in a batch out of order."""
    split = load(folder, **options)
    assert len(split) == len(expected)
    for sample, arrays in zip(split, expected, strict=True):
        assert list(sample) == list(arrays)
        for name, array in arrays.items():
            assert_is(sample[name], array)
    order = [*reversed(range(len(expected))), 0]
    batch = split[order]
    for name in expected[0]:
        for value, index in zip(batch[name], order, strict=True):
            assert_is(value, expected[index][name])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("bands", "planes"),
    [
        ([2, 0], [2, 0]),
        ([-1], [4]),
        (3, [3]),
        ([1, 1, 4], [1, 1, 4]),
        (range(4, -1, -1), [4, 3, 2, 1, 0]),
        (range(5), [0, 1, 2, 3, 4]),
        (np.array([3, -5], np.int8), [3, 0]),
        ("B08", [3]),
        (["nir", "red", "CM1", 1], [3, 2, 4, 1]),
    ],
)
def test_bands_are_those_asked_for_in_that_order(tmp_path, kind, bands, planes):
    grids = images(3, (5, 6, 8))
    write_kind(kind, tmp_path, {"train": grids}, **NAMED)
    check(tmp_path, [{"input": grid.tensors["input"][planes]} for grid in grids], bands=bands)


def test_rasters_give_what_rasterio_reads(tmp_path):
    write_kind("raster", tmp_path, {"train": images(4, (5, 20, 33))})
    from rasterio.io import MemoryFile

    split = load(tmp_path, bands=[4, 0, 0], target=[2])
    for index, sample in enumerate(split):
        with MemoryFile(payload_of(tmp_path, "train", index)) as memory, memory.open() as dataset:
            assert dataset.driver == ("JP2OpenJPEG" if index % 2 else "GTiff")
            assert_is(sample["input"], dataset.read([5, 1, 1]))
            assert_is(sample["target"], dataset.read([3]))


@pytest.mark.parametrize("kind", KINDS)
def test_names_that_are_not_there_are_refused_before_anything_is_read(tmp_path, kind):
    folder = write_kind(kind, tmp_path / "named", {"train": images(1, (5, 4, 4))}, **NAMED)
    with pytest.raises(UnknownNameError, match=r"no band 'swir16': it names B02, B04, B08, CM1, blue, red, nir"):
        load(folder, bands=["red", "swir16"])
    folder = write_kind(kind, tmp_path / "bare", {"train": images(1, (5, 4, 4))})
    with pytest.raises(UnknownNameError, match="no band 'red': it names none; use 0-based indices"):
        load(folder, bands="red")


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_without_such_a_band_is_named_and_the_others_stay_readable(tmp_path, kind):
    grids = [*images(2, (3, 4, 4)), *images(1, (5, 4, 4))]
    write_kind(kind, tmp_path, {"train": grids})
    split = load(tmp_path, bands=[4], on_error="skip")
    place = "0000001" if kind in ("plain", "gzip") else "train_0"
    with pytest.raises(SchemaMismatchError, match=rf"{place}.*\(sample 0\): it has 3 planes, so there is no plane 4"):
        split[0]
    with pytest.warns(mlstac_hf.CollectionWarning, match="2 bad samples left out"):
        assert_is(split[:]["input"][0], grids[2].tensors["input"][[4]])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("options", "document", "bands", "target"),
    [
        ({"target": [4]}, {}, [0, 1, 2, 3], [4]),
        ({"target": -1}, {}, [0, 1, 2, 3], [4]),
        ({"target": [1], "bands": [2, 0]}, {}, [2, 0], [1]),
        ({"target": [0, 3], "bands": [-1, 3]}, {}, [4, 3], [0, 3]),
        ({"target": ["CM1"], "bands": ["nir"]}, NAMED, [3], [4]),
        ({}, {"mlhf:target_planes": [1, 0]}, [2, 3, 4], [1, 0]),
        ({"bands": [2]}, {"mlhf:target_planes": [4]}, [2], [4]),
        ({"target": [0]}, {"mlhf:target_planes": [4]}, [1, 2, 3, 4], [0]),
        ({"target": []}, {"mlhf:target_planes": [4]}, [0, 1, 2, 3, 4], []),
        ({"target": [4], "bands": range(5)}, {}, [0, 1, 2, 3, 4], [4]),
        ({"target": range(5)}, {}, [], [0, 1, 2, 3, 4]),
    ],
)
def test_planes_are_counted_before_the_target_is_taken(tmp_path, kind, options, document, bands, target):
    grids = images(2, (5, 6, 8))
    write_kind(kind, tmp_path, {"train": grids}, **document)
    chosen = {"input": bands, "target": target}
    expected = [
        {name: grid.tensors["input"][list(planes)] for name, planes in chosen.items() if planes} for grid in grids
    ]
    check(tmp_path, expected, **options)


@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize("shape", [(4, 6, 8), (6, 8)])
def test_a_target_of_its_own_wins_and_nothing_is_taken_from_input(tmp_path, kind, shape):
    """Also where the collection's planes are none that this input could have."""
    grid = Grid({"input": np.arange(np.prod(shape), dtype=np.int16).reshape(shape), "target": np.ones((1, 6, 8), "u1")})
    write_kind(kind, tmp_path, {"train": [grid]}, **{"mlhf:target_planes": [13]})
    check(tmp_path, [grid.tensors])
    check(tmp_path, [grid.tensors], target=[0])
    if len(shape) == 3:
        check(tmp_path, [{**grid.tensors, "input": grid.tensors["input"][[3, 1]]}], bands=[3, 1])


@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize(
    ("shape", "axis"),
    [((6, 8, 4), 2), ((6, 8, 4), -1), ((5, 4, 3, 2), 1), ((4,), 0), ((3, 4), -1), ((2, 2, 4, 3), None)],
)
def test_bands_lie_along_the_declared_axis(tmp_path, kind, shape, axis):
    grids = images(2, shape)
    write_kind(
        kind, tmp_path, {"train": grids}, **({} if axis is None else {"ml:spectral": {"bands": [], "axis": axis}})
    )
    where = -3 if axis is None else axis
    count = shape[where]

    def expect(planes, target=()):
        chosen = {"input": list(planes)} | ({"target": list(target)} if target else {})
        return [{name: g.tensors["input"].take(taken, where) for name, taken in chosen.items()} for g in grids]

    check(tmp_path, expect([1, 0]), bands=[1, 0])
    check(tmp_path, expect(range(count - 1), [count - 1]), target=[-1])
    check(tmp_path, expect(range(count), [count - 1]), bands=range(count), target=[-1])


@pytest.mark.parametrize("kind", OWN)
@pytest.mark.parametrize(("shape", "axis"), [((6, 8), None), ((4, 6, 8), 3), ((4, 6, 8), -4), ((), 0)])
def test_an_input_without_that_axis_is_refused_by_name(tmp_path, kind, shape, axis):
    grids = images(1, shape)
    write_kind(
        kind, tmp_path, {"train": grids}, **({} if axis is None else {"ml:spectral": {"bands": [], "axis": axis}})
    )
    check(tmp_path, [grids[0].tensors])
    with pytest.raises(SchemaMismatchError, match=r"\(sample 0\): its input of shape \(.*\) has no axis of bands"):
        load(tmp_path, bands=[0])[0]


def test_the_declared_axis_is_that_of_input_and_not_of_rasters(tmp_path):
    grids = images(2, (3, 4, 5))
    write_kind("raster", tmp_path, {"train": grids}, **{"ml:spectral": {"bands": [], "axis": 2}})
    check(tmp_path, [{"input": grid.tensors["input"][[2]]} for grid in grids], bands=[2])
    factors = np.array([2, 3, 5], np.float32)
    scaled = [{"input": grid.tensors["input"] * factors.reshape(3, 1, 1)} for grid in grids]
    check(tmp_path, scaled, scale=factors)
    values = np.stack([grid.tensors["input"] for grid in grids]).astype(np.float64)
    mean, std = (f(values, axis=(0, 2, 3)).reshape(3, 1, 1) for f in (np.mean, np.std))
    normal = load(tmp_path, normalize="collection", cache_dir=str(tmp_path / "cache"))[:]["input"]
    np.testing.assert_allclose(normal, (values - mean) / std, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", OWN)
def test_other_columns_are_left_alone(tmp_path, kind):
    grid = images(1, (4, 3, 3))[0]
    grid.tensors |= {
        "target": np.arange(4, dtype=np.int64),
        "extra": np.ones((4, 3, 3), "f4"),
        "more": np.ones(2, "i1"),
    }
    write_kind(kind, tmp_path, {"train": [grid]})
    check(tmp_path, [{**grid.tensors, "input": grid.tensors["input"][[1]]}], bands=[1])
    assert list(load(tmp_path, bands=[1], columns=["extra"])[0]) == ["extra"]
    assert_is(load(tmp_path, bands=[1], columns=["input"])[0]["input"], grid.tensors["input"][[1]])


def test_a_text_input_has_no_bands(tmp_path):
    from made import texts

    made = texts(tmp_path, "input", "0.0.23")
    for sample, shown in zip(load(tmp_path, bands=[0]), made.splits["train"], strict=True):
        assert sample["input"] == shown.shown["input"]


def test_a_text_target_takes_no_planes(tmp_path):
    from made import texts

    made = texts(tmp_path, "target", "0.0.12", dummy=False)
    for sample, one in zip(load(tmp_path, target=[2]), made.splits["train"], strict=True):
        assert sample["target"] == one.shown["target"]
        assert_is(sample["input"], one.shown["input"])


# over http


def bytes_of(server, suffix):
    """What a server sent of files that end so, by path."""
    sent = {}
    for method, path, headers in server.requests:
        if method != "GET" or not path.endswith(suffix):
            continue
        size = (server.folder / path.lstrip("/")).stat().st_size
        first, _, last = headers.get("Range", f"bytes=0-{size - 1}").removeprefix("bytes=").partition("-")
        sent[path] = sent.get(path, 0) + min(int(last), size - 1) + 1 - int(first)
    return sent


@pytest.mark.parametrize("kind", KINDS)
def test_over_http_bands_are_the_same(tmp_path, server, kind):
    grids = images(3, (5, 6, 8))
    write_kind(kind, tmp_path / "here", {"train": grids}, **NAMED)
    expected = [{"input": grid.tensors["input"][[3, 0]], "target": grid.tensors["input"][[4]]} for grid in grids]
    check(f"{server.url}/here", expected, bands=["nir", 0], target="CM1")


@pytest.mark.parametrize(("bands", "count"), [([7], 1), ([12, 0], 2), ([3, 4, 5], 3)])
def test_of_a_plain_file_over_http_only_the_bands_are_fetched(tmp_path, server, bands, count):
    grids = images(2, (13, 150, 150))
    write_kind("plain", tmp_path / "here", {"train": grids})
    check(f"{server.url}/here", [{"input": grid.tensors["input"][bands]} for grid in grids], bands=bands)
    server.requests.clear()
    split = load(f"{server.url}/here", bands=bands)
    split[1]
    plane = 150 * 150 * 2
    (sent,) = bytes_of(server, ".safetensors").values()
    assert count * plane <= sent <= count * plane + 4096 + 1


def test_of_a_plain_file_over_http_only_the_columns_are_fetched(tmp_path, server):
    grids = images(1, (3, 150, 150))
    grids[0].tensors["target"] = np.ones((1, 7, 7), np.uint8)
    write_kind("plain", tmp_path / "here", {"train": grids})
    split = load(f"{server.url}/here", columns=["target"])
    server.requests.clear()
    assert_is(split[0]["target"], grids[0].tensors["target"])
    assert sum(bytes_of(server, ".safetensors").values()) <= 4096 + 49


# the fast path is the slow path


@st.composite
def collections(draw):
    shape = draw(st.lists(st.integers(1, 5), min_size=3, max_size=4).map(tuple))
    axis = draw(st.sampled_from([None, *range(-len(shape), len(shape))]))
    where = -3 if axis is None else axis
    dtype = np.dtype(draw(st.sampled_from(["u1", "i2", "u4", "f2", "f8", "?", "c8", ml_dtypes.bfloat16])))
    grids = images(draw(st.integers(1, 3)), shape, dtype)
    for grid in grids[1:]:
        if draw(st.booleans()):
            grid.tensors["target"] = np.arange(3, dtype=np.int16)
        if draw(st.booleans()):
            grid.tensors["extra"] = np.ones(shape, np.float32)
    plane = st.integers(-shape[where], shape[where] - 1)
    bands = draw(st.none() | st.lists(plane, min_size=1, max_size=6))
    target = draw(st.none() | st.lists(plane, max_size=2))
    size = None
    if draw(st.booleans()) and where % len(shape) <= len(shape) - 3:
        size = tuple(draw(st.integers(1, side)) for side in shape[-2:])
        for grid in grids:
            grid.facts["proj_shape"] = draw(st.sampled_from([f"[{size[0]}, {size[1]}]", f"({size[0]},{size[1]})"]))
    return grids, axis, bands, target, size


def by_numpy(whole, axis, bands, target, size):
    """What numpy takes out of a sample that was read whole."""
    image, own = whole["input"], dict(whole)
    count, target = image.shape[axis], target if target and "target" not in whole else []
    rest = [plane for plane in range(count) if plane not in {t % count for t in target}]
    own["input"] = image.take(bands or rest, axis)
    if not bands and not rest:
        del own["input"]
    if target:
        own["target"] = image.take(target, axis)
    if size is not None:
        for name, array in own.items():
            if whole.get(name, image).shape[-2:] == image.shape[-2:]:
                own[name] = array[..., : size[0], image.shape[-1] - size[1] :]
    return {name: own[name] for name in ("input", "target", "extra") if name in own}


@pytest.mark.parametrize("kind", ["plain", "gzip", "safetensors", "hdf5"])
@settings(max_examples=25)
@given(made=collections(), mapped=st.booleans())
def test_the_fast_path_is_the_slow_path(tmp_path_factory, kind, made, mapped):
    grids, axis, bands, target, size = made
    if kind == "hdf5" and grids[0].tensors["input"].dtype.kind in "Vc":
        kind = "safetensors"
    folder = write_kind(
        kind,
        tmp_path_factory.mktemp("made"),
        {"train": grids},
        **({} if axis is None else {"ml:spectral": {"bands": [], "axis": axis}}),
    )
    where = -3 if axis is None else axis
    expected = [by_numpy(dict(whole), where, bands, target, size) for whole in load(folder)]
    options = {"bands": bands, "target": target, "crop": size is not None}
    with patch("mlstac_hf._reading._file.MAPPED_FROM", 0 if mapped else 1 << 30):
        split = load(folder, **options)
        for sample, own in zip(split, expected, strict=True):
            assert list(sample) == list(own)
            for name, array in own.items():
                assert_is(sample[name], array)
                assert sample[name].flags.writeable
        batch = split[:]
    for name, column in batch.items():
        for value, own in zip(column, expected, strict=True):
            assert (value is None) == (name not in own)
            if value is not None:
                assert_is(np.asarray(value), own[name])


@pytest.mark.parametrize("kind", KINDS)
def test_a_selection_pickles(tmp_path, kind):
    if kind == "raster":
        pytest.importorskip("cql2")
    grids = images(3, (5, 8, 8), proj_shape=6)
    write_kind(kind, tmp_path, {"train": grids})
    options = {"filter": "id <> 'train_0'"} if kind == "raster" else {}
    split = load(tmp_path, bands=[3, 1], target=[4], crop=True, limit=2, scale=[2, 3], **options)
    found = pickle.loads(pickle.dumps(split))[:]
    first = 1 if options else 0
    whole = np.stack([grid.tensors["input"] for grid in grids[first : first + 2]])[..., :6, 2:]
    assert_is(found["input"], whole[:, [3, 1]].astype("f4") * np.array([2, 3], "f4").reshape(2, 1, 1))
    assert_is(found["target"], whole[:, [4]])


@pytest.mark.parametrize("kind", ["raster"])
def test_spawned_workers_read_the_same_selection(tmp_path, kind):
    """Selected, scaled and normalised splits cross into other processes."""
    torch = pytest.importorskip("torch")
    grids = images(6, (5, 8, 8), proj_shape=6)
    write_kind(kind, tmp_path / "made", {"train": grids})
    options = {"bands": [3, 1], "target": [4], "crop": True, "limit": 4, "normalize": "collection"}
    split = mlstac_hf.load(tmp_path / "made", cache_dir=tmp_path / "cache", **options)
    loader = torch.utils.data.DataLoader(split, batch_size=2, num_workers=2, multiprocessing_context="spawn")
    batches = list(loader)
    whole = np.stack([grid.tensors["input"] for grid in grids])[..., :6, 2:].astype(np.float64)
    chosen = whole[:, [3, 1]]
    mean, std = (f(chosen, axis=(0, 2, 3), keepdims=True) for f in (np.mean, np.std))
    expected = ((chosen - mean) / std)[:4]
    np.testing.assert_allclose(np.concatenate([b["input"].numpy() for b in batches]), expected, rtol=1e-4, atol=1e-5)
    target = np.concatenate([b["target"].numpy() for b in batches])
    np.testing.assert_array_equal(target, whole[:4, [4]].astype(np.uint16))

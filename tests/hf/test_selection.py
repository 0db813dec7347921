"""Bands, targets, windows and units as datasets: the features say what is in them, the values are those of `load`."""

from __future__ import annotations

import os

import numpy as np
import pytest
from layouts import images, write_kind

import mlstac_hf

KINDS = ["plain", "gzip", "raster"]
OPTIONS = {
    "bands": ({"bands": ["nir", 0, 0]}, (3, 8, 9), "uint16", None),
    "target": ({"target": [-1]}, (3, 8, 9), "uint16", (1, 8, 9)),
    "crop": ({"crop": True}, (4, 6, 5), "uint16", None),
    "scale": ({"scale": 1e-4}, (4, 8, 9), "float32", None),
    "declared scale": ({"scale": True, "bands": [2]}, (1, 8, 9), "float32", None),
    "normalize": ({"normalize": "collection"}, (4, 8, 9), "float32", None),
    "all": ({"bands": [2, 1], "target": [0], "crop": True, "scale": [2, 3]}, (2, 6, 5), "float32", (1, 6, 5)),
}


@pytest.fixture(params=KINDS)
def folder(request, tmp_path):
    splits = {
        "train": images(3, (4, 8, 9), proj_shape="[6, 5]"),
        "test": images(2, (4, 8, 9), first=3, proj_shape="[6, 5]"),
    }
    document = {
        "ml:spectral": {"bands": [{"name": "B08", "index": 3, "common_name": "nir"}]},
        "mlhf:scale": {"input": [1, 2, 3, 4]},
    }
    return write_kind(request.param, tmp_path / "made", splits, **document)


@pytest.mark.parametrize("streaming", [False, True], ids=["cached", "streaming"])
@pytest.mark.parametrize("name", OPTIONS)
def test_features_say_what_is_in_them_and_values_are_those_of_load(folder, cache, name, streaming):
    options, shape, dtype, target = OPTIONS[name]
    loaded = mlstac_hf.load_dataset(folder, cache_dir=cache, streaming=streaming, **options)
    for split, dataset in loaded.items():
        features = dataset.features
        assert (tuple(features["input"].shape), features["input"].dtype) == (shape, dtype)
        assert features["input"].id == dtype
        assert ("target" in features) == (target is not None)
        if target is not None:
            assert (tuple(features["target"].shape), features["target"].dtype) == (target, "uint16")
        expected = mlstac_hf.load(folder, "numpy", split=split, cache_dir=cache, **options)
        rows = list(dataset.with_format("mlstac_numpy"))
        assert len(rows) == len(expected)
        for row, sample, facts in zip(rows, expected, expected.metadata[:], strict=True):
            for column, array in sample.items():
                assert row[column].dtype == array.dtype
                np.testing.assert_array_equal(row[column], array)
            np.testing.assert_array_equal(row["geotransform"], facts["geotransform"])


@pytest.mark.parametrize("kind", KINDS)
def test_windows_of_two_sizes_vary_in_the_features(tmp_path, cache, kind):
    grids = [*images(1, (2, 8, 8), proj_shape=6), *images(2, (2, 8, 8), proj_shape=5)]
    folder = write_kind(kind, tmp_path / "made", {"train": grids})
    dataset = mlstac_hf.load_dataset(folder, split="train", cache_dir=cache, crop=True).with_format("mlstac_numpy")
    for row, grid, size in zip(dataset, grids, (6, 5, 5), strict=True):
        np.testing.assert_array_equal(row["input"], grid.tensors["input"][:, :size, 8 - size :])


def test_over_http_the_dataset_is_the_same(folder, cache, server):
    options = {"bands": [1], "target": [3], "crop": True, "normalize": "collection"}
    local = mlstac_hf.load_dataset(folder, cache_dir=cache, **options).with_format("mlstac_numpy")
    remote = mlstac_hf.load_dataset(f"{server.url}/made", cache_dir=f"{cache}-remote", **options)
    for split, dataset in remote.with_format("mlstac_numpy").items():
        assert dataset.features == local[split].features
        for column in ("input", "target", "geotransform"):
            np.testing.assert_array_equal(dataset[:][column], local[split][:][column])


def test_what_is_asked_for_in_vain_is_refused_by_name(folder, cache):
    with pytest.raises(mlstac_hf.UnknownNameError, match="no band 'red': it names B08, nir"):
        mlstac_hf.load_dataset(folder, cache_dir=cache, bands=["red"])
    with pytest.raises(mlstac_hf.SchemaMismatchError, match=r"\(sample 0\): it has 4 planes"):
        mlstac_hf.load_dataset(folder, cache_dir=cache, bands=[4])
    with pytest.raises(mlstac_hf.SchemaMismatchError, match=r"\(sample 0\): scale= has 2 numbers"):
        mlstac_hf.load_dataset(folder, cache_dir=cache, scale=[1, 2])


def test_a_training_split_that_changed_normalises_the_others_anew(tmp_path, cache):
    """The files of the test split are as they were, and what was prepared from them would be stale."""
    test = images(1, (2, 4, 4), first=9)
    write_kind("plain", tmp_path / "made", {"train": images(2, (2, 4, 4)), "test": test})
    options = {"split": "test", "normalize": "collection", "cache_dir": cache}
    before = mlstac_hf.load_dataset(tmp_path / "made", **options).with_format("mlstac_numpy")[0]["input"]
    grids = images(2, (2, 4, 4), first=5)
    write_kind("plain", tmp_path / "other", {"train": grids})
    for name in os.listdir(tmp_path / "other" / "train"):
        os.replace(tmp_path / "other" / "train" / name, tmp_path / "made" / "train" / name)
    after = mlstac_hf.load_dataset(tmp_path / "made", **options).with_format("mlstac_numpy")[0]["input"]
    values = np.stack([grid.tensors["input"] for grid in grids]).astype(np.float64)
    mean, std = (f(values, axis=(0, 2, 3)).reshape(2, 1, 1) for f in (np.mean, np.std))
    np.testing.assert_allclose(after, (test[0].tensors["input"] - mean) / std, rtol=1e-5, atol=1e-5)
    assert not np.array_equal(before, after)

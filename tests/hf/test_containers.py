"""The container layout as datasets: the same columns, formats and cache as the sample layout."""

from __future__ import annotations

import json
import shutil

import datasets
import numpy as np
import pytest
from containers import make_containers
from loading import load

import mlstac_hf
from mlstac_hf import CollectionWarning


@pytest.fixture
def made(tmp_path):
    made = make_containers(tmp_path / "made", plain=True)
    made.address = str(made.folder)
    return made


@pytest.mark.parametrize("streaming", [False, True], ids=["cached", "streaming"])
def test_every_datapoint_is_exact(made, cache, streaming):
    loaded = load(made, cache, streaming=streaming)
    for split, rasters in made.rasters.items():
        rows = list(loaded[split].with_format("mlstac_numpy"))
        assert [row["id"] for row in rows] == made.names[split]
        for row, expected in zip(rows, rasters, strict=True):
            assert row["input"].dtype == row["target"].dtype == expected.dtype
            np.testing.assert_array_equal(row["input"], expected[:4])
            np.testing.assert_array_equal(row["target"], expected[4:])


def test_columns_of_the_table_keep_their_types(made, cache):
    train = load(made, cache, split="train")
    assert train.column_names[2:] == [
        "id",
        "crs",
        "geotransform",
        "start_datetime",
        "end_datetime",
        "cloud",
        "file",
        "label_type",
        "s2_date",
    ]
    assert train.features["cloud"] == datasets.Value("float64")
    assert train["cloud"][:] == [None, 0.125, 0.25, None, 0.5]
    assert train["start_datetime"][0] == "2020-06-01T10:00:31Z"
    assert set(train["crs"][:]) == {"EPSG:32633"}


@pytest.mark.parametrize("name", ["python", "numpy", "torch", "tf", "jax"])
def test_stock_formats_read_every_column(made, cache, name):
    pytest.importorskip({"tf": "tensorflow", "python": "numpy"}.get(name, name))
    for dataset in load(made, cache).values():
        formatted = dataset.with_format(None if name == "python" else name)
        assert set(formatted[0]) == set(formatted[:2]) == set(dataset.column_names)


def test_over_http_the_dataset_is_the_same(made, cache, server):
    local = load(made, cache)
    remote = mlstac_hf.load_dataset(f"{server.url}/made", cache_dir=f"{cache}-remote")
    # places are unknown here, and no NaN equals another
    assert {split: repr(remote[split][:]) for split in remote} == {split: repr(local[split][:]) for split in local}


def test_a_file_that_changed_is_never_served_stale(made, cache, tmp_path):
    load(made, cache)
    other = make_containers(tmp_path / "other", plain=True, counts={"test": (3,), "train": (2, 2)})
    shutil.rmtree(made.folder)
    shutil.move(other.folder, made.folder)
    assert len(load(made, cache)["train"]) == 4


def test_a_bad_datapoint_is_refused_by_name_or_left_out(made, cache):
    path = made.folder / "train" / "train_1.mlstac"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(mlstac_hf.CorruptSampleError, match="ROI_004"):
        load(made, cache, split="train")
    with pytest.warns(CollectionWarning) as told:
        found = mlstac_hf.load_dataset(made.folder, split="train", cache_dir=cache, on_error="skip")
    assert [str(one.message).partition(" ")[2][:20] for one in told] == ["has 5544 bytes, main", "bad samples left out"]
    assert found["id"][:] == made.names["train"][:4]


def test_a_column_that_is_null_in_one_split_goes_with_the_others(tmp_path, cache):
    made = make_containers(tmp_path, plain=True, counts={"train": (2,), "test": (1,)})
    made.address = str(made.folder)
    import pyarrow.parquet as pq

    path = tmp_path / "test" / "metadata.parquet"
    table = pq.read_table(path).to_pylist()
    pq.write_table(type(pq.read_table(path)).from_pylist([{**row, "cloud": None} for row in table]), path)
    found = load(made, cache)
    assert found["test"].features == found["train"].features


def test_real_containers_have_image_and_label(real_data, cache):
    pytest.importorskip("rasterio")
    expected = json.loads((real_data / "genB_clouds.expected.json").read_text())["n_samples"]
    found = mlstac_hf.load_dataset(real_data / "genB_clouds", cache_dir=cache, target=[4])
    assert {split: len(rows) for split, rows in found.items()} == expected
    for rows in found.values():
        assert tuple(rows.features["input"].shape) == (4, 64, 64)
        assert tuple(rows.features["target"].shape) == (1, 64, 64)
        plain = mlstac_hf.load(real_data / "genB_clouds", "numpy", split=str(rows.split))
        exact = rows.with_format("mlstac_numpy")
        for index in range(len(rows)):
            np.testing.assert_array_equal(
                np.concatenate([exact[index]["input"], exact[index]["target"]]), plain[index]["input"]
            )

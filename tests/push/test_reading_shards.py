"""Published tables that are damaged, or lie: one bad sample is refused by name, the others stay readable."""

from __future__ import annotations

import contextlib
import json
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from layouts import Grid, images, write_kind
from misbehaving import MisbehavingServer
from tables import box_of, publish

import mlstac_hf
from mlstac_hf import CorruptSampleError, InvalidCollectionError, LinkRefusedError, MissingSampleError

FORMS = ("parquet", "arrow")


@pytest.fixture(params=FORMS)
def published(request, tmp_path):
    """Six images in three shards."""
    folder = write_kind("plain", tmp_path / "made", {"train": images(6, (2, 8, 8))})
    publish(folder, tmp_path / "published", request.param, shard_nbytes=900)
    assert len(list((tmp_path / "published" / "data").iterdir())) == 3
    return tmp_path / "published"


def first_shard(published):
    return min((published / "data").iterdir())


def change_table(published, name, values):
    """Give the table beside the shards another column of that name."""
    path = published / "metadata" / "train.parquet"
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.column_names.index(name), name, pa.array(values)), path)


@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda _: b"", lambda data: b"\0" * len(data)])
def test_a_damaged_shard_is_named_and_the_others_stay_readable(published, damage):
    shard = first_shard(published)
    shard.write_bytes(damage(shard.read_bytes()))
    split = mlstac_hf.load(published, "numpy")
    with pytest.raises(CorruptSampleError, match=rf"data/{shard.name}: row 0 of group 0 \(sample 0\): .*"):
        split[0]
    assert split[5]["input"].shape == (2, 8, 8)


def test_flipped_bytes_are_an_error_or_other_pixels_and_never_a_crash(published):
    shard = first_shard(published)
    data = bytearray(shard.read_bytes())
    split = mlstac_hf.load(published, "numpy")
    for position in range(0, len(data), 37):
        flipped = bytes([*data[:position], data[position] ^ 0xFF, *data[position + 1 :]])
        shard.write_bytes(flipped)
        with contextlib.suppress(CorruptSampleError):
            assert pickle.loads(pickle.dumps(split))[1]["input"].shape == (2, 8, 8)


def test_a_missing_shard_is_named(published):
    first_shard(published).unlink()
    split = mlstac_hf.load(published, "numpy")
    with pytest.raises(MissingSampleError, match=r"sample 1.* published anew"):
        split[1]
    assert split[2]["input"].shape == (2, 8, 8)


@pytest.mark.parametrize(
    ("column", "value"), [("mlhf:group", 7), ("mlhf:group", -1), ("mlhf:row", 99), ("mlhf:row", -2)]
)
def test_a_table_that_points_beyond_its_shard(column, value, published):
    change_table(published, column, [value, *[0, 0, 0, 0, 0]])
    with pytest.raises(CorruptSampleError, match=r"sample 0"):
        mlstac_hf.load(published, "numpy")[0]


@pytest.mark.parametrize("path", ["/etc/passwd", "../made/main.json", "data/../../made/main.json"])
def test_a_table_may_not_lead_out_of_the_collection(path, published):
    change_table(published, "mlhf:shard", [path] * 6)
    with pytest.raises(LinkRefusedError):
        mlstac_hf.load(published, "numpy")[0]


@pytest.mark.parametrize("tensor", [{"dtype": "uint16", "shape": [2, 8, 9]}, {"dtype": "float32", "shape": [2, 8, 8]}])
def test_main_json_that_says_another_shape_or_dtype(tensor, published):
    document = json.loads((published / "main.json").read_text())
    document["mlhf:shards"]["tensors"]["input"] = tensor
    (published / "main.json").write_text(json.dumps(document))
    with pytest.raises(CorruptSampleError, match=r"sample 3.*expected .*values of"):
        mlstac_hf.load(published, "numpy")[3]


@pytest.mark.parametrize("shape", [None, [2, 8], [10**11] * 3])
def test_a_table_that_says_no_shape_or_a_wrong_one(shape, tmp_path):
    sizes = [Grid({"input": np.zeros((1, 8, 8 + i), np.uint8)}) for i in range(3)]
    publish(write_kind("plain", tmp_path / "made", {"train": sizes}), tmp_path / "published", "parquet")
    assert mlstac_hf.load(tmp_path / "published", "numpy")[2]["input"].shape == (1, 8, 10)
    change_table(tmp_path / "published", "mlhf:shape:input", [shape, [1, 8, 9], [1, 8, 10]])
    split = mlstac_hf.load(tmp_path / "published", "numpy")
    with pytest.raises(CorruptSampleError, match="sample 0"):
        split[0]
    assert split[1]["input"].shape == (1, 8, 9)


@pytest.mark.parametrize("spoil", ["no column", "no parquet", "no ids", "texts"])
def test_a_table_that_is_none(spoil, published):
    path = published / "metadata" / "train.parquet"
    table = pq.read_table(path)
    if spoil == "no parquet":
        path.write_bytes(b"PAR1 not PAR1")
    elif spoil == "texts":
        change_table(published, "mlhf:row", ["one"] * 6)
    else:
        pq.write_table(table.drop_columns(["mlhf:row" if spoil == "no column" else "id"]), path)
    with pytest.raises(InvalidCollectionError, match=r"metadata/train\.parquet: "):
        mlstac_hf.load(published, "numpy")


def test_a_split_is_pickled_without_its_open_files(published):
    split = mlstac_hf.load(published, "numpy")
    expected = split[4]["input"]
    assert np.array_equal(pickle.loads(pickle.dumps(split))[4]["input"], expected)


def test_lists_of_samples_and_windows(published):
    split = mlstac_hf.load(published, "numpy")
    whole = np.stack([split[index]["input"] for index in range(6)])
    assert np.array_equal(split[[5, 0, 3]]["input"], whole[[5, 0, 3]])
    assert np.array_equal(mlstac_hf.load(published, "numpy", bands=[1])[:]["input"], whole[:, [1]])


@pytest.mark.parametrize("form", FORMS)
def test_a_selection_over_http_reads_what_it_needs(form, tmp_path):
    step = 10 * 256.0
    grids = [
        Grid(grid.tensors, transform=(465180.0 + step * index, 10.0, 0.0, 5080250.0, 0.0, -10.0))
        for index, grid in enumerate(images(100, (4, 256, 256)))
    ]
    made = write_kind("plain", tmp_path / "made", {"train": grids})
    publish(made, tmp_path / "published", form, shard_nbytes=20 << 20)
    box = box_of(tmp_path / "published" / "metadata" / "train.parquet", 40)
    total = sum(path.stat().st_size for path in (tmp_path / "published").rglob("*") if path.is_file())
    with MisbehavingServer(tmp_path / "published") as server:
        near = mlstac_hf.load(server.url, "numpy", bbox=box)
        assert [entry["id"] for entry in (near.metadata[i] for i in range(len(near)))].count("0000001") == 0
        assert 1 <= len(near) <= 3
        for index in range(len(near)):
            assert near[index]["input"].shape == (4, 256, 256)
        assert server.nbytes_sent < 0.05 * total + 64 * 1024
        before = server.nbytes_sent
        dataset = mlstac_hf.load_dataset(server.url, split="train", bbox=box, cache_dir=str(tmp_path / "cache"))
        assert len(dataset) == len(near)
        assert server.nbytes_sent - before < 0.06 * total

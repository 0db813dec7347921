"""Downloads of published tables: the shards that hold what is asked for, and the rows of the table beside them."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("datasets")
pytest.importorskip("shapely")

from downloads import check_same, files
from layouts import images, write_kind
from tables import publish

import mlstac_hf
from mlstac_hf import CollectionWarning, CorruptSampleError, InvalidCollectionError, download


@pytest.fixture(params=["parquet", "arrow"])
def published(request, tmp_path):
    """Eight images in two splits and several shards."""
    splits = {"train": images(6, (2, 8, 8), cloud=3), "test": images(2, (2, 8, 8), first=6, cloud=5)}
    folder = write_kind("plain", tmp_path / "made", splits)
    publish(folder, tmp_path / "published", request.param, shard_nbytes=900)
    return tmp_path / "published"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def test_all_of_it_is_the_published_bytes(published, server, out):
    result = download(f"{server.url}/published", out)
    assert result.samples == {"train": 6, "test": 2}
    # those in Arrow are for readers that know nothing of ML-STAC
    assert files(out) == {
        path: of
        for path, of in files(published).items()
        if not path.startswith("metadata/") or path.endswith(".parquet")
    }


@pytest.mark.parametrize("asked", [{"limit": 1}, {"limit": 3}, {"filter": "id = '0000004'"}, {"limit": 0}])
def test_of_a_selection_only_the_shards_that_hold_it_come(published, out, asked):
    if "filter" in asked:
        pytest.importorskip("cql2")
    result = download(published, out, **asked)
    check_same(published, out, result.samples, **asked)
    there = {path for path in files(out) if path.startswith("data/")}
    assert len(there) < len(list((published / "data").iterdir()))
    shards = json.loads((out / "main.json").read_bytes())["mlhf:shards"]["files"]
    assert {file["href"] for of_split in shards.values() for file in of_split} == there
    assert mlstac_hf.validate(out, deep=True).ok


def test_one_split_of_two(published, out):
    download(published, out, split="test")
    check_same(published, out, ["test"])
    assert list(mlstac_hf.open_collection(out).splits) == ["test"]
    assert not any("train" in path for path in files(out))


def test_a_damaged_shard_is_named_or_left_out(published, out):
    shard = min((published / "data").glob("train*"))
    shard.write_bytes(b"x" * shard.stat().st_size)
    with pytest.raises(CorruptSampleError, match=rf"data/{shard.name}: expected a file that begins and ends"):
        download(published, out)
    with pytest.warns(CollectionWarning, match="bad samples left out"):
        result = download(published, out, on_error="skip")
    assert 0 < result.samples["train"] == 6 - len(result.skipped)
    assert len(mlstac_hf.load(out, "numpy")[:]["input"]) == result.samples["train"]


@pytest.mark.parametrize("href", ["main.json", "metadata/train.parquet", ".mlstac-hf-download/record.json"])
def test_names_that_are_those_of_others_are_refused(published, out, href):
    pq = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa

    path = published / "metadata/train.parquet"
    table = pq.read_table(path)
    at = table.column_names.index("mlhf:shard")
    pq.write_table(table.set_column(at, "mlhf:shard", pa.array([href] * len(table))), path)
    with pytest.raises(InvalidCollectionError, match="expected shards in a folder of theirs"):
        download(published, out)


def test_a_table_that_is_lost_comes_back(published, out):
    download(published, out)
    there = files(out)
    (out / "metadata" / "train.parquet").unlink()
    assert download(published, out).fetched == 0
    assert files(out) == there

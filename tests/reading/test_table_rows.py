"""Rows of a table that lies elsewhere: the same as of one in memory, and no more of it fetched than is asked for."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from misbehaving import MisbehavingServer

import mlstac_hf
from mlstac_hf import StoreError
from mlstac_hf._reading import _find_containers, _table_rows
from mlstac_hf._reading._table_rows import GroupedRows, TableError, WholeRows
from mlstac_hf._stores import HttpStore, LocalStore
from mlstac_hf._write import _container_files

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

COUNT, GROUP = 100, 7
TAIL = 1 << 16
"""Bytes that the library reads of the end of a file."""
TABLE = pa.table(
    {
        "name": [f"name {number}" for number in range(COUNT)],
        "value": pa.array([None if number % 5 == 0 else number / 7 for number in range(COUNT)]),
        "numbers": [[float(number)] * (number % 4) for number in range(COUNT)],
    }
)


@pytest.fixture(params=["http", "disk"])
def store(request, server, tmp_path):
    pq.write_table(TABLE, tmp_path / "table", row_group_size=GROUP)
    return HttpStore(server.url) if request.param == "http" else LocalStore(tmp_path)


@pytest.fixture
def rows(store):
    return GroupedRows(store, "table", store.stat("table").nbytes)


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """A server that counts, and the table on it, of whose end little is fetched at first."""
    monkeypatch.setattr(_table_rows, "_TAIL_NBYTES", TAIL)
    noise = np.random.default_rng(0).normal(size=(2, 20_000))
    pq.write_table(pa.table({"one": noise[0], "other": noise[1]}), tmp_path / "large", row_group_size=2000)
    with MisbehavingServer(tmp_path) as running:
        yield running


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, COUNT), st.integers(0, COUNT)), min_size=1, max_size=4))
def test_any_slices_are_those_of_the_whole(tmp_path, slices):
    pq.write_table(TABLE, tmp_path / "table", row_group_size=GROUP)
    rows = GroupedRows(LocalStore(tmp_path), "table", (tmp_path / "table").stat().st_size)
    for start, stop in map(sorted, slices):
        assert rows.slice(start, stop).to_pylist() == TABLE.slice(start, stop - start).to_pylist()


def test_rows_columns_and_all_of_them_are_those_in_memory(store, rows):
    whole = WholeRows(store.read("table"))
    assert len(rows) == len(whole) == COUNT
    assert rows.schema == whole.schema
    for name in TABLE.column_names:
        assert rows.column(name).to_pylist() == whole.column(name).to_pylist() == TABLE.column(name).to_pylist()
    assert rows.whole().equals(whole.whole())
    assert rows.slice(20, 30).equals(whole.slice(20, 30))
    assert rows.whole() is rows.whole()


def test_pickled_they_are_the_same_rows(rows):
    rows.slice(3, 5)
    again = pickle.loads(pickle.dumps(rows))
    assert again.slice(30, 50).to_pylist() == TABLE.slice(30, 20).to_pylist()


def test_a_row_group_is_fetched_once_by_one_request(counted):
    store = HttpStore(counted.url)
    nbytes = store.stat("large").nbytes
    counted.reset_counts()
    rows = GroupedRows(store, "large", nbytes)
    assert len(counted.requests) == 1
    first = rows.slice(0, 5)
    assert rows.slice(100, 2000).num_rows == 1900
    assert len(counted.requests) == 2
    assert counted.nbytes_sent < TAIL + nbytes / 5
    again = pickle.loads(pickle.dumps(rows))
    assert len(counted.requests) == 2
    assert again.slice(0, 5).equals(first)
    assert len(counted.requests) == 3
    assert rows.slice(1999, 4001).num_rows == 2002
    assert len(counted.requests) == 5


def test_of_a_column_in_few_row_groups_no_more_is_fetched_than_the_column(counted, monkeypatch):
    store = HttpStore(counted.url)
    nbytes = store.stat("large").nbytes
    rows = GroupedRows(store, "large", nbytes)
    counted.reset_counts()
    assert len(rows.column("one")) == 20_000
    assert counted.nbytes_sent < 0.6 * nbytes
    monkeypatch.setattr(_table_rows, "_MOST_GROUPS", 3)
    counted.reset_counts()
    assert len(rows.column("other")) == 20_000
    assert len(counted.requests) == 1  # for all of it


def test_a_file_that_is_no_table_or_not_as_long_as_said_is_told(store, tmp_path):
    nbytes = store.stat("table").nbytes
    (tmp_path / "noise").write_bytes(bytes(nbytes))
    with pytest.raises(TableError, match="cannot be read as parquet"):
        GroupedRows(store, "noise", nbytes)
    with pytest.raises(TableError, match=f"should have {nbytes + 10} bytes, and ends at {nbytes}"):
        GroupedRows(store, "table", nbytes + 10)
    with pytest.raises(StoreError, match="is gone"):
        GroupedRows(store, "other", nbytes)
    with pytest.raises(TableError, match="claims to have something at bytes"):
        GroupedRows(store, "table", nbytes)._ranges.hold(0, nbytes + 1)


def test_pages_that_are_damaged_are_told_when_they_are_read(store, tmp_path):
    data = bytearray((tmp_path / "table").read_bytes())
    data[40:120] = bytes(80)
    (tmp_path / "table").write_bytes(data)
    rows = GroupedRows(store, "table", len(data))
    assert rows.slice(50, 60).num_rows == 10
    with pytest.raises(TableError, match="cannot be read as parquet"):
        rows.slice(0, 5)


# Streams beside a large table


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A collection in five containers, whose table counts as a large one."""
    monkeypatch.setattr(_find_containers, "_LARGE_TABLE", 0)
    monkeypatch.setattr(_table_rows, "_TAIL_NBYTES", TAIL)
    monkeypatch.setattr(_container_files, "_GROUP", 16)
    rng = np.random.default_rng(0)
    samples = [
        {
            "input": np.full((1, 4, 5), number, "uint16"),
            "target": np.int64(1),
            "crs": "EPSG:32633",
            "geotransform": (465180.0 + number, 10.0, 0.0, 5080250.0, 0.0, -10.0),
            "noise": rng.bytes(3000).hex(),
            "number": number,
        }
        for number in range(100)
    ]
    collection = mlstac_hf.Collection(
        id="x", title="X", description="Numbers.", license="CC0-1.0", task=["TensorClassification"], labels={"a": 1}
    )
    nbytes = 20 * 6500  # as much as twenty samples take, with their headers
    mlstac_hf.write(samples, tmp_path, collection, layout="container", shard_nbytes=nbytes)
    return samples


def streamed(server):
    return mlstac_hf.load(f"{server.url}/main.json", stream=True, framework="numpy")


def test_of_a_large_table_a_stream_fetches_what_its_samples_need(tmp_path, published):
    nbytes = (tmp_path / "train" / "metadata.parquet").stat().st_size
    assert nbytes > 150_000
    with MisbehavingServer(tmp_path) as server:
        split = streamed(server)
        assert len(split) == 100
        assert split.metadata[3]["number"] == 3
        of_table = [request for request in server.requests if request.path.endswith(".parquet")]
        assert [request.method for request in of_table] == [
            "HEAD",
            "GET",
            "GET",
            "GET",
        ]  # twenty rows lie in two groups
        assert server.nbytes_sent < nbytes
        server.reset_counts()
        for number, (sample, given) in enumerate(zip(split, published, strict=True)):
            np.testing.assert_array_equal(sample["input"], given["input"])
            assert split.metadata[number]["number"] == number
            assert split.metadata[number]["noise"] == given["noise"]
        again = pickle.loads(pickle.dumps(split))
        assert again.metadata[99]["number"] == 99


def test_in_any_order_rows_are_those_of_their_samples(tmp_path, published):
    with MisbehavingServer(tmp_path) as server:
        split = streamed(server)
        for number in np.random.default_rng(0).permutation(100).tolist():
            assert split.metadata[number]["number"] == split[number]["input"].flat[0] == number


def test_a_damaged_table_is_an_error_of_the_samples_that_need_it(tmp_path, published):
    path = tmp_path / "train" / "metadata.parquet"
    data = bytearray(path.read_bytes())
    data[100:4000] = bytes(3900)
    path.write_bytes(data)
    with MisbehavingServer(tmp_path) as server:
        split = streamed(server)
        assert split.metadata[99]["number"] == 99
        with pytest.raises(
            mlstac_hf.CorruptSampleError, match=r"train/metadata\.parquet: it cannot be read as parquet"
        ):
            split.metadata[0]


def test_without_a_word_on_their_number_datapoints_are_counted_by_the_table(tmp_path, published):
    document = json.loads((tmp_path / "main.json").read_text())
    document["ml_catalog"]["train"]["data_descriptions"] = ["some"] * 5
    (tmp_path / "main.json").write_text(json.dumps(document))
    with MisbehavingServer(tmp_path) as server:
        split = streamed(server)
        assert len(split) == 100
        assert split.metadata[55]["number"] == 55


def test_a_table_that_lacks_rows_is_told_and_the_others_are_found(tmp_path, published):
    path = tmp_path / "train" / "metadata.parquet"
    pq.write_table(pq.read_table(path).slice(10, 60), path, row_group_size=16)
    with MisbehavingServer(tmp_path) as server:
        split = streamed(server)
        with pytest.warns(mlstac_hf.CollectionWarning, match="lacks 20 of 20 datapoints"):
            assert split.metadata[99]["number"] is None
        with pytest.warns(mlstac_hf.CollectionWarning, match="lacks 10 of 20 datapoints"):
            assert split.metadata[15]["number"] == 15
        assert split.metadata[3]["number"] is None
        assert split[3]["input"].flat[0] == 3


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("note", lambda: ["x" * 120_000_000]),
        ("list", lambda: pa.array([np.zeros(10_000_000, np.int64)] * 2)),
    ],
)
def test_a_table_that_says_it_holds_far_more_than_its_size_is_refused_before_it_is_read(tmp_path, column, values):
    table = pa.table({"datapoint_id": list("abcd")[: len(values())], column: values()})
    pq.write_table(table, tmp_path / "table", compression="zstd")
    data = (tmp_path / "table").read_bytes()
    assert len(data) < 100_000
    message = f"bytes are said to hold .* of them in column '{column}"
    with pytest.raises(TableError, match=message):
        WholeRows(data)
    with pytest.raises(TableError, match=message):
        GroupedRows(LocalStore(tmp_path), "table", len(data))


def test_a_table_of_many_equal_values_is_none_of_those(tmp_path):
    count = 1_000_000
    columns = {f"column {number}": np.full(count, 1.0) for number in range(30)} | {"url": ["train/one.mlstac"] * count}
    pq.write_table(pa.table({"datapoint_id": [f"{number:07d}" for number in range(count)], **columns}), tmp_path / "t")
    assert len(WholeRows((tmp_path / "t").read_bytes())) == count

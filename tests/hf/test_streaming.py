"""`load_dataset(streaming=True)` over a network: few requests, every difference an error by name, an exact resume."""

from __future__ import annotations

import gzip
import itertools
import json
import pickle

import numpy as np
import pytest
from safetensors.numpy import save

import mlstac_hf
from mlstac_hf import SchemaMismatchError
from mlstac_hf._hf import _job
from mlstac_hf._spec import TensorSchema, encode_name


def write(folder, samples, *, count=None, compressed=False, **document):
    """Samples as (tensors, metadata) in the sample layout."""
    (folder / "train").mkdir(parents=True)
    for index, (tensors, metadata) in enumerate(samples):
        data = save(tensors, metadata)
        path = folder / "train" / f"{encode_name(index)}.safetensors"
        if compressed:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(data, 1))
        else:
            path.write_bytes(data)
    split = {"n_items": len(samples) if count is None else count, "link": ""}
    main = {"id": "streamed", "ml:task": "TensorSegmentation", "ml:train": split, **document}
    (folder / "main.json").write_text(json.dumps(main))


def plain(index, shape=(2, 8, 8), **metadata):
    image = np.full(shape, index, np.uint16)
    return {"input": image, "target": image[:1].astype(np.uint8)}, {"scene": "a", **metadata}


@pytest.fixture
def stream(server, tmp_path):
    """Opens what was written to `tmp_path / "made"`, behind a server."""

    def opened(**options):
        address = f"{server.url}/made/main.json"
        return mlstac_hf.load_dataset(address, split="train", streaming=True, cache_dir=str(tmp_path / "c"), **options)

    return opened


def firsts(rows):
    return [np.asarray(row["input"]).flat[0] for row in rows]


@pytest.mark.parametrize("count", [100, 100_000])
@pytest.mark.parametrize("compressed", [False, True])
def test_opening_takes_few_requests_however_many_samples_there_are(tmp_path, stream, server, compressed, count):
    write(tmp_path / "made", [plain(index) for index in range(3)], count=count, compressed=compressed)
    found = stream()
    assert len(server.requests) <= 4
    assert {path.rpartition("/")[2].partition(".")[0] for _, path, _ in server.requests} == {"main", "0000001"}
    assert firsts([next(iter(found))]) == [0]


def test_features_have_the_axes_free_that_the_schema_key_leaves_free(tmp_path, stream):
    shapes = [(2, 8, 8), (5, 8, 8), (1, 8, 8)]
    schema = {
        "input": TensorSchema(dtype="uint16", shape=(None, 8, 8)).model_dump(),
        "target": TensorSchema(dtype="uint8", shape=(1, 8, 8)).model_dump(),
    }
    write(tmp_path / "made", [plain(i, shape) for i, shape in enumerate(shapes)], **{"mlhf:schema": schema})
    found = stream()
    assert found.features["input"].shape == (None, 8, 8)
    assert found.features["target"].shape == (1, 8, 8)
    assert [np.asarray(row["input"]).shape for row in found] == shapes


def test_without_the_key_a_later_shape_is_an_error_by_name(tmp_path, stream):
    write(tmp_path / "made", [plain(0), plain(1), plain(2, (5, 8, 8))])
    with pytest.raises(SchemaMismatchError, match=r"0000003.*'input' is uint16 \(5, 8, 8\), expected"):
        list(stream())


def test_a_tensor_that_the_first_sample_has_not_is_an_error_by_name(tmp_path, stream):
    more = ({**plain(2)[0], "extra": np.zeros(3, np.uint8)}, {"scene": "a"})
    write(tmp_path / "made", [plain(0), plain(1), more])
    with pytest.raises(SchemaMismatchError, match=r"0000003.*has 'extra', which the first sample has not"):
        list(stream())
    assert firsts(stream(columns=["input", "scene"])) == [0, 1, 2]
    with pytest.warns(mlstac_hf.CollectionWarning, match="1 bad samples left out"):
        assert firsts(stream(on_error="skip")) == [0, 1]


@pytest.mark.parametrize("stop", [0, 1, 2, 3, 7, 50, 149, 150])
@pytest.mark.parametrize("arrow", [False, True])
def test_a_stream_resumes_where_it_stopped(tmp_path, stream, monkeypatch, stop, arrow):
    monkeypatch.setattr(_job, "_SHARD_NBYTES", 20_000)
    write(tmp_path / "made", [plain(index) for index in range(150)])

    def opened():
        return stream().with_format("mlstac_numpy" if arrow else None)

    rows = opened()
    before = firsts(itertools.islice(rows, stop))
    state = pickle.loads(pickle.dumps(rows.state_dict()))
    later = opened()
    later.load_state_dict(state)
    assert [*before, *firsts(later)] == list(range(150))


def test_rows_are_shared_out_in_runs_that_are_worth_reading_ahead(tmp_path, stream):
    write(tmp_path / "made", [plain(index) for index in range(150)])
    found = stream()
    assert found.n_shards == 16
    dealt = [firsts(found.shard(num_shards=4, index=index)) for index in range(4)]
    assert sorted(itertools.chain(*dealt)) == list(range(150))


def test_tables_grow_so_that_the_first_row_need_not_wait_for_many(tmp_path, stream):
    write(tmp_path / "made", [plain(index) for index in range(30)])
    found = stream()
    lengths = [len(table) for _, table in found._ex_iterable.generate_tables_fn([(0, 30)], "train", True)]
    assert sum(lengths) == 30
    assert lengths[0] == 2
    assert lengths == sorted(lengths)

"""Formats: stock ones read every column of everything, ours keep dtypes and share Arrow's memory."""

from __future__ import annotations

import pickle
import subprocess
import sys

import datasets
import numpy as np
import pytest
from loading import as_numpy, load
from made import TRAITS, write
from writing import sample

import mlstac_hf

STOCK = ["python", "numpy", "torch", "tf", "jax"]
NEWEST = int(datasets.__version__.partition(".")[0]) >= 5


def stock(name):
    pytest.importorskip({"tf": "tensorflow", "python": "numpy"}.get(name, name))
    return None if name == "python" else name


@pytest.mark.parametrize("name", STOCK)
def test_stock_formats_read_every_column_of_every_trait(trait, cache, name):
    style = stock(name)
    for split, dataset in load(trait, cache).items():
        formatted = dataset.with_format(style)
        assert set(formatted[0]) == set(dataset.column_names)
        assert set(formatted[:2]) == set(dataset.column_names)
        assert len(list(formatted.iter(batch_size=2))) == -(-len(trait.splits[split]) // 2)
        for column in dataset.column_names:
            assert len(formatted[column][:]) == len(dataset)


def test_ours_give_every_sample_of_every_trait_in_its_stored_dtype(trait, cache, framework):
    pytest.importorskip({"tf": "tensorflow"}.get(framework, framework))
    for split, dataset in load(trait, cache).items():
        formatted = dataset.with_format(f"mlstac_{framework}")
        for row, made in zip(range(len(dataset)), trait.splits[split], strict=True):
            if framework == "jax" and any(
                isinstance(v, np.ndarray) and v.dtype == "float64" for v in made.shown.values()
            ):
                with pytest.raises(mlstac_hf.UnsupportedDtypeError, match="jax_enable_x64"):
                    formatted[row]
                continue
            try:
                found = formatted[row]
            except mlstac_hf.UnsupportedDtypeError as error:
                assert framework == "paddle", error  # noqa: PT017 - which has no such float8
                continue
            for name, expected in made.shown.items():
                value = as_numpy(found[name], expected)
                if isinstance(expected, str):
                    assert value == expected
                else:
                    assert value.dtype == expected.dtype
                    assert value.tobytes() == expected.tobytes()


@pytest.mark.skipif(NEWEST, reason="fully tested on the newest datasets")
@pytest.mark.parametrize("name", ["tf", "jax", pytest.param("paddle", marks=pytest.mark.paddle)])
def test_smoke_of_other_frameworks_on_older_datasets(collection, cache, name):
    pytest.importorskip({"tf": "tensorflow"}.get(name, name))
    row = load(collection, cache)["train"].with_format(f"mlstac_{name}")[0]
    expected = collection.splits["train"][0].shown["target"]
    assert as_numpy(row["target"], expected).tobytes() == expected.tobytes()


@pytest.fixture
def train(collection, cache):
    return load(collection, cache, split="train")


def buffer_of(dataset, name):
    """Where the values of a column lie in Arrow's memory."""
    values = dataset.data.column(name).chunk(0).storage
    while hasattr(values, "flatten") and hasattr(values.type, "value_type"):
        values = values.flatten()
    data = values.buffers()[-1]
    return data.address, data.address + data.size


def test_numpy_and_torch_share_the_memory_of_the_cache_file(train):
    torch = pytest.importorskip("torch")
    start, stop = buffer_of(train, "input")
    for key in (0, 4, slice(1, 4)):
        array = train.with_format("mlstac_numpy")[key]["input"]
        assert start <= array.ctypes.data < stop
        assert not array.flags.writeable
        tensor = train.with_format("mlstac_torch")[key]["input"]
        assert tensor.dtype == torch.uint16
        assert tensor.data_ptr() == array.ctypes.data


def test_copy_gives_memory_of_ones_own(train):
    torch = pytest.importorskip("torch")
    tensor = train.with_format("mlstac_torch", copy=True)[0]["input"]
    before = train.with_format("mlstac_numpy")[0]["input"].copy()
    tensor.view(torch.int16).zero_()
    np.testing.assert_array_equal(train.with_format("mlstac_numpy")[0]["input"], before)


def test_a_device_is_where_tensors_go(train):
    pytest.importorskip("torch")
    assert train.with_format("mlstac_torch", device="meta")[0]["input"].device.type == "meta"


@pytest.mark.parametrize(
    "change",
    [
        lambda ds: ds.select([3, 0, 2]),
        lambda ds: ds.shuffle(seed=1),
        lambda ds: ds.map(lambda row: {"sum": int(np.asarray(row["target"]).sum())}),
        lambda ds: ds.train_test_split(0.4, seed=2)["train"],
        lambda ds: ds.filter(lambda row: row["id"] != "0000002"),
        lambda ds: ds.flatten_indices(),
        lambda ds: datasets.concatenate_datasets([ds, ds.select([1])]),
    ],
    ids=["select", "shuffle", "map", "train_test_split", "filter", "flatten_indices", "concatenate"],
)
def test_ours_survive_what_people_do_to_datasets(train, collection, change):
    made = {sample.name: sample for sample in collection.splits["train"]}
    changed = change(train).with_format("mlstac_numpy")
    assert len(changed) > 1
    for row in [*changed, *({k: v[i] for k, v in changed[:].items()} for i in range(len(changed)))]:
        for name, expected in made[row["id"]].shown.items():
            assert row[name].dtype == expected.dtype
            assert row[name].tobytes() == expected.tobytes()


def test_map_keeps_arrays_when_ours_is_set(train):
    doubled = train.with_format("mlstac_numpy").map(lambda row: {"double": row["input"].astype("float32") * 2})
    assert doubled[0]["double"].dtype == np.float32
    np.testing.assert_array_equal(doubled[0]["double"], doubled[0]["input"].astype("float32") * 2)


def test_values_that_the_stored_dtype_cannot_hold_stay_as_map_left_them(tmp_path, cache):
    dataset = load(TRAITS["bool_bfloat16_float16"](tmp_path), cache, split="train")
    assert dataset.with_format("mlstac_numpy")[0]["target"].dtype.name == "bfloat16"
    third = dataset.map(lambda row: {"target": np.asarray(row["target"], "float32") / 3}, features=dataset.features)
    value = third.with_format("mlstac_numpy")[0]["target"]
    assert value.dtype == np.float32
    np.testing.assert_array_equal(value, np.asarray(dataset[0]["target"], "float32") / 3)


def test_nested_lists_are_arrays_where_they_agree(train):
    for name, values in {
        "even": [[[1, 2], [3, 4]]] * 5,
        "taller": [[[1, 2]] * (1 + i) for i in range(5)],
        "ragged": [[[1], [2, 3]]] * 5,
    }.items():
        train = train.add_column(name, values)
    batch = train.with_format("mlstac_numpy")[:]
    assert batch["even"].shape == (5, 2, 2)
    assert [row.shape for row in batch["taller"]] == [(1 + i, 2) for i in range(5)]
    assert batch["ragged"] == [[[1], [2, 3]]] * 5


def test_saved_datasets_load_in_a_process_that_registered(train, tmp_path):
    saved = str(tmp_path / "saved")
    train.with_format("mlstac_numpy").save_to_disk(saved)
    code = (
        f"import datasets, mlstac_hf; mlstac_hf.register()\nprint(datasets.load_from_disk({saved!r})[0]['input'].dtype)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "uint16"


def test_a_pickled_dataset_brings_its_format_along(train, tmp_path):
    path = tmp_path / "dataset.pickle"
    path.write_bytes(pickle.dumps(train.with_format("mlstac_numpy")))
    code = f"import pickle; d = pickle.load(open({str(path)!r}, 'rb')); print(d[0]['input'].dtype)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "uint16"


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.parametrize("streaming", [False, True], ids=["cached", "streaming"])
def test_workers_know_the_format(collection, cache, start, streaming):
    torch = pytest.importorskip("torch")
    from mlstac_hf.torch import collate

    dataset = load(collection, cache, split="train", streaming=streaming).with_format("mlstac_torch")
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=2, num_workers=2, multiprocessing_context=start, collate_fn=collate
    )
    batches = list(loader)
    assert {batch["input"].dtype for batch in batches} == {torch.uint16}
    made = {sample.name: sample.shown for sample in collection.splits["train"]}
    for batch in batches:
        for name, image in zip(batch["id"], batch["input"], strict=True):
            assert image.numpy().tobytes() == made[name]["input"].tobytes()
    assert sorted(name for batch in batches for name in batch["id"]) == sorted(made)


def test_streams_keep_dtypes_through_batches_and_map(collection, cache):
    stream = load(collection, cache, split="train", streaming=True)
    mapped = stream.map(lambda row: {"half": row["id"]}, features=None).with_format("mlstac_numpy")
    assert next(iter(stream.with_format("mlstac_numpy")))["input"].dtype == np.uint16
    batch = next(iter(stream.with_format("mlstac_numpy").iter(batch_size=3)))
    assert np.asarray(batch["input"]).dtype == np.uint16
    assert next(iter(mapped))["half"] == "0000001"


def test_rows_without_a_value_are_none(train):
    nulls = train.map(lambda row, i: {"target": None if i == 1 else row["target"]}, with_indices=True)
    values = nulls.with_format("mlstac_numpy")["target"][:]
    assert [value is None for value in values] == [False, True, False, False, False]
    assert values[0].dtype == np.uint8


def test_columns_of_ones_own_come_out_as_numbers_lists_or_python(train):
    own = {
        "count": list(range(5)),
        "gappy": [1, None, 3, 4, 5],
        "ragged": [[1.5] * i for i in range(5)],
        "holes": [[1, None]] * 5,
        "names": [["a", "b"]] * 5,
        "nested": [{"a": i} for i in range(5)],
    }
    for name, values in own.items():
        train = train.add_column(name, values)
    batch = train.with_format("mlstac_numpy")[:]
    assert batch["count"].tolist() == own["count"]
    assert [v if v is None else int(v) for v in batch["gappy"]] == own["gappy"]
    assert [row.tolist() for row in batch["ragged"]] == own["ragged"]
    assert batch["holes"] == own["holes"]
    assert batch["names"] == own["names"]
    assert batch["nested"] == own["nested"]


def test_numbers_stay_numbers_through_map(tmp_path, cache):
    dataset = load(TRAITS["class_labels"](tmp_path), cache, split="train").with_format("mlstac_numpy")
    again = dataset.map(lambda row: row)
    assert again.features["target"] == dataset.features["target"]
    assert again[0]["target"].shape == ()
    assert again[0]["target"].dtype == dataset[0]["target"].dtype


def test_batches_of_a_stream_are_arrays(collection, cache):
    stream = load(collection, cache, split="train", streaming=True).with_format("mlstac_numpy")
    for batch, count in zip(stream.batch(2), (2, 2, 1), strict=True):
        assert (batch["input"].dtype, batch["input"].shape[0]) == (np.uint16, count)


def test_a_class_label_keeps_its_stored_dtype_unless_a_value_no_longer_fits(tmp_path, cache):
    made = TRAITS["class_labels"](tmp_path)
    dataset = load(made, cache, split="train")
    stored = made.splits["train"][0].shown["target"].dtype
    assert dataset.with_format("mlstac_numpy")["target"][:].dtype == stored
    unlabelled = dataset.map(lambda _: {"target": -1}, features=dataset.features)
    assert set(unlabelled.with_format("mlstac_numpy")["target"][:].tolist()) == {-1}


def test_extension_types_are_read_without_features(train):
    from mlstac_hf._hf._columns import tensors_of

    array = tensors_of(train.data.column("input"), None)
    assert array.shape == train.with_format("mlstac_numpy")[:]["input"].shape


def test_int64_that_jax_cannot_hold_is_refused_and_metadata_stays(tmp_path, cache):
    jax = pytest.importorskip("jax")
    made = write(tmp_path, lambda i: sample(i, {"input": np.array([i, 2**40 * i])}), counts={"train": 2})
    dataset = load(made, cache, split="train").with_format("mlstac_jax")
    assert isinstance(dataset[0]["input"], jax.Array)
    assert dataset[0]["geotransform"].dtype == np.float64
    with pytest.raises(mlstac_hf.UnsupportedDtypeError, match="do not fit 32 bits"):
        dataset[1]


def test_registering_again_changes_nothing_and_an_unknown_datasets_is_refused(monkeypatch, caplog):
    mlstac_hf.register()
    mlstac_hf.register()
    assert not caplog.text
    monkeypatch.delattr(datasets.formatting, "_register_formatter")
    with pytest.raises(mlstac_hf.MLSTACError, match=r"datasets 3\.6 to 5\.2"):
        mlstac_hf.register()

"""`load_dataset`: every sample of every kind of collection, the cache, splits, errors."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import datasets
import numpy as np
import pytest
from loading import load
from made import TRAITS, write
from writing import sample, write_main

import mlstac_hf
from mlstac_hf import CollectionWarning


def assert_same(value, expected):
    if isinstance(expected, str):
        assert value == expected
        return
    assert value.dtype == expected.dtype
    assert value.shape == expected.shape
    assert value.tobytes() == expected.tobytes()


def text(time):
    return time and time.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize("streaming", [False, True], ids=["cached", "streaming"])
def test_every_sample_of_every_trait_is_exact(trait, cache, streaming):
    loaded = load(trait, cache, streaming=streaming)
    assert list(loaded) == list(trait.splits)
    for split, samples in trait.splits.items():
        rows = list(loaded[split].with_format("mlstac_numpy"))
        assert len(rows) == len(samples)
        for row, made in zip(rows, samples, strict=True):
            for name, expected in made.shown.items():
                assert_same(row[name], expected)
            assert row["id"] == made.typed["id"]
            assert row["crs"] == made.typed["crs"]
            expected = made.typed["geotransform"] or (np.nan,) * 6
            assert row["geotransform"].dtype == np.float64
            np.testing.assert_array_equal(row["geotransform"], expected)
            for name in ("start_datetime", "end_datetime"):
                assert row[name] == text(made.typed[name])
            for key in set(made.typed) - {"id", "crs", "geotransform", "start_datetime", "end_datetime"}:
                assert row[f"meta_{key}" if key in made.shown else key] == made.typed[key]


def test_columns_are_tensors_then_standard_metadata_then_own_keys_sorted(tmp_path, cache):
    made = TRAITS["user_keys_0.0.12"](tmp_path)
    names = load(made, cache)["train"].column_names
    assert names[:7] == ["input", "target", "id", "crs", "geotransform", "start_datetime", "end_datetime"]
    assert "meta_target" in names
    assert [name.removeprefix("meta_") for name in names[7:]] == sorted(
        name.removeprefix("meta_") for name in names[7:]
    )


def features(name, tmp_path, cache):
    return load(TRAITS[name](tmp_path), cache)["train"].features


def test_fixed_shapes_are_arrays_that_keep_the_stored_dtype(tmp_path, cache):
    found = features("time_series", tmp_path, cache)["input"]
    assert isinstance(found, datasets.Array4D)
    assert found.id == found.dtype


def test_shapes_that_vary_in_dim_0_alone_are_arrays_without_its_length(tmp_path, cache):
    found = features("ragged_boxes", tmp_path, cache)
    assert isinstance(found["target"], datasets.Array2D)
    assert tuple(found["target"].shape) == (None, 4)


def test_shapes_that_vary_elsewhere_are_data_and_shape(tmp_path, cache):
    found = features("ragged_boxes", tmp_path, cache)["input"]
    assert set(found) == {"data", "shape"}
    assert found["data"].feature.id == "uint16"


def test_one_axis_is_a_list_of_fixed_length(tmp_path, cache):
    found = features("half_vector", tmp_path, cache)["target"]
    assert found.feature.dtype == "float16"
    assert found.length > 0


def test_a_scalar_target_is_a_class_label_when_labels_count_from_zero(tmp_path, cache):
    found = features("class_labels", tmp_path, cache)["target"]
    assert isinstance(found, datasets.ClassLabel)
    assert found.names == ["water", "field", "forest"]


@pytest.mark.parametrize("name", ["sparse_labels", "unlabelled_classes"])
def test_a_scalar_target_is_a_number_otherwise(tmp_path, cache, name):
    assert isinstance(features(name, tmp_path, cache)["target"], datasets.Value)


def test_exotic_dtypes_are_stored_widened_and_remembered(tmp_path, cache):
    found = features("float8_complex64", tmp_path, cache)
    assert (found["input"].dtype, found["input"].id) == ("float32", "float8_e4m3fn")
    assert (found["target"].dtype, found["target"].id, found["target"].shape[-1]) == ("float32", "complex64", 2)


def test_a_prepared_dataset_is_not_built_again(collection, cache):
    first = load(collection, cache, split="train")
    built = Path(first.cache_files[0]["filename"]).stat().st_mtime_ns
    again = load(collection, cache, split="train")
    assert again.cache_files == first.cache_files
    assert Path(again.cache_files[0]["filename"]).stat().st_mtime_ns == built


def test_all_spellings_of_a_folder_share_the_cache(collection, cache, monkeypatch):
    files = load(collection, cache, split="train").cache_files
    monkeypatch.chdir(collection.folder.parent)
    for address in (collection.folder / "main.json", f"{collection.folder}/", collection.folder.name):
        assert mlstac_hf.load_dataset(address, split="train", cache_dir=cache).cache_files == files


def test_all_splits_and_one_split_share_the_cache(collection, cache):
    assert load(collection, cache)["train"].cache_files == load(collection, cache, split="train").cache_files


def test_a_sample_changed_in_place_is_never_served_stale(collection, cache):
    first = mlstac_hf.load(collection.address, "numpy")[0]
    load(collection, cache, split="train")
    path = collection.folder / "train" / f"{collection.splits['train'][0].name}.safetensors"
    status, data = path.stat(), bytearray(path.read_bytes())
    data[-1] ^= 0x01
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # as if nothing had happened
    now = mlstac_hf.load(collection.address, "numpy")[0]
    assert any((now[name] != first[name]).any() for name in first)
    served = load(collection, cache, split="train").with_format("mlstac_numpy")[0]
    for name, expected in now.items():
        assert_same(served[name], expected)


def test_a_changed_main_json_is_never_served_stale(tmp_path, cache):
    made = TRAITS["class_labels"](tmp_path)
    assert isinstance(load(made, cache, split="train").features["target"], datasets.ClassLabel)
    write_main(made.folder, {**made.document, "ml:labels": {"labels": {"a": 5}}})
    assert isinstance(load(made, cache, split="train").features["target"], datasets.Value)


@pytest.mark.parametrize(
    ("split", "counts"),
    [
        ("train", 5),
        ("train[:40%]", 2),
        ("train[1:3]", 2),
        ("train+validation", 8),
        ("train[:2]+test[-1:]", 3),
        ("all", 10),
        (["train", "test"], [5, 2]),
        (datasets.Split.TEST, 2),
        (datasets.ReadInstruction("train", to=50, unit="%"), 2),
    ],
)
def test_splits_are_written_as_anywhere(collection, cache, split, counts):
    found = load(collection, cache, split=split)
    assert ([len(one) for one in found] if isinstance(found, list) else len(found)) == counts


def test_an_unknown_split_names_those_there_are(collection, cache):
    with pytest.raises(mlstac_hf.UnknownNameError, match=r"train, validation, test.*trian"):
        load(collection, cache, split="trian[:3]")
    with pytest.raises(ValueError, match="expected a split such as"):
        load(collection, cache, split="train[:3")


def test_columns_and_limit_choose(collection, cache):
    found = load(collection, cache, split="train", columns=["target", "id"], limit=2)
    assert found.column_names == ["target", "id"]
    assert len(found) == 2
    assert load(collection, cache, split="train", columns="target").column_names == ["target"]
    with pytest.raises(mlstac_hf.UnknownNameError, match="no column 'mask'; there are input, target"):
        load(collection, cache, columns=["mask"])


@pytest.mark.parametrize("num_proc", [2, 3])
def test_many_processes_build_the_same_dataset(tmp_path, cache, num_proc):
    made = TRAITS["many"](tmp_path / "made")
    one = load(made, cache, split="train")
    many = load(made, f"{cache}-many", split="train", num_proc=num_proc)
    assert many[:] == one[:]


def damage(made, index=1):
    path = made.folder / "train" / f"{made.splits['train'][index].name}.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    return path


@pytest.mark.parametrize("streaming", [False, True], ids=["cached", "streaming"])
def test_a_bad_sample_is_refused_by_name_or_left_out(collection, cache, streaming):
    name = damage(collection).name
    with pytest.raises(mlstac_hf.CorruptSampleError, match=name):
        list(load(collection, cache, split="train", streaming=streaming))
    with pytest.warns(CollectionWarning, match=f"1 bad samples left out:\n.*{name}"):
        found = mlstac_hf.load_dataset(
            collection.address, split="train", cache_dir=cache, on_error="skip", streaming=streaming
        )
    assert [row["id"] for row in found] == [made.name for i, made in enumerate(collection.splits["train"]) if i != 1]


@pytest.mark.parametrize("num_proc", [None, 2])
def test_a_sample_that_breaks_after_its_header_is_named_too(tmp_path, cache, num_proc):
    made = TRAITS["gzip"](tmp_path)
    path = made.folder / "train" / f"{made.splits['train'][3].name}.safetensors.gz"
    data = bytearray(path.read_bytes())
    data[-6] ^= 0xFF  # in the checksum: the header still inflates
    path.write_bytes(data)
    with pytest.raises(mlstac_hf.CorruptSampleError, match=path.name):
        load(made, cache, split="train", num_proc=num_proc)
    with pytest.warns(CollectionWarning, match=path.name):
        found = mlstac_hf.load_dataset(made.address, split="train", cache_dir=cache, on_error="skip")
    assert len(found) == 4


def test_nothing_half_built_is_taken_for_whole(tmp_path, cache):
    made = TRAITS["gzip"](tmp_path)
    path = made.folder / "train" / f"{made.splits['train'][4].name}.safetensors.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-6] + b"\0" + whole[-5:])
    with pytest.raises(mlstac_hf.CorruptSampleError):
        load(made, cache, split="train")
    path.write_bytes(whole)
    assert len(load(made, cache, split="train")) == 5


def drifting(folder, dtypes):
    return write(folder, lambda i: sample(i, {"input": np.ones((2, 3), dtypes[i])}), counts={"train": len(dtypes)})


def test_samples_that_differ_are_refused_by_name_and_columns_is_the_way_round(tmp_path, cache):
    made = drifting(tmp_path, ["float32", "float32", "float64"])
    with pytest.raises(mlstac_hf.SchemaMismatchError, match=r"0000003.*'input' is float64.*float32.*columns="):
        load(made, cache, split="train")
    assert load(made, cache, split="train", columns=["id"])["id"][:] == ["0000001", "0000002", "0000003"]
    assert len(load(made, cache, split="train", on_error="skip")) == 2


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"input": np.ones((2, 3, 1), "float32")}, "'input' has 3 axes"),
        ({"input": np.ones((2, 3), "float32"), "target": np.ones(1, "uint8")}, "has input, target"),
    ],
)
def test_tensors_that_differ_are_refused_by_name(tmp_path, cache, other, message):
    first = {"input": np.ones((2, 3), "float32")}
    made = write(tmp_path, lambda i: sample(i, other if i == 2 else first), counts={"train": 3})
    with pytest.raises(mlstac_hf.SchemaMismatchError, match=rf"0000003.*{message}"):
        load(made, cache, split="train")


def test_splits_that_differ_load_together_but_do_not_join(tmp_path, cache, caplog):
    made = write(tmp_path, lambda i: sample(i, {"input": np.ones((2, 3), "float32")}), counts={"train": 2})
    other = write(tmp_path / "b", lambda i: sample(i, {"input": np.ones((2, 3), "int8")}), counts={"test": 2})
    shutil.move(other.folder / "test", made.folder / "test")
    write_main(made.folder, {**made.document, "ml:test": other.document["ml:test"]})
    found = load(made, cache)
    assert found["train"].features["input"].dtype == "float32"
    assert found["test"].features["input"].dtype == "int8"
    assert "each gets features of its own" in caplog.text
    with pytest.raises(mlstac_hf.SchemaMismatchError, match="split 'test'"):
        load(made, cache, split="train+test")


def test_class_values_that_labels_do_not_have_are_refused_by_name(tmp_path, cache):
    made = write(
        tmp_path,
        lambda i: sample(i, {"input": np.ones(2, "float32"), "target": np.array(i, "int16")}),
        counts={"train": 3},
        labels={"a": 0, "b": 1},
    )
    with pytest.raises(mlstac_hf.CorruptSampleError, match=r"0000003.*class 2.*labels 0 to 1"):
        load(made, cache, split="train")


def test_misfits_that_only_their_values_show_are_left_out_too(tmp_path, cache):
    made = write(
        tmp_path,
        lambda i: sample(i, {"input": np.ones(2, "float32"), "target": np.array(i, "int16")}),
        counts={"train": 4},
        labels={"a": 0, "b": 1},
    )
    with pytest.warns(CollectionWarning, match=r"2 bad samples left out:\n.*0000003.*class 2.*\n.*0000004.*class 3"):
        found = mlstac_hf.load_dataset(made.address, split="train", cache_dir=cache, on_error="skip")
    assert found["target"][:] == [0, 1]


def test_a_choice_of_columns_names_them_as_the_whole_dataset_does(tmp_path, cache):
    made = TRAITS["user_keys_0.0.12"](tmp_path)
    whole = load(made, cache, split="train")
    chosen = load(made, cache, split="train", columns=["meta_target", "id"])
    assert chosen.column_names == ["meta_target", "id"]
    assert chosen["meta_target"][:] == whole["meta_target"][:]
    with pytest.raises(ValueError, match="at least one column"):
        load(made, cache, columns=[])


def test_over_http_the_dataset_is_the_same_and_nothing_is_left_behind(collection, cache, server, tmp_path):
    address = f"{server.url}/{collection.folder.relative_to(tmp_path)}/main.json"
    remote = mlstac_hf.load_dataset(address, cache_dir=cache)
    local = load(collection, f"{cache}-local")
    assert {split: remote[split][:] for split in remote} == {split: local[split][:] for split in local}
    assert not list(Path(cache).glob("mlstac-staging-*"))


def test_over_http_a_stream_fetches_only_what_it_yields(collection, cache, server, tmp_path):
    address = f"{server.url}/{collection.folder.relative_to(tmp_path)}/main.json"
    stream = mlstac_hf.load_dataset(address, split="train", streaming=True, cache_dir=cache)
    assert next(iter(stream))["id"] == "0000001"


def test_over_http_a_later_sample_that_differs_is_an_error_by_name(tmp_path, cache, server):
    made = drifting(tmp_path / "made", ["float32", "float32", "float64"])
    address = f"{server.url}/made/main.json"
    assert made.folder.name == "made"
    stream = mlstac_hf.load_dataset(address, split="train", streaming=True, cache_dir=cache)
    with pytest.raises(mlstac_hf.SchemaMismatchError, match="0000003"):
        list(stream)


def test_offline_a_prepared_remote_dataset_opens_and_another_says_so(collection, cache, server, tmp_path, monkeypatch):
    address = f"{server.url}/{collection.folder.relative_to(tmp_path)}/main.json"
    online = mlstac_hf.load_dataset(address, cache_dir=cache)
    server.stop()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    offline = mlstac_hf.load_dataset(address, cache_dir=cache)
    assert {split: offline[split][:] for split in offline} == {split: online[split][:] for split in online}
    assert len(mlstac_hf.load_dataset(address, split="train[:2]", cache_dir=cache)) == 2
    with pytest.raises(mlstac_hf.StoreError, match="offline, and no dataset of this address"):
        mlstac_hf.load_dataset(address, cache_dir=cache, limit=1)
    with pytest.raises(mlstac_hf.StoreError, match="HF_HUB_OFFLINE"):
        mlstac_hf.load_dataset(address, cache_dir=cache, streaming=True)


def test_offline_a_local_collection_is_built_as_ever(collection, cache, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert len(load(collection, cache)["train"]) == 5


def test_an_empty_split_has_the_columns_of_the_others(tmp_path, cache):
    made = write(tmp_path, lambda i: sample(i, {"input": np.ones((2, 3), "uint8")}), counts={"train": 2})
    write_main(made.folder, {**made.document, "ml:validation": {"n_items": 0, "link": ""}})
    found = load(made, cache)
    assert len(found["validation"]) == 0
    assert found["validation"].features == found["train"].features
    assert len(load(made, cache, split="validation")) == 0


def test_a_collection_without_any_sample_says_where_was_looked(tmp_path, cache):
    made = write(tmp_path, lambda i: sample(i, {"input": np.ones(1)}), counts={"train": 1})
    shutil.rmtree(made.folder / "train")
    for split in (None, "train"):
        write_main(made.folder, {"id": "empty", "ml:train": {"n_items": 1, "link": ""}})
        with pytest.raises(
            mlstac_hf.CollectionNotFoundError, match=r"no samples of split 'train' found: looked in .*train"
        ):
            load(made, cache, split=split)
    write_main(made.folder, {"id": "bare"})
    with pytest.raises(mlstac_hf.CollectionNotFoundError, match="declares no split"):
        load(made, cache)


def test_a_declared_split_that_is_not_there_is_told_and_left_out(tmp_path, cache):
    made = write(tmp_path, lambda i: sample(i, {"input": np.ones(1)}), counts={"train": 2, "test": 1})
    shutil.rmtree(made.folder / "test")  # its link leads to a host that nobody knows
    with pytest.warns(
        CollectionWarning, match=r"left out: no samples of split 'test' found in .*, and example\.invalid"
    ):
        assert list(mlstac_hf.load_dataset(made.address, cache_dir=cache)) == ["train"]
    with pytest.raises(mlstac_hf.StoreError, match=r"example\.invalid"):
        mlstac_hf.load_dataset(made.address, split="test", cache_dir=cache)
    write_main(made.folder, {**made.document, "ml:test": {"n_items": 1, "link": None}})
    with pytest.warns(CollectionWarning, match="left out: no samples of split 'test'"):
        assert list(mlstac_hf.load_dataset(made.address, cache_dir=cache)) == ["train"]


def test_an_open_collection_is_an_address(collection, cache):
    opened = mlstac_hf.open_collection(collection.address)
    assert load(collection, cache, split="train")[:] == mlstac_hf.load_dataset(opened, "train", cache_dir=cache)[:]


def test_wrong_calls_say_what_is_expected(collection, cache):
    with pytest.raises(ValueError, match="on_error"):
        load(collection, cache, on_error="ignore")
    for limit in (-1, 2.5, "3"):
        with pytest.raises(ValueError, match="limit"):
            load(collection, cache, limit=limit)
    with pytest.raises(ValueError, match="an empty list"):
        load(collection, cache, split=[])
    with pytest.raises(ValueError, match="a stream has whole splits"):
        load(collection, cache, split="train[:2]", streaming=True)


def test_in_memory_and_info(collection, cache):
    found = load(collection, cache, split="train", keep_in_memory=True)
    assert not found.cache_files
    assert found.info.description == collection.document["description"]


def test_a_stream_is_dealt_to_workers_without_loss_and_pickles(tmp_path, cache):
    made = TRAITS["many"](tmp_path)
    stream = load(made, cache, split="train", streaming=True)
    assert stream.n_shards > 8
    again = pickle.loads(pickle.dumps(stream))
    assert [row["id"] for row in again] == [made.name for made in made.splits["train"]]


def test_an_unshuffled_stream_resumes_where_it_stopped(tmp_path, cache):
    made = TRAITS["many"](tmp_path)
    stream = load(made, cache, split="train", streaming=True)
    rows = iter(stream)
    seen = [next(rows)["id"] for _ in range(50)]
    state = stream.state_dict()
    later = load(made, cache, split="train", streaming=True)
    later.load_state_dict(state)
    assert [*seen, *(row["id"] for row in later)] == [sample.name for sample in made.splits["train"]]


def test_without_datasets_the_error_is_the_line_to_type():
    code = (
        "import sys; sys.modules['datasets'] = None\nimport mlstac_hf\ntry:\n mlstac_hf.register()\n"
        "except mlstac_hf.MissingExtraError as error:\n print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'mlstac-hf[hf]'" in done.stdout

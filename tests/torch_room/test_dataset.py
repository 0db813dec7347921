"""SampleDataset: by index, a batch at once, and in the loaders of torch and torchdata."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from tensors import facts_of
from torch_numbers import numbers

from mlstac_hf import CollectionWarning, CorruptSampleError, load
from mlstac_hf._load import LoadArguments

torch = pytest.importorskip("torch")

from mlstac_hf.torch import SampleDataset, collate


def facts(sample):
    return {name: facts_of(value, "torch") for name, value in sample.items() if name != "metadata"}


def test_a_sample_is_that_of_load(images):
    split, dataset = load(images.address), SampleDataset(images.address)
    assert len(dataset) == len(split)
    for index in (0, 4, -1):
        assert facts(dataset[index]) == facts(split[index])
    with pytest.raises(IndexError, match="sample 9 of a split of 9"):
        dataset[9]


def test_metadata_comes_along(images):
    split, dataset = load(images.address), SampleDataset(images.address, metadata=True)
    assert dataset[4]["metadata"] == split.metadata[4]
    assert [row["metadata"] for row in dataset.__getitems__([3, 1])] == [split.metadata[3], split.metadata[1]]


def test_many_at_once_are_the_same_as_one_after_another(images):
    dataset = SampleDataset(images.address, metadata=True)
    rows = dataset.__getitems__([4, 0, -1])
    assert len(rows) == 3
    for row, index in zip(rows, (4, 0, -1), strict=True):
        assert list(row) == list(dataset[index])
        assert facts(row) == facts(dataset[index])
    assert [row["metadata"]["id"] for row in rows[1:]] == [row["metadata"]["id"] for row in list(rows)[1:]]


def test_a_batch_that_was_read_at_once_is_not_stacked_again(images):
    dataset = SampleDataset(images.address)
    rows = dataset.__getitems__([4, 0])
    batch = collate(rows)
    assert batch["input"] is rows.columns["input"]
    assert facts(batch) == facts(collate([dataset[4], dataset[0]]))
    assert facts(torch.utils.data.default_collate(rows)) == facts(batch)


def test_what_a_sample_lacks_is_not_in_its_row(images):
    """As `dataset[i]` has it."""
    from safetensors.torch import save_file

    path = sorted(Path(images.address, "train").iterdir())[1]
    save_file({"input": torch.ones(2, 2)}, path)
    dataset = SampleDataset(images.address)
    assert [list(row) for row in dataset.__getitems__([0, 1])] == [["input", "target"], ["input"]]
    assert collate(dataset.__getitems__([0, 1]))["target"][1] is None


def test_texts_and_times_of_numpy_are_no_tensors():
    moment = np.datetime64("2020-06-01")
    rows = [{"id": np.str_("a"), "at": moment, "any": np.array([None], object), "n": np.float32(1)}] * 2
    rows[0] = {**rows[0], "names": np.array(["a", "b"])}
    batch = collate(rows)
    assert batch["id"] == ["a", "a"]
    assert type(batch["id"][0]) is str
    assert batch["at"] == [moment, moment]
    assert batch["any"][0] is rows[0]["any"]
    assert batch["names"][0] is rows[0]["names"]
    assert batch["n"].tolist() == [1, 1]


@pytest.mark.parametrize("workers", [0, 1])
def test_in_torchs_own_loader(numbered, workers):
    loader = torch.utils.data.DataLoader(
        SampleDataset(numbered, metadata=True), batch_size=5, num_workers=workers, collate_fn=collate
    )
    batches = list(loader)
    assert numbers(batches) == list(range(23))
    assert [len(batch["metadata"]["id"]) for batch in batches] == [5, 5, 5, 5, 3]


def test_bad_samples_are_left_out_of_batches_and_raise_alone(numbered):
    sorted(Path(numbered, "train").iterdir())[3].write_bytes(b"")
    dataset = SampleDataset(numbered, on_error="skip")
    with pytest.warns(CollectionWarning, match="sample 3"):
        assert len(dataset.__getitems__([2, 3, 4])) == 2
    with pytest.raises(CorruptSampleError):
        dataset[3]
    with pytest.raises(CorruptSampleError):
        SampleDataset(numbered).__getitems__([2, 3, 4])


def test_it_crosses_processes(numbered):
    dataset = pickle.loads(pickle.dumps(SampleDataset(numbered, limit=4, columns=["target"])))
    assert [int(row["target"]) for row in dataset.__getitems__(range(4))] == [0, 1, 2, 3]
    assert repr(dataset).startswith("SampleDataset(Split('train' of ")


def test_arguments_are_those_of_load():
    from inspect import signature

    own = {"address", "framework", "stream", "device", "split"}
    assert set(LoadArguments.__annotations__) == set(signature(load).parameters) - own


def test_an_argument_that_is_not_known_is_named(numbered):
    with pytest.raises(TypeError, match=r"SampleDataset\(\) has no argument 'band'. Did you mean 'bands'\?"):
        SampleDataset(numbered, band=["red"])

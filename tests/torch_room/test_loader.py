"""SampleLoader: what it delivers, and that it goes on exactly from its state."""

import json
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import write
from tensors import facts_of
from torch_numbers import numbers
from writing import sample

from mlstac_hf import CollectionWarning, CorruptSampleError, UnknownNameError, load
from mlstac_hf._order import Order, Shuffling

torch = pytest.importorskip("torch")

from mlstac_hf.torch import SampleLoader

COUNT = 23


def expected(epoch=0, seed=5, count=COUNT):
    return Order(count, Shuffling("full"), seed, epoch).at(range(count)).tolist()


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_the_samples_in_order(numbered, workers):
    loader = SampleLoader(numbered, batch_size=4, num_workers=workers)
    assert len(loader) == 6
    for epoch in range(2):
        assert loader.epoch == epoch
        batches = list(loader)
        assert numbers(batches) == expected(epoch)
        assert [len(batch["target"]) for batch in batches] == [4, 4, 4, 4, 4, 3]
        assert all(batch["input"][:, 0, 0].tolist() == batch["target"].tolist() for batch in batches)


def test_without_shuffle_samples_come_as_stored(numbered):
    assert numbers(SampleLoader(numbered, shuffle=False, num_workers=0)) == list(range(COUNT))
    assert numbers(SampleLoader(numbered, "test", num_workers=0, shuffle=False)) == [0, 1]


def test_blocks_are_as_large_as_four_megabytes(numbered):
    loader = SampleLoader(numbered, shuffle="blocks", num_workers=0)
    assert sorted(numbers(loader)) == list(range(COUNT))
    nbytes = sum(path.stat().st_size for path in Path(numbered, "train").iterdir()) / COUNT
    assert loader.state_dict()["block"] == round(4_000_000 / int(nbytes))


@pytest.mark.parametrize("workers", [0, 2])
def test_what_is_read_ahead_is_not_delivered(numbered, workers):
    loader = SampleLoader(numbered, batch_size=2, num_workers=workers, prefetch_factor=4 if workers else None)
    batches = iter(loader)
    for step in range(3):
        next(batches)
        assert loader.state_dict()["position"] == 2 * (step + 1)


def test_the_state_is_small_json(numbered):
    state = SampleLoader(numbered, num_workers=0).state_dict()
    text = json.dumps(state)
    assert len(text) < 400
    assert json.loads(text) == state
    assert {key: state[key] for key in ("version", "split", "samples", "shuffle", "seed", "epoch", "position")} == {
        "version": 1,
        "split": "train",
        "samples": COUNT,
        "shuffle": "full",
        "seed": 5,
        "epoch": 0,
        "position": 0,
    }


def test_it_goes_on_with_other_workers_and_batch_sizes_again_and_again(numbered):
    delivered, state = [], None
    for workers, batch_size, steps in [(2, 3, 2), (0, 4, 1), (1, 1, 2), (2, 5, 1), (0, 2, 1)]:
        loader = SampleLoader(numbered, batch_size=batch_size, num_workers=workers)
        if state:
            loader.load_state_dict(json.loads(json.dumps(state)))
        batches = iter(loader)
        delivered += numbers(next(batches) for _ in range(steps))
        state = loader.state_dict()
    loader = SampleLoader(numbered, batch_size=7, num_workers=1)
    loader.load_state_dict(state)
    assert delivered + numbers(loader) == expected()
    assert numbers(loader) == expected(1)  # the next epoch is full
    assert sorted(expected(1)) == list(range(COUNT))


@pytest.fixture(scope="module")
def small():
    with tempfile.TemporaryDirectory() as folder:
        build = lambda i: sample(i, {"target": np.array(i, np.int64)})
        yield str(write(Path(folder, "small"), build, counts={"train": 17}).folder)


@settings(max_examples=60)
@given(
    legs=st.lists(
        st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(0, 4), st.sampled_from(["pad", "drop", "repeat"])),
        min_size=1,
        max_size=6,
    )
)
def test_however_ranks_change_an_epoch_has_each_sample_once(small, legs):
    """Up to five resumes through the loader itself."""
    state, delivered = None, []
    for number, (world_size, batch_size, stop, uneven) in enumerate(legs):
        is_last = number == len(legs) - 1
        loaders = [
            SampleLoader(small, batch_size=batch_size, num_workers=0, rank=rank, world_size=world_size, uneven=uneven)
            for rank in range(world_size)
        ]
        for loader in loaders:
            if state:
                loader.load_state_dict(state)
        position = state["position"] if state else 0
        steps = len(loaders[0]) if is_last else min(stop, max(0, len(loaders[0]) - 1))
        running = [iter(loader) for loader in loaders]
        for _ in range(steps):
            for one in running:
                delivered += next(one)["target"].tolist()
        states = [loader.state_dict() for loader in loaders]
        assert all(other == states[0] for other in states)
        state = states[0]
    left, step = 17 - position, world_size * batch_size
    order = expected(count=17)
    if uneven == "drop":
        assert delivered == order[: 17 - left % step]
    else:
        padding = -left % (world_size if uneven == "pad" else step)
        assert Counter(delivered) == Counter(order + [order[place % 17] for place in range(padding)])


@pytest.mark.parametrize(("uneven", "lengths"), [("pad", [4, 4]), ("drop", [4]), ("repeat", [4, 4])])
def test_ranks_are_equally_long(numbered, uneven, lengths):
    """23 samples are two steps of three ranks, of which the second is a rest of 11; with batches of 4."""
    loaders = [
        SampleLoader(numbered, batch_size=4, num_workers=0, rank=rank, world_size=3, uneven=uneven) for rank in range(3)
    ]
    found = [list(loader) for loader in loaders]
    assert [[len(batch["target"]) for batch in batches] for batches in found] == [lengths] * 3
    counts = Counter(number for batches in found for number in numbers(batches))
    assert counts.total() == 12 * len(lengths)
    if uneven != "drop":
        assert counts == Counter([*range(COUNT), expected()[0]])


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"seed": 6}, "seed: 5 in the state, 6 here"),
        ({"shuffle": False}, "shuffle: 'full' in the state, 'none' here"),
        ({"split": "test"}, "split: 'train' in the state, 'test' here"),
        ({"limit": 22}, "digest of what chooses samples"),
    ],
)
def test_a_state_of_another_order_is_refused(numbered, other, named):
    state = SampleLoader(numbered, num_workers=0).state_dict()
    with pytest.raises(ValueError, match=named):
        SampleLoader(numbered, num_workers=0, **other).load_state_dict(state)


def test_a_state_of_another_collection_is_refused(numbered, images):
    state = SampleLoader(numbered, num_workers=0).state_dict()
    with pytest.raises(ValueError, match=r"digest of main\.json: .*\n.*number of samples: 23 in the state, 9 here"):
        SampleLoader(images.address, num_workers=0).load_state_dict(state)


def test_what_is_read_of_a_sample_makes_no_other_order(numbered):
    state = SampleLoader(numbered, num_workers=0).state_dict()
    loader = SampleLoader(numbered, num_workers=0, columns=["target"], on_error="skip", metadata=True)
    loader.load_state_dict(state)
    assert loader.state_dict() == state


def test_a_collection_that_moved_is_still_the_same(numbered, tmp_path):
    state = SampleLoader(numbered, num_workers=0).state_dict()
    moved = Path(numbered).rename(tmp_path / "moved")
    SampleLoader(moved, num_workers=0).load_state_dict(state)


def test_set_epoch_as_other_samplers_have_it(numbered):
    loader = SampleLoader(numbered, num_workers=0)
    loader.set_epoch(4)
    assert numbers(loader) == expected(4)


@pytest.mark.parametrize("workers", [0, 1])
def test_set_epoch_while_an_iteration_runs_is_of_the_next(numbered, workers):
    loader = SampleLoader(numbered, batch_size=8, num_workers=workers)
    batches = iter(loader)
    got = numbers([next(batches)])
    state = loader.state_dict()
    loader.set_epoch(2)
    assert loader.state_dict() == state
    got += numbers([next(batches)])
    assert (loader.epoch, loader.state_dict()["position"]) == (0, 16)
    assert got + numbers(batches) == expected()
    assert loader.epoch == 2
    assert numbers(loader) == expected(2)
    for _ in loader:
        loader.set_epoch(6)
        break
    assert numbers(loader) == expected(6)
    for _ in loader:
        break
    loader.set_epoch(1)  # nothing runs
    assert (loader.state_dict()["epoch"], loader.state_dict()["position"]) == (1, 0)


@pytest.mark.parametrize("workers", [0, 1])
def test_metadata_and_tensors_are_those_of_load(images, workers):
    split = load(images.address)
    loader = SampleLoader(images.address, batch_size=4, num_workers=workers, shuffle=False, metadata=True)
    for number, batch in enumerate(loader):
        where = range(9)[4 * number : 4 * number + 4]
        assert list(batch) == ["input", "target", "metadata"]
        for name, column in split[where.start : where.stop].items():
            assert facts_of(batch[name], "torch") == facts_of(column, "torch")
        assert batch["metadata"] == {
            key: [split.metadata[index][key] for index in where] for key in split.metadata[where.start]
        }


def test_a_bad_sample_is_named_or_left_out(numbered):
    bad = sorted(Path(numbered, "train").iterdir())[3]
    bad.write_bytes(b"")
    with pytest.raises(CorruptSampleError, match=rf"{bad.name} \(sample 3\)"):
        list(SampleLoader(numbered, num_workers=0, shuffle=False))
    loader = SampleLoader(numbered, batch_size=4, num_workers=0, shuffle=False, on_error="skip")
    with pytest.warns(CollectionWarning, match=bad.name):
        batches = list(loader)
    assert numbers(batches) == [number for number in range(COUNT) if number != 3]
    assert [len(batch["target"]) for batch in batches] == [3, 4, 4, 4, 4, 3]
    assert loader.state_dict()["epoch"] == 1


def test_a_batch_of_bad_samples_is_empty_and_still_a_batch(numbered):
    for path in sorted(Path(numbered, "train").iterdir())[:2]:
        path.write_bytes(b"")
    loader = SampleLoader(numbered, batch_size=2, num_workers=0, shuffle=False, on_error="skip", metadata=True)
    with pytest.warns(CollectionWarning, match="2 bad samples left out"):
        batches = list(loader)
    assert len(batches) == 12
    assert batches[0] == {"metadata": {}}


def test_a_collate_of_ones_own_gets_samples(numbered):
    loader = SampleLoader(numbered, batch_size=4, num_workers=1, collate_fn=sum_of_inputs, columns=["input"])
    assert list(loader) == [
        6 * sum(numbers_) for numbers_ in (expected()[place : place + 4] for place in range(0, COUNT, 4))
    ]


def sum_of_inputs(samples):
    assert len(samples[:2]) == 2
    return int(sum(one["input"].long().sum() for one in samples))


def test_arguments_of_load_arrive(images):
    loader = SampleLoader(images.address, num_workers=0, columns=["input"], limit=3, scale=0.5, shuffle=False)
    (batch,) = loader
    assert list(batch) == ["input"]
    assert batch["input"].dtype == torch.float32
    assert len(batch["input"]) == 3


@pytest.mark.parametrize(
    ("wrong", "error", "named"),
    [
        ({"shufle": True}, TypeError, r"SampleLoader\(\) has no argument 'shufle'"),
        ({"column": ["input"]}, TypeError, "Did you mean 'columns'"),
        ({"framework": "numpy"}, TypeError, r"SampleLoader\(\) has no argument 'framework'"),
        ({"shuffle": "full"}, ValueError, 'expected shuffle to be True, False or "blocks"'),
        ({"rank": 1}, ValueError, "give rank= and world_size= together, or neither, got rank=1, world_size=None"),
        ({"world_size": 2}, ValueError, "give rank= and world_size= together"),
        ({"rank": 2, "world_size": 2}, ValueError, "expected rank to be below world_size, 2, got 2"),
        ({"batch_size": 0}, ValueError, "expected batch_size to be 1 to 4611686018427387904, got 0"),
        ({"uneven": "fill"}, ValueError, "expected uneven to be"),
        ({"split": "trian"}, UnknownNameError, "Did you mean 'train'"),
        ({"limit": -1}, ValueError, "expected limit to be"),
    ],
)
def test_what_means_nothing_is_refused(numbered, wrong, error, named):
    with pytest.raises(error, match=named):
        SampleLoader(numbered, **{"num_workers": 0, **wrong})


@pytest.mark.parametrize("workers", [0, 1])
def test_the_whole_split_is_one_batch_where_the_batch_size_is_larger(numbered, workers):
    (batch,) = SampleLoader(numbered, batch_size=2**62, num_workers=workers)
    assert numbers([batch]) == expected()


def test_an_empty_split_has_no_batches(numbered):
    loader = SampleLoader(numbered, num_workers=0, limit=0, shuffle="blocks")
    assert list(loader) == []
    assert len(loader) == 0


def test_it_is_a_dataloader_for_all_who_ask(numbered):
    assert isinstance(SampleLoader(numbered, num_workers=0), torch.utils.data.DataLoader)

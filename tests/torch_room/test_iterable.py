"""The stream of a SampleDataset, in torchdata's StatefulDataLoader."""

import json
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest
from torch_numbers import numbers

from mlstac_hf import CollectionWarning
from mlstac_hf._order import Order, Shuffling

torch = pytest.importorskip("torch")
pytest.importorskip("torchdata")

from torchdata.stateful_dataloader import StatefulDataLoader

from mlstac_hf.torch import SampleDataset, collate

pytestmark = pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")
COUNT = 23


def loader(address, workers, *, batch_size=3, **options):
    stream = SampleDataset(address).iterable(**options)
    return stream, StatefulDataLoader(stream, batch_size=batch_size, num_workers=workers, collate_fn=collate)


def expected(epoch=0):
    return Order(COUNT, Shuffling("full"), 5, epoch).at(range(COUNT)).tolist()


def test_alone_it_is_the_order(numbered):
    stream = SampleDataset(numbered).iterable()
    assert [int(sample["target"]) for sample in stream] == expected()
    assert len(stream) == COUNT
    stream.set_epoch(3)
    assert [int(sample["target"]) for sample in stream] == expected(3)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_workers_split_it_by_range(numbered, workers):
    _, found = loader(numbered, workers, batch_size=100)
    batches = [batch["target"].tolist() for batch in found]
    order = expected()
    assert batches == ([order[:12], order[12:]] if workers == 2 else [order])


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("stop", [0, 1, 4, 8])
def test_it_goes_on_exactly_with_as_many_workers(numbered, workers, stop):
    _, whole = loader(numbered, workers)
    first = numbers(whole)
    _, one = loader(numbered, workers)
    running = iter(one)
    got = numbers(next(running) for _ in range(stop))
    state = json.loads(json.dumps(one.state_dict()))
    stream, other = loader(numbered, workers)
    other.load_state_dict(state)
    assert got + numbers(other) == first
    stream.set_epoch(1)
    second = numbers(other)
    assert sorted(second) == list(range(COUNT))
    assert second != first


def test_it_goes_on_twice(numbered):
    state, got = None, []
    for steps in (2, 3, None):
        _, one = loader(numbered, 2)
        if state:
            one.load_state_dict(state)
        running = iter(one)
        got += numbers(running if steps is None else (next(running) for _ in range(steps)))
        state = one.state_dict()
    _, whole = loader(numbered, 2)
    assert got == numbers(whole)


def test_another_number_of_workers_is_refused_with_the_way_out(numbered):
    _, one = loader(numbered, 2)
    batches = iter(one)
    next(batches)
    state = one.state_dict()
    list(batches)  # workers that wait to be asked are slow to end
    _, other = loader(numbered, 1)
    other.load_state_dict(state)
    with pytest.raises(ValueError, match=r"taken with 2 workers, here are 1: .* use SampleLoader"):
        next(iter(other))


def test_a_state_of_another_order_is_refused(numbered):
    _, one = loader(numbered, 0)
    next(iter(one))
    _, other = loader(numbered, 0, seed=6)
    other.load_state_dict(one.state_dict())
    with pytest.raises(ValueError, match="seed: 5 in the state, 6 here"):
        next(iter(other))


@pytest.mark.parametrize("wrong", [{}, {"course": {}, "workers": 1}])
def test_what_is_no_state(numbered, wrong):
    with pytest.raises(TypeError, match="expected a state of a stream"):
        SampleDataset(numbered).iterable().load_state_dict(wrong)


def test_ranks_are_equally_long(numbered):
    ranks = [SampleDataset(numbered).iterable(rank=rank, world_size=3) for rank in range(3)]
    found = [[int(sample["target"]) for sample in stream] for stream in ranks]
    assert [len(one) for one in found] == [len(stream) for stream in ranks] == [8, 8, 8]
    assert Counter(chain.from_iterable(found)) == Counter([*range(COUNT), expected()[0]])
    dropped = SampleDataset(numbered).iterable(rank=1, world_size=3, uneven="drop")
    assert len(list(dropped)) == len(dropped) == 7


def test_workers_that_stay_see_the_epoch_change(numbered):
    stream = SampleDataset(numbered).iterable()
    found = torch.utils.data.DataLoader(
        stream, batch_size=100, num_workers=1, collate_fn=collate, persistent_workers=True
    )
    for epoch in (0, 2):
        stream.set_epoch(epoch)
        assert numbers(found) == expected(epoch)


def test_a_bad_sample_is_passed_over_where_asked(numbered):
    sorted(Path(numbered, "train").iterdir())[3].write_bytes(b"")
    stream = SampleDataset(numbered, on_error="skip").iterable(shuffle=False)
    with pytest.warns(CollectionWarning, match="sample 3"):
        assert [int(sample["target"]) for sample in stream] == [number for number in range(COUNT) if number != 3]


def test_the_map_style_dataset_goes_on_too(numbered):
    def made():
        return StatefulDataLoader(
            SampleDataset(numbered),
            batch_size=3,
            num_workers=2,
            collate_fn=collate,
            shuffle=True,
            generator=torch.Generator().manual_seed(4),
        )

    first = numbers(made())
    one = made()
    running = iter(one)
    got = numbers(next(running) for _ in range(3))
    other = made()
    other.load_state_dict(one.state_dict())
    assert got + numbers(other) == first
    assert sorted(first) == list(range(COUNT))


def test_another_epoch_than_that_of_a_state_begins_at_its_start(numbered):
    stream = SampleDataset(numbered).iterable()
    found = iter(stream)
    for _ in range(5):
        next(found)
    state = stream.state_dict()
    for epoch, first in ((0, 5), (1, 0)):
        again = SampleDataset(numbered).iterable()
        again.load_state_dict(state)
        again.set_epoch(epoch)
        assert again.state_dict()["done"] == first
        assert [int(sample["target"]) for sample in again] == expected(epoch)[first:]

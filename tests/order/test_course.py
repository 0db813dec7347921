"""Runs through epochs: stopped anywhere, gone on with anything, each sample comes once an epoch."""

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlstac_hf._order import Course, Identity, Order, Shuffling

IDENTITY = Identity(collection="aa", split="train", selection="bb", samples=10)


def course(samples, *, shuffling=None, seed=5, **layout):
    return Course(replace(IDENTITY, samples=samples), shuffling or Shuffling("full"), seed=seed, **layout)


def ranks(world_size, samples, state, **more):
    made = [course(samples, world_size=world_size, rank=rank, **more) for rank in range(world_size)]
    for one in made:
        if state is not None:
            one.load_state_dict(json.loads(json.dumps(state)))
    return made


def play(made, stop=None):
    """Go on with all ranks at once, at most `stop` steps; what they got, step by step, rank by rank."""
    epochs = [one.begin() for one in made]
    batches = [list(epoch.batches()) for epoch in epochs]
    steps = len(epochs[0])
    got = []
    for step in range(steps if stop is None else min(stop, steps)):
        got.append([own[step] for own in batches])
        for one, epoch in zip(made, epochs, strict=True):
            one.deliver(epoch, step)
    if stop is None:
        for one, epoch in zip(made, epochs, strict=True):
            one.finish(epoch)
    return got


LAYOUTS = st.fixed_dictionaries(
    {
        "world_size": st.integers(1, 5),
        "batch_size": st.integers(1, 8),
        "uneven": st.sampled_from(["pad", "drop", "repeat"]),
    }
)
SHUFFLINGS = st.sampled_from([Shuffling("none"), Shuffling("full"), Shuffling("blocks", 5, 3)])


@settings(max_examples=1000)
@given(
    samples=st.integers(1, 120),
    shuffling=SHUFFLINGS,
    legs=st.lists(st.tuples(LAYOUTS, st.integers(0, 12)), max_size=5),
    last=LAYOUTS,
)
def test_however_often_it_is_resumed_an_epoch_has_each_sample_once(samples, shuffling, legs, last):
    """Up to five resumes, each with other ranks, batch sizes and ways to end; then the next epoch is full."""
    order = Order(samples, shuffling, 5, 0).at(range(samples)).tolist()
    state, delivered = None, []
    for layout, stop in legs:
        made = ranks(samples=samples, state=state, shuffling=shuffling, **layout)
        got = play(made, min(stop, max(0, len(made[0].current()) - 1)))  # not to its end
        delivered += [index for batches in got for batch in batches for index in batch]
        assert delivered == order[: len(delivered)]
        states = [one.state_dict() for one in made]
        assert all(other == states[0] for other in states)
        state = states[0]
        assert state["position"] == len(delivered)
        assert state["epoch"] == 0
    made = ranks(samples=samples, state=state, shuffling=shuffling, **last)
    left = len(order) - len(delivered)
    step = last["world_size"] * last["batch_size"]
    delivered += [index for batches in play(made) for batch in batches for index in batch]
    extra, missing = Counter(delivered) - Counter(order), Counter(order) - Counter(delivered)
    padding = {"pad": -left % last["world_size"], "drop": 0, "repeat": -left % step}[last["uneven"]]
    assert extra.total() == padding
    assert missing == Counter(order[samples - left % step :] if last["uneven"] == "drop" and left % step else [])
    assert extra <= Counter(order[place % samples] for place in range(padding))
    second = [index for batches in play(made) for batch in batches for index in batch]
    full = Order(samples, shuffling, 5, 1).at(range(samples)).tolist()
    if last["uneven"] == "drop":
        assert second == full[: samples - samples % step]
    else:
        assert set(second) == set(range(samples))
        assert second[: samples - samples % step] == full[: samples - samples % step]


@given(samples=st.integers(1, 60), shuffling=SHUFFLINGS, stops=st.lists(st.integers(0, 9), max_size=5), layout=LAYOUTS)
def test_with_the_same_layout_batches_are_those_of_a_run_that_never_stopped(samples, shuffling, stops, layout):
    """For batches before the last, whose padding depends on nothing else either."""
    whole = ranks(samples=samples, state=None, shuffling=shuffling, **layout)
    expected = play(whole) + play(whole)
    state, got = None, []
    for stop in stops:
        made = ranks(samples=samples, state=state, shuffling=shuffling, **layout)
        got += play(made, stop)
        state = made[0].state_dict()
    made = ranks(samples=samples, state=state, shuffling=shuffling, **layout)
    while len(got) < len(expected):
        got += play(made)
    assert got[: len(expected)] == expected


def test_a_finished_epoch_is_followed_by_the_next_in_full():
    one = course(10, batch_size=4)
    first = play([one])
    assert one.epoch == 1
    assert one.state_dict()["epoch"] == 1
    assert one.state_dict()["position"] == 0
    again = course(10, batch_size=4)
    again.load_state_dict(one.state_dict())
    second = play([again])
    assert sorted(index for batches in second for batch in batches for index in batch) == list(range(10))
    assert first != second


def test_a_state_after_the_last_batch_begins_the_next_epoch():
    one = course(10, batch_size=4, uneven="drop")
    play([one], stop=2)
    assert one.state_dict()["position"] == 10  # what is dropped is dealt with
    assert one.epoch == 1
    again = course(10, batch_size=3)
    again.load_state_dict(one.state_dict())
    assert again.epoch == 1
    assert len(again.current()) == 4


def test_an_epoch_that_was_broken_off_begins_again():
    one = course(10, batch_size=4)
    first = play([one], stop=2)
    assert one.state_dict()["position"] == 8
    assert play([one])[:2] == first


def test_the_length_is_that_of_what_is_left():
    one = course(10, batch_size=4)
    assert len(one.current()) == 3
    play([one], stop=1)
    again = course(10, batch_size=2)
    again.load_state_dict(one.state_dict())
    assert len(again.current()) == 3
    epoch = again.begin()
    again.deliver(epoch, 0)
    assert len(again.current()) == 3  # of the epoch that runs
    again.finish(epoch)
    assert len(again.current()) == 5


def test_set_epoch_begins_that_epoch_and_leaves_a_loaded_one_where_it_is():
    one = course(10, batch_size=4)
    play([one], stop=1)
    state = one.state_dict()
    one.set_epoch(3)
    assert play([one]) == [
        [batch] for batch in [Order(10, Shuffling("full"), 5, 3).at(range(10)).tolist()[i : i + 4] for i in (0, 4, 8)]
    ]
    again = course(10, batch_size=4)
    again.load_state_dict(state)
    again.set_epoch(0)
    assert len(play([again])) == 2
    again.load_state_dict(state)
    again.set_epoch(1)
    assert len(play([again])) == 3


def test_an_epoch_that_is_set_while_one_runs_is_the_next_one():
    one = course(10, batch_size=4)
    epoch = one.begin()
    one.deliver(epoch, 0)
    state = one.state_dict()
    one.set_epoch(7)
    assert one.state_dict() == state
    assert one.epoch == 0
    one.deliver(epoch, 1)
    assert (one.state_dict()["epoch"], one.state_dict()["position"]) == (0, 8)
    one.finish(epoch)
    assert (one.state_dict()["epoch"], one.state_dict()["position"]) == (7, 0)
    assert one.begin().order.epoch == 7


@pytest.mark.parametrize("is_told", [False, True])
def test_an_epoch_that_is_set_comes_after_one_that_is_broken_off(is_told):
    one = course(10, batch_size=4)
    epoch = one.begin()
    one.deliver(epoch, 0)
    one.set_epoch(7)
    if is_told:
        one.leave(epoch)
        assert one.epoch == 7
    again = one.begin()
    assert again.order.epoch == 7
    one.deliver(epoch, 1)  # of the one before: not counted
    one.finish(epoch)
    one.leave(epoch)
    assert (one.state_dict()["epoch"], one.state_dict()["position"]) == (7, 0)
    one.deliver(again, 0)
    assert one.state_dict()["position"] == 4


def test_an_epoch_that_is_set_after_one_was_broken_off_holds_at_once():
    one = course(10, batch_size=4)
    epoch = one.begin()
    one.deliver(epoch, 0)
    one.leave(epoch)
    assert one.state_dict()["position"] == 4
    one.set_epoch(7)
    assert (one.state_dict()["epoch"], one.state_dict()["position"]) == (7, 0)


def test_a_state_that_is_loaded_while_an_epoch_runs_is_gone_on_with():
    one = course(10, batch_size=4)
    epoch = one.begin()
    one.deliver(epoch, 0)
    state = one.state_dict()
    one.deliver(epoch, 1)
    one.set_epoch(7)
    one.load_state_dict(state)
    one.deliver(epoch, 2)
    assert one.state_dict() == state
    assert len(play([one])) == 2
    assert one.epoch == 1


def test_of_no_samples_there_are_no_batches():
    one = course(0, batch_size=4)
    assert play([one]) == []
    assert one.epoch == 1


@pytest.mark.parametrize(
    ("wrong", "error", "named"),
    [
        ({"seed": -1}, ValueError, "expected seed to be 0 to 18446744073709551615, got -1"),
        ({"seed": 2**64}, ValueError, "expected seed to be 0 to"),
        ({"seed": None}, TypeError, "expected seed to be a whole number, got None"),
        ({"batch_size": 0}, ValueError, "expected batch_size to be 1 to 4611686018427387904"),
        ({"rank": 1}, ValueError, "expected rank to be below world_size"),
    ],
)
def test_numbers_that_mean_nothing(wrong, error, named):
    with pytest.raises(error, match=named):
        course(10, **wrong)


@pytest.mark.parametrize(("wrong", "error"), [(-1, ValueError), ("1", TypeError), (2**64 - 1, ValueError)])
def test_an_epoch_that_cannot_be(wrong, error):
    with pytest.raises(error, match="expected epoch to be"):
        course(10).set_epoch(wrong)

"""States: what they say, and which are refused."""

import json
from dataclasses import replace

import pytest

from mlstac_hf._order import Identity, Shuffling, State

IDENTITY = Identity(collection="aa", split="train", selection="bb", samples=10)
STATE = State(identity=IDENTITY, shuffling=Shuffling("full"), seed=5, epoch=2, position=4)


def test_a_state_survives_json():
    text = json.dumps(STATE.to_json())
    assert len(text) < 300
    assert replace(STATE, epoch=0, position=0).read(json.loads(text)) == STATE


def test_a_finished_epoch_is_the_beginning_of_the_next():
    assert STATE.read(STATE.to_json() | {"position": 10}) == replace(STATE, epoch=3, position=0)


def test_of_nothing_there_is_nothing_to_finish():
    empty = replace(STATE, identity=replace(IDENTITY, samples=0), position=0)
    assert empty.read(empty.to_json()) == empty


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"collection": "cc"}, "digest of main.json: 'cc' in the state, 'aa' here"),
        ({"split": "test"}, "split: 'test' in the state, 'train' here"),
        ({"selection": "cc"}, r"digest of what chooses samples \(filter, .*\): 'cc' in the state, 'bb' here"),
        ({"samples": 11}, "number of samples: 11 in the state, 10 here"),
        ({"seed": 6}, "seed: 6 in the state, 5 here"),
        ({"shuffle": "none"}, "shuffle: 'none' in the state, 'full' here"),
    ],
)
def test_a_state_of_something_else_is_refused_by_name(change, named):
    with pytest.raises(ValueError, match=named) as caught:
        STATE.read(STATE.to_json() | change)
    assert str(caught.value).count(" in the state, ") == 1


def test_all_that_differs_is_named():
    with pytest.raises(ValueError, match=r"split: .*\n.*seed: "):
        STATE.read(STATE.to_json() | {"split": "test", "seed": 6})


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        ({"version": 2}, ValueError, "expected a state of version 1, got 2"),
        ({"position": 11}, ValueError, "position of the state to be 0 to 10, got 11"),
        ({"position": -1}, ValueError, "position of the state to be 0 to 10, got -1"),
        ({"position": "4"}, TypeError, "position of the state to be a whole number, got '4'"),
        ({"epoch": 1.5}, TypeError, "epoch of the state to be a whole number, got 1.5"),
        ({"epoch": 2**64}, ValueError, "epoch of the state to be 0 to"),
        ({"epoch": True}, TypeError, "epoch of the state to be a whole number, got True"),
    ],
)
def test_a_state_that_says_what_cannot_be(change, error, named):
    with pytest.raises(error, match=named):
        STATE.read(STATE.to_json() | change)


@pytest.mark.parametrize("given", [None, [], "state", {}, {"version": 1}])
def test_what_is_no_state(given):
    with pytest.raises(TypeError, match="expected a state, which is a mapping with version, collection, split"):
        STATE.read(given)


def test_blocks_are_those_of_the_state():
    """How many samples make a block depends on what the store knew of their sizes."""
    here = replace(STATE, shuffling=Shuffling("blocks", 20, 16))
    given = replace(STATE, shuffling=Shuffling("blocks", 7, 3))
    assert here.read(given.to_json()) == given
    with pytest.raises(ValueError, match="block of the state to be 1 or more, got 0"):
        here.read(given.to_json() | {"block": 0})

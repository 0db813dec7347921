"""The permutation: every index once, the same for ever, and no pattern in it."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlstac_hf._order import Permutation
from mlstac_hf._order._permutation import key_of

KEYS = st.integers(0, 2**64 - 1)


@given(st.integers(1, 3000), KEYS)
def test_every_index_stands_at_one_position(count, key):
    order = Permutation(count, key).at(range(count))
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(count))


@given(st.integers(1, 2**62), KEYS, st.data())
def test_positions_is_the_way_back_even_where_no_list_would_fit(count, key, data):
    permutation = Permutation(count, key)
    asked = data.draw(st.lists(st.integers(0, count - 1), max_size=20))
    found = permutation.at(asked)
    assert ((found >= 0) & (found < count)).all()
    assert permutation.positions(found).tolist() == asked


@given(st.integers(1, 500), KEYS, st.data())
def test_an_index_does_not_depend_on_what_else_is_asked(count, key, data):
    permutation = Permutation(count, key)
    asked = data.draw(st.lists(st.integers(0, count - 1), max_size=20))
    assert permutation.at(asked).tolist() == [int(permutation.at([one])[0]) for one in asked]


@pytest.mark.parametrize(
    ("count", "key", "first"),
    [
        (1, (), [0]),
        (2, (0,), [0, 1]),
        (10, (5, 0), [2, 8, 3, 5, 9, 4, 1, 6]),
        (10, (5, 1), [4, 9, 5, 1, 3, 8, 7, 0]),
        (1000, (5, 0), [763, 381, 613, 919, 188, 208, 928, 826]),
        (10**8, (5, 0), [20831410, 57871825, 9226482, 10957980, 86607281, 18088011, 68137738, 2012]),
        (2**62, (2**64 - 1, 2**63), [3003877866059380168, 4356887236851157482, 2793052838554307314]),
    ],
)
def test_known_values_stay(count, key, first):
    """States that people keep depend on these: they never change."""
    assert Permutation(count, key_of(*key)).at(range(len(first))).tolist() == first


def test_keys_are_those_of_splitmix64():
    assert key_of(0) == 0xE220A8397B1DCDAF  # its first output for the seed 0, as published
    assert key_of(5, 0) == 0xFAD6E24671254235
    assert len({key_of(seed, epoch) for seed in range(100) for epoch in range(100)}) == 10_000


def chi_square(counts, expected):
    """How many standard deviations counts lie above what chance gives."""
    counts = np.asarray(counts, float).reshape(-1)
    degrees = counts.size - 1
    return (((counts - expected) ** 2 / expected).sum() - degrees) / math.sqrt(2 * degrees)


@pytest.mark.parametrize(("count", "epochs"), [(2, 500), (3, 500), (5, 7200)])
def test_of_a_few_samples_all_orders_come_equally_often(count, epochs):
    """With two thirds of the rounds, it is the five that do not."""
    found = Counter(tuple(Permutation(count, key_of(5, epoch)).at(range(count)).tolist()) for epoch in range(epochs))
    orders = list(itertools.permutations(range(count)))
    assert chi_square([found[order] for order in orders], epochs / len(orders)) < 4


@pytest.mark.parametrize("count", [9, 16, 24, 37])
def test_each_index_comes_equally_often_to_each_position(count):
    orders = np.stack([Permutation(count, key_of(5, epoch)).at(range(count)) for epoch in range(2000)])
    table = [np.bincount(orders[:, place], minlength=count) for place in range(count)]
    assert chi_square(table, 2000 / count) < 4


@pytest.mark.parametrize("count", [10_000, 65_536, 100_003])
def test_neighbours_have_nothing_to_do_with_each_other(count):
    order = Permutation(count, key_of(5, 0)).at(range(count))
    limit = 4 / math.sqrt(count)
    assert abs(np.corrcoef(order, np.arange(count))[0, 1]) < limit
    for lag in (1, 2, 3, 32, 256):
        assert abs(np.corrcoef(order[:-lag], order[lag:])[0, 1]) < limit
    steps = np.abs(np.diff(order))
    assert steps.mean() / count == pytest.approx(1 / 3, abs=0.01)  # of two numbers drawn at random


@pytest.mark.parametrize("other", [(5, 1), (6, 0), (4, 0)])
def test_epochs_and_seeds_have_nothing_to_do_with_each_other(other):
    count = 50_000
    one, two = (Permutation(count, key_of(*key)).at(range(count)) for key in ((5, 0), other))
    assert abs(np.corrcoef(one, two)[0, 1]) < 4 / math.sqrt(count)
    table, *_ = np.histogram2d(one, two, bins=20, range=[[0, count], [0, count]])
    assert chi_square(table, count / 400) < 4
    assert (one == two).sum() < 8  # one, by chance

"""The orders: as stored, shuffled, shuffled in blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlstac_hf._order import Order, Shuffling, shuffling_of

SHUFFLINGS = st.one_of(
    st.just(Shuffling("none")),
    st.just(Shuffling("full")),
    st.builds(Shuffling, st.just("blocks"), st.integers(1, 60), st.integers(1, 9)),
)
SEEDS = st.integers(0, 2**64 - 1)


@given(st.integers(0, 700), SHUFFLINGS, SEEDS, st.integers(0, 1000))
def test_an_order_has_every_sample_once(count, shuffling, seed, epoch):
    found = Order(count, shuffling, seed, epoch).at(range(count))
    assert found.dtype == np.int64
    assert sorted(found.tolist()) == list(range(count))


@given(st.integers(1, 700), SHUFFLINGS, SEEDS, st.data())
def test_a_sample_does_not_depend_on_what_else_is_asked(count, shuffling, seed, data):
    order = Order(count, shuffling, seed, 3)
    asked = data.draw(st.lists(st.integers(0, count - 1), max_size=20))
    assert order.at(asked).tolist() == order.at(range(count))[asked].tolist()


def test_without_shuffle_samples_come_as_they_are_stored():
    assert Order(9, shuffling_of(False), 5, 7).at([3, 0, 8]).tolist() == [3, 0, 8]


def test_epochs_and_seeds_differ_and_repeat_exactly():
    orders = [
        Order(40, Shuffling(kind, 4 * (kind == "blocks"), 2 * (kind == "blocks")), seed, epoch).at(range(40)).tolist()
        for kind in ("full", "blocks")
        for seed in (5, 6)
        for epoch in (0, 1)
        for _ in range(2)
    ]
    assert orders[::2] == orders[1::2]
    assert len({tuple(order) for order in orders}) == 8


def test_known_values_of_blocks_stay():
    """States that people keep depend on these: they never change."""
    order = Order(100, Shuffling("blocks", 8, 3), 5, 2).at(range(30))
    assert order[:24].tolist() == [
        *(24, 35, 34, 29, 9, 33, 12, 15, 28, 39, 27, 8),
        *(32, 26, 30, 14, 25, 31, 36, 37, 10, 13, 11, 38),
    ]
    assert order[24:].tolist() == [16, 1, 87, 4, 81, 2]


@settings(max_examples=30)
@given(st.integers(1, 2000), st.integers(1, 60), st.integers(1, 9), SEEDS)
def test_a_window_is_made_of_whole_blocks(count, block, window, seed):
    order = Order(count, Shuffling("blocks", block, window), seed)
    found, windows = order.at(range(count)), order.windows(0)
    blocks = -(-count // block)
    seen, start, sizes = set(), 0, [min(block, count - number * block) for number in range(blocks)]
    while start < count:
        here, end = set(), start
        while end < count and (len(here) < window or found[end] // block in here):
            here.add(int(found[end]) // block)
            end += 1
        assert not here & seen  # a block is over with its window
        assert end - start == sum(sizes[number] for number in here) == next(windows)
        middle = (start + end) // 2
        assert list(order.windows(middle))[:1] == [end - middle]
        seen |= here
        start = end
    assert seen == set(range(blocks))
    assert not list(windows)
    assert not list(Order(count, Shuffling("full"), seed).windows(0))


def test_far_along_a_huge_order_takes_no_memory():
    order = Order(10**12, Shuffling("blocks", 20, 16), 5)
    found = order.at(range(10**12 - 100, 10**12))
    assert len(set(found.tolist())) == 100
    assert found.max() < 10**12


def mixture(order, groups, batch):
    """Groups of neighbours that meet in a batch, in the mean."""
    labels = order * groups // len(order)
    return np.mean([len(set(part.tolist())) for part in np.array_split(labels, len(order) // batch)])


def test_how_well_blocks_shuffle_as_documented():
    """The numbers of docs/train.md: 20,000 samples of 400 kB, so blocks of 10 in windows of 16."""
    count, batch = 20_000, 32
    shuffling = shuffling_of("blocks", 400_000)
    assert shuffling == Shuffling("blocks", 10, 16)
    stored, blocks, full = (
        Order(count, way, 5).at(range(count)) for way in (Shuffling("none"), shuffling, Shuffling("full"))
    )
    steps = [np.abs(np.diff(order)).mean() / count for order in (stored, blocks, full)]
    assert steps == pytest.approx([1 / count, 0.31, 0.333], abs=0.02)
    # of 100 stretches of the collection, as many are in a batch of 32
    mixed = [mixture(order, 100, batch) for order in (stored, blocks, full)]
    assert mixed == pytest.approx([1.2, 13.4, 27.5], abs=0.6)
    # samples that were neighbours in one epoch's batch are again in the next: for blocks, where they were in one block
    assert abs(np.corrcoef(blocks[:-1], blocks[1:])[0, 1]) < 0.2


@pytest.mark.parametrize(
    ("shuffle", "nbytes", "expected"),
    [
        (True, None, Shuffling("full")),
        (False, 10, Shuffling("none")),
        ("blocks", 400_000, Shuffling("blocks", 10, 16)),
        ("blocks", None, Shuffling("blocks", 8, 16)),
        ("blocks", 10**9, Shuffling("blocks", 1, 16)),
    ],
)
def test_what_shuffle_asks_for(shuffle, nbytes, expected):
    assert shuffling_of(shuffle, nbytes) == expected


@pytest.mark.parametrize("wrong", ["full", None, 1, 0, "block"])
def test_what_shuffle_cannot_be(wrong):
    with pytest.raises(ValueError, match=r"expected shuffle to be True, False or \"blocks\", got"):
        shuffling_of(wrong)

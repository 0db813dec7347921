"""Who gets what: every sample once, ranks equally long, whatever the numbers."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlstac_hf._order import Plan, share

UNEVEN = ["pad", "drop", "repeat"]
LAYOUTS = st.fixed_dictionaries(
    {"batch_size": st.integers(1, 9), "world_size": st.integers(1, 7), "uneven": st.sampled_from(UNEVEN)}
)


def plans(layout, **more):
    return [Plan(**layout, **more, rank=rank) for rank in range(layout["world_size"])]


@given(st.integers(0, 200), LAYOUTS, st.data())
def test_steps_follow_each_other_and_ranks_are_equally_long(count, layout, data):
    position = data.draw(st.integers(0, count))
    ranks = plans(layout, count=count, position=position)
    assert len({len(plan) for plan in ranks}) == 1
    delivered, before = [], position
    for step in range(len(ranks[0])):
        batches = [plan.batch(step).tolist() for plan in ranks]
        assert len({len(batch) for batch in batches}) == 1
        assert 1 <= len(batches[0]) <= layout["batch_size"]
        after = ranks[0].after(step)
        assert {plan.after(step) for plan in ranks} == {after}
        delivered += [place for batch in batches for place in batch]
        if step + 1 < len(ranks[0]):
            assert delivered == list(range(position, after))  # rank by rank: a beginning of what is left
            assert after - before == layout["batch_size"] * layout["world_size"]
        before = after
    left = count - position
    step = layout["batch_size"] * layout["world_size"]
    if len(ranks[0]):
        assert before == count
    extra = Counter(delivered) - Counter(range(position, count))
    missing = Counter(range(position, count)) - Counter(delivered)
    if layout["uneven"] == "drop":
        assert len(ranks[0]) == left // step
        assert (extra.total(), missing.total()) == (0, left % step)
        assert all(place >= count - left % step for place in missing)
    else:
        padding = -left % layout["world_size"] if layout["uneven"] == "pad" else -left % step
        assert (extra.total(), missing.total()) == (padding, 0)
        if padding < count:
            assert set(extra) == set(range(padding))  # the start of the order
    if layout["uneven"] == "repeat":
        assert len(delivered) == len(ranks[0]) * step


@given(st.integers(0, 200), LAYOUTS, st.data())
def test_many_batches_at_once_are_the_same_as_one_after_another(count, layout, data):
    for plan in plans(layout, count=count, position=data.draw(st.integers(0, count))):
        start = data.draw(st.integers(0, len(plan)))
        stop = data.draw(st.integers(start, len(plan)))
        one = [place for step in range(start, stop) for place in plan.batch(step)]
        assert plan.batches(start, stop).tolist() == one


@given(st.integers(0, 10**9), st.integers(1, 1000))
def test_shares_cover_everything_and_differ_by_one(count, parts):
    shares = [share(count, part, parts) for part in range(parts)]
    assert shares[0][0] == 0
    assert shares[-1][1] == count
    assert all(one[1] == two[0] for one, two in pairwise(shares))
    sizes = [stop - start for start, stop in shares]
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(
    ("uneven", "batches"),
    [
        ("pad", [[[0, 1], [6, 7]], [[2, 3], [8, 9]], [[4, 5], [10, 0]]]),
        ("drop", [[[0, 1]], [[2, 3]], [[4, 5]]]),
        ("repeat", [[[0, 1], [6, 7]], [[2, 3], [8, 9]], [[4, 5], [10, 0]]]),
    ],
)
def test_eleven_samples_on_three_ranks_as_documented(uneven, batches):
    ranks = plans({"batch_size": 2, "world_size": 3, "uneven": uneven}, count=11)
    assert [[plan.batch(step).tolist() for step in range(len(plan))] for plan in ranks] == batches


def test_fewer_samples_than_ranks_are_given_out_again():
    found = {
        uneven: [
            plan.batch(0).tolist() for plan in plans({"batch_size": 2, "world_size": 5, "uneven": uneven}, count=2)
        ]
        for uneven in ("pad", "repeat")
    }
    assert found["pad"] == [[0], [1], [0], [1], [0]]
    assert found["repeat"] == [[0, 1]] * 5


@pytest.mark.parametrize("number", [int, np.int64])
@pytest.mark.parametrize(("batch_size", "world_size"), [(2**62, 1), (2**62, 2**62), (2**40, 3), (1, 2**62)])
def test_a_step_that_is_larger_than_the_order_takes_no_memory(number, batch_size, world_size):
    layout = {"batch_size": number(batch_size), "world_size": number(world_size), "count": 24, "position": 3}
    for rank in (0, world_size - 1):
        plan = Plan(**layout, rank=number(rank))
        own = -(-21 // world_size)
        assert plan.batches(0, len(plan)).tolist() == (list(range(3 + rank * own, 24))[:own] or [(rank - 21) % 24])
        assert plan.after(0) == 24
    assert not Plan(**layout, uneven="drop").batches(0, 0).size


def test_a_batch_that_is_filled_up_is_that_of_its_rank_however_many_there_are():
    plan = Plan(count=24, batch_size=8, world_size=2**62, rank=2**62 - 1, uneven="repeat")
    assert plan.batch(0).tolist() == [place % 24 for place in range(2**65 - 8, 2**65)]


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"batch_size": 0}, ValueError, "expected batch_size to be 1 to 4611686018427387904, got 0"),
        ({"batch_size": 2**63}, ValueError, "expected batch_size to be 1 to .*, got 9223372036854775808"),
        ({"world_size": 2**62 + 1}, ValueError, "expected world_size to be 1 to .*, got 4611686018427387905"),
        ({"batch_size": 2.0}, TypeError, "expected batch_size to be a whole number, got 2.0"),
        ({"batch_size": True}, TypeError, "expected batch_size to be a whole number, got True"),
        ({"world_size": 0}, ValueError, "expected world_size to be 1 to 4611686018427387904, got 0"),
        ({"rank": -1}, ValueError, "expected rank to be 0 to 4611686018427387904, got -1"),
        ({"rank": 2, "world_size": 2}, ValueError, "expected rank to be below world_size, 2, got 2"),
        ({"uneven": "fill"}, ValueError, 'expected uneven to be "pad", "drop" or "repeat", got \'fill\''),
    ],
)
def test_numbers_that_mean_nothing(wrong, error, message):
    with pytest.raises(error, match=message):
        Plan(**{"count": 9, **wrong})


def test_numpy_numbers_are_numbers():
    assert len(Plan(count=9, batch_size=np.int64(2))) == 5

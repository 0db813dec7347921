"""Shares: how many samples of each class each split gets, and which units make them up.

Owns: rounding shares to whole samples, and dealing units to splits. Leaves to others: what makes a unit (`_units`),
what a class is (`mlstac_hf._resplit`). All arithmetic is in whole numbers, so that every machine comes to the same end.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_Numbers = NDArray[np.int64]

_BILLION = 10**9
_FINE = 2**20


def deal(units: _Numbers, classes: _Numbers, fractions: Sequence[float], seed: int) -> _Numbers:
    """The split of each sample, by position in `fractions`.

    Units go one by one, the largest first and those of one size in random order, to the split that lacks most of what
    they hold, of those with room for them; where none has room, to the one with most.

    Args:
        units: `(N,)` int64, the same number for samples that belong together.
        classes: `(N,)` int64 from 0 on, to be shared alike.
        fractions: of each split; their sum is 1.
        seed: another seed deals otherwise.

    Returns:
        `(N,)` int64. Where each sample is a unit of its own, each split's samples, and those of each class, are less
        than one off from their share.

    Example:
        >>> np.bincount(deal(np.arange(10), np.zeros(10, np.int64), [0.8, 0.2], seed=0))
        array([8, 2])
    """
    rng = np.random.default_rng(seed)
    places = rng.permutation(len(fractions))  # ties go to the first, so which one that is is drawn
    weights = [round(fractions[place] * _BILLION) for place in places]
    counts = np.bincount(classes)
    lacking = quotas(counts, weights).tolist()
    room = [sum(column) for column in zip(*lacking, strict=True)]
    worth = [max(1, _FINE // max(count, 1)) for count in counts.tolist()]  # a sample of a rare class counts for more

    _, unit, sizes = np.unique(units, return_inverse=True, return_counts=True)
    pairs, held = np.unique(np.stack([unit, classes], axis=1), axis=0, return_counts=True)
    ends = np.searchsorted(pairs[:, 0], np.arange(len(sizes) + 1))
    kinds, held = pairs[:, 1].tolist(), held.tolist()
    shuffled = rng.permutation(len(sizes))
    home = np.zeros(len(sizes), np.int64)
    for number in shuffled[np.argsort(-sizes[shuffled], kind="stable")].tolist():
        size = int(sizes[number])
        parts = [(kinds[at], held[at]) for at in range(ends[number], ends[number + 1])]
        fits = [split for split, free in enumerate(room) if free >= size] or [room.index(max(room))]
        split = max(fits, key=lambda split: sum(count * worth[kind] * lacking[kind][split] for kind, count in parts))
        room[split] -= size
        for kind, count in parts:
            lacking[kind][split] -= count
        home[number] = split
    return np.asarray(places[home[unit]], np.int64)


def quotas(counts: _Numbers, weights: Sequence[int]) -> _Numbers:
    """Whole samples by class and split, each number and each split's sum less than one off from the share.

    Args:
        counts: samples of each class.
        weights: of each split.

    Returns:
        `(classes, splits)` int64; rows sum to `counts`.

    Example:
        >>> quotas(np.array([5, 5]), [8, 1, 1]).tolist()
        [[4, 1, 0], [4, 0, 1]]
    """
    total = sum(weights)
    whole, rest = np.divmod(np.outer(counts, weights).astype(np.int64), total)
    lacking = rest.sum(axis=0)
    bounds = lacking // total, -(-lacking // total)
    extra = np.zeros(rest.shape, bool)
    for row, left in enumerate((rest.sum(axis=1) // total).tolist()):
        order = np.argsort(np.where(rest[row] > 0, -lacking, np.iinfo(np.int64).max), kind="stable")
        extra[row, order[:left]] = True
        lacking[order[:left]] -= total
    while (path := _surplus(extra, rest > 0, *bounds)) is not None:
        for giver, taker in pairwise(path):
            row = int(np.argmax(extra[:, giver] & ~extra[:, taker] & (rest[:, taker] > 0)))
            extra[row, giver], extra[row, taker] = False, True
    return np.asarray(whole + extra, np.int64)


def _surplus(extra: NDArray[np.bool_], may: NDArray[np.bool_], least: _Numbers, most: _Numbers) -> list[int] | None:
    """The shortest way from a split with too much, or else one that can spare, to one with room, or else too little.

    There is one as long as a split is out of bounds: the shares themselves are within all bounds, so whole numbers are
    that too (the constraints are those of a flow, whose bounds are whole), and augmenting paths lead there.
    """
    taken = extra.sum(axis=0)
    if (taken > most).any():
        givers, takers = np.flatnonzero(taken > most), taken < most
    elif (taken < least).any():
        givers, takers = np.flatnonzero(taken > least), taken < least
    else:
        return None
    ways = [[int(giver)] for giver in givers]
    seen = set(givers.tolist())
    for way in ways:  # grows as we go: breadth first
        if takers[way[-1]]:
            return way
        for split in range(extra.shape[1]):
            if split not in seen and (extra[:, way[-1]] & ~extra[:, split] & may[:, split]).any():
                seen.add(split)
                ways.append([*way, split])
    raise AssertionError("unreachable: shares can always be rounded")

"""A shuffle that is a function: which index stands at a position, without the others being worked out.

Owns: the permutation of 0 to n-1 that belongs to a key, and keys. It is made of whole-number arithmetic alone, so it is
the same on every machine and with every numpy; it may never change, or old states would go on with wrong samples.
Leaves to others: what keys and positions mean (`_orders`).

It is a Feistel network over the cells of a table, a little larger than n: each round moves a cell along one side by a
hash of where it stands on the other. A cell beyond n is sent through again until it is one below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint64]
_Once = Callable[[_Words], _Words]

MOST = 2**62
"""No split has more samples; keeps all sums below 2**63."""
_WORD = (1 << 64) - 1
_ROUNDS = 12
"""With 8, splits of five samples are not shuffled evenly; with 12, no test tells them from chance."""
_STEP, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB  # of splitmix64


def key_of(*parts: int) -> int:
    """A number of 64 bits that belongs to these numbers of up to 64 bits, in this order."""
    key = 0
    for part in parts:
        key = _mixed(key ^ part)
    return key


def _mixed(word: int) -> int:
    word = (word + _STEP) & _WORD
    word = ((word ^ (word >> 30)) * _FIRST) & _WORD
    word = ((word ^ (word >> 27)) * _SECOND) & _WORD
    return word ^ (word >> 31)


def _mixed_words(words: _Words) -> _Words:
    """`_mixed` of each."""
    words = words + np.uint64(_STEP)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(_FIRST)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(_SECOND)
    return words ^ (words >> np.uint64(31))


@dataclass(frozen=True)
class Permutation:
    """The permutation of 0 to `count` - 1 that belongs to a key.

    Attributes:
        count: 1 to 2**62.
        key: 64 bits; see `key_of`.

    Example:
        >>> Permutation(5, key_of(7)).at(range(5)).tolist()
        [1, 4, 3, 0, 2]
    """

    count: int
    key: int

    @cached_property
    def _sides(self) -> tuple[np.uint64, np.uint64]:
        rows = math.isqrt(self.count - 1) + 1
        rows += rows % 2  # an odd table would give even permutations only
        return np.uint64(rows), np.uint64(-(-self.count // rows))

    @cached_property
    def _keys(self) -> list[np.uint64]:
        return [np.uint64(key_of(self.key, number)) for number in range(_ROUNDS)]

    def at(self, positions: Sequence[int] | Indices) -> Indices:
        """The indices at these positions, each 0 to `count` - 1: `(N,)` in, `(N,)` out."""
        return self._walk(positions, self._forward)

    def positions(self, indices: Sequence[int] | Indices) -> Indices:
        """Where these indices stand: the inverse of `at`."""
        return self._walk(indices, self._backward)

    def _walk(self, numbers: Sequence[int] | Indices, once: _Once) -> Indices:
        words = once(np.asarray(numbers, np.uint64).reshape(-1))
        beyond = np.flatnonzero(words >= self.count)
        while beyond.size:
            words[beyond] = once(words[beyond])
            beyond = beyond[words[beyond] >= self.count]
        return words.astype(np.int64)

    def _forward(self, words: _Words) -> _Words:
        rows, columns = self._sides
        row, column = words // columns, words % columns
        for number, key in enumerate(self._keys):
            if number % 2:
                column = (column + _mixed_words(row ^ key) % columns) % columns
            else:
                row = (row + _mixed_words(column ^ key) % rows) % rows
        return row * columns + column

    def _backward(self, words: _Words) -> _Words:
        rows, columns = self._sides
        row, column = words // columns, words % columns
        for number, key in reversed(list(enumerate(self._keys))):
            if number % 2:
                column = (column + columns - _mixed_words(row ^ key) % columns) % columns
            else:
                row = (row + rows - _mixed_words(column ^ key) % rows) % rows
        return row * columns + column

"""The orders samples can come in, each a function of the position.

Owns: what `shuffle` means, and the three orders: as stored, shuffled, shuffled in blocks. Leaves to others: the
permutation itself (`_permutation`), who gets which part of an order (`_plan`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from mlstac_hf._order._permutation import Indices, Permutation, key_of

Shuffle = bool | Literal["blocks"]

BLOCK_NBYTES = 4_000_000
"""Of samples in a row that are kept together: one request for them takes longer than asking for it."""
WINDOW = 16
"""Blocks among which samples are shuffled: half of what is read ahead, so that one window comes while one is used."""
_TYPICAL_NBYTES = 500_000
"""Of a sample, where nobody knows."""


@dataclass(frozen=True)
class Shuffling:
    """How samples are shuffled; part of a state.

    Attributes:
        kind: `none`, `full` or `blocks`.
        block: samples in a block, where there are blocks, else 0.
        window: blocks in a window, where there are blocks, else 0.
    """

    kind: Literal["none", "full", "blocks"]
    block: int = 0
    window: int = 0


def shuffling_of(shuffle: Shuffle, nbytes: int | None = None) -> Shuffling:
    """What the argument `shuffle` asks for.

    Args:
        shuffle: True, False or `"blocks"`.
        nbytes: size of a typical sample, where it is known; blocks are made of as many as give about 4 MB.

    Raises:
        ValueError: it is none of these.
    """
    if shuffle is True or shuffle is False:
        return Shuffling("full" if shuffle else "none")
    if shuffle == "blocks":
        return Shuffling("blocks", max(1, round(BLOCK_NBYTES / (nbytes or _TYPICAL_NBYTES))), WINDOW)
    raise ValueError(f'expected shuffle to be True, False or "blocks", got {shuffle!r}')


@dataclass(frozen=True)
class Order:
    """The order of one epoch: a permutation of 0 to `count` - 1.

    Attributes:
        count: samples, 0 to 2**62.
        shuffling: how they are shuffled.
        seed: 0 to 2**64 - 1.
        epoch: 0 to 2**64 - 1.

    Example:
        >>> Order(5, Shuffling("full"), seed=5, epoch=0).at([0, 1, 2, 3, 4]).tolist()
        [0, 2, 3, 1, 4]
    """

    count: int
    shuffling: Shuffling
    seed: int = 0
    epoch: int = 0

    def at(self, positions: Sequence[int] | Indices) -> Indices:
        """The indices at these positions, each 0 to `count` - 1: `(N,)` in, `(N,)` out."""
        where = np.asarray(positions, np.int64).reshape(-1)
        if self.shuffling.kind == "none" or not where.size:
            return where
        return self._whole.at(where) if self.shuffling.kind == "full" else self._in_blocks(where)

    @cached_property
    def _whole(self) -> Permutation:
        return Permutation(self.count, key_of(self.seed, self.epoch))

    # Blocks: the order is one window after another, each of `window` blocks, permuted. One block may be shorter than
    # the others, wherever it comes. Slots are positions as if it were not; some then have no sample.

    @cached_property
    def _blocks(self) -> Permutation:
        return Permutation(-(-self.count // self.shuffling.block), key_of(self.seed, self.epoch, 1))

    @cached_property
    def _hole(self) -> tuple[int, int]:
        """The first slot that no sample has, and how many there are of these."""
        block, blocks = self.shuffling.block, self._blocks.count
        missing = blocks * block - self.count
        return (int(self._blocks.positions([blocks - 1])[0]) + 1) * block - missing, missing

    def windows(self, position: int) -> Iterator[int]:
        """Samples from a position to the end of its window, then of each window; nothing where there are none."""
        if self.shuffling.kind != "blocks":
            return
        length, (hole, missing) = self.shuffling.block * self.shuffling.window, self._hole
        holed = hole // length  # the window that is shorter, where samples are missing
        while position < self.count:
            window = (position + missing * (position >= (holed + 1) * length - missing)) // length
            end = min(self.count, (window + 1) * length - missing * (window >= holed))
            yield end - position
            position = end

    def _in_blocks(self, positions: Indices) -> Indices:
        block, length = self.shuffling.block, self.shuffling.block * self.shuffling.window
        hole, missing = self._hole
        holed = hole // length if missing else -1  # the window that is shorter
        windows = positions // length
        if missing:
            late = positions >= (holed + 1) * length - missing
            windows = np.where(late, (positions + missing) // length, windows)
        slots = np.empty_like(positions)
        for window in np.unique(windows):
            here = windows == window
            first, end = window * length, min((window + 1) * length, self._blocks.count * block)
            skipped = missing if missing and window > holed else 0
            samples = int(end - first) - (missing if window == holed else 0)
            inside = Permutation(samples, key_of(self.seed, self.epoch, 2, int(window)))
            found = first + inside.at(positions[here] - (first - skipped))
            slots[here] = np.where(found >= hole, found + missing, found) if window == holed else found
        return self._blocks.at(slots // block) * block + slots % block

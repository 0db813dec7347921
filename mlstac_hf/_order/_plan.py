"""Which positions of an order each rank gets, step by step.

Owns: shares, and what happens to the rest that fills no step. Leaves to others: what stands at a position (`_orders`).

A step is one batch on every rank. The positions of a step follow those of the step before, so what all ranks together
have after any step is the beginning of the order, and an order can be gone on with by another number of ranks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from mlstac_hf._order._permutation import MOST, Indices

Uneven = Literal["pad", "drop", "repeat"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one rank gets of an order, from a position on.

    Attributes:
        count: samples of the order.
        position: of the first that is not delivered yet.
        batch_size: samples of a batch.
        rank: 0 to `world_size` - 1.
        world_size: ranks.
        uneven: what becomes of the rest that fills no step: `pad` deals it out, equal but for one, and gives a sample
            from the start of the order to each rank that has one less; `drop` leaves it out; `repeat` fills the batches
            of all ranks from the start of the order.

    Raises:
        ValueError: a number that means nothing.
        TypeError: no number.

    Example:
        >>> plan = Plan(count=11, batch_size=2, rank=1, world_size=2)
        >>> [plan.batch(step).tolist() for step in range(len(plan))]
        [[2, 3], [6, 7], [10, 0]]
    """

    count: int
    position: int = 0
    batch_size: int = 1
    rank: int = 0
    world_size: int = 1
    uneven: Uneven = "pad"

    def __post_init__(self) -> None:
        for name, least in (("count", 0), ("batch_size", 1), ("world_size", 1), ("rank", 0)):
            check_number(name, getattr(self, name), least, MOST)
        if self.rank >= self.world_size:
            raise ValueError(f"expected rank to be below world_size, {self.world_size}, got {self.rank}")
        if self.uneven not in get_args(Uneven):
            raise ValueError(f'expected uneven to be "pad", "drop" or "repeat", got {self.uneven!r}')

    @property
    def _step(self) -> int:
        """Samples of a full step."""
        return int(self.batch_size) * int(self.world_size)

    @property
    def _full(self) -> int:
        """Full steps."""
        return (self.count - self.position) // self._step

    @property
    def _rest(self) -> int:
        """Samples that fill no step."""
        return (self.count - self.position) % self._step

    def __len__(self) -> int:
        """Batches: as many on every rank."""
        return self._full + (self._rest > 0 and self.uneven != "drop")

    def batch(self, step: int) -> Indices:
        """Positions of the batch of a step: `(N,)`, N at most `batch_size`."""
        return self.batches(step, step + 1)

    def batches(self, start: int, stop: int) -> Indices:
        """Positions of all batches from step `start` to before `stop`, one after another."""
        positions, full = np.empty(0, np.int64), min(stop, self._full)
        if start < full:  # else no step is full, and a batch may be larger than memory
            firsts = self.position + np.arange(start, full, dtype=np.int64) * self._step + self.rank * self.batch_size
            positions = (firsts[:, None] + np.arange(self.batch_size, dtype=np.int64)).reshape(-1)
        return np.concatenate([positions, self._last()]) if start <= self._full < stop else positions

    def _last(self) -> Indices:
        """Positions of the batch that is made of the rest."""
        first = self.count - self._rest
        if self.uneven == "repeat":
            place = (first + int(self.rank) * int(self.batch_size)) % self.count
            return (place + np.arange(self.batch_size, dtype=np.int64)) % self.count
        start, stop = share(self._rest, self.rank, self.world_size)
        own = first + np.arange(start, stop, dtype=np.int64)
        spare = self._rest % self.world_size  # ranks that have one more than the others
        if not spare or self.rank < spare:
            return own
        return np.append(own, np.int64((self.rank - spare) % self.count))

    def after(self, step: int) -> int:
        """How much of the order is dealt with when all ranks have the batch of a step; all of it after the last one."""
        return self.count if step + 1 >= len(self) else self.position + (step + 1) * self._step


def share(count: int, part: int, parts: int) -> tuple[int, int]:
    """The range of 0 to `count` that is one of `parts` parts, which differ by one at most; the first are the larger."""
    each, more = divmod(count, parts)
    start = part * each + min(part, more)
    return start, start + each + (part < more)


def check_number(name: str, value: object, least: int, most: int | None = None) -> None:
    """Refuse what is no whole number of at least `least`, and at most `most`.

    Raises:
        TypeError, ValueError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"expected {name} to be a whole number, got {value!r}")
    if value < least or (most is not None and value > most):
        wanted = f"{least} or more" if most is None else f"{least} to {most}"
        raise ValueError(f"expected {name} to be {wanted}, got {value!r}")

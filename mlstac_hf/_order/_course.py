"""Epoch after epoch, from wherever a run stands.

Owns: what a loader remembers: its epoch, how much of it was delivered, and its state. Leaves to others: the order
(`_orders`), shares (`_plan`), what a state may say (`_state`), samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlstac_hf._order._orders import Order, Shuffling
from mlstac_hf._order._permutation import MOST
from mlstac_hf._order._plan import Plan, Uneven, check_number
from mlstac_hf._order._state import MOST_SEEDS, Identity, State

_AHEAD = 1024
"""Indices that are worked out at once: one takes nearly as long."""


@dataclass(frozen=True)
class Epoch:
    """What one rank gets in one epoch, or in the rest of it."""

    order: Order
    plan: Plan

    def __len__(self) -> int:
        return len(self.plan)

    def batches(self, start: int = 0, stop: int | None = None) -> Iterator[list[int]]:
        """Samples of each batch, from step `start` to before `stop`; default all."""
        stop, size = len(self) if stop is None else stop, self.plan.batch_size
        ahead = max(1, _AHEAD // size)
        for first in range(start, stop, ahead):
            indices = self.order.at(self.plan.batches(first, min(stop, first + ahead))).tolist()
            yield from (indices[place : place + size] for place in range(0, len(indices), size))

    def windows(self, start: int = 0) -> Iterator[int] | None:
        """See `Order.windows`, from a step on; None where there are none, or where other ranks have some of each."""
        plan = self.plan
        is_own = self.order.shuffling.kind == "blocks" and plan.world_size == 1
        return self.order.windows(plan.position + start * plan.batch_size) if is_own else None


class Course:
    """Where a run stands, and what comes next.

    Args:
        identity: which samples.
        shuffling: how they are shuffled.
        seed: 0 to 2**64 - 1.
        batch_size: samples of a batch on one rank.
        rank: this one.
        world_size: all of them.
        uneven: see `Plan`.

    Raises:
        ValueError, TypeError: a number that means nothing.
    """

    def __init__(
        self,
        identity: Identity,
        shuffling: Shuffling,
        *,
        seed: int,
        batch_size: int = 1,
        rank: int = 0,
        world_size: int = 1,
        uneven: Uneven = "pad",
    ) -> None:
        check_number("seed", seed, 0, MOST_SEEDS)
        check_number("the number of samples", identity.samples, 0, MOST)
        self._layout: dict[str, Any] = {
            "count": identity.samples,
            "batch_size": batch_size,
            "rank": rank,
            "world_size": world_size,
            "uneven": uneven,
        }
        Plan(**self._layout)
        self._state = State(identity=identity, shuffling=shuffling, seed=int(seed), epoch=0, position=0)
        self._start = 0  # of the epoch that runs, or is about to
        self._goes_on = False  # whether the next one begins there, and not at 0
        self._running: Epoch | None = None
        self._next: int | None = None  # the epoch that was set while one runs

    @property
    def epoch(self) -> int:
        """The epoch that runs, or is about to begin."""
        return self._state.begun().epoch

    def current(self) -> Epoch:
        """The epoch that runs, or is about to begin."""
        state = self._state
        order = Order(state.identity.samples, state.shuffling, state.seed, state.epoch)
        return Epoch(order, Plan(position=self._start, **self._layout))

    def begin(self) -> Epoch:
        """Begin an epoch: where a state says, if one was just loaded, else at its start. One that runs is left."""
        self._leave()
        self._state = self._state.begun()
        if not self._goes_on:
            self._move(self.epoch, 0)
        self._goes_on = False
        self._running = self.current()
        return self._running

    def deliver(self, epoch: Epoch, step: int) -> None:
        """Note that the batch of a step is in the hands of who asked for it."""
        if epoch is self._running:
            self._move(epoch.order.epoch, epoch.plan.after(step), start=epoch.plan.position)

    def finish(self, epoch: Epoch) -> None:
        """Note that an epoch is over: the next one begins when asked for."""
        if epoch is self._running:
            self._move(epoch.order.epoch + 1, 0)
            self._leave()

    def leave(self, epoch: Epoch) -> None:
        """Note that nobody goes on with an epoch: what is set from now on holds at once."""
        if epoch is self._running:
            self._leave()

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch; in the one that a state was just loaded of, stay where it says.

        While one runs, this says which one is next: the state stays that of the one that runs until it ends or is left.

        Raises:
            ValueError, TypeError: it is no whole number from 0 on.
        """
        check_number("epoch", epoch, 0, MOST_SEEDS - 1)
        if self._running is not None:
            self._next = int(epoch)
        elif not (self._goes_on and epoch == self.epoch):
            self._move(int(epoch), 0)
            self._goes_on = False

    def state_dict(self) -> dict[str, Any]:
        """Where the run stands, as JSON holds it: the same on all ranks after the same step."""
        return self._state.to_json()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, whatever the ranks, workers and batch size it was taken with.

        Raises:
            ValueError: it is of another collection, selection or order, or says what cannot be.
            TypeError: it is no state.
        """
        self._state = self._state.read(state)
        self._start = self._state.position
        self._goes_on = True
        self._running = self._next = None

    def _leave(self) -> None:
        if self._next is not None:
            self._move(self._next, 0)
        self._running = self._next = None

    def _move(self, epoch: int, position: int, *, start: int = 0) -> None:
        now = self._state
        self._start = start
        self._state = State(
            identity=now.identity, shuffling=now.shuffling, seed=now.seed, epoch=epoch, position=position
        )

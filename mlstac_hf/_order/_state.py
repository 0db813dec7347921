"""Where a run stands, as a few numbers and texts that JSON holds.

Owns: what a state says, and which states are refused. Leaves to others: what follows from it (`_course`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mlstac_hf._order._orders import Shuffling
from mlstac_hf._order._plan import check_number

VERSION = 1
MOST_SEEDS = 2**64 - 1


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Which samples an order is of. Two with the same identity are taken for the same samples in the same places.

    Attributes:
        collection: digest of `main.json`, and of split files.
        split: its name.
        selection: digest of the conditions that choose samples.
        samples: how many there are.
    """

    collection: str
    split: str
    selection: str
    samples: int


@dataclass(frozen=True, kw_only=True)
class State:
    """Where a run stands.

    Attributes:
        identity: the samples.
        shuffling: how they are shuffled.
        seed: of the order.
        epoch: from 0 on.
        position: samples of the epoch's order that are dealt with, over all ranks.
    """

    identity: Identity
    shuffling: Shuffling
    seed: int
    epoch: int
    position: int

    def to_json(self) -> dict[str, Any]:
        """The state as JSON holds it."""
        shuffling = asdict(self.shuffling)
        return {
            "version": VERSION,
            **asdict(self.identity),
            "shuffle": shuffling["kind"],
            "block": shuffling["block"],
            "window": shuffling["window"],
            "seed": self.seed,
            "epoch": self.epoch,
            "position": self.position,
        }

    def read(self, given: object) -> State:
        """The state that `to_json` made, which has to be one of the same samples and order as this one.

        Raises:
            ValueError: it is of another collection, selection or order, or says what cannot be; the message names it.
            TypeError: it is no state.
        """
        own = self.to_json()
        if not isinstance(given, Mapping) or not set(own) <= set(given):
            keys = ", ".join(own)
            raise TypeError(f"expected a state, which is a mapping with {keys}, got {given!r:.200}")
        if given["version"] != VERSION:
            raise ValueError(
                f"expected a state of version {VERSION}, got {given['version']!r}. Go on with the mlstac-hf it is from."
            )
        differing = [name for name in _MEANING if given[name] != own[name]]
        if differing:
            found = "\n  ".join(
                f"{_MEANING[name]}: {given[name]!r} in the state, {own[name]!r} here" for name in differing
            )
            raise ValueError(
                f"the state is of other samples or of another order:\n  {found}\nOpen what it was taken from, with the "
                "same conditions, shuffle and seed, or begin anew without it."
            )
        is_blocks = self.shuffling.kind == "blocks"
        for name, least, most in (
            ("block", int(is_blocks), None),
            ("window", int(is_blocks), None),
            ("epoch", 0, MOST_SEEDS - 1),
            ("position", 0, self.identity.samples),
        ):
            check_number(f"{name} of the state", given[name], least, most)
        shuffling = Shuffling(self.shuffling.kind, int(given["block"]), int(given["window"]))
        epoch, position = int(given["epoch"]), int(given["position"])
        return State(
            identity=self.identity, shuffling=shuffling, seed=self.seed, epoch=epoch, position=position
        ).begun()

    def begun(self) -> State:
        """The same; of a finished epoch, the beginning of the next one."""
        if self.position < self.identity.samples or not self.identity.samples:
            return self
        return State(identity=self.identity, shuffling=self.shuffling, seed=self.seed, epoch=self.epoch + 1, position=0)


_MEANING = {
    "collection": "digest of main.json",
    "split": "split",
    "selection": "digest of what chooses samples (filter, bbox, intersects, datetime, limit, types)",
    "samples": "number of samples",
    "shuffle": "shuffle",
    "seed": "seed",
}
"""What has to agree, as messages call it."""

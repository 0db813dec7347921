"""A split as a stream that says where it stands.

Owns: what each worker of a loader gets, and the state of one worker. Leaves to others: the order and shares of ranks
(`_order`), samples (`_dataset`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch
import torch.utils.data

from mlstac_hf._order import Course, Epoch, check_number, share
from mlstac_hf.torch._ranks import workers

if TYPE_CHECKING:
    from mlstac_hf.torch._dataset import SampleDataset


class SampleIterable(torch.utils.data.IterableDataset[dict[str, Any]]):
    """What `SampleDataset.iterable` gives: samples one after another, split over ranks and workers.

    `state_dict` and `load_state_dict` are for `torchdata.stateful_dataloader.StatefulDataLoader`, which calls them in
    each of its workers, and goes on exactly with the same number of workers. To go on with another one, use
    `SampleLoader`.
    """

    def __init__(self, dataset: SampleDataset, course: Course) -> None:
        self._dataset = dataset
        self._course = course
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # workers that stay see it change
        self._done = 0
        self._goes_on = False

    def __len__(self) -> int:
        return len(self._course.current())

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next: without it, all come in the same order.

        After `load_state_dict`, the epoch of the state goes on where it stood, and any other begins at its start.

        Raises:
            ValueError, TypeError: it is no whole number from 0 on.
        """
        was = self._course.epoch
        self._course.set_epoch(epoch)
        if self._goes_on and epoch != was:
            self._goes_on, self._done = False, 0
        self._epoch.fill_(epoch)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        if not self._goes_on:
            self._course.set_epoch(int(self._epoch))
            self._done = 0
        self._goes_on = False
        epoch = self._course.begin()
        first, end = share(len(epoch), *workers())
        return self._samples(epoch, first + self._done, end)

    def _samples(self, epoch: Epoch, first: int, end: int) -> Iterator[dict[str, Any]]:
        indices = (index for (index,) in epoch.batches(first, end))
        for sample in self._dataset.each(indices, epoch.windows(first)):
            self._done += 1
            if sample is not None:
                yield sample

    def state_dict(self) -> dict[str, Any]:
        """Where this worker stands, as JSON holds it."""
        return {"course": self._course.state_dict(), "workers": workers()[1], "done": self._done}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state of this worker.

        Raises:
            ValueError: it was taken with another number of workers, or is of other samples or another order.
            TypeError: it is no state.
        """
        lacking = [name for name in ("course", "workers", "done") if name not in state]
        if lacking:
            raise TypeError(f"expected a state of a stream, with course, workers and done, got {state!r:.200}")
        count = workers()[1]
        if state["workers"] != count:
            raise ValueError(
                f"the state was taken with {state['workers']} workers, here are {count}: a StatefulDataLoader goes on "
                "with the same num_workers only. Make one with that many, or use SampleLoader, which goes on with any."
            )
        self._course.load_state_dict(state["course"])
        check_number("done of the state", state["done"], 0)
        self._done = int(state["done"])
        self._goes_on = True

"""Batches of a split in our order, as numpy arrays, whichever framework they go to.

Owns: opening a split for training, reading batches ahead. Leaves to others: the order and states (`_order`), reading
(`_reading`), tensors (`_tf`, `_jax`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from mlstac_hf._errors import BAD_SAMPLE, CollectionNotFoundError, warn_skipped
from mlstac_hf._identity import opened, typical_nbytes
from mlstac_hf._load import LoadArguments
from mlstac_hf._order import Course, Epoch, Shuffle, Uneven, shuffling_of
from mlstac_hf._reading import Address, Batch, SampleHead, read_ahead
from mlstac_hf._split import Split


@dataclass(frozen=True, kw_only=True)
class Order:
    """Which samples make which batch on this rank; the arguments that `to_tf` and `to_jax` share."""

    batch_size: int
    shuffle: Shuffle
    seed: int
    rank: int
    world_size: int
    uneven: Uneven


class Feed:
    """Batches of a split, and where a run through them stands.

    Args:
        address: of the collection.
        split: its name.
        order: of the samples.
        arguments: of `load`.
        call: the name of the function that the user called.

    Raises:
        TypeError, ValueError, CollectionNotFoundError, …: see `mlstac_hf.load`.
        UnknownNameError: a column that the first sample does not have.
    """

    def __init__(self, address: Address, split: str, order: Order, arguments: LoadArguments, call: str) -> None:
        self.split: Split
        self.split, identity = opened(address, "numpy", split, arguments, call)
        self._source = self.split._source
        self._skips = arguments.get("on_error") == "skip"
        self.course = Course(
            identity,
            shuffling_of(order.shuffle, typical_nbytes(self._source) if order.shuffle == "blocks" else None),
            seed=order.seed,
            batch_size=order.batch_size,
            rank=order.rank,
            world_size=order.world_size,
            uneven=order.uneven,
        )
        if self.split._columns is not None and len(self._source):
            with suppress(*BAD_SAMPLE):  # told, or left out, when it is read
                self.split._check_columns(self._head.columns, 0)

    def batches(self, epoch: Epoch, skip: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, by column: `(N, …)` arrays, or lists of what does not stack and of texts.

        Args:
            epoch: of this feed's course.
            skip: batches at its start that are left out.

        Raises:
            CorruptSampleError, MissingSampleError: a bad sample; with `on_error="skip"` its batch lacks it.
        """
        skipped: list[str] = []
        on_bad = (lambda _, error: skipped.append(str(error))) if self._skips else None
        windows = epoch.windows(skip)
        for batch in read_ahead(self._source, epoch.batches(skip), self.split._columns, on_bad=on_bad, windows=windows):
            if skipped:
                warn_skipped(skipped)
                skipped.clear()
            if batch.indices:
                self.split._check_columns(batch.columns, batch.indices[0])
            yield batch

    def place(self, index: int) -> str:
        """What to call a sample of a batch in a message."""
        return self._source.place(index)

    def first(self) -> tuple[str, SampleHead]:
        """What to call the first sample, and what is known of it before it is read.

        Raises:
            CollectionNotFoundError: the split has none.
        """
        if not len(self._source):
            raise CollectionNotFoundError(
                f"split {self._source.split!r} has no samples, so nobody knows what is in one"
            )
        return self._source.place(0), self._head

    @cached_property
    def _head(self) -> SampleHead:
        return self._source.head(0)

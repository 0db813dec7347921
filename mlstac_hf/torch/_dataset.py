"""A split as torch's datasets, by index and as a stream.

Owns: `SampleDataset`, and how a batch of it is read. Leaves to others: samples (`_load`), streams (`_iterable`), the
order of batches (`_loader`).
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import torch.utils.data

from mlstac_hf._identity import opened, typical_nbytes
from mlstac_hf._load import LoadArguments
from mlstac_hf._order import Course, Shuffle, Uneven, shuffling_of
from mlstac_hf._positions import resolve
from mlstac_hf._reading import Address, Batch
from mlstac_hf.torch._ranks import ranks
from mlstac_hf.torch._rows import Rows

if TYPE_CHECKING:
    from mlstac_hf.torch._iterable import SampleIterable


class SampleDataset(torch.utils.data.Dataset[dict[str, Any]]):
    """A split of a collection by index, for `torch.utils.data.DataLoader` and torchdata's `StatefulDataLoader`.

    Both read a batch of it at once. Pass `collate_fn=mlstac_hf.torch.collate`, which keeps what torch's own cannot, and
    hands such a batch on without stacking it again.

    Args:
        address: of the collection; see `mlstac_hf.load`.
        split: `train`, `validation`, `test`, or another name the collection has.
        metadata: whether a sample has its metadata too, as a dict under `metadata`.
        **arguments: as in `mlstac_hf.load`: `columns`, `splits`, `on_error`, `trust_links`, `revision`, `token`,
            `storage_options`, `cache_dir`, and `bands`, `target`, `filter`, `bbox`, `intersects`, `datetime`, `limit`,
            `types`, `scale`, `crop`, `normalize`.

    Raises:
        TypeError: an argument that is none of these.
        ValueError, CollectionNotFoundError, UnknownNameError, …: see `mlstac_hf.load`.

    Example:
        >>> from mlstac_hf.torch import SampleDataset, collate
        >>> dataset = SampleDataset(demo, columns=["input"], metadata=True)
        >>> dataset[4]["input"].shape, dataset[4]["metadata"]["crs"]
        (torch.Size([4, 64, 64]), 'EPSG:32633')
        >>> loader = torch.utils.data.DataLoader(dataset, batch_size=8, collate_fn=collate)
        >>> next(iter(loader))["input"].shape
        torch.Size([8, 4, 64, 64])
    """

    def __init__(
        self,
        address: Address,
        split: str = "train",
        *,
        metadata: bool = False,
        **arguments: Unpack[LoadArguments],
    ) -> None:
        self._split, self.identity = opened(address, "torch", split, arguments, type(self).__name__)
        self._metadata = bool(metadata)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._split!r})"

    def __len__(self) -> int:
        return len(self._split)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """A sample: its tensors, texts, and `metadata` where that was asked for.

        Raises:
            IndexError: outside of the split.
            CorruptSampleError, MissingSampleError: this sample; the others stay readable.
        """
        place = operator.index(index)
        if not self._metadata:
            sample: dict[str, Any] = self._split[place]
            return sample
        return {**self._split[place], "metadata": self._split.metadata[place]}

    def __getitems__(self, indices: Sequence[int]) -> Rows:
        """Samples, read at once: bad ones are left out with `on_error="skip"`.

        Raises:
            IndexError: one is outside of the split.
            CorruptSampleError, MissingSampleError: one is bad, unless `on_error="skip"`.
        """
        return self._rows(self._split._batch(resolve(list(indices), self._split._indices)))

    @property
    def is_local(self) -> bool:
        """Whether the samples lie on this disk."""
        return self._split._source.is_local

    def _rows(self, batch: Batch) -> Rows:
        metadata = None
        if self._metadata:
            source = self._split._source
            metadata = [source.metadata(*pair) for pair in zip(batch.indices, batch.heads, strict=True)]
        return Rows(self._split._hand_over_columns(batch), metadata, len(batch.indices))

    def batches(self, indices: Iterable[Sequence[int]], windows: Iterator[int] | None = None) -> Iterator[Rows]:
        """As `__getitems__`, one after another; those that follow are fetched meanwhile, if they lie elsewhere.

        Args:
            indices: of each batch.
            windows: how many samples each lie near one another; see `Epoch.windows`.
        """
        own = self._split._indices
        return map(self._rows, self._split._batches((resolve(list(batch), own) for batch in indices), windows))

    def each(self, indices: Iterable[int], windows: Iterator[int] | None = None) -> Iterator[dict[str, Any] | None]:
        """The same of one sample after another; None of one that is bad and skipped, with a warning that names it."""
        for rows in self.batches(([index] for index in indices), windows):
            yield rows[0] if len(rows) else None

    def iterable(
        self,
        *,
        shuffle: Shuffle = True,
        seed: int = 5,
        rank: int | None = None,
        world_size: int | None = None,
        uneven: Uneven = "pad",
    ) -> SampleIterable:
        """The same samples as a stream, for `StatefulDataLoader`.

        Args:
            shuffle: whether they come in another order each epoch, and how; see `SampleLoader`.
            seed: of that order.
            rank: of this process. Default: as torch.distributed says where it runs, else 0.
            world_size: number of ranks. Default: as torch.distributed says, else 1.
            uneven: what makes ranks equally long: see `SampleLoader`. `repeat` is as `pad` here: no batch is known.

        Returns:
            SampleIterable: each worker gets a range of this rank's samples, equal but for one. Call `set_epoch` before
            each epoch.

        Raises:
            ValueError, TypeError: an argument that means nothing.

        Example:
            >>> stream = SampleDataset(demo).iterable(shuffle=False)
            >>> len(stream), next(iter(stream))["input"].dtype
            (24, torch.uint16)
        """
        from mlstac_hf.torch._iterable import SampleIterable

        return SampleIterable(self, self.course(shuffle, seed=seed, rank=rank, world_size=world_size, uneven=uneven))

    def course(
        self,
        shuffle: Shuffle,
        *,
        seed: int,
        rank: int | None,
        world_size: int | None,
        uneven: Uneven,
        batch_size: int = 1,
    ) -> Course:
        """A run through these samples, at its start; for the loaders of this package."""
        place, places = ranks(rank, world_size)
        nbytes = typical_nbytes(self._split._source) if shuffle == "blocks" else None
        return Course(
            self.identity,
            shuffling_of(shuffle, nbytes),
            seed=seed,
            batch_size=batch_size,
            rank=place,
            world_size=places,
            uneven=uneven,
        )

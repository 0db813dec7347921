"""A split as torch's classic data pipes.

Owns: the two pipes, their functional form, and who reads what in a graph of pipes. Leaves to others: samples
(`_dataset`), the order (`_order`), everything a pipe can be chained to (`torch.utils.data.datapipes`).

torch shuffles a pipe through a buffer of samples, and splits it over workers by reading all and leaving out what others
have. Ours are asked first: `.shuffle()` and `.sharding_filter()` right behind a `SampleIterDataPipe` say what it reads.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from functools import cached_property
from itertools import accumulate
from typing import Any, Unpack

import torch.utils.data
from torch.utils.data import IterDataPipe, MapDataPipe
from torch.utils.data.graph import traverse_dps
from torch.utils.data.graph_settings import get_all_graph_pipes

from mlstac_hf._load import LoadArguments
from mlstac_hf._order import Epoch, Order, Plan, share, shuffling_of
from mlstac_hf._positions import resolve
from mlstac_hf._reading import Address
from mlstac_hf.torch._dataset import SampleDataset
from mlstac_hf.torch._ranks import workers

FUNCTIONAL = "load_mlstac"
"""`pipe_of_addresses.load_mlstac(split=…)`."""


class _Collections:
    """The samples of one collection, or of several one after another, opened when they are first needed.

    Args:
        source: an address, or a pipe of addresses.
        given: arguments of `SampleDataset`.
    """

    def __init__(self, source: Address | MapDataPipe | IterDataPipe, given: dict[str, Any]) -> None:
        self._source = source
        self._given = given
        self._process = os.getpid()
        if not isinstance(source, MapDataPipe | IterDataPipe):
            _ = self._datasets  # an address that is wrong is found out at once

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_process": None}

    @property
    def _datasets(self) -> list[SampleDataset]:
        """Of a pipe of addresses, which may have others in each worker, those of this process."""
        if self._process != os.getpid():
            if isinstance(self._source, MapDataPipe | IterDataPipe):
                self.__dict__.pop("_opened", None)
                self.__dict__.pop("_ends", None)
            self._process = os.getpid()
        return self._opened

    @cached_property
    def _opened(self) -> list[SampleDataset]:
        if isinstance(self._source, MapDataPipe):
            addresses: list[Any] = [self._source[place] for place in range(len(self._source))]
        else:
            addresses = list(self._source) if isinstance(self._source, IterDataPipe) else [self._source]
        return [SampleDataset(address, **self._given) for address in addresses]

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(map(len, self._datasets)))

    def __len__(self) -> int:
        return sum(map(len, self._datasets))

    def find(self, index: int) -> tuple[SampleDataset, int]:
        which, place = self._find(index)
        return self._datasets[which], place

    def _find(self, index: int) -> tuple[int, int]:
        which = bisect_right(self._ends, index)
        return which, index - (self._ends[which - 1] if which else 0)

    def each(self, indices: Callable[[], Iterator[int]]) -> Iterator[dict[str, Any] | None]:
        """Samples one after another, each collection's read ahead; see `SampleDataset.each`.

        Args:
            indices: says anew which ones, each time it is called.
        """

        def of(which: int) -> Iterator[int]:
            return (place for found, place in map(self._find, indices()) if found == which)

        streams = [dataset.each(of(which)) for which, dataset in enumerate(self._datasets)]
        return (next(streams[which]) for which, _ in map(self._find, indices()))


class SampleMapDataPipe(MapDataPipe):
    """A split as a map-style data pipe: `pipe[i]` is a sample, as of `SampleDataset`.

    `.shuffle()` permutes indices, so nothing is read for it.

    Args:
        source: the address of a collection, or a map-style pipe of addresses, whose samples follow one another. The
            latter is the functional form: `SequenceWrapper([address]).load_mlstac()`.
        split: `train`, `validation`, `test`, or another name the collection has.
        metadata: whether a sample has its metadata too, as a dict under `metadata`.
        **arguments: as in `SampleDataset`.

    Raises:
        TypeError, ValueError, CollectionNotFoundError, …: see `SampleDataset`.

    Example:
        >>> from mlstac_hf.torch import SampleMapDataPipe
        >>> pipe = SampleMapDataPipe(demo, columns=["input"])
        >>> [len(batch) for batch in pipe.shuffle().batch(10)]
        [10, 10, 4]
    """

    def __init__(
        self,
        source: Address | MapDataPipe,
        split: str = "train",
        *,
        metadata: bool = False,
        **arguments: Unpack[LoadArguments],
    ) -> None:
        self._source = source  # where torch looks for the pipes before this one
        self._samples = _Collections(source, {"split": split, "metadata": metadata, **arguments})

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """A sample; see `SampleDataset`."""
        dataset, place = self._samples.find(resolve(index, range(len(self))))
        return dataset[place]

    def __getitems__(self, indices: Sequence[int]) -> Sequence[dict[str, Any]]:
        """Samples, of one collection read at once; see `SampleDataset`."""
        found = [self._samples.find(resolve(index, range(len(self)))) for index in indices]
        if found and all(dataset is found[0][0] for dataset, _ in found):
            return found[0][0].__getitems__([place for _, place in found])
        return [sample for dataset, place in found for sample in dataset.each([place]) if sample is not None]


class SampleIterDataPipe(IterDataPipe):
    """A split as an iterable data pipe.

    Chain it as any other: `.shuffle().sharding_filter().map(f).batch(8)`. Right behind this pipe, `.shuffle()` is a
    permutation of the whole split, not a buffer, and with `.sharding_filter()` each worker and rank reads its own
    samples and no others. Further down they are torch's own, which read all samples in every worker. Without
    `.sharding_filter()` workers get ranges, equal but for one; ranks get everything.

    Args:
        source: the address of a collection, or a pipe of addresses, whose samples follow one another. The latter is the
            functional form: `IterableWrapper([address]).load_mlstac()`.
        split: `train`, `validation`, `test`, or another name the collection has.
        metadata: whether a sample has its metadata too, as a dict under `metadata`.
        **arguments: as in `SampleDataset`.

    Raises:
        TypeError, ValueError, CollectionNotFoundError, …: see `SampleDataset`.

    Example:
        >>> from mlstac_hf.torch import SampleIterDataPipe, collate
        >>> pipe = SampleIterDataPipe(demo).shuffle().sharding_filter().batch(10).map(collate)
        >>> [len(batch["input"]) for batch in pipe]
        [10, 10, 4]
    """

    def __init__(
        self,
        source: Address | MapDataPipe | IterDataPipe,
        split: str = "train",
        *,
        metadata: bool = False,
        **arguments: Unpack[LoadArguments],
    ) -> None:
        self._source = source  # where torch looks for the pipes before this one
        self._samples = _Collections(source, {"split": split, "metadata": metadata, **arguments})
        self._shuffle = False
        self._seed = 0
        self._epoch = 0
        self._instances: tuple[int, int] | None = None

    def shuffle(self, **_unused: Any) -> SampleIterDataPipe:
        """The same samples in another order each time they are iterated.

        A DataLoader draws its seed from torch's generator, the same in all its workers and ranks; `set_seed` sets it
        where there is none.

        Args:
            **_unused: `buffer_size` and `unbatch_level`, for which torch's own has a use.
        """
        pipe = copy(self)
        pipe._shuffle = True
        return pipe

    def sharding_filter(self, **_unused: Any) -> SampleIterDataPipe:
        """The same samples, of which each worker and rank of a DataLoader reads its own, equal but for one.

        Args:
            **_unused: `sharding_group_filter`, which DataLoader has no use for.
        """
        pipe = copy(self)
        pipe.__class__ = _Sharded
        return pipe

    def set_shuffle(self, shuffle: bool = True) -> SampleIterDataPipe:  # noqa: FBT001, FBT002 - torch calls it so
        """What `DataLoader(pipe, shuffle=…)` calls."""
        self._shuffle = shuffle
        return self

    def set_seed(self, seed: int) -> SampleIterDataPipe:
        """What a DataLoader calls before each epoch."""
        self._seed, self._epoch = seed, 0
        return self

    def __len__(self) -> int:
        if self._instances is None:
            return len(self._samples)
        start, stop = self._range()
        return stop - start

    def __iter__(self) -> Iterator[dict[str, Any]]:
        count = len(self._samples)
        order = Order(count, shuffling_of(self._shuffle), self._seed, self._epoch)
        self._epoch += 1
        epoch, (start, stop) = Epoch(order, Plan(count=count)), self._range()
        for sample in self._samples.each(lambda: (index for (index,) in epoch.batches(start, stop))):
            if sample is not None:
                yield sample

    def _range(self) -> tuple[int, int]:
        """The positions that are read here."""
        if self._instances is not None:
            number, instances = self._instances
        else:
            number, instances = (0, 1) if _is_split_later() else workers()
        return share(len(self._samples), number, instances)


class _Sharded(SampleIterDataPipe):
    """A pipe that torch may tell which part of its samples to read."""

    def apply_sharding(self, instances: int, instance: int) -> None:
        """What a DataLoader calls in each worker and rank."""
        self._instances = (instance, instances)


def _is_split_later() -> bool:
    """Whether this is a worker, and a pipe of its graph leaves out what other workers have."""
    info = torch.utils.data.get_worker_info()
    if info is None or not isinstance(info.dataset, IterDataPipe | MapDataPipe):
        return False
    return any(hasattr(pipe, "apply_sharding") for pipe in get_all_graph_pipes(traverse_dps(info.dataset)))


def _register() -> None:
    """Add the functional form, unless this module is imported a second time: torch refuses a name that is taken."""
    for base, pipe in ((IterDataPipe, SampleIterDataPipe), (MapDataPipe, SampleMapDataPipe)):
        if FUNCTIONAL in base.functions:
            del base.functions[FUNCTIONAL]
        base.register_datapipe_as_function(FUNCTIONAL, pipe)


_register()

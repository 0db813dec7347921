"""A loader that says where it stands, and goes on from there with any number of workers and ranks.

Owns: `SampleLoader`: what was delivered to the user, and not merely read ahead. Leaves to others: workers, memory and
threads (torch's DataLoader), the order and states (`_order`), samples (`_dataset`).
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import wait
from typing import Any, Unpack

import torch.utils.data

from mlstac_hf._errors import MLSTACError
from mlstac_hf._load import LoadArguments
from mlstac_hf._order import Course, Epoch, Shuffle, Uneven
from mlstac_hf._reading import Address, check_names
from mlstac_hf.torch._collate import collate
from mlstac_hf.torch._dataset import SampleDataset


class SampleLoader(torch.utils.data.DataLoader[dict[str, Any]]):
    """A split of a collection in batches, for training on one process or many; stops and goes on exactly.

    Shuffling is a permutation of the whole split that belongs to (seed, epoch). After each step, what all ranks
    together were given is the beginning of it. So a run can go on from `state_dict()` with another number of ranks,
    workers or another batch size, and each sample still comes once an epoch. An epoch that was iterated to its end is
    followed by the next one; one that was broken off begins again, unless a state was loaded.

    Args:
        address: of the collection; see `mlstac_hf.load`.
        split: `train`, `validation`, `test`, or another name the collection has.
        batch_size: samples of a batch on one rank.
        num_workers: processes that read. 0 reads in this one.
        shuffle: True for another order each epoch; `"blocks"` for one in which runs of samples of about 4 MB stay near
            each other, which suits containers that are read over a network (docs/train.md has how well it shuffles);
            False for the order in which samples are stored.
        seed: of the order, the same on all ranks.
        rank: of this process. Default: as torch.distributed says where it is initialised, else 0.
        world_size: number of ranks. Default: as torch.distributed says, else 1.
        uneven: what becomes of the samples at the end of an epoch that fill no step of all ranks. `"pad"`: they are
            dealt out, and ranks that are one short get one from the start of the epoch; the last batch may be smaller.
            `"drop"`: left out. `"repeat"`: the batches of all ranks are filled from the start of the epoch, so that all
            have the same shape. With each, all ranks have as many samples and batches.
        metadata: whether a batch has metadata too: under `metadata`, by key, lists.
        collate_fn: makes a batch of samples, in the worker.
        pin_memory: whether tensors are put into pinned memory, for a fast way to a GPU.
        persistent_workers: whether workers stay from epoch to epoch.
        prefetch_factor: batches that each worker reads ahead. Default: 2.
        multiprocessing_context: `fork`, `spawn` or `forkserver`. Default: that of the platform.
        timeout: seconds to wait for a batch, 0 for no limit.
        worker_init_fn: called in each worker with its number.
        **arguments: as in `mlstac_hf.load`: `columns`, `splits`, `on_error`, `trust_links`, `revision`, `token`,
            `storage_options`, `cache_dir`, and `bands`, `target`, `filter`, `bbox`, `intersects`, `datetime`, `limit`,
            `types`, `scale`, `crop`, `normalize`. With `on_error="skip"` batches lack their bad samples.

    Raises:
        ValueError, TypeError: an argument that means nothing.
        CollectionNotFoundError, UnknownNameError, …: see `mlstac_hf.load`.

    While it is iterated: CorruptSampleError and its like, as in `mlstac_hf.load`; RuntimeError when a worker was
    killed.

    Example:
        >>> from mlstac_hf.torch import SampleLoader
        >>> loader = SampleLoader(demo, batch_size=8, num_workers=0)
        >>> batches = iter(loader)
        >>> next(batches)["input"].shape
        torch.Size([8, 4, 64, 64])
        >>> state = loader.state_dict()  # a few numbers and texts, for a checkpoint
        >>> state["epoch"], state["position"]
        (0, 8)
        >>> again = SampleLoader(demo, batch_size=4, num_workers=0)
        >>> again.load_state_dict(state)
        >>> len(list(again))  # the other 16 samples
        4
    """

    def __init__(
        self,
        address: Address,
        split: str = "train",
        batch_size: int = 32,
        num_workers: int = 2,
        *,
        shuffle: Shuffle = True,
        seed: int = 5,
        rank: int | None = None,
        world_size: int | None = None,
        uneven: Uneven = "pad",
        metadata: bool = False,
        collate_fn: Callable[[Any], Any] = collate,
        pin_memory: bool = False,
        persistent_workers: bool = False,
        prefetch_factor: int | None = None,
        multiprocessing_context: Any = None,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        **arguments: Unpack[LoadArguments],
    ) -> None:
        check_names(arguments, LoadArguments.__annotations__, type(self).__name__, "Samples are opened with")
        dataset = SampleDataset(address, split, metadata=metadata, **arguments)
        self._course = dataset.course(
            shuffle, seed=seed, rank=rank, world_size=world_size, uneven=uneven, batch_size=batch_size
        )
        self._batches, self._samples = _Batches(self._course), dataset
        super().__init__(
            dataset,
            batch_sampler=self._batches,
            num_workers=num_workers,
            collate_fn=collate_fn,
            pin_memory=pin_memory,
            persistent_workers=persistent_workers,
            prefetch_factor=prefetch_factor,
            multiprocessing_context=multiprocessing_context,
            timeout=timeout,
            worker_init_fn=worker_init_fn,
        )

    def __len__(self) -> int:
        """Batches of the epoch that runs or comes next; of one that is gone on with, those from there on."""
        return len(self._batches)

    def __iter__(self) -> Iterator[Any]:
        epoch = self._course.begin()
        self._batches.epoch = epoch
        try:
            for step, batch in enumerate(self._batches_ahead(epoch) if self._reads_here else self._batches_of_torch()):
                self._course.deliver(epoch, step)
                yield batch
            self._course.finish(epoch)
        finally:
            self._course.leave(epoch)

    @property
    def _reads_here(self) -> bool:
        """Whether this process reads samples that lie elsewhere; torch would not ask which come next."""
        return not self.num_workers and not self.pin_memory and not self._samples.is_local

    def _batches_ahead(self, epoch: Epoch) -> Iterator[Any]:
        return map(self.collate_fn, self._samples.batches(epoch.batches(), epoch.windows()))

    def _batches_of_torch(self) -> Iterator[Any]:
        """What torch gives; that a worker ended is one error, however torch came to notice."""
        batches: Any = self._iterator  # of workers that stayed
        try:
            batches = super().__iter__()
            yield from batches
        except (ConnectionError, EOFError, FileNotFoundError) as error:  # shared memory of a worker that is no more
            ended = [] if isinstance(error, MLSTACError) else _ended(getattr(batches, "_workers", ()))
            if not ended:
                raise
            raise RuntimeError(
                f"DataLoader worker {', '.join(ended)} exited unexpectedly. Where the system is short of memory, it "
                "kills workers: take fewer of them, smaller batches or a smaller prefetch_factor. A new loader goes on "
                "from the state_dict() of this one."
            ) from error
        finally:
            multiprocessing.active_children()  # notes who ended; until then torch fails at any signal

    @property
    def epoch(self) -> int:
        """The epoch that runs, or comes next, from 0 on."""
        return self._course.epoch

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch; in the one that a state was just loaded of, stay where it says.

        Not needed where epochs follow one another. While an iteration runs, this says which epoch the next one is; the
        state stays that of the one that runs.

        Raises:
            ValueError, TypeError: it is no whole number from 0 on.
        """
        self._course.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Where the run stands, counted by the batches that were handed out. Small, and JSON holds it.

        Take it on all ranks after the same step: it is the same on all of them, so one is enough.
        """
        return self._course.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, with the next iteration; after a finished epoch, with the whole of the next one.

        Raises:
            ValueError: it is of another collection, selection, seed or shuffle; the message says what differs.
            TypeError: it is no state.
        """
        self._course.load_state_dict(state)


class _Batches:
    """The indices of each batch of an epoch: what torch calls a batch sampler."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self.epoch: Epoch | None = None

    def __len__(self) -> int:
        return len(self._course.current())

    def __iter__(self) -> Iterator[list[int]]:
        return (self.epoch or self._course.current()).batches()


_ENDING_S = 1.0
"""What a worker that closed its sockets may take until the system calls it ended."""


def _ended(workers: Sequence[Any]) -> list[str]:
    """Of workers, those that are no more: number and end of each."""
    closed = wait([worker.sentinel for worker in workers], _ENDING_S) if workers else []
    ended = []
    for worker in workers:
        if worker.sentinel in closed:
            worker.join(_ENDING_S)
            code = worker.exitcode or 0
            ended.append(f"(pid {worker.pid}, {f'signal {-code}' if code < 0 else f'exit code {code}'})")
    return ended

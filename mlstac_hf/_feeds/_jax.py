"""`to_jax()`: batches of a split on devices of jax.

Owns: putting batches on devices before they are asked for, and the state of what was handed out. Leaves to others: the
batches (`_feed`), the order and states (`_order`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any, Unpack

import numpy as np

from mlstac_hf._feeds._feed import Feed, Order
from mlstac_hf._frameworks import framework
from mlstac_hf._load import LoadArguments
from mlstac_hf._order import Epoch, Shuffle, Uneven, check_number
from mlstac_hf._reading import Address, Batch

PREFETCH = 2


def to_jax(
    address: Address,
    split: str = "train",
    batch_size: int = 32,
    *,
    device: Any = "cpu",
    shuffle: Shuffle = True,
    seed: int = 5,
    rank: int = 0,
    world_size: int = 1,
    uneven: Uneven = "pad",
    prefetch: int = PREFETCH,
    **arguments: Unpack[LoadArguments],
) -> JaxBatches:
    """Batches of a split as arrays of jax, put on devices ahead of the step that needs them.

    Args:
        address: of the collection; see `mlstac_hf.load`.
        split: `train`, `validation`, `test`, or another name the collection has.
        batch_size: samples of a batch, on each rank.
        device: a platform (`cpu`, `gpu`), one of its devices (`gpu:1`), a `jax.Device`, or a `jax.sharding.Sharding`
            that spreads batches over devices (take `uneven="drop"` or `"repeat"` with it, so that they divide).
        shuffle: whether samples come in another order each epoch; `"blocks"` keeps samples that lie near one another
            together, for remote containers.
        seed: of that order, 0 to 2**64 - 1.
        rank: of this process among `world_size` that share the samples, such as `jax.process_index()`.
        world_size: number of ranks, such as `jax.process_count()`.
        uneven: what makes ranks equally long: `pad`, `drop` or `repeat`; see `mlstac_hf.torch.SampleLoader`. With the
            latter two all batches have `batch_size` samples, so that a jitted step is compiled once.
        prefetch: batches that are made ready ahead, at least 1.
        **arguments: as in `mlstac_hf.load`: `columns`, `splits`, `on_error`, `trust_links`, `revision`, `token`,
            `storage_options`, `cache_dir`, and `bands`, `target`, `filter`, `bbox`, `intersects`, `datetime`, `limit`,
            `types`, `scale`, `crop`, `normalize`. With `on_error="skip"` batches lack their bad samples.

    Returns:
        JaxBatches: each iteration is an epoch of dicts: arrays `(N, …)` by column, dtypes as stored; lists of texts and
        of arrays that do not stack.

    Raises:
        TypeError, ValueError: an argument that means nothing.
        CollectionNotFoundError, UnknownNameError, …: see `mlstac_hf.load`; also for a column the first sample lacks.
        MissingExtraError: jax is not installed.

    While it is iterated: CorruptSampleError and its like; UnsupportedDtypeError for what jax cannot hold without
    `jax_enable_x64`.

    Example:
        >>> batches = to_jax(demo, batch_size=8)
        >>> [batch["input"].shape for batch in batches]
        [(8, 4, 64, 64), (8, 4, 64, 64), (8, 4, 64, 64)]
        >>> batches.epoch
        1
    """
    framework("jax")
    check_number("prefetch", prefetch, 1)
    order = Order(batch_size=batch_size, shuffle=shuffle, seed=seed, rank=rank, world_size=world_size, uneven=uneven)
    return JaxBatches(Feed(address, split, order, arguments, "to_jax"), device, prefetch)


class JaxBatches:
    """Batches on devices of jax; see `to_jax`. An iteration is an epoch, the next one has another order."""

    def __init__(self, feed: Feed, device: Any, prefetch: int) -> None:
        self._feed, self._device, self._prefetch = feed, device, prefetch

    def __len__(self) -> int:
        """Batches of the epoch that runs or comes next; of one that is gone on with, those from there on."""
        return len(self._feed.course.current())

    def __iter__(self) -> Iterator[dict[str, Any]]:
        course = self._feed.course
        epoch = course.begin()
        try:
            with closing(self._ahead(epoch)) as batches:
                for step, batch in enumerate(batches):
                    course.deliver(epoch, step)
                    yield batch
            course.finish(epoch)
        finally:
            course.leave(epoch)

    @property
    def epoch(self) -> int:
        """The epoch that runs, or comes next, from 0 on."""
        return self._feed.course.epoch

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch; in the one that a state was just loaded of, stay where it says.

        While an iteration runs, this says which epoch the next one is; the state stays that of the one that runs.

        Raises:
            ValueError, TypeError: it is no whole number from 0 on.
        """
        self._feed.course.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Where the run stands, counted by the batches that were handed out. Small, and JSON holds it."""
        return self._feed.course.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state, with the next iteration; after a finished epoch, with the whole of the next one.

        A state of `mlstac_hf.torch.SampleLoader` over the same samples will do as well.

        Raises:
            ValueError: it is of another collection, selection, seed or shuffle; the message says what differs.
            TypeError: it is no state.
        """
        self._feed.course.load_state_dict(state)

    def _ahead(self, epoch: Epoch) -> Generator[dict[str, Any]]:
        """Batches on devices, made ready by a thread."""
        batches = self._feed.batches(epoch)
        pending: deque[Future[dict[str, Any] | None]] = deque()
        with ThreadPoolExecutor(1, "mlstac-jax") as pool:
            try:
                while True:
                    while len(pending) <= self._prefetch:
                        pending.append(pool.submit(self._next, batches))
                    batch = pending.popleft().result()
                    if batch is None:
                        return
                    yield batch
            finally:
                for work in pending:
                    work.cancel()

    def _next(self, batches: Iterator[Batch]) -> dict[str, Any] | None:
        batch = next(batches, None)
        return None if batch is None else {name: self._put(value) for name, value in batch.columns.items()}

    def _put(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return framework("jax").from_numpy(value, self._device)
        return [self._put(item) for item in value] if isinstance(value, list) else value

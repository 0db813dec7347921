"""`to_tf()`: a split as a `tf.data.Dataset`.

Owns: what tensorflow is told of a batch before there is one, and which epoch an iteration is. Leaves to others: the
batches (`_feed`).
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from mlstac_hf._errors import SchemaMismatchError, UnsupportedDtypeError
from mlstac_hf._feeds._feed import Feed, Order
from mlstac_hf._frameworks import framework
from mlstac_hf._load import LoadArguments
from mlstac_hf._order import Epoch, Shuffle, Uneven, check_number
from mlstac_hf._reading import Address, Batch

if TYPE_CHECKING:
    import tensorflow as tf


def to_tf(
    address: Address,
    split: str = "train",
    batch_size: int = 32,
    *,
    shuffle: Shuffle = True,
    seed: int = 5,
    epoch: int = 0,
    skip: int = 0,
    rank: int = 0,
    world_size: int = 1,
    uneven: Uneven = "pad",
    **arguments: Unpack[LoadArguments],
) -> tf.data.Dataset:
    """Batches of a split as a `tf.data.Dataset`, dtypes and shapes as stored.

    Each iteration is an epoch, and the next one has another order: give the dataset to Keras's `fit(dataset, epochs=…)`
    as it is. An iteration counts from its first batch on, whether or not it comes to its end: a look at one batch is an
    epoch too. Batches are read while the step before them runs; what comes over a network is fetched ahead, many
    requests at a time.

    Args:
        address: of the collection; see `mlstac_hf.load`.
        split: `train`, `validation`, `test`, or another name the collection has.
        batch_size: samples of a batch, on each rank.
        shuffle: whether samples come in another order each epoch; `"blocks"` keeps samples that lie near one another
            together, for remote containers.
        seed: of that order, 0 to 2**64 - 1.
        epoch: the epoch of the first iteration, from 0 on; the k-th one after it is epoch `epoch + k`.
        skip: batches of the first iteration that were seen before, which are left out and not read. A run that stopped
            in epoch e after n steps goes on exactly with `epoch=e, skip=n`, and all else as it was.
        rank: of this process among `world_size` that share the samples.
        world_size: number of ranks.
        uneven: what makes ranks equally long: `pad`, `drop` or `repeat`; see `mlstac_hf.torch.SampleLoader`. With the
            latter two all batches have `batch_size` samples, and tensorflow knows.
        **arguments: as in `mlstac_hf.load`: `columns`, `splits`, `on_error`, `trust_links`, `revision`, `token`,
            `storage_options`, `cache_dir`, and `bands`, `target`, `filter`, `bbox`, `intersects`, `datetime`, `limit`,
            `types`, `scale`, `crop`, `normalize`. With `on_error="skip"` batches lack their bad samples.

    Returns:
        tf.data.Dataset: of dicts: tensors `(N, …)` by column, texts as `(N,)` strings. The first sample says which
        columns, dtypes and shapes there are.

    Raises:
        TypeError, ValueError: an argument that means nothing.
        CollectionNotFoundError, UnknownNameError, …: see `mlstac_hf.load`; also for a column the first sample lacks.
        MissingExtraError: tensorflow is not installed.

    While it is iterated, errors are `tf.errors.OpError`, with the message of ours: a bad sample, or one whose dtype or
    shape is not that of the first.

    Example:
        >>> batches = to_tf(demo, batch_size=8)
        >>> batches.element_spec["input"].shape, batches.element_spec["input"].dtype
        (TensorShape([None, 4, 64, 64]), tf.uint16)
        >>> pairs = batches.map(lambda batch: (batch["input"], batch["target"]))  # as Keras's fit takes them
    """
    framework("tensorflow")
    import tensorflow as tf

    check_number("skip", skip, 0)
    order = Order(batch_size=batch_size, shuffle=shuffle, seed=seed, rank=rank, world_size=world_size, uneven=uneven)
    feed = Feed(address, split, order, arguments, "to_tf")
    feed.course.set_epoch(epoch)
    skips = arguments.get("on_error") == "skip"
    spec = _spec(feed, None if skips or uneven == "pad" else batch_size)
    dataset = tf.data.Dataset.from_generator(_Epochs(feed, spec, skip), output_signature=spec)
    if not (skip or skips):
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(feed.course.current())))
    return dataset.prefetch(tf.data.AUTOTUNE)


_DTYPES = (
    *("bool", "bfloat16", "float16", "float32", "float64", "complex64", "complex128"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
)
"""What tf.data carries: not float8, which tensorflow has."""


class _Epochs:
    """Called by tensorflow at the start of each iteration, in a thread of its own.

    How much of it was delivered is not known here, as tensorflow takes batches ahead: an iteration is an epoch once it
    is begun.
    """

    def __init__(self, feed: Feed, spec: dict[str, Any], skip: int) -> None:
        self._feed, self._spec, self._skip = feed, spec, skip
        self._lock = Lock()

    def __call__(self) -> Iterator[dict[str, Any]]:
        with self._lock:
            epoch, skip, self._skip = self._feed.course.begin(), self._skip, 0
            self._feed.course.finish(epoch)
        return self._batches(epoch, skip)

    def _batches(self, epoch: Epoch, skip: int) -> Iterator[dict[str, Any]]:
        for batch in self._feed.batches(epoch, skip):
            if batch.columns:  # all of its samples may be bad
                self._check(batch)
                yield batch.columns

    def _check(self, batch: Batch) -> None:
        for name in {**self._spec, **batch.columns}:
            wanted, column = self._spec.get(name), batch.columns.get(name)
            if wanted is not None and isinstance(column, np.ndarray) and _fits(column[0], wanted):
                continue
            for row, index in enumerate(batch.indices):
                found = None if column is None else column[row]
                if not _fits(found, wanted):
                    raise SchemaMismatchError(
                        f"{self._feed.place(index)}: column {name!r}: expected {_wanted(wanted)}, as in "
                        f"{self._feed.place(0)}, found {_found(found)}. A dataset of tensorflow has one form: leave "
                        "the column out with columns=, cut images with crop=True, or choose samples that agree with "
                        "filter=."
                    )


def _fits(found: Any, wanted: tf.TensorSpec | None) -> bool:
    """Whether a value of one sample, or None, is what batches are said to hold of it, or None."""
    if wanted is None or found is None:
        return wanted is None and found is None
    if isinstance(found, np.ndarray | np.generic):
        return bool(wanted.shape[1:] == found.shape and wanted.dtype.as_numpy_dtype == found.dtype)
    return bool(wanted.dtype.name == "string")


def _wanted(spec: tf.TensorSpec | None) -> str:
    if spec is None:
        return "no such column"
    return "a text" if spec.dtype.name == "string" else f"{spec.dtype.name} {tuple(spec.shape[1:])}"


def _found(value: Any) -> str:
    if value is None:
        return "no such column"
    return "a text" if isinstance(value, str) else f"{value.dtype} {value.shape}"


def _spec(feed: Feed, size: int | None) -> dict[str, Any]:
    """What batches look like, by column, out of the first sample."""
    import tensorflow as tf

    dtypes = {name: getattr(tf, name) for name in _DTYPES}
    place, head = feed.first()
    wanted = feed.split._columns
    spec = {}
    for name in head.columns:
        if wanted is not None and name not in wanted:
            continue
        if name in head.texts:
            spec[name] = tf.TensorSpec((size,), tf.string)
            continue
        form = head.tensors[name]
        dtype = dtypes.get(form.dtype.name)
        if dtype is None:
            raise UnsupportedDtypeError(
                f"{place}: tf.data has no dtype {form.dtype.name}; leave {name!r} out with columns="
            )
        spec[name] = tf.TensorSpec((size, *form.shape), dtype)
    return spec

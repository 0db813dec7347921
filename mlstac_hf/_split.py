"""One split as a read-only sequence of samples.

Owns: how a split is indexed, sliced and iterated, and its metadata. Leaves to others: which split (`_load`), the
samples (`_reading`), the tensors of a framework (`_frameworks`).
"""

from __future__ import annotations

import operator
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from mlstac_hf._errors import BAD_SAMPLE, UnknownNameError, warn_skipped
from mlstac_hf._frameworks import FRAMEWORKS
from mlstac_hf._frameworks import framework as framework_named
from mlstac_hf._positions import resolve
from mlstac_hf._reading import (
    AHEAD_NBYTES,
    START_NBYTES,
    Batch,
    OnError,
    Sample,
    Source,
    input_planes,
    is_scaled,
    read_ahead,
    samples_ahead,
)
from mlstac_hf._spec import TENSOR_NAMES, Collection


class Split:
    """A read-only sequence of samples; see `load`. Picklable, and safe in forked and spawned workers."""

    def __init__(
        self,
        collection: Collection,
        source: Source,
        *,
        indices: Sequence[int],
        framework: str,
        device: str,
        columns: Sequence[str] | None,
        on_error: OnError,
        stream: bool = False,
    ) -> None:
        self.collection = collection
        self._source = source
        self._indices = indices
        self._framework = FRAMEWORKS[framework]
        self._device = device
        self._columns = None if columns is None else tuple(columns)
        self._on_error = on_error
        self._stream = stream

    def __repr__(self) -> str:
        return (
            f"Split({self._source.split!r} of {self.collection.id!r}, {len(self)} samples, "
            f"framework={self._framework!r})"
        )

    def __len__(self) -> int:
        return len(self._indices)

    @property
    def metadata(self) -> Metadata:
        """The metadata of the same samples, by the same index."""
        return Metadata(self._source, self._indices)

    def __getitem__(self, key: Any) -> dict[str, Any]:
        """A sample by index, or a batch by slice, list or integer array.

        Raises:
            IndexError: outside of the split.
            CorruptSampleError, MissingSampleError: this sample; the others stay readable.
        """
        where = resolve(key, self._indices)
        if isinstance(where, int):
            sample = self._source.read(where, self._columns)
            self._check_columns(sample.values, where)
            return {name: self._hand_over(value) for name, value in sample.values.items()}
        return self._hand_over_columns(self._batch(where))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """One sample after another; with `stream=True` those that follow are fetched meanwhile."""
        for where, sample in self._samples():
            self._check_columns(sample.values, where)
            yield {name: self._hand_over(value) for name, value in sample.values.items()}

    def _samples(self) -> Iterator[tuple[int, Sample]]:
        connections = None if self._stream else 0
        on_bad = None if self._on_error == "raise" else lambda _, error: warn_skipped([str(error)])
        return samples_ahead(self._source, self._indices, self._columns, connections=connections, on_bad=on_bad)

    def stored(self) -> Iterator[dict[str, Any]]:
        """The samples with their metadata, whatever the framework: numpy arrays as stored, texts, keys and values.

        This is what `write` takes of a split. A key that has the name of a tensor is called `meta_<key>`.

        Raises:
            CorruptSampleError, MissingSampleError: a bad sample, unless on_error="skip".
        """
        for where, sample in self._samples():
            self._check_columns(sample.values, where)
            metadata = self._source.metadata(where, sample.head)
            named = {f"meta_{key}" if key in TENSOR_NAMES else key: value for key, value in metadata.items()}
            yield {**named, **sample.values}

    def planes(self) -> tuple[int, ...] | None:
        """Which planes of the stored `input` the samples have, by the first of them; None where they have all."""
        try:
            return input_planes(self._source, self._indices[0]) if len(self) else None
        except BAD_SAMPLE:
            return None

    @property
    def is_scaled(self) -> bool:
        """Whether `input` has other numbers than those that are stored: physical values, or normalised ones."""
        return is_scaled(self._source)

    def _batch(self, where: Sequence[int]) -> Batch:
        """Samples of the source, together; bad ones as `on_error` says."""
        (batch,) = self._batches([where], start_nbytes=AHEAD_NBYTES)
        return batch

    def _batches(
        self,
        wheres: Iterable[Sequence[int]],
        windows: Iterator[int] | None = None,
        *,
        start_nbytes: int = START_NBYTES,
    ) -> Iterator[Batch]:
        """The same, of one batch after another; those that follow are fetched meanwhile, where they lie elsewhere."""
        skipped: list[str] = []
        on_bad = None if self._on_error == "raise" else lambda _, error: skipped.append(str(error))
        for batch in read_ahead(
            self._source, wheres, self._columns, start_nbytes=start_nbytes, on_bad=on_bad, windows=windows
        ):
            if skipped:
                warn_skipped(skipped)
                skipped.clear()
            if batch.indices:
                self._check_columns(batch.columns, batch.indices[0])
            yield batch

    def _hand_over_columns(self, batch: Batch) -> dict[str, Any]:
        return {name: self._hand_over(column) for name, column in batch.columns.items()}

    def _check_columns(self, found: Container[str], index: int) -> None:
        lacking = [name for name in self._columns or () if name not in found]
        if lacking:
            raise UnknownNameError(
                f"{self._source.place(index)} has no {' or '.join(map(repr, lacking))}; "
                f"it has {', '.join(self._source.head(index).columns)}"
            )

    def _hand_over(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return framework_named(self._framework).from_numpy(value, self._device)
        return [self._hand_over(item) for item in value] if isinstance(value, list) else value


class Metadata:
    """The metadata of a split's samples, typed; `raw` gives the strings as stored."""

    def __init__(self, source: Source, indices: Sequence[int]) -> None:
        self._source = source
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, key: Any) -> Any:
        """One sample's metadata by index, a list of them by slice or list.

        Returns:
            `id` (str), `crs` (`AUTHORITY:CODE`), `geotransform` (six floats, GDAL order),
            `start_datetime` and `end_datetime` (aware datetimes in UTC), each None where it is missing,
            invented by the writer or unreadable; then the publisher's own keys, sorted: texts in the sample
            layout, in their Parquet types in containers.
        """
        where = resolve(key, self._indices)
        if isinstance(where, int):
            return self._source.metadata(where, self._source.head(where))
        return [self._source.metadata(index, self._source.head(index)) for index in where]

    def raw(self, index: int) -> dict[str, str]:
        """One sample's metadata as it stands in the file, texts by key."""
        where = resolve(operator.index(index), self._indices)
        return dict(self._source.head(where).raw)

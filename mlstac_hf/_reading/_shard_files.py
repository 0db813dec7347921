"""Shards of a published split, Parquet or Arrow IPC, of which only the groups of rows that are asked for are read.

Owns: reading such a file through a store, and an array out of a row. Leaves to others: which row is which sample
(`_shards`), what the columns mean.
"""

from __future__ import annotations

import io
import mmap
import os
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from mlstac_hf._formats import Array, HeaderError, narrow, plain_dtype
from mlstac_hf._stores import Store, consumer_here, reading_for

ShardFormat = Literal["parquet", "arrow"]


class ShardFile:
    """One shard.

    Args:
        store: where it lies.
        path: in the store.
        nbytes: its size, where it is known; else the store is asked.
        form: of the file.

    Raises:
        FileNotFoundError: it is not there.
        HeaderError: it is no such file.
        StoreError: the network or disk failed.
    """

    def __init__(self, store: Store, path: str, nbytes: int | None, form: ShardFormat) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._open = _opener(store, path, nbytes)
        self._form = form
        try:
            self._footer = pq.read_metadata(self._open()) if form == "parquet" else None
        except (pa.ArrowException, OSError, ValueError) as error:
            raise HeaderError(f"it cannot be read as {form}: {str(error)[:200]}") from None

    def read(self, group: int, columns: Sequence[str]) -> Any:
        """Columns of a row group or record batch, as a table of one chunk.

        Raises:
            HeaderError: its bytes are not what they claim to be.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            if self._footer is not None:  # a reader of its own, since many threads may ask
                file = pq.ParquetFile(self._open(), metadata=self._footer, pre_buffer=True)
                table = file.read_row_group(group, columns=list(columns))
            else:
                table = pa.Table.from_batches([pa.ipc.open_file(self._open()).get_batch(group)])
            table = table.select(list(columns)).combine_chunks()
            table.validate(full=True)  # offsets in the file may lead anywhere
            return table
        except (pa.ArrowException, OSError, ValueError, KeyError, IndexError) as error:
            raise HeaderError(f"rows of group {group} cannot be read: {str(error)[:200]}") from None


def _opener(store: Store, path: str, nbytes: int | None) -> Callable[[], Any]:
    """What opens a file for pyarrow: mapped where it lies on this disk, else read range by range."""
    import pyarrow as pa

    descriptor = store.open_local(path)
    if descriptor is None:
        known = store.stat(path).nbytes if nbytes is None else nbytes
        if known is None:
            raise HeaderError(f"{store.url} does not say how large it is")
        return lambda: pa.PythonFile(_Ranges(store, path, known), mode="r")
    try:
        if not os.fstat(descriptor).st_size:
            raise HeaderError("it is empty")
        mapped = pa.py_buffer(mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ))
        return lambda: pa.BufferReader(mapped)
    finally:
        os.close(descriptor)


class _Ranges(io.RawIOBase):
    """A file of a store, for pyarrow, which reads its end first, and the rest in threads of its own."""

    def __init__(self, store: Store, path: str, nbytes: int) -> None:
        super().__init__()
        self._store, self._path, self._nbytes = store, path, nbytes
        self._at = 0
        self._consumer = consumer_here()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._nbytes}[whence]
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        stop = self._nbytes if size is None or size < 0 else min(self._nbytes, self._at + size)
        with reading_for(self._consumer):
            data = self._store.read_range(self._path, self._at, stop) if stop > self._at else b""
        self._at += len(data)
        return data


def array_of(table: Any, name: str, row: int, stored: np.dtype[Any], shape: Sequence[int]) -> Array:
    """One row of a tensor column, in its stored dtype.

    Args:
        table: of one chunk.
        name: of a column: numbers, lists as deep as the tensor has axes, or a struct of `data` and `shape`.
        row: in the table.
        stored: dtype of what was published.
        shape: of the tensor.

    Raises:
        HeaderError: the row holds something else.
    """
    import pyarrow as pa

    if not 0 <= row < table.num_rows:
        raise HeaderError(f"expected row {row}, and there are {table.num_rows}")
    array = table.column(name).chunk(0)
    array = getattr(array, "storage", array).slice(row, 1)  # an extension type, if `datasets` is imported
    if pa.types.is_struct(array.type):
        array = array.field("data")
    while pa.types.is_list(array.type) or pa.types.is_large_list(array.type) or pa.types.is_fixed_size_list(array.type):
        array = array.flatten()
    expected = (*shape, 2) if stored.kind == "c" else tuple(shape)
    plain = plain_dtype(stored)
    size = int(np.prod(expected, dtype=object))
    is_number = pa.types.is_integer(array.type) or pa.types.is_floating(array.type) or pa.types.is_boolean(array.type)
    if array.null_count or not is_number or len(array) != size:
        raise HeaderError(f"expected {size} values of {plain.name}, found {len(array)} of {array.type}")
    values: Array = array.to_numpy(zero_copy_only=not pa.types.is_boolean(array.type))
    if values.dtype != plain and not (values.dtype == np.int64 and plain.kind in "iu"):  # classes are int64 in tables
        raise HeaderError(f"expected values of {plain.name}, found {values.dtype.name}")
    return narrow(values.astype(plain, copy=False).reshape(expected), stored)

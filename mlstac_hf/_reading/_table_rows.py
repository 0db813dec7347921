"""The rows of a Parquet file: all of them in memory, or of a large file those that are asked for.

Owns: what of the file is read, and when. Leaves to others: what rows mean (`_metadata_table`).
"""

from __future__ import annotations

import io
import threading
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol

from mlstac_hf._errors import MissingExtraError, MLSTACError, StoreError
from mlstac_hf._stores import Store

if TYPE_CHECKING:
    from typing_extensions import Buffer

_TAIL_NBYTES = 256 << 10
"""Fetched at first: what says where rows lie is at the end, and has a few KB a row group."""
_MOST_GROUPS = 16
"""Of more row groups all is fetched where one column is asked for, whose parts lie in all of them."""


_MOST_NBYTES, _MOST_TIMES = 64 << 20, 2000
"""A table may hold so many bytes, and so many times those of its file more: columns of one value take next to none."""
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12}
"""Bytes that a value takes in memory, by how it is stored; others take four and what they hold."""


class TableError(ValueError):
    """The file is no such table; the message says why."""


class Rows(Protocol):
    """Rows by number, as Arrow tables."""

    @property
    def schema(self) -> Any:
        """An Arrow schema."""

    def __len__(self) -> int: ...

    def slice(self, start: int, stop: int) -> Any:
        """Rows `start` to `stop`, which are there."""

    def column(self, name: str) -> Any:
        """A column of all rows."""

    def whole(self) -> Any:
        """All rows."""


class WholeRows:
    """Rows in memory.

    Args:
        data: the whole file.

    Raises:
        TableError: it is no parquet.
        MissingExtraError: pyarrow is not installed.
    """

    def __init__(self, data: bytes) -> None:
        with _parquet() as pq:
            file = pq.ParquetFile(io.BytesIO(data))
            _check_size(file.metadata, len(data))
            self._table = file.read()  # `read_table` imports pandas

    @property
    def schema(self) -> Any:
        return self._table.schema

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def slice(self, start: int, stop: int) -> Any:
        return self._table.slice(start, stop - start)

    def column(self, name: str) -> Any:
        return self._table.column(name)

    def whole(self) -> Any:
        return self._table


class GroupedRows:
    """Rows of a file that lies elsewhere, fetched by row group when the first of its rows is asked for, and kept.

    Picklable, without what was fetched. Threads may share it.

    Args:
        store: where the file lies.
        path: of the file.
        nbytes: of the file.

    Raises:
        TableError: it is no parquet.
        StoreError: the file is not there, or the network failed.
        MissingExtraError: pyarrow is not installed.
    """

    def __init__(self, store: Store, path: str, nbytes: int) -> None:
        self._ranges = _Ranges(store, path, nbytes)
        self._ranges.hold(max(0, nbytes - _TAIL_NBYTES), nbytes)
        self._open(None)

    def _open(self, metadata: Any) -> None:
        self._lock = threading.Lock()
        self._groups: dict[int, Any] = {}
        self._table: Any = None
        with _parquet() as pq:
            self._file = pq.ParquetFile(self._ranges, metadata=metadata)
            self._metadata = self._file.metadata
            _check_size(self._metadata, self._ranges.nbytes)
            counts = [self._metadata.row_group(number).num_rows for number in range(self._metadata.num_row_groups)]
        self._ends = list(accumulate(counts))

    def __getstate__(self) -> dict[str, Any]:
        return {"ranges": self._ranges, "metadata": self._metadata}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._ranges = state["ranges"]
        self._open(state["metadata"])

    @property
    def schema(self) -> Any:
        return self._file.schema_arrow

    def __len__(self) -> int:
        return int(self._metadata.num_rows)

    def slice(self, start: int, stop: int) -> Any:
        import pyarrow as pa

        with self._lock:
            if self._table is not None:
                return self._table.slice(start, stop - start)
            first, last = bisect_right(self._ends, start), bisect_right(self._ends, max(start, stop - 1))
            groups = [self._group(number) for number in range(first, min(last + 1, len(self._ends)))]
        begin = self._ends[first - 1] if first else 0
        table = pa.concat_tables(groups) if groups else self.schema.empty_table()
        return table.slice(start - begin, stop - start)

    def column(self, name: str) -> Any:
        if self._table is None and len(self._ends) <= _MOST_GROUPS:
            with self._lock, _parquet():
                return self._file.read(columns=[name]).column(name)
        return self.whole().column(name)

    def whole(self) -> Any:
        with self._lock:
            if self._table is None:
                self._ranges.hold(0, self._ranges.nbytes)
                with _parquet():
                    self._table = self._file.read()
                self._ranges.let_go()
                self._groups = {}
            return self._table

    def _group(self, number: int) -> Any:
        if number not in self._groups:
            with _parquet():
                group = self._metadata.row_group(number)
                chunks = [group.column(column) for column in range(group.num_columns)]
                starts = [chunk.dictionary_page_offset or chunk.data_page_offset for chunk in chunks]
                ends = [start + chunk.total_compressed_size for start, chunk in zip(starts, chunks, strict=True)]
            self._ranges.hold(min(starts), max(ends))
            with _parquet():
                self._groups[number] = self._file.read_row_group(number)
            self._ranges.let_go()
        return self._groups[number]


def _check_size(metadata: Any, nbytes: int) -> None:
    """Refuse a file that says it holds far more than files of its size do, before memory is taken for that.

    Raises:
        TableError: it does; the message names the column.
    """
    most = _MOST_NBYTES + _MOST_TIMES * nbytes
    sums: dict[str, int] = {}
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for chunk in map(group.column, range(group.num_columns)):
            held = max(chunk.total_uncompressed_size, chunk.num_values * _WIDTHS.get(chunk.physical_type, 4))
            sums[chunk.path_in_schema] = sums.get(chunk.path_in_schema, 0) + held
    name = max(sums, key=lambda name: sums[name], default="")
    if sum(sums.values()) > most:
        raise TableError(
            f"its {nbytes:,} bytes are said to hold {sum(sums.values()):,}, {sums[name]:,} of them in column {name!r}; "
            f"expected {most:,} at most"
        )


class _Ranges(io.RawIOBase):
    """A file of a store as libraries read one; picklable."""

    def __init__(self, store: Store, path: str, nbytes: int) -> None:
        self._store, self._path, self.nbytes = store, path, nbytes
        self._at, self._first, self._held = 0, 0, b""

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._store, self._path, self.nbytes)

    def hold(self, start: int, stop: int) -> None:
        """Fetch a range at once, as it will be read in pieces.

        Raises:
            TableError: the file has no such range.
            StoreError: the file is gone, or the network failed.
        """
        self._first, self._held = start, self._fetch(start, stop)

    def let_go(self) -> None:
        """What is held is not needed any more."""
        self._held = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.nbytes}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer).cast("B")
        start, stop = self._at, min(self._at + len(view), self.nbytes)
        begin, end = start - self._first, stop - self._first
        data = self._held[begin:end] if 0 <= begin <= end <= len(self._held) else self._fetch(start, stop)
        view[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _fetch(self, start: int, stop: int) -> bytes:
        if not 0 <= start <= stop <= self.nbytes:
            raise TableError(f"it claims to have something at bytes {start} to {stop}, and has {self.nbytes}")
        try:
            data = self._store.read_range(self._path, start, stop)
        except FileNotFoundError:
            raise StoreError(f"{self._store.url.rstrip('/')}/{self._path} is gone") from None
        if len(data) != stop - start:
            raise TableError(f"it should have {self.nbytes} bytes, and ends at {start + len(data)}")
        return data


@contextmanager
def _parquet() -> Iterator[Any]:
    """The library, and what goes wrong in it as a TableError."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError(
            "metadata.parquet needs pyarrow, which is not installed. Install it with: pip install 'mlstac-hf[geotiff]'"
        ) from None
    try:
        yield pq
    except (TableError, MLSTACError):
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        raise TableError(f"it cannot be read as parquet: {str(error)[:200]}") from None

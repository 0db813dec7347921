"""`metadata.parquet` of the container layout: what is known of each datapoint besides its pixels.

Owns: reading the table, its types, and which row belongs to which datapoint. Leaves to others: where pixels lie
(`_containers`): the offsets in the table are only compared, never used.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from datetime import date, datetime
from functools import cached_property
from typing import Any

import numpy as np

from mlstac_hf._reading._table_rows import Rows, TableError, WholeRows

PLUMBING = frozenset({"datapoint_id", "begin", "length", "metadata_length", "url", "split"})
"""Columns that say where bytes lie; not shown to users."""
PLACES_IN_SHARDS = ("mlhf:shard", "mlhf:group", "mlhf:row")
"""Columns of the table beside shards: the file, the row group or record batch in it, the row in that."""
SHAPE = "mlhf:shape:"
"""Begins the columns that hold the shapes of tensors, where samples differ."""
FOOTPRINT = "mlhf:footprint"
"""The column in which this package writes where a datapoint lies, as WKT in longitude and latitude; not shown."""
TIME_COLUMNS = ("start_datetime", "datetime", "s2_date")
"""Columns known to hold the time of a datapoint; the first that is there wins, unless the collection declares one."""


class MetadataTable:
    """The rows of `metadata.parquet`, by datapoint.

    Args:
        data: the whole file, or its rows.
        time: the column that holds the time of a datapoint, where the collection declares one.
        id_column: the column that holds the ids.
        plumbing: columns that are not shown.

    Raises:
        TableError: it is no parquet, or has no ids.
        MissingExtraError: pyarrow is not installed.
    """

    def __init__(
        self,
        data: bytes | Rows,
        time: str | None = None,
        *,
        id_column: str = "datapoint_id",
        plumbing: Container[str] = PLUMBING,
    ) -> None:
        self._rows: Rows = WholeRows(data) if isinstance(data, bytes) else data
        names = self._rows.schema.names
        if id_column not in names:
            raise TableError(f"expected a column {id_column}, found {', '.join(names)[:200]}")
        _check_columns(self._rows.schema, id_column)
        self._id, self._plumbing = id_column, plumbing
        self._last: tuple[int, dict[str, Any]] | None = None
        known = [name for name in (time, *TIME_COLUMNS) if name in names]
        self.time_column = known[0] if known else None
        """The column that holds the time of a datapoint."""

    @cached_property
    def keys(self) -> dict[str, str]:
        """The columns that are shown, sorted, each with the name of the Arrow type it comes in."""
        return {
            field.name: _kind(field.type)
            for field in sorted(self._rows.schema, key=_name)
            if field.name not in self._plumbing and field.name != FOOTPRINT and not field.name.startswith(SHAPE)
        }

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], int]:
        """Row by file name and id, and by id alone under an empty file name; the first row of each."""
        rows: dict[tuple[str, str], int] = {}
        for row, (name, file) in enumerate(zip(self.column(self._id), self.files, strict=True)):
            rows.setdefault((file or "", str(name)), row)
            rows.setdefault(("", str(name)), row)
        return rows

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def counts(self) -> dict[str, int]:
        """Rows by name of the container; of none where the table does not say it of each."""
        import pyarrow.compute as pc

        counts: dict[str, int] = {}
        if "url" in self._rows.schema.names:
            for url, count in map(dict.values, pc.value_counts(self._rows.column("url")).to_pylist()):
                name = _file_name(url) or ""
                counts[name] = counts.get(name, 0) + count
        return {} if "" in counts else counts

    def id_nbytes(self, start: int, stop: int) -> int:
        """Of the ids of some rows, on average and rounded up; those that are no text are guessed."""
        import pyarrow as pa
        import pyarrow.compute as pc

        ids = self._rows.slice(min(start, len(self)), min(stop, len(self))).column(self._id)
        if not len(ids) or not (pa.types.is_string(ids.type) or pa.types.is_large_string(ids.type)):
            return 20
        return int(pc.mean(pc.binary_length(ids)).as_py() or 0) + 1

    @cached_property
    def nbytes(self) -> int | None:
        """Of all payloads, where the table says."""
        if "length" not in self._rows.schema.names:
            return None
        return sum(length for length in self.column("length") if isinstance(length, int) and length > 0)

    @cached_property
    def files(self) -> list[str | None]:
        """Name of the container of each row, where the table says."""
        if "url" not in self._rows.schema.names:
            return [None] * len(self)
        return list(map(_file_name, self.column("url")))

    def rows(self, numbers: Sequence[int | None] | None = None) -> Any:
        """Rows as an Arrow table of all columns that are shown, with the id under `id` too.

        Args:
            numbers: of the rows, in the order wanted; None is a row of nulls. Default: all, as they lie.
        """
        import pyarrow as pa

        # a column of the name id that holds no ids is not the id that is shown
        whole = self._rows.whole()
        names = [name for name in whole.column_names if name not in self._plumbing or name == self._id]
        table = whole.select([name for name in names if name != "id" and not name.startswith(SHAPE)])
        table = table.append_column("id", whole.column(self._id))
        return table if numbers is None else table.take(pa.array(numbers, pa.int64()))

    def note(self, key: str) -> str | None:
        """What the metadata of the schema says under a key."""
        found = (self._rows.schema.metadata or {}).get(key.encode())
        return None if found is None else found.decode(errors="replace")

    def row_of(self, file: str, name: str, near: int | None = None) -> int | None:
        """The row of a datapoint; None where it has none.

        Args:
            file: name of its container.
            name: its id.
            near: a row that is likely to be its own; where it is, no other is read.
        """
        if near is not None and near < len(self):
            values = self.values(near)
            if str(values[self._id]) == name and _file_name(values.get("url")) in (None, file):
                return near
        return self._by_name.get((file, name), self._by_name.get(("", name)))

    def rows_of(self, file: str, names: Sequence[str], first: int | None = None) -> Sequence[int | None]:
        """The rows of datapoints of one container.

        Args:
            file: name of the container.
            names: their ids, in order.
            first: the row that is likely to be that of the first of them, and those of the others to follow; where
                they do, no other is read.
        """
        if first is not None and first + len(names) <= len(self):
            some = self._rows.slice(first, first + len(names))
            urls = some.column("url").unique().to_pylist() if "url" in some.column_names else [None]
            ids = some.column(self._id).to_pylist()
            if list(map(str, ids)) == list(names) and set(map(_file_name, urls)) <= {None, file}:
                return range(first, first + len(names))
        return [self.row_of(file, name) for name in names]

    def values(self, row: int) -> dict[str, Any]:
        """One row: numbers, texts and booleans as stored, NaN and null as None.

        Of other types, text: times in ISO 8601, binary in hexadecimal, lists and structs in JSON.
        """
        kept = self._last
        if kept is None or kept[0] != row:  # asked for by a sample's head, then by its metadata
            (found,) = self._rows.slice(row, row + 1).to_pylist()
            kept = row, {name: _plain(value) for name, value in found.items()}
            self._last = kept
        return dict(kept[1])

    def placed(self, rows: Sequence[int]) -> list[tuple[int | None, int | None]]:
        """Where rows say that their payloads begin, and how long these are; None of what they do not say."""
        is_run = bool(rows) and list(rows) == list(range(rows[0], rows[0] + len(rows)))
        some = self._rows.slice(rows[0], rows[-1] + 1) if is_run else None
        found: list[list[Any]] = []
        for name in ("begin", "length"):
            if name not in self._rows.schema.names:
                found.append([None] * len(rows))
            elif some is not None:
                found.append(some.column(name).to_pylist())
            else:
                column = self.column(name)
                found.append([column[row] for row in rows])
        return list(zip(*found, strict=True))

    def column(self, name: str) -> list[Any]:
        """The values of a column, by row."""
        values: list[Any] = self._rows.column(name).to_pylist()
        return values


def _check_columns(schema: Any, id_column: str) -> None:
    """Refuse a table whose rows could not be told apart, or not be shown.

    Raises:
        TableError: the message names the column.
    """
    import pyarrow as pa

    names = Counter(schema.names)
    for field in schema:
        if names[field.name] > 1:
            raise TableError(f"expected columns of different names, found {field.name!r} {names[field.name]} times")
        if field.name in (id_column, "url") and pa.types.is_nested(field.type):
            raise TableError(f"expected texts in column {field.name!r}, found {str(field.type)[:80]}")
        for kind in _times_in(field.type):
            try:
                pa.scalar(0, kind).as_py()
            except (pa.ArrowException, ValueError):
                raise TableError(f"column {field.name!r}: the time zone {kind.tz!r:.80} is not known") from None


def _times_in(kind: Any) -> Iterator[Any]:
    """The types of times in a type."""
    import pyarrow as pa

    if pa.types.is_timestamp(kind):
        yield kind
    for number in range(kind.num_fields):
        yield from _times_in(kind.field(number).type)


def _file_name(url: object) -> str | None:
    """The name of the container that a link leads to."""
    return None if url is None else str(url).rpartition("/")[2]


def _name(field: Any) -> str:
    return str(field.name)


def _kind(kind: Any) -> str:
    """The Arrow type a column comes in; what is no number or boolean comes as text."""
    import pyarrow as pa

    if pa.types.is_boolean(kind):
        return "bool"
    if pa.types.is_null(kind):  # all values are, so it goes with any type
        return "null"
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    return np.dtype(kind.to_pandas_dtype()).name if is_number else "string"


def _plain(value: Any) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, datetime | date):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | dict):
        return json.dumps(value, default=_plain)
    return value if isinstance(value, bool | int | float | str) else str(value)

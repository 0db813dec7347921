"""`metadata.parquet` of the container layout: what is known of each datapoint besides its pixels.

Owns: reading the table, its types, and which row belongs to which datapoint. Leaves to others: where pixels lie
(`_containers`): the offsets in the table are only compared, never used.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Container, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from typing import Any

import numpy as np

from mlstac_hf._errors import MissingExtraError

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


class TableError(ValueError):
    """The file is no such table; the message says why."""


class MetadataTable:
    """The rows of `metadata.parquet`, by datapoint.

    Args:
        data: the whole file.
        time: the column that holds the time of a datapoint, where the collection declares one.
        id_column: the column that holds the ids.
        plumbing: columns that are not shown.

    Raises:
        TableError: it is no parquet, or has no ids.
        MissingExtraError: pyarrow is not installed.
    """

    def __init__(
        self,
        data: bytes,
        time: str | None = None,
        *,
        id_column: str = "datapoint_id",
        plumbing: Container[str] = PLUMBING,
    ) -> None:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError:
            raise MissingExtraError(
                "metadata.parquet needs pyarrow, which is not installed. Install it with: "
                "pip install 'mlstac-hf[geotiff]'"
            ) from None
        try:
            self._table = pq.read_table(io.BytesIO(data))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise TableError(f"it cannot be read as parquet: {str(error)[:200]}") from None
        if id_column not in self._table.column_names:
            raise TableError(f"expected a column {id_column}, found {', '.join(self._table.column_names)[:200]}")
        self._id, self._plumbing = id_column, plumbing
        self._last: tuple[int, dict[str, Any]] | None = None
        known = [name for name in (time, *TIME_COLUMNS) if name in self._table.column_names]
        self.time_column = known[0] if known else None
        """The column that holds the time of a datapoint."""

    @cached_property
    def keys(self) -> dict[str, str]:
        """The columns that are shown, sorted, each with the name of the Arrow type it comes in."""
        return {
            field.name: _kind(field.type)
            for field in sorted(self._table.schema, key=_name)
            if field.name not in self._plumbing and field.name != FOOTPRINT and not field.name.startswith(SHAPE)
        }

    @cached_property
    def _rows(self) -> dict[tuple[str, str], int]:
        """Row by file name and id, and by id alone under an empty file name; the first row of each."""
        rows: dict[tuple[str, str], int] = {}
        for row, (name, file) in enumerate(zip(self.column(self._id), self.files, strict=True)):
            rows.setdefault((file or "", str(name)), row)
            rows.setdefault(("", str(name)), row)
        return rows

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @property
    def counts(self) -> dict[str, int]:
        """Rows by name of the container; of none where the table does not say it of each."""
        import pyarrow.compute as pc

        counts: dict[str, int] = {}
        if "url" in self._table.column_names:
            for url, count in map(dict.values, pc.value_counts(self._table.column("url")).to_pylist()):
                name = str(url or "").rpartition("/")[2]
                counts[name] = counts.get(name, 0) + count
        return {} if "" in counts else counts

    @property
    def id_nbytes(self) -> int:
        """Of the id of a datapoint, on average and rounded up; those that are no text are guessed."""
        import pyarrow as pa
        import pyarrow.compute as pc

        ids = self._table.column(self._id)
        if not len(self) or not (pa.types.is_string(ids.type) or pa.types.is_large_string(ids.type)):
            return 20
        return int(pc.mean(pc.binary_length(ids)).as_py() or 0) + 1

    @property
    def nbytes(self) -> int | None:
        """Of all payloads, where the table says."""
        if "length" not in self._table.column_names:
            return None
        return sum(length for length in self.column("length") if isinstance(length, int) and length > 0)

    @cached_property
    def files(self) -> list[str | None]:
        """Name of the container of each row, where the table says."""
        if "url" not in self._table.column_names:
            return [None] * len(self)
        return [None if url is None else str(url).rpartition("/")[2] for url in self.column("url")]

    def rows(self, numbers: Sequence[int | None] | None = None) -> Any:
        """Rows as an Arrow table of all columns that are shown, with the id under `id` too.

        Args:
            numbers: of the rows, in the order wanted; None is a row of nulls. Default: all, as they lie.
        """
        import pyarrow as pa

        # a column of the name id that holds no ids is not the id that is shown
        names = [name for name in self._table.column_names if name not in self._plumbing or name == self._id]
        table = self._table.select([name for name in names if name != "id" and not name.startswith(SHAPE)])
        table = table.append_column("id", self._table.column(self._id))
        return table if numbers is None else table.take(pa.array(numbers, pa.int64()))

    def note(self, key: str) -> str | None:
        """What the metadata of the schema says under a key."""
        found = (self._table.schema.metadata or {}).get(key.encode())
        return None if found is None else found.decode(errors="replace")

    def row_of(self, file: str, name: str) -> int | None:
        """The row of datapoint `name` in the container `file`; None where it has none."""
        return self._rows.get((file, name), self._rows.get(("", name)))

    def values(self, row: int) -> dict[str, Any]:
        """One row: numbers, texts and booleans as stored, NaN and null as None.

        Of other types, text: times in ISO 8601, binary in hexadecimal, lists and structs in JSON.
        """
        kept = self._last
        if kept is None or kept[0] != row:  # asked for by a sample's head, then by its metadata
            kept = row, {name: _plain(value) for name, value in self._table.slice(row, 1).to_pylist()[0].items()}
            self._last = kept
        return dict(kept[1])

    def disagreements(self, placed: Mapping[tuple[str, str], tuple[int, int]]) -> list[str]:
        """The ids whose offsets in the table are not those of their containers."""
        found = []
        names = self._table.column_names
        columns: Sequence[list[Any]] = [self.column(key) if key in names else [] for key in ("begin", "length")]
        for (file, name), offsets in placed.items():
            row = self.row_of(file, name)
            if row is not None and any(
                column and column[row] != at for column, at in zip(columns, offsets, strict=True)
            ):
                found.append(name)
        return found

    def column(self, name: str) -> list[Any]:
        """The values of a column, by row."""
        values: list[Any] = self._table.column(name).to_pylist()
        return values


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

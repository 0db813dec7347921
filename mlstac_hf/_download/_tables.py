"""Rows of `metadata.parquet`, its schema kept.

Owns: filtering and what says where bytes lie. Leaves to others: which rows.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class Placed(NamedTuple):
    """A datapoint that is in place."""

    file: str
    key: int
    """Its number in the selection."""
    name: str
    begin: int
    """Counted from the end of the header, as in the header and in the table."""
    nbytes: int
    header_nbytes: int
    """Of the header of its container."""


def container_table(data: bytes, rows: Sequence[int | None], placed: Sequence[Placed]) -> bytes:
    """The table beside containers, with the rows of some datapoints, in the order that it has them.

    Args:
        data: the published table.
        rows: of each datapoint; None where it has none.
        placed: the datapoints.
    """
    import pyarrow as pa

    known = sorted({row: one for row, one in zip(rows, placed, strict=True) if row is not None}.items())
    values = {
        "begin": [one.begin for _, one in known],
        "length": [one.nbytes for _, one in known],
        "metadata_length": [one.header_nbytes for _, one in known],
    }
    return _taken(
        data, [row for row, _ in known], {name: pa.array(column, pa.int64()) for name, column in values.items()}
    )


def rows_of(data: bytes, rows: Sequence[int]) -> bytes:
    """A table with some of its rows, in this order."""
    return _taken(data, rows, {})


def _taken(data: bytes, rows: Sequence[int], columns: Mapping[str, Any]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(data)).take(pa.array(rows, pa.int64()))
    for name, values in columns.items():
        at = table.schema.get_field_index(name)
        if at >= 0 and (
            pa.types.is_integer(table.schema.field(at).type) or pa.types.is_floating(table.schema.field(at).type)
        ):
            table = table.set_column(at, table.schema.field(at), values.cast(table.schema.field(at).type))
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()

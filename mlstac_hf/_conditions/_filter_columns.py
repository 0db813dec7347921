"""Columns as a filter sees them: found by name, and brought to a handful of Arrow types.

Owns: which Arrow type counts as number, text, boolean or time; what messages say of a table's columns.
Leaves to others: converting values (`_filter_types`), computing with them (`_filter_arrow`).
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from mlstac_hf._conditions._filter_text import NEEDED, shown
from mlstac_hf._errors import MissingExtraError, UnknownNameError

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_LISTED = 100


def import_arrow() -> tuple[Any, Any]:
    """`pyarrow` and `pyarrow.compute`."""
    try:
        import pyarrow as pa
        import pyarrow.compute as pc
    except ImportError:
        raise MissingExtraError(NEEDED) from None
    return pa, pc


def kind_of(arrow_type: pa.DataType) -> str:
    """What a filter takes a column for: number, text, boolean, time, null; else the name of its Arrow type."""
    pa, _ = import_arrow()
    while True:
        if isinstance(arrow_type, pa.BaseExtensionType):
            arrow_type = arrow_type.storage_type
        elif pa.types.is_dictionary(arrow_type) or pa.types.is_run_end_encoded(arrow_type):
            arrow_type = arrow_type.value_type
        else:
            break
    known = {
        "boolean": pa.types.is_boolean,
        "number": lambda kind: pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind),
        "text": lambda kind: (
            pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
        ),
        "time": lambda kind: pa.types.is_timestamp(kind) or pa.types.is_date(kind),
        "null": pa.types.is_null,
    }
    return next((name for name, fits in known.items() if fits(arrow_type)), str(arrow_type)[:80])


def find_column(table: pa.Table, name: str, where: str) -> pa.ChunkedArray:
    """The column `name`.

    Raises:
        UnknownNameError: there is none; the message lists all columns and their types.
        ValueError: there are several.
    """
    names = table.column_names
    if name not in names:
        by_lower = {other.lower(): other for other in names}
        near = difflib.get_close_matches(name.lower(), by_lower, n=1)
        hint = f" Did you mean {by_lower[near[0]]!r}?" if near else ""
        raise UnknownNameError(f"{prefix(where)}no column {shown(name)}.{hint} {describe(table)}")
    if names.count(name) > 1:
        raise ValueError(f"{prefix(where)}{names.count(name)} columns are called {name!r}. Rename all but one")
    return table.column(name)


def describe(table: pa.Table) -> str:
    """`"Columns: id (text), cloud_cover (number)"`."""
    listed = [f"{field.name} ({kind_of(field.type)})" for field in list(table.schema)[:_MOST_LISTED]]
    more = len(table.schema) - len(listed)
    return f"Columns: {', '.join(listed) or 'none'}" + (f", and {more:,} more" if more else "")


def prefix(where: str) -> str:
    """`"train/metadata.parquet: "`."""
    return f"{where}: " if where else ""


def plain(column: pa.ChunkedArray) -> pa.Array:
    """One array of bool, int64, float64, decimal, large_string, date32 or timestamp in UTC; others as they are.

    NaN becomes null. uint64 becomes decimal where int64 cannot hold it.
    """
    pa, pc = import_arrow()
    while isinstance(column.type, pa.BaseExtensionType):
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], column.type.storage_type)
    if pa.types.is_run_end_encoded(column.type):
        column = pa.chunked_array([pc.run_end_decode(chunk) for chunk in column.chunks], column.type.value_type)
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if kind != column.type:
        column = column.cast(kind)
    to = _plain_type(kind)
    if pa.types.is_uint64(kind) and (pc.max(column).as_py() or 0) >= 2**63:
        to = pa.decimal128(20, 0)
    if to != column.type:
        try:
            column = column.cast(to)
        except pa.ArrowNotImplementedError:  # string_view in pyarrow 17
            column = pa.chunked_array([pa.array(column.to_pylist(), to)])
    array = column.combine_chunks()
    if pa.types.is_float64(to):
        return pc.if_else(pc.is_nan(array), pa.scalar(None, to), array)
    return array


def _plain_type(kind: pa.DataType) -> pa.DataType:
    pa, _ = import_arrow()
    if pa.types.is_integer(kind):
        return pa.int64()
    if pa.types.is_floating(kind):
        return pa.float64()
    if pa.types.is_timestamp(kind):
        return pa.timestamp(kind.unit, "UTC")
    if pa.types.is_date(kind):
        return pa.date32()
    return pa.large_string() if kind_of(kind) == "text" else kind

"""The types that columns and CAST can be given, as in `types={"forest_fraction": float}`.

Owns: the names of types, what becomes what, and how. Leaves to others: which Arrow types come in (`_filter_columns`).

A value that the wanted type cannot hold becomes null, and one warning a column says so. NaN is null.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from mlstac_hf._conditions._filter_columns import describe, find_column, import_arrow, kind_of, plain, prefix
from mlstac_hf._conditions._filter_text import shown
from mlstac_hf._errors import warn
from mlstac_hf._spec import format_datetime, parse_datetime

if TYPE_CHECKING:
    import pyarrow as pa

Types = Mapping[str, type | str]
"""A type by column: float, int, bool, str, datetime.datetime or datetime.date, or its name, as in Python or SQL."""

_PYTHON = {float: "float", int: "int", bool: "bool", str: "text", datetime: "datetime", date: "date"}
_NAMES = {
    "float": "float float32 float64 double doubleprecision real number numeric decimal",
    "int": "int int8 int16 int32 int64 integer bigint smallint tinyint long",
    "bool": "bool boolean",
    "text": "text str string varchar char character",
    "datetime": "datetime timestamp timestamptz",
    "date": "date",
}
_BY_NAME = {name: kind for kind, names in _NAMES.items() for name in names.split()}
_SOURCES = {
    "float": ("number", "text", "boolean"),
    "int": ("number", "text", "boolean"),
    "bool": ("number", "text", "boolean"),
    "text": ("number", "text", "boolean", "time"),
    "datetime": ("text", "time"),
    "date": ("text", "time"),
}
"""What can become what."""
_WORDS = {
    "float": "number",
    "int": "whole number",
    "bool": "TRUE or FALSE",
    "text": "text",
    "datetime": "time",
    "date": "date",
}
_LONGEST_VALUE = 1000
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|[+-]?inf(?:inity)?", re.IGNORECASE)
_MOST_DIGITS = 19
"""Of an int64."""


def check_types(types: Types) -> dict[str, str]:
    """Each column with "float", "int", "bool", "text", "datetime" or "date".

    Raises:
        ValueError: an unknown type; the message lists the known ones.
    """
    if not isinstance(types, Mapping):
        raise _unknown("types: expected a mapping such as {'cloud_cover': float}, found", types)
    return {str(column): type_name(kind, f"types[{str(column)!r}]") for column, kind in types.items()}


def type_name(kind: object, what: str) -> str:
    """The one name of a type."""
    found = None
    if isinstance(kind, type):
        found = _PYTHON.get(kind)
    elif isinstance(kind, str):
        found = _BY_NAME.get(re.sub(r"\(.*\)|\s", "", kind).lower())
    if found is None:
        raise _unknown(f"{what}: unknown type", kind)
    return found


def _unknown(what: str, found: object) -> ValueError:
    return ValueError(
        f"{what} {shown(found)}. Types are float, int, bool, str, datetime and date, "
        f"or the names {', '.join(sorted(_BY_NAME))}"
    )


def cast_columns(table: pa.Table, types: Types, where: str = "") -> pa.Table:
    """The table with the columns in `types` converted: to float64, int64, bool, large_string, UTC timestamp or date32.

    A value that the type cannot hold becomes null, and one `CollectionWarning` a column says how many did.

    Args:
        table: any table.
        types: the type wanted, by column.
        where: what the table is, for messages.

    Raises:
        UnknownNameError: a column the table does not have.
        ValueError: an unknown type, or a column that cannot become it.
    """
    for name, to in check_types(types).items():
        column = find_column(table, name, where)
        if kind_of(column.type) not in {*_SOURCES[to], "null"}:
            raise ValueError(
                f"{prefix(where)}{name} holds {kind_of(column.type)}, which does not become {to}. {describe(table)}"
            )
        at = table.column_names.index(name)
        table = table.set_column(at, name, cast(plain(column), to, f"column {name!r}", where))
    return table


def can_cast(kind: str, to: str) -> bool:
    """Whether values of this kind can become `to`."""
    return kind in _SOURCES[to] or kind == "null"


def cast(array: pa.Array, to: str, name: str, where: str) -> pa.Array:
    """A plain array as another type.

    Args:
        array: as `plain` gives it.
        to: as `type_name` gives it.
        name: what the warning calls the array.
        where: what the table is, for the warning.
    """
    pa, pc = import_arrow()
    arrow_type = {
        "float": pa.float64(),
        "int": pa.int64(),
        "bool": pa.bool_(),
        "text": pa.large_string(),
        "datetime": pa.timestamp("us", "UTC"),
        "date": pa.date32(),
    }[to]
    if array.type == arrow_type or (to == "datetime" and pa.types.is_timestamp(array.type)):
        return array
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), arrow_type)
    if to == "float" and not pa.types.is_large_string(array.type):
        return array.cast(arrow_type, safe=False)
    if pa.types.is_timestamp(array.type):  # Python has no nanoseconds
        array = array.cast(pa.timestamp("us", "UTC"), safe=False)
    result, bad = by_value(array, _TO[to], arrow_type)
    if count := pc.sum(bad).as_py():
        first = shown(array.slice(pc.index(bad, pa.scalar(value=True)).as_py(), 1).cast(pa.large_string())[0].as_py())
        values = f"{count:,} of {len(array) - array.null_count:,} values of {name}"
        warn(f"{prefix(where)}{values} are no {_WORDS[to]} and count as missing, such as {first}")
    return result


def by_value(array: pa.Array, convert: Callable[[Any], Any], to: pa.DataType) -> tuple[pa.Array, pa.Array]:
    """Each different value converted once; and where that failed, which gives null."""
    pa, _ = import_arrow()
    encoded = array.dictionary_encode()
    try:
        values = encoded.dictionary.to_pylist()
    except (ValueError, OverflowError):  # a year beyond 9999, which is found and counted below
        values = list(encoded.dictionary)
    converted, bad = [], []
    for value in values:
        try:
            converted.append(convert(value.as_py() if isinstance(value, pa.Scalar) else value))
            bad.append(False)
        except (ValueError, ArithmeticError):
            converted.append(None)
            bad.append(True)
    return pa.array(converted, to).take(encoded.indices), pa.array(bad, pa.bool_()).take(encoded.indices)


def _to_float(value: Any) -> float | None:
    if not isinstance(value, str):
        return float(value)
    text = value.strip()
    if len(value) > _LONGEST_VALUE:
        raise ValueError
    if not text or text.lower() in {"nan", "+nan", "-nan"}:
        return None
    if not _NUMBER.fullmatch(text):
        raise ValueError
    return float(text)


def _to_int(value: Any) -> int | None:
    number = _to_float(value) if isinstance(value, str) else value
    if number is None:
        return None
    if isinstance(number, float) and not (math.isfinite(number) and number.is_integer()):
        raise ValueError
    exact = Decimal(value.strip() if isinstance(value, str) else value)
    if exact.adjusted() > _MOST_DIGITS or exact != exact.to_integral_value() or not -(2**63) <= exact < 2**63:
        raise ValueError
    return int(exact)


def _to_bool(value: Any) -> bool | None:
    if isinstance(value, str):
        text = value.strip().lower()
        if not text:
            return None
        value = {"true": 1, "1": 1, "false": 0, "0": 0}.get(text)
    if value not in (0, 1):
        raise ValueError
    return bool(value)


def _to_text(value: Any) -> str:
    if isinstance(value, datetime):
        return str(format_datetime(value.astimezone(UTC)))
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, date) else str(value)


def _to_datetime(value: Any) -> datetime | None:
    if isinstance(value, date):  # a datetime needs no conversion
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if len(value) <= _LONGEST_VALUE and not value.strip():
        return None
    time = parse_datetime(value)
    if time is None:
        raise ValueError
    return time


def _to_date(value: Any) -> date | None:
    time = value if isinstance(value, datetime) else _to_datetime(value)
    return None if time is None else time.astimezone(UTC).date()


_TO: dict[str, Callable[[Any], Any]] = {
    "float": _to_float,
    "int": _to_int,
    "bool": _to_bool,
    "text": _to_text,
    "datetime": _to_datetime,
    "date": _to_date,
}

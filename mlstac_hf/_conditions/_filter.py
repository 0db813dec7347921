"""Filters in CQL2, as in STAC API and pystac-client: which rows of a table are wanted.

Owns: what a filter may say, in text or JSON. Leaves to others: text (`_filter_text`), the types of columns
(`_filter_types`), what it means on a table (`_filter_values`), where tables come from, and what `id` stands for.
CQL2: https://docs.ogc.org/is/21-065r2/21-065r2.html
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from datetime import date
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstac_hf._conditions._filter_columns import find_column
from mlstac_hf._conditions._filter_text import DEEPEST, LONGEST, read_text, shown
from mlstac_hf._conditions._filter_types import Types, cast_columns, check_types, type_name
from mlstac_hf._conditions._filter_values import Evaluation
from mlstac_hf._spec import parse_datetime

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Filter", "Types", "cast_columns", "check_types", "columns_of", "matching", "parse_filter"]

Filter = str | Mapping[str, Any]
"""CQL2 text (`"cloud_cover < 10"`), or CQL2 JSON as a mapping or as text that begins with "{"."""

_MANY = 1_000_000_000
_MOST_BITS = 1023
_ARGUMENTS = {
    **dict.fromkeys(("and", "or"), (1, _MANY)),
    **dict.fromkeys(("not", "isNull", "casei", "accenti"), (1, 1)),
    **dict.fromkeys(("=", "<>", "<", "<=", ">", ">=", "like", "in", "cast"), (2, 2)),
    **dict.fromkeys(("+", "-", "*", "/", "%", "div", "^"), (2, 2)),
    "between": (3, 3),
}
"""The operators there are, and how many arguments each takes."""
_CONDITIONS = frozenset({"and", "or", "not", "isNull", "=", "<>", "<", "<=", ">", ">=", "like", "in", "between"})
_OTHER_NAMES = {"isnull": "isNull", "!=": "<>"}
_OPERATORS = (
    "AND, OR, NOT, = <> < <= > >=, IS NULL, BETWEEN, IN, LIKE, + - * / % DIV ^, CASEI(), ACCENTI(), CAST(x, 'float'), "
    "DATE('2020-01-31') and TIMESTAMP('2020-01-31T12:00:00Z'). Places are selected with bbox= and intersects=, "
    "spans of time with datetime="
)


def parse_filter(text: Filter) -> dict[str, Any]:
    """A filter as checked CQL2 JSON.

    Args:
        text: CQL2 text, or CQL2 JSON as a mapping or as text.

    Returns:
        dict: the condition, whole numbers as int. What this gave before comes back as it is.

    Raises:
        ValueError: it is no CQL2, uses what tables do not offer, or is no condition; the message shows where.
        MissingExtraError: `cql2` is not installed, and the filter is text.

    Example:
        >>> parse_filter({"op": "<", "args": [{"property": "cloud_cover"}, 10]})
        {'op': '<', 'args': [{'property': 'cloud_cover'}, 10]}
    """
    tree: Any = text
    if isinstance(text, str):
        tree = _read(text)
    elif not isinstance(text, Mapping):
        raise _wrong(f"expected CQL2 text or a mapping, found {type(text).__name__}")
    if isinstance(tree, bool):  # TRUE is a condition, and no mapping
        return {"op": "and", "args": [tree, tree]}
    condition = _checked(tree, 0)
    if not isinstance(condition, dict) or not _is_condition(condition):
        raise _wrong(f"{shown(tree)} is no condition. Compare it, as in cloud_cover < 10")
    return condition


def columns_of(condition: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns a parsed filter uses, each once, in the order they are met."""
    return tuple(dict.fromkeys(_properties(condition)))


def matching(
    condition: Mapping[str, Any], table: pa.Table, types: Types | None = None, *, where: str = ""
) -> np.ndarray:
    """Which rows satisfy a filter.

    Args:
        condition: as `parse_filter` gives it.
        table: the rows.
        types: types that columns are given first, such as `{"forest_fraction": float}`.
        where: what the table is, for messages, such as "train/metadata.parquet".

    Returns:
        np.ndarray: `(N,)` booleans, True where the condition is true; where it is null as SQL has it, False.

    Raises:
        UnknownNameError: a column the table does not have; the message lists those it has.
        ValueError: what the filter compares cannot be compared; the message says how to give a column another type.
        MissingExtraError: pyarrow is not installed.
    """
    condition = parse_filter(condition)
    used = columns_of(condition)
    wanted = check_types(types or {})
    for name in (*used, *wanted):
        find_column(table, name, where)
    table = cast_columns(table, {name: kind for name, kind in wanted.items() if name in used}, where)
    return Evaluation(table, where).true_rows(condition)


def _read(text: str) -> Any:
    """The tree of a text in either form."""
    if len(text.encode("utf-8", "surrogatepass")) > LONGEST:
        raise _wrong(
            f"{len(text):,} characters of text, where {LONGEST:,} bytes are the most. "
            "Longer lists go in as a mapping: {'op': 'in', 'args': [{'property': 'id'}, ids]}"
        )
    if not text.strip():
        raise _wrong("the text is empty. Write a condition, as in cloud_cover < 10")
    if not text.lstrip().startswith(("{", "[")):
        return read_text(text)
    try:
        tree = json.loads(text, parse_constant=_no_number)
    except RecursionError:
        raise _wrong(f"the JSON nests too deep, {DEEPEST} operators inside operators are the most") from None
    except ValueError as error:
        raise _wrong(f"no JSON: {str(error)[:300]}") from None
    if not isinstance(tree, dict):
        raise _wrong(f'CQL2 JSON is an object such as {{"op": "isNull", "args": [...]}}, found {shown(tree)}')
    return tree


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number there")


def _checked(node: Any, level: int) -> Any:
    """A node of the tree, with operators and numbers in their one spelling."""
    if level > DEEPEST:
        raise _wrong(f"it nests too deep, {DEEPEST} operators inside operators are the most")
    if node is None or isinstance(node, bool):
        return node
    if isinstance(node, str):
        return _checked_text(node)
    if isinstance(node, Real):
        return _checked_number(node)
    if not isinstance(node, Mapping):
        raise _wrong(f"{shown(node)} is no value. Text, numbers, TRUE, FALSE and NULL are, and a list after IN")
    if "property" in node:
        if not isinstance(node["property"], str) or not node["property"]:
            raise _wrong(f"a property is the name of a column, found {shown(node['property'])}")
        return {"property": _checked_text(node["property"])}
    for kind in ("date", "timestamp"):
        if kind in node:
            return {kind: _checked_time(kind, node[kind])}
    return _checked_operation(node, level)


def _checked_operation(node: Mapping[str, Any], level: int) -> dict[str, Any]:
    op, args = node.get("op"), node.get("args")
    name = op.lower() if isinstance(op, str) else ""
    name = _OTHER_NAMES.get(name, name)
    if name not in _ARGUMENTS:
        raise _wrong(f"{shown(op or dict(node))} is not known here. Known are {_OPERATORS}")
    least, most = _ARGUMENTS[name]
    if not isinstance(args, list | tuple) or not least <= len(args) <= most:
        found = len(args) if isinstance(args, list | tuple) else shown(args)
        raise _wrong(f"{name} takes {'1 or more' if most == _MANY else least} arguments, found {found}")
    if name == "cast":
        type_name(args[1], "filter: CAST")
        return {"op": name, "args": [_checked(args[0], level + 1), args[1]]}
    if name == "in":
        if not isinstance(args[1], list | tuple):
            raise _wrong(f"IN takes a list, found {shown(args[1])}")
        return {"op": name, "args": [_checked(args[0], level + 1), [_checked(item, level + 1) for item in args[1]]]}
    checked = [_checked(arg, level + 1) for arg in args]
    if name in {"and", "or", "not"}:
        for arg in checked:
            if not _is_condition(arg):
                raise _wrong(f"{shown(arg)} is no condition, which {name.upper()} needs")
    return {"op": name, "args": checked}


def _checked_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _wrong(f"{shown(text)} is no Unicode text") from None
    return text


def _checked_number(number: Any) -> int | float:
    if isinstance(number, Integral):
        if int(number).bit_length() <= _MOST_BITS:
            return int(number)
    elif math.isfinite(number):
        return float(number)
    raise _wrong("a number is infinite, no number, or too large for a float")


def _checked_time(kind: str, text: object) -> str:
    try:
        fits = isinstance(text, str) and bool(date.fromisoformat(text) if kind == "date" else parse_datetime(text))
    except ValueError:
        fits = False
    if not fits:
        example = "2020-01-31" if kind == "date" else "2020-01-31T12:00:00Z"
        raise _wrong(f"{kind.upper()}({shown(text)}) is no {kind}. Write it as {kind.upper()}('{example}')")
    return str(text)


def _is_condition(node: Any) -> bool:
    """Whether a node can be true; of a column only its type tells."""
    if not isinstance(node, Mapping):
        return node is None or isinstance(node, bool)
    if node.get("op") == "cast":
        return type_name(node["args"][1], "") == "bool"
    return "property" in node or node.get("op") in _CONDITIONS


def _properties(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if "property" in node:
            yield node["property"]
        node = node.get("args", ())
    if isinstance(node, list | tuple):
        for part in node:
            yield from _properties(part)


def _wrong(message: str) -> ValueError:
    return ValueError(f"filter: {message}")

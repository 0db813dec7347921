"""What a checked filter means on a table.

Owns: walking the condition, which values go together, what to say where they do not. Leaves to others: what may be said
(`_filter`), computing (`_filter_arrow`), the types of columns (`_filter_columns`, `_filter_types`).

Nulls are those of SQL: what is compared with null is null, and null is not true. Times are UTC, a DATE is its midnight.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstac_hf._conditions._filter_arrow import ARITHMETIC, COMPARISONS, INT64, compare, compute, fold, is_in, like
from mlstac_hf._conditions._filter_columns import describe, find_column, import_arrow, kind_of, plain, prefix
from mlstac_hf._conditions._filter_text import shown
from mlstac_hf._conditions._filter_types import can_cast, cast, type_name
from mlstac_hf._spec import parse_datetime

if TYPE_CHECKING:
    import pyarrow as pa

_CAST_FOR = {"number": "float", "text": "str", "boolean": "bool", "time": "datetime"}
"""The kinds that compare, and the type that makes another kind one of them."""
_PLURAL = {"number": "numbers", "boolean": "booleans", "time": "times"}
_MOST_DECIMAL = 10**38
_LONGEST_NAME = 100


@dataclass(frozen=True)
class _Value:
    """The values of one expression.

    Attributes:
        data: an array as long as the table, or a scalar.
        kind: as `kind_of` gives it.
        name: what messages call it.
        column: the column it is, if it is one.
        is_literal: whether it stands in the filter as such.
    """

    data: Any
    kind: str
    name: str
    column: str = ""
    is_literal: bool = False


class Evaluation:
    """One filter on one table. Each column, and each CAST, is converted once.

    Args:
        table: the rows.
        where: what the table is, for messages.
    """

    def __init__(self, table: pa.Table, where: str) -> None:
        self._pa, self._pc = import_arrow()
        self._table, self._where = table, where
        self._done: dict[tuple[str, str], _Value] = {}
        self._null = self._pa.scalar(None, self._pa.bool_())
        self._conditions: dict[str, Callable[[Any], Any]] = {
            "and": lambda args: functools.reduce(self._pc.and_kleene, map(self._truth, args)),
            "or": lambda args: functools.reduce(self._pc.or_kleene, map(self._truth, args)),
            "not": lambda args: self._pc.invert(self._truth(args[0])),
            "isNull": lambda args: self._pc.is_null(self._value(args[0]).data),
            "between": lambda args: self._is_between(*map(self._value, args)),
            "in": lambda args: self._is_in(self._value(args[0]), args[1]),
            "like": lambda args: self._is_like(*map(self._value, args)),
        }

    def true_rows(self, condition: Any) -> np.ndarray:
        """Where the condition is true, `(N,)`.

        Raises:
            UnknownNameError: a column the table does not have.
            ValueError: what it compares cannot be compared, or Arrow cannot compute it.
        """
        try:
            truth = self._truth(condition)
        except self._pa.ArrowException as error:
            raise ValueError(f"{prefix(self._where)}the filter cannot be computed: {str(error)[:300]}") from None
        if isinstance(truth, self._pa.Scalar):
            return np.full(self._table.num_rows, truth.as_py() is True)
        return np.asarray(self._pc.fill_null(truth, fill_value=False), dtype=bool)

    def _truth(self, node: Any) -> Any:
        """An array or a scalar of booleans."""
        op = node.get("op") if isinstance(node, Mapping) else None
        if op in COMPARISONS:
            return self._compare(op, *map(self._value, node["args"]))
        if op in self._conditions:
            return self._conditions[op](node["args"])
        value = self._value(node)
        if value.kind not in {"boolean", "null"}:
            raise self._error(f"{_holding(value)}, which is no condition: compare it with something")
        return value.data

    def _value(self, node: Any) -> _Value:
        if not isinstance(node, Mapping):
            return self._literal(node)
        if "op" not in node:
            return self._column(node["property"]) if "property" in node else self._time(node)
        op, args = node["op"], node["args"]
        if op in ARITHMETIC:
            return self._compute(op, *map(self._value, args))
        if op in {"casei", "accenti"}:
            return self._fold(op, self._value(args[0]))
        if op == "cast":
            return self._cast(args[0], type_name(args[1], "CAST"))
        return _Value(self._truth(node), "boolean", f"{op.upper()} (...)")

    def _literal(self, node: Any) -> _Value:
        pa = self._pa
        if node is None:
            return _Value(self._null, "null", "NULL", is_literal=True)
        if isinstance(node, bool):
            return _Value(pa.scalar(node), "boolean", str(node).upper(), is_literal=True)
        if isinstance(node, str):
            return _Value(pa.scalar(node, pa.large_string()), "text", f"the text {shown(node)}", is_literal=True)
        number = int(node) if float(node).is_integer() else node
        if isinstance(number, float) or abs(number) >= _MOST_DECIMAL:
            data = pa.scalar(float(number))
        else:
            data = pa.scalar(number if number in INT64 else Decimal(number))
        return _Value(data, "number", f"the number {shown(node)}", is_literal=True)

    def _time(self, node: Mapping[str, str]) -> _Value:
        ((kind, text),) = node.items()
        if kind == "date":
            time: datetime | None = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
        else:
            time = parse_datetime(text)
        return _Value(self._time_scalar(time), "time", f"{kind.upper()}('{text}')", is_literal=True)

    def _time_scalar(self, time: datetime | None) -> Any:
        return self._pa.scalar(time, self._pa.timestamp("us", "UTC"))

    def _column(self, name: str) -> _Value:
        key = ("column", name)
        if key not in self._done:
            column = find_column(self._table, name, self._where)
            kind = kind_of(column.type)
            data = self._null if kind == "null" else plain(column)
            self._done[key] = _Value(data, kind, name, name)
        return self._done[key]

    def _cast(self, node: Any, to: str) -> _Value:
        key = (to, repr(node))
        if key not in self._done:
            value = self._value(node)
            if not can_cast(value.kind, to):
                raise self._error(f"{_holding(value)}, which does not become {to}")
            is_scalar = isinstance(value.data, self._pa.Scalar)
            array = self._pa.array([value.data.as_py()], value.data.type) if is_scalar else value.data
            if value.kind == "null":
                array = self._pa.nulls(1)
            name = f"column {value.column!r}" if value.column else value.name
            array = cast(array, to, name, self._where)
            self._done[key] = _Value(
                array[0] if is_scalar else array, kind_of(array.type), f"CAST({value.name}, '{to}')"
            )
        return self._done[key]

    def _compare(self, op: str, left: _Value, right: _Value) -> Any:
        if not {left.kind, right.kind} <= {*_CAST_FOR, "null"}:
            raise self._mismatch(left, right)
        if "null" in {left.kind, right.kind}:
            return self._null
        if {left.kind, right.kind} == {"time", "text"}:
            left, right = self._as_time(left), self._as_time(right)
        if left.kind != right.kind:
            raise self._mismatch(left, right)
        return compare(op, left.data, right.data)

    def _as_time(self, value: _Value) -> _Value:
        """A text of the filter as a time; anything else as it is."""
        if value.kind != "text" or not value.is_literal:
            return value
        time = parse_datetime(value.data.as_py())
        if time is None:
            raise self._error(f"{value.name} is no time. Write it as '2020-01-31' or '2020-01-31T12:00:00Z'")
        return _Value(self._time_scalar(time), "time", value.name, is_literal=True)

    def _is_between(self, value: _Value, low: _Value, high: _Value) -> Any:
        return self._pc.and_kleene(self._compare(">=", value, low), self._compare("<=", value, high))

    def _is_in(self, value: _Value, items: Sequence[Any]) -> Any:
        if not items:  # SQL: never null, even where the value is
            return self._pa.scalar(value=False)
        held = {type(item) for item in items}
        arrow_type = value.data.type if isinstance(value.data, self._pa.Array) else None
        for listable, literals in (("large_string", {str}), ("int64", {int, float}), ("double", {int, float})):
            if str(arrow_type) == listable and held <= {*literals, type(None)}:
                return is_in(value.data, [item for item in items if item is not None], has_null=type(None) in held)
        return functools.reduce(self._pc.or_kleene, [self._compare("=", value, self._value(item)) for item in items])

    def _is_like(self, value: _Value, pattern: _Value) -> Any:
        for side in (value, pattern):
            if side.kind not in {"text", "null"}:
                raise self._error(f"LIKE needs text, and {_holding(side)}{self._remedy(side, 'text')}")
        if not isinstance(pattern.data, self._pa.Scalar):
            raise self._error(f"LIKE needs a text such as 'S2A%' on its right, not {pattern.name}")
        if "null" in {value.kind, pattern.kind} or not pattern.data.is_valid:
            return self._null
        text = pattern.data.as_py()
        if (len(text) - len(text.rstrip("\\"))) % 2:
            raise self._error(f"LIKE {shown(text)} ends in a backslash that stands before nothing. Write two")
        return like(value.data, text)

    def _compute(self, op: str, left: _Value, right: _Value) -> _Value:
        for side in (left, right):
            if side.kind not in {"number", "null"}:
                raise self._error(f"{op} needs numbers, and {_holding(side)}{self._remedy(side, 'number')}")
        name = f"{left.name} {op} {right.name}"[:_LONGEST_NAME]
        if "null" in {left.kind, right.kind}:
            return _Value(self._null, "null", name)
        try:
            return _Value(compute(op, left.data, right.data), "number", name)
        except OverflowError:
            raise self._error(f"{name} goes beyond int64. Compute in floats with CAST(..., 'float')") from None

    def _fold(self, op: str, value: _Value) -> _Value:
        if value.kind not in {"text", "null"}:
            raise self._error(f"{op.upper()} needs text, and {_holding(value)}{self._remedy(value, 'text')}")
        data = value.data if value.kind == "null" else fold(op, value.data)
        return _Value(data, value.kind, f"{op.upper()}({value.name})")

    def _mismatch(self, left: _Value, right: _Value) -> ValueError:
        """What to say of two sides that do not compare, of the column that should change rather than of the other."""
        by_need = {"text": 0, "number": 2}
        pairs = sorted(((left, right), (right, left)), key=lambda pair: by_need.get(pair[0].kind, 1))
        side, other = next((pair for pair in pairs if pair[0].column), pairs[0])
        for value in (left, right):
            if value.kind not in {*_CAST_FOR, "null"}:
                return self._error(f"{_holding(value)}: all that can be asked of it is IS NULL")
        to = other.name if other.is_literal else f"{other.name}, which holds {_PLURAL.get(other.kind, other.kind)}"
        return self._error(f"{_holding(side)} and does not compare with {to}{self._remedy(side, other.kind)}")

    def _remedy(self, value: _Value, kind: str) -> str:
        to = _CAST_FOR[kind]
        if not value.column or not can_cast(value.kind, type_name(to, "")):
            return ""
        name = value.column if re.fullmatch(r"[^\W\d_][\w.:]*", value.column) else f'"{value.column}"'
        hint = "Write a number without quotes, or give it" if value.kind == "number" else "Give it"
        return f". {hint} another type: types={{{value.column!r}: {to}}} or CAST({name}, '{to}')"

    def _error(self, message: str) -> ValueError:
        return ValueError(f"{prefix(self._where)}{message}. {describe(self._table)}")


def _holding(value: _Value) -> str:
    return f"{value.name} holds {_PLURAL.get(value.kind, value.kind)}"

"""What filters compute on arrays and scalars, by `pyarrow.compute`.

Owns: comparing numbers and times exactly, membership, arithmetic, folding text. Knows no columns and no messages.
Leaves to others: which values go together, and what to say where they do not (`_filter_values`).

All values are as `_filter_columns.plain` gives them, and null where they are missing. Arithmetic is in int64 where both
sides are whole, else in float64, and what has no result (x / 0) is null.
"""

from __future__ import annotations

import operator
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlstac_hf._conditions._filter_columns import import_arrow
from mlstac_hf._conditions._filter_types import by_value

COMPARISONS = {
    "=": "equal",
    "<>": "not_equal",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
}
_WHOLE = {"+": "add_checked", "-": "subtract_checked", "*": "multiply_checked"}
ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "div": lambda left, right: np.trunc(left / right),
    "%": np.fmod,
    "^": np.power,
}
_UNITS = ("s", "ms", "us", "ns")
_PART = re.compile(r"%|\\.|.", re.DOTALL)
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")
INT64 = range(-(2**63), 2**63)


def compare(op: str, left: Any, right: Any) -> Any:
    """Two sides of one kind compared; numbers exactly, unless one of them is a float."""
    pa, pc = import_arrow()
    function = getattr(pc, COMPARISONS[op])
    if pa.types.is_temporal(left.type):
        return function(*_same_unit(left, right))
    if left.type != right.type:
        double = pa.float64()
        if double not in {left.type, right.type}:
            try:
                return function(left, right)
            except pa.ArrowInvalid:  # two decimals that no decimal holds both
                pass
        left, right = left.cast(double, safe=False), right.cast(double, safe=False)
    return function(left, right)


def _same_unit(left: Any, right: Any) -> tuple[Any, Any]:
    """Two times in the finer of their units, or in the coarser where the finer cannot hold one of them."""
    pa, _ = import_arrow()
    left, right = (
        data.cast(pa.timestamp("s", "UTC")) if pa.types.is_date(data.type) else data for data in (left, right)
    )
    coarse, fine = sorted((left.type.unit, right.type.unit), key=_UNITS.index)
    try:
        return left.cast(pa.timestamp(fine, "UTC")), right.cast(pa.timestamp(fine, "UTC"))
    except pa.ArrowInvalid:
        to = pa.timestamp(coarse, "UTC")
        return left.cast(to, safe=False), right.cast(to, safe=False)


def is_in(array: Any, listed: Sequence[Any], *, has_null: bool) -> Any:
    """Whether values of int64, float64 or large_string are among `listed`; null where only a null may be it.

    Args:
        array: the values.
        listed: texts for texts, any numbers for numbers.
        has_null: whether there is a null in the list as well.
    """
    pa, pc = import_arrow()
    if array.type == pa.int64():  # what is not whole or too large is not in it
        listed = [int(number) for number in listed if number == int(number) and int(number) in INT64]
    elif array.type == pa.float64():
        array, listed = pc.add(array, 0.0), [float(number) + 0.0 for number in listed]  # -0.0 becomes 0.0
    found = pc.is_in(array, value_set=pa.array(listed, array.type))
    null = pa.scalar(None, pa.bool_())
    return pc.if_else(pc.is_null(array), null, pc.or_kleene(found, null) if has_null else found)


def like(data: Any, pattern: str) -> Any:
    r"""Whether texts are as `pattern` has it: % for any characters, _ for one, \ before one that stands for itself.

    By an expression of our own, since `pc.match_like` (Arrow 26) looks for the backslash of `%\b` itself.
    """
    _, pc = import_arrow()
    wild = {"%": ".*", "_": "."}
    parts = [wild.get(part) or re.sub(_SPECIAL, r"\\\g<0>", part[-1]) for part in re.findall(_PART, pattern)]
    return pc.match_substring_regex(data, f"(?s)\\A(?:{''.join(parts)})\\z")


def compute(op: str, left: Any, right: Any) -> Any:
    """Arithmetic on two numbers.

    Raises:
        OverflowError: a result goes beyond int64.
    """
    pa, pc = import_arrow()
    if {left.type, right.type} != {pa.int64()} or op in {"/", "^"}:
        return _compute_floats(op, left, right)
    try:
        if op in _WHOLE:
            return getattr(pc, _WHOLE[op])(left, right)
        divisor = pc.if_else(pc.equal(right, 0), pa.scalar(None, pa.int64()), right)
        if op == "div":
            return pc.divide_checked(left, divisor)
        divisor = pc.if_else(pc.equal(divisor, -1), 1, divisor)  # which leaves 0 as well, and does not overflow
        return pc.subtract(left, pc.multiply(pc.divide(left, divisor), divisor))
    except pa.ArrowInvalid:
        raise OverflowError from None


def _compute_floats(op: str, left: Any, right: Any) -> Any:
    """NaN takes the place of null, and turns into it again."""
    pa, _ = import_arrow()
    numbers, others = (
        np.asarray(data.cast(pa.float64(), safe=False))
        if isinstance(data, pa.Array)
        else np.float64(data.as_py() if data.is_valid else np.nan)
        for data in (left, right)
    )
    with np.errstate(all="ignore"):
        result = ARITHMETIC[op](numbers, others)
    if op in {"/", "div"}:
        result = np.where(others == 0, np.nan, result)
    if np.ndim(result) == 0:
        return pa.scalar(None if np.isnan(result) else float(result), pa.float64())
    return pa.array(result, pa.float64(), from_pandas=True)


def fold(op: str, data: Any) -> Any:
    """Text without case ("casei") or without accents ("accenti")."""
    pa, _ = import_arrow()
    convert = str.casefold if op == "casei" else _without_accents
    if isinstance(data, pa.Scalar):
        return pa.scalar(convert(data.as_py()) if data.is_valid else None, data.type)
    return by_value(data, convert, data.type)[0]


def _without_accents(text: str) -> str:
    kept = (char for char in unicodedata.normalize("NFD", text) if not unicodedata.combining(char))
    return unicodedata.normalize("NFC", "".join(kept))

"""Time: which interval `datetime=` asks for, and which samples lie in it.

Owns: STAC API's `datetime`, spelled as pystac-client spells it, and when two intervals meet. Leaves to others: where
the times of samples come from, what a stored time means (`_spec`).
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlstac_hf._spec import format_datetime, parse_datetime

DatetimeLike: TypeAlias = str | date | Sequence[str | date | None]
"""A time, day, month or year, or two of them; a `datetime` is a `date` too."""

Interval: TypeAlias = tuple[datetime | None, datetime | None]
"""First and last moment, both included, aware and in UTC; None is open."""

_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_OPEN = (None, None)
_EXAMPLES = (
    "Expected a time '2018-06-05T10:30:00Z', a day '2018-06-05', a month '2018-06' or a year '2018', "
    "or two of them, such as '2018-06/2019-03', '2018-06-05/..' or '../2018'"
)


def parse_interval(value: DatetimeLike) -> Interval:
    """The interval that `datetime=` asks for.

    Args:
        value: an RFC 3339 time (UTC where it has no offset), a day, month or year, which stand for all of it, a
            `datetime` (naive ones are UTC) or `date`; two of them as `"a/b"` or as a sequence of two. An end is open
            where it is `".."`, empty or None. An end that is a day, month or year is included up to its last
            microsecond, a start begins with its first.

    Raises:
        ValueError: it is none of these, is open at both ends, or ends before it starts.

    Example:
        >>> [str(time) for time in parse_interval("2018-06")]
        ['2018-06-01 00:00:00+00:00', '2018-06-30 23:59:59.999999+00:00']
        >>> start, end = parse_interval("2018-06-05T10:30:00+02:00/..")
        >>> str(start), end
        ('2018-06-05 08:30:00+00:00', None)
    """
    parts = _parts(value)
    spans = [_span(part) for part in parts]
    found = f"datetime={value!r:.200}"
    if None in spans:
        at = f" at {parts[spans.index(None)]!r:.60}" if len(parts) > 1 else ""
        raise ValueError(f"{found} is not understood{at}. {_EXAMPLES}")
    if not 1 <= len(parts) <= 2:  # noqa: PLR2004 - a start and an end
        raise ValueError(f"{found} has {len(parts)} parts. {_EXAMPLES}")
    start, end = (spans[0] or _OPEN)[0], (spans[-1] or _OPEN)[1]
    if start is None and end is None:
        raise ValueError(
            f"{found} is open at both ends, which STAC does not allow. Leave datetime= out to have every sample, those "
            "without a time included"
        )
    if start and end and end < start:
        raise ValueError(
            f"{found} ends before it starts: it would run from {format_datetime(start)} to {format_datetime(end)}. "
            "Put the earlier one first"
        )
    return start, end


def within(starts: NDArray[np.datetime64], ends: NDArray[np.datetime64], interval: Interval) -> NDArray[np.bool_]:
    """Which samples share a moment with the interval.

    Args:
        starts: `(N,)` datetime64 in UTC, NaT where unknown.
        ends: `(N,)` likewise. A sample of which one time is known is that moment; so is one that ends before it
            starts, the moment being its start.
        interval: as `parse_interval` gives it.

    Returns:
        `(N,)` bool; False where neither time is known.
    """
    starts, ends = (np.asarray(times).astype("datetime64[us]") for times in (starts, ends))
    first = np.where(np.isnat(starts), ends, starts)
    last = np.where(np.isnat(ends) | (ends < first), first, ends)
    since, until = interval
    met = ~np.isnat(first)
    if since is not None:
        met &= last >= _moment(since)
    if until is not None:
        met &= first <= _moment(until)
    return met


def _parts(value: Any) -> list[Any]:
    if isinstance(value, str):
        return value.split("/")
    return list(value) if isinstance(value, Iterable) else [value]


def _span(part: Any) -> Interval | None:
    """The first and last moment of one side; both None where it is open, None where it cannot be read."""
    if part is None or (isinstance(part, str) and part.strip() in {"", ".."}):
        return _OPEN
    if isinstance(part, datetime):  # its own text is no grammar: pandas' has nanoseconds, old zones have seconds
        time = parse_datetime(part.isoformat())
        return None if time is None else (time, time)
    text = str(part).strip() if isinstance(part, str | date | np.datetime64) else ""
    if match := _DATE.fullmatch(text):
        return _whole(*match.groups())
    time = parse_datetime(text.upper()) if _RFC3339.fullmatch(text) else None
    return None if time is None else (time, time)


def _whole(year: str, month: str | None, day: str | None) -> Interval | None:
    """All of a year, month or day; None where the calendar has no such."""
    first_month, last_month = (int(month or default) for default in (1, 12))
    try:
        start = datetime(int(year), first_month, int(day or 1), tzinfo=UTC)
        last_day = int(day or calendar.monthrange(start.year, last_month)[1])
        return start, datetime(start.year, last_month, last_day, 23, 59, 59, 999_999, tzinfo=UTC)
    except ValueError:
        return None


def _moment(time: datetime) -> np.datetime64:
    return np.datetime64(time.replace(tzinfo=None), "us")

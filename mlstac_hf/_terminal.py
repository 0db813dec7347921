"""Text for a terminal: tables, counts, sizes, complaints, and what others wrote without its control characters.

Owns: how these look, and what exit codes mean. Leaves to others: what is printed, and when (`_cli` and its commands).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

DONE, BAD_DATA, BAD_CALL, STORE_FAILED = 0, 1, 2, 3
"""Exit codes."""

_MOST_ROWS = 24
"""Of a table of labels or bands; some collections have thousands."""
_LONGEST = 200
"""Characters of a text out of a collection."""


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    """Print columns as wide as they need to be, two spaces apart; those in `right` are flush right."""
    widths = [max(len(row[column]) for row in rows if column < len(row)) for column in range(max(map(len, rows)))]
    for row in rows:
        cells = (
            cell.rjust(widths[column]) if column in right else cell.ljust(widths[column])
            for column, cell in enumerate(row)
        )
        print(("  " + "  ".join(cells)).rstrip())


def capped(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The first rows of a table, and a last one that counts the rest."""
    if len(rows) <= _MOST_ROWS:
        return list(rows)
    return [*rows[:_MOST_ROWS], ("", f"and {len(rows) - _MOST_ROWS} more")]


def number(value: int | None) -> str:
    """`12,345`, or a dash for what is not known."""
    return "-" if value is None else f"{value:,}"


def size(nbytes: int | None) -> str:
    """`1.4 MB`, in powers of ten as disks are sold."""
    if nbytes is None:
        return "-"
    amount, unit = float(nbytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:  # noqa: PLR2004 - the step from unit to unit
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def printable(text: object, longest: int | None = _LONGEST) -> str:
    """A text out of a collection, fit for a terminal: no control characters, no end without end."""
    clean = "".join(
        c if c.isprintable() or (longest is None and c == "\n") else "\N{REPLACEMENT CHARACTER}" for c in str(text)
    )
    return clean if longest is None or len(clean) <= longest else clean[: longest - 3] + "..."


def complain(message: str) -> None:
    """Print one message to the standard error stream."""
    print(printable(message, longest=None), file=sys.stderr)

"""Arguments that entry points share, checked before anything is opened.

Owns: those that choose no samples. Leaves to others: those that do (`_selection`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, Literal

OnError = Literal["raise", "skip"]


def check_on_error(on_error: object) -> None:
    """Refuse what is neither `raise` nor `skip`."""
    if on_error not in ("raise", "skip"):
        raise ValueError(f'expected on_error to be "raise" or "skip", got {on_error!r}')


def check_columns(columns: Any) -> tuple[str, ...] | None:
    """The columns to read, as a tuple; None for all.

    Raises:
        ValueError: none is named.
        TypeError: they are no names.
    """
    if columns is None:
        return None
    names = [columns] if isinstance(columns, str) else list(columns) if isinstance(columns, Iterable) else [columns]
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f'expected columns to be names of columns, such as ["input"], got {columns!r}')
    if not names:
        raise ValueError("expected columns to name at least one column, got none")
    return tuple(names)


def check_folder(folder: Any, argument: str) -> None:
    """Refuse what is no path.

    Raises:
        TypeError: it is not; the message names the argument.
    """
    if folder is not None and not isinstance(folder, str | os.PathLike):
        raise TypeError(f"expected {argument} to be a path, got {folder!r}")


def names_of_splits(split: object) -> list[str] | None:
    """One name or several as a list, each once; None for all.

    Raises:
        TypeError: they are no names.
    """
    if split is None:
        return None
    names = [split] if isinstance(split, str) else list(split) if isinstance(split, Sequence) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise TypeError(f'expected split to be the name of a split, such as "train", or a list of them, got {split!r}')
    return list(dict.fromkeys(names))


def check_names(given: Iterable[str], known: Iterable[str], call: str, what: str) -> None:
    """Refuse arguments that a function does not pass on.

    Args:
        given: names.
        known: those it passes on.
        call: the name of the function.
        what: what they are for, for the message.

    Raises:
        TypeError: a name that is none of these.
    """
    known = list(known)
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise TypeError(
                f"{call}() has no argument {name!r}.{hint} {what} {', '.join(known)}; see its documentation for the "
                "others."
            )

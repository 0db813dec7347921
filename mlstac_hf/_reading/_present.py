"""Those splits of a collection that are there.

Owns: when a split that cannot be opened is left out with a warning, and when it is an error. Leaves to others: opening
one (`_open`, `_selection`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from mlstac_hf._errors import CollectionNotFoundError, MLSTACError, StoreError, warn
from mlstac_hf._reading._origin import origin_of
from mlstac_hf._spec import Collection
from mlstac_hf._stores import LocalStore

Opened = TypeVar("Opened")


def those_present(
    collection: Collection, names: Iterable[str], open_one: Callable[[str], Opened], *, named: bool
) -> dict[str, Opened]:
    """What `open_one` makes of each split that is there, by name.

    Args:
        collection: an open one. In a folder on this disk, which is often a copy of some splits, a split whose link
            leads nowhere is not there either.
        names: of splits.
        open_one: opens one.
        named: whether the user named them: a split that is not there is then an error.

    Raises:
        MLSTACError: what `open_one` raised, where a split may not be left out, or none is there.
    """
    is_local = isinstance(origin_of(collection).store, LocalStore)
    absences = (CollectionNotFoundError, StoreError) if is_local else (CollectionNotFoundError,)
    found: dict[str, Opened] = {}
    absent: list[MLSTACError] = []
    for name in names:
        try:
            found[name] = open_one(name)
        except absences as error:
            if named:
                raise
            absent.append(error)
    if absent and not found:
        raise absent[0]
    for reason in absent:
        warn(f"left out: {reason}")
    return found

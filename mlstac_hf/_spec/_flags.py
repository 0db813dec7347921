"""Targets of several labels a sample: a place a class, 1 where it applies and 0 where it does not.

Owns: when a target is read so. Leaves to others: which tasks have such (`_tasks`). Imports nothing, for processes that
only measure samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def applying(target: Any, flags: Sequence[int]) -> list[int] | None:
    """The classes that apply to a sample; None where its target is no row of flags, but holds class numbers.

    Args:
        target: an array.
        flags: the class of each place, see `flags_of`.
    """
    if not flags or target.shape != (len(flags),) or target.dtype.kind not in "iub":
        return None
    values = target.tolist()
    if not all(value in (0, 1) for value in values):
        return None
    return [number for number, value in zip(flags, values, strict=True) if value]

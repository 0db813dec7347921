"""What a user's key means: an index, a slice, a list of indices.

Owns: what is accepted, and how negative ones count. Leaves to others: what is at these positions (`_load`).
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any


def resolve(key: Any, indices: Sequence[int]) -> Any:
    """The samples a user's key means: an int for an int, a list for a slice, list or integer array.

    Raises:
        IndexError: outside of the split.
        TypeError: no integer, slice or list of integers.
    """
    if isinstance(key, slice):
        return indices[key]
    if isinstance(key, str | bytes | dict):
        raise TypeError(f"expected an index, a slice or a list of indices, got {key!r}")
    if hasattr(key, "__len__") and getattr(key, "ndim", 1) == 1:
        where = [resolve(item, indices) for item in key]
        if any(not isinstance(index, int) for index in where):
            raise TypeError(f"expected an index, a slice or a list of indices, got {key!r:.100}")
        return where
    if isinstance(key, bool) or str(getattr(key, "dtype", "")).endswith("bool"):
        raise TypeError("expected an index, a slice or a list of indices, got a boolean; use np.flatnonzero(mask)")
    try:
        position = operator.index(key)
    except TypeError:
        raise TypeError(f"expected an index, a slice or a list of indices, got {key!r:.100}") from None
    if not -len(indices) <= position < len(indices):
        raise IndexError(f"sample {position} of a split of {len(indices)}")
    return indices[position]

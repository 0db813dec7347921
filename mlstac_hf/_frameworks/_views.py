"""What the hand-overs share: a framework that is there, and memory as it wants it, writable in name or aligned.

Owns: the conditions that are met before memory is viewed. Leaves to others: which framework asks for what.
"""

from __future__ import annotations

from importlib import import_module

import numpy as np

from mlstac_hf._errors import MissingExtraError
from mlstac_hf._formats import Array, aligned_empty

ALIGNMENT = 64
"""Bytes. tensorflow aborts the process on less, jax copies."""


class _Alias:
    """The memory of a read-only array, without its flag."""

    def __init__(self, array: Array) -> None:
        self.owner = array
        self.__array_interface__ = {**array.__array_interface__, "data": (array.ctypes.data, False)}


def viewable(array: Array) -> Array:
    """`array` as C-contiguous memory that a framework agrees to share.

    Arrow's memory is often a read-only map of a cache file, which torch warns of and dlpack refuses. Such
    memory is still shared; writing to it in place ends the process, which docs/datasets.md says.

    Args:
        array: of a plain numpy dtype.
    """
    array = np.ascontiguousarray(array).reshape(array.shape)  # the former makes 0-D 1-D
    if array.flags.writeable:
        return array
    return np.asarray(_Alias(array)) if array.size else aligned_empty(array.shape, array.dtype)


def is_aligned(array: Array) -> bool:
    """Whether the memory begins on a border that every framework can view."""
    return array.ctypes.data % ALIGNMENT == 0


def require(name: str, extra: str) -> None:
    """Import a framework.

    Raises:
        MissingExtraError: it is not installed; the message is the line that installs it.
    """
    try:
        import_module(name)
    except ImportError:
        raise MissingExtraError(
            f'framework="{name}" needs {name}, which is not installed. Install it with: '
            f"pip install 'mlstac-hf[{extra}]' (or pass framework=\"numpy\", which needs nothing more)."
        ) from None

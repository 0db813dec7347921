"""numpy: the arrays themselves. bfloat16 and float8 are dtypes of ml_dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlstac_hf._formats import Array


def check() -> None:
    """Nothing to do: numpy is always here."""


def from_numpy(array: Array, device: str = "cpu") -> Array:
    """`array` itself."""
    if device != "cpu":
        raise ValueError(f"numpy arrays live on the cpu, got device={device!r}")
    return array


def to_numpy(value: Any) -> Array:
    """`value` itself, or what numpy makes of a scalar, a list, or anything that knows how to become an array.

    Raises:
        TypeError: a masked array, whose mask would be lost.
    """
    if type(value) is np.ndarray:
        return value
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError("found a masked array, whose mask would be lost; fill it first, with array.filled(value)")
    return np.asarray(value)

"""numpy: the arrays themselves. bfloat16 and float8 are dtypes of ml_dtypes."""

from __future__ import annotations

from mlstac_hf._formats import Array


def check() -> None:
    """Nothing to do: numpy is always here."""


def from_numpy(array: Array, device: str = "cpu") -> Array:
    """`array` itself."""
    if device != "cpu":
        raise ValueError(f"numpy arrays live on the cpu, got device={device!r}")
    return array

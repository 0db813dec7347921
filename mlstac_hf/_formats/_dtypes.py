"""Dtypes: codes of a safetensors header, the numpy or ml_dtypes types behind them, and plain stand-ins.

Owns: what exists and what stands in for what. Leaves to others: what a framework can hold (`_frameworks`).
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_CODES: dict[str, str] = {
    "BOOL": "bool",
    "U8": "uint8",
    "I8": "int8",
    "U16": "uint16",
    "I16": "int16",
    "U32": "uint32",
    "I32": "int32",
    "U64": "uint64",
    "I64": "int64",
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "C64": "complex64",
}
"""The dtype's name by its code in a header. Sub-byte dtypes (F4, F6) are not read."""


_NAN = 0x7FC00000
"""A float32 NaN with 22 bits to spare."""


@lru_cache(maxsize=256)
def dtype_name(dtype: np.dtype[Any]) -> str:
    """The name of a dtype, which numpy makes up anew each time."""
    return dtype.name


@cache
def dtype_of(name: str) -> np.dtype[Any]:
    """The dtype of a name as numpy or ml_dtypes has it.

    Raises:
        TypeError: neither has such a dtype.

    Example:
        >>> dtype_of("uint16"), dtype_of("bfloat16").itemsize
        (dtype('uint16'), 2)
    """
    exotic = getattr(ml_dtypes, name, None)
    return np.dtype(name if exotic is None else exotic)


CODES: dict[str, np.dtype[Any]] = {code: dtype_of(name) for code, name in _CODES.items()}
"""The dtype by its code in a header, little-endian as the format is."""


def is_exotic(dtype: np.dtype[Any]) -> bool:
    """Whether `dtype` is one that plain numpy, Arrow and stock formats do not know."""
    return dtype.isbuiltin != 1  # the kind of float8_e5m2 is "f", of the others "V"


def plain_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """What Arrow keeps for `dtype`: itself, or the real floats that hold every value of it.

    bfloat16 and float8 become float32; complex64 and complex128 become float32 and float64 with a
    last axis of 2.
    """
    if dtype.kind == "c":
        return np.dtype(f"float{dtype.itemsize * 4}")
    return np.dtype(np.float32) if is_exotic(dtype) else dtype


def widen(array: Array) -> Array:
    """`array` in its plain dtype; a view where nothing changes, a copy where bits do.

    Args:
        array: any shape. Complex input gains a last axis of 2: real, imaginary.
    """
    if array.dtype.kind == "c":
        real = np.ascontiguousarray(array).view(plain_dtype(array.dtype))
        return real.reshape(*array.shape, 2)
    if array.dtype == ml_dtypes.bfloat16:  # by bits, since a cast would quieten some NaNs, and warn of them
        return (
            (np.ascontiguousarray(array).view(np.uint16).astype(np.uint32) << 16).view(np.float32).reshape(array.shape)
        )
    if is_exotic(array.dtype):
        return _widened_codes(array.dtype).view(np.float32)[array.view(np.uint8)]
    return array.astype(plain_dtype(array.dtype), copy=False)


@cache
def _widened_codes(dtype: np.dtype[Any]) -> NDArray[np.uint32]:
    """The float32 bits of each value of a one-byte dtype; a NaN carries its code in its last 8 bits."""
    codes = np.arange(256, dtype=np.uint8)
    values = codes.view(dtype).astype(np.float32)
    return np.where(np.isnan(values), _NAN | codes.astype(np.uint32), values.view(np.uint32))


def narrow(array: Array, dtype: np.dtype[Any]) -> Array:
    """The inverse of `widen`: the stored values in their stored `dtype`.

    Args:
        array: what `widen` made, any shape.
        dtype: what it was made of.
    """
    if dtype.kind == "c":
        real = np.ascontiguousarray(array, dtype=plain_dtype(dtype))
        return real.view(dtype).reshape(real.shape[:-1])
    if dtype == ml_dtypes.bfloat16:
        bits = np.ascontiguousarray(array, np.float32).view(np.uint32) >> 16
        return bits.astype(np.uint16).view(dtype).reshape(array.shape)
    if is_exotic(dtype):
        real = np.ascontiguousarray(array, np.float32)
        codes, bits = real.astype(dtype).view(np.uint8), real.view(np.uint32)
        return np.where(bits >> 8 == _NAN >> 8, bits & 0xFF, codes).astype(np.uint8).view(dtype).reshape(array.shape)
    return array.astype(dtype, copy=False)


def aligned_empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An uninitialised C-contiguous array on a 64-byte border, where every framework can view it."""
    nbytes = math.prod(shape) * dtype.itemsize
    raw = np.empty(nbytes + 64, np.uint8)
    start = -raw.__array_interface__["data"][0] % 64  # `ctypes.data` takes ten times as long
    return np.ndarray(shape, dtype, raw, start)


def may_keep(stored: Array, nbytes: int) -> bool:
    """Whether an array may be handed out where it lies, in a file that was fetched: it keeps all of it in memory.

    Args:
        stored: a view of the file; memory that is writable is nobody else's.
        nbytes: of the file.
    """
    return stored.flags.writeable and stored.flags.aligned and 2 * stored.nbytes >= nbytes

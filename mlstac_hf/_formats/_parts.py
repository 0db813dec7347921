"""What payload decoders share: a tensor's form, the part asked for, a library's errors as ours.

Owns: how planes and windows are checked. Leaves to others: how a part is read (`_raster`, `_hdf5`, `_payloads`).
Planes count along the third axis from the end, windows cut the last two: `(C, H, W)`, `(T, C, H, W)`.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from mlstac_hf._formats._dtypes import Array, aligned_empty
from mlstac_hf._formats._safetensors import HeaderError

Window: TypeAlias = tuple[int, int, int, int]
"""First row, row after the last, first column, column after the last."""

MAX_DECODED = 1 << 30
"""Bytes. The largest published rasters, 15 planes of 2,048 x 2,048 in 16 bits, have 126 MB."""

_PLANE_AXES = 3
_WINDOW_AXES = 2
_REASON = 300  # characters
_IN_MEMORY = re.compile(r"/vsimem/[^\s'\":]+")


class TensorForm(NamedTuple):
    """What a tensor is, known before it is decoded."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Decoded, in a number that cannot overflow."""
        return self.dtype.itemsize * math.prod(self.shape)


class Part(NamedTuple):
    """What is to be read of a tensor, checked against its shape."""

    planes: tuple[int, ...] | None
    window: Window | None
    shape: tuple[int, ...]
    """Of what is read."""

    @property
    def selection(self) -> tuple[Any, ...]:
        """The same as an index of a numpy array or an HDF5 dataset: slices where they will do."""
        if self.planes is None and self.window is None:
            return (...,)
        row_start, row_stop, col_start, col_stop = self.window or (None,) * 4
        rows_and_columns = (slice(row_start, row_stop), slice(col_start, col_stop))
        if self.planes is None:
            return (..., *rows_and_columns)
        if self.planes and self.planes == tuple(range(self.planes[0], self.planes[-1] + 1)):
            return (..., slice(self.planes[0], self.planes[-1] + 1), *rows_and_columns)
        return (..., list(self.planes), *rows_and_columns)


def form_of(tensors: Mapping[str, TensorForm], name: str) -> TensorForm:
    """The form of a tensor that was asked for by name.

    Raises:
        KeyError: there is none of that name.
    """
    if name not in tensors:
        raise KeyError(f"no tensor {name!r}; there are {', '.join(tensors) or 'none'}")
    return tensors[name]


def part_of(name: str, form: TensorForm, planes: Sequence[int] | None, window: Window | None) -> Part:
    """Check which planes and which window are asked for.

    Args:
        name: of the tensor, for messages.
        form: of the tensor.
        planes: 0-based, in the order wanted, repeated or not; None is all.
        window: within the last two axes; None is all.

    Raises:
        IndexError: the tensor has no such planes, no such window, or too few axes for them.
    """
    if planes is None and window is None:
        return Part(None, None, form.shape)
    shape = list(form.shape)
    if planes is not None:
        if len(shape) < _PLANE_AXES:
            raise IndexError(f"planes asked of tensor {name!r}, whose shape {form.shape} has none")
        planes = tuple(operator.index(plane) for plane in planes)
        for plane in planes:
            if not 0 <= plane < shape[-3]:
                raise IndexError(f"plane {plane} asked of tensor {name!r}, which has {shape[-3]}, counted from 0")
        shape[-3] = len(planes)
    if window is not None:
        if len(shape) < _WINDOW_AXES:
            raise IndexError(f"a window asked of tensor {name!r}, whose shape {form.shape} has no rows and columns")
        row_start, row_stop, col_start, col_stop = window = _whole(window)
        if not (0 <= row_start <= row_stop <= shape[-2] and 0 <= col_start <= col_stop <= shape[-1]):
            raise IndexError(
                f"rows {row_start} to {row_stop} and columns {col_start} to {col_stop} asked of tensor {name!r}, "
                f"which has {shape[-2]} rows and {shape[-1]} columns"
            )
        shape[-2:] = row_stop - row_start, col_stop - col_start
    return Part(planes, window, tuple(shape))


def _whole(window: Window) -> Window:
    row_start, row_stop, col_start, col_stop = map(operator.index, window)
    return row_start, row_stop, col_start, col_stop


def requested(
    tensors: Mapping[str, TensorForm],
    name: str,
    planes: Sequence[int] | None,
    window: Window | None,
    out: Array | None,
) -> tuple[Part, Array]:
    """What every `Payload.read` begins with: the part that is asked for, checked, and the array to fill.

    Raises:
        KeyError: see `form_of`.
        IndexError: see `part_of`.
    """
    form = form_of(tensors, name)
    part = part_of(name, form, planes, window)
    return part, target_of(part, form.dtype, out)


def target_of(part: Part, dtype: np.dtype[Any], out: Array | None) -> Array:
    """`out` where the part fits it exactly, else a new array."""
    if out is not None and out.dtype == dtype and out.shape == part.shape and out.flags.carray:
        return out
    return aligned_empty(part.shape, dtype)


def check_decoded(what: str, form: TensorForm, limit: int) -> None:
    """Refuse what would fill the memory, before it is decoded.

    Raises:
        HeaderError: the tensor takes more than `limit` bytes.
    """
    if form.nbytes > limit:
        shape = " x ".join(map(str, form.shape))
        raise HeaderError(
            f"{what} claims {shape} of {form.dtype.name}, {form.nbytes} bytes decoded, more than the {limit} allowed"
        )


@contextmanager
def faults(what: str) -> Iterator[None]:
    """Turn whatever a library raises on bad bytes into a HeaderError that begins with `what`.

    Raises:
        HeaderError: in place of anything but MemoryError, which may be no fault of the bytes.
    """
    try:
        yield
    except (HeaderError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - GDAL's and HDF5's bindings raise dozens of kinds
        raise HeaderError(f"{what}: {_reason(error)}") from None


def _reason(error: BaseException) -> str:
    """What the library said first, on one line; its names for files in memory mean nothing to people."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = _IN_MEMORY.sub("the payload", " ".join(str(error).split()) or type(error).__name__)
    text = text.encode("ascii", "backslashreplace").decode()
    return text if len(text) <= _REASON else f"{text[: _REASON - 3]}..."

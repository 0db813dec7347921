"""What one sample gives to the statistics of the bands of `input`.

Owns: moments, range and some values, which depend on what is in the sample and on its place, and on nothing else.
Integers are summed as integers, exactly; other values in two passes of float64. Leaves to others: their sum over a
split (`_band_sums`), what else is measured (`_measure`). Imports nothing but the standard library and numpy, for
`_helper`.
"""

from __future__ import annotations

import math
import threading
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mlstac_hf._formats import Array

_MAX_BANDS = 512
"""More planes than these are no bands, and get no statistics."""
_DRAWN = 2**15
"""Values a band that percentiles are taken of, about: at least half as many of four samples or more."""
_LEAST, _MOST_DRAWN = 64, 4096
"""Of one sample."""
_SAMPLES = 512
"""At least half as many samples give values, evenly spread; at most twice as many."""
_GOLDEN = (math.sqrt(5) - 1) / 2
_PIECE = 2**13
"""Values that are summed at a time: few enough for BLAS to use no threads."""
_SMALL = 2**20
"""Squares of so many integers up to this sum to 2**53 at most, so a float64 holds every sum of them, in any order."""
_MOST = 2**63
_SCRATCH = 2**18
"""Values that are held as floats at a time: two megabytes, more of which would leave the core."""
_local = threading.local()


def stride(index: int) -> int:
    """Every how many-th sample gives values for percentiles once there are `index` of them."""
    return 1 << (index // _SAMPLES).bit_length()


def share(index: int) -> int:
    """How many values a band each sample gives for percentiles once there are `index` before the last."""
    return max(_LEAST, min(_MOST_DRAWN, _DRAWN >> index.bit_length()))


def bands_of(array: Array, axis: int | None, index: int) -> dict[str, Any] | None:
    """What one sample gives, JSON-ready; None where there are no numbers, or too many bands.

    Args:
        array: `input`, as written.
        axis: of its bands; the third from the end where None, and where the array has no such axis, it is one band.
        index: of the sample; every so many-th gives values for percentiles.
    """
    if array.dtype.kind == "c" or array.size == 0:
        return None
    axis = -3 if axis is None else axis
    rows = np.moveaxis(array, axis, 0) if -array.ndim <= axis < array.ndim else array.reshape(1, -1)
    if len(rows) > _MAX_BANDS:
        return None
    flat = rows.reshape(len(rows), -1)
    bands = _integers(flat) if flat.dtype.kind in "iub" else _floats(flat)
    if index % stride(index) == 0:
        at = (np.arange(share(index)) * _GOLDEN + index * math.sqrt(2)) % 1  # spread over the image, elsewhere in each
        some = flat[:, (at * flat.shape[1]).astype(np.int64)]
        some = some.astype(some.dtype.newbyteorder("<"), copy=False)
        bands["values"] = [some.dtype.name, b64encode(some.tobytes()).decode()]
    return bands


def _integers(rows: Array) -> dict[str, Any]:
    """Exact sums, where 64 bits hold them."""
    rows = rows.view(np.uint8) if rows.dtype.kind == "b" else rows
    edges = {"minimum": rows.min(axis=1).tolist(), "maximum": rows.max(axis=1).tolist()}
    most, (bands, count) = max(*edges["maximum"], -min(edges["minimum"])), rows.shape
    if most > _SMALL or count * most**2 >= _MOST:
        return _floats(rows) | edges
    sums, squares = np.zeros((2, bands), np.int64)
    most_at_once = _SCRATCH // bands
    for start in range(0, count, most_at_once):
        some = rows[:, start : start + most_at_once]
        pieces = -(-some.shape[1] // _PIECE)
        width = -(-some.shape[1] // pieces)
        block = _scratch()[: bands * pieces * width].reshape(bands, pieces * width)
        block[:, : some.shape[1]] = some
        block[:, some.shape[1] :] = 0
        parts = block.reshape(bands, pieces, width)
        sums += np.einsum("ijk->i", parts).astype(np.int64)  # half the time of `sum`
        squares += np.vecdot(parts, parts).astype(np.int64).sum(axis=1)
    return {"count": count, "sums": sums.tolist(), "squares": squares.tolist(), **edges}


def _scratch() -> Array:
    """Memory of this thread's, so that none has to be found for each sample."""
    found = getattr(_local, "scratch", None)
    if found is None:
        found = _local.scratch = np.empty(_SCRATCH + 2 * _MAX_BANDS)  # pieces of one length take a little more
    return found


def as_floats(values: Array) -> Array:
    """A copy as float64."""
    with np.errstate(invalid="ignore"):  # a NaN may be a signalling one
        return values.astype(np.float64)


def _floats(rows: Array) -> dict[str, Any]:
    """Count, mean, squared deviations and range of the finite values of each row.

    Without BLAS, whose threads would fight ours, and whose sums depend on their number.
    """
    values = as_floats(rows)
    finite = np.isfinite(values)
    if not finite.all():
        parts = [_finite(row[where][None]) for row, where in zip(values, finite, strict=True)]
        return {key: [part[key][0] for part in parts] for key in parts[0]}
    return _finite(values)


def _finite(values: Array) -> dict[str, Any]:
    """Of rows that hold nothing else, and are used up."""
    if not values.size:
        return {"count": [0.0], "mean": [0.0], "deviations": [0.0], "minimum": [None], "maximum": [None]}
    edges = {"minimum": values.min(axis=1).tolist(), "maximum": values.max(axis=1).tolist()}
    first = values[:, :1].copy()
    with np.errstate(all="ignore"):  # what is beyond a float is found to be in `statistics`
        values -= first
        mean = values.mean(axis=1, keepdims=True)
        values -= mean
        deviations = np.einsum("ij,ij->i", values, values)
        mean += first
    counts = [float(values.shape[1])] * len(values)
    return {"count": counts, "mean": mean[:, 0].tolist(), "deviations": deviations.tolist(), **edges}

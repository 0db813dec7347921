"""Statistics of the bands of `input`: what one sample gives, and their sum over a split.

Owns: moments, range and percentiles, which depend on the values and the order of the samples and on nothing else.
Integers are summed as integers, exactly; other values in two passes of float64. Leaves to others: what else is learned
of samples (`_facts`), how statistics stand in `main.json` (`_main`).
"""

from __future__ import annotations

import math
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import numpy as np

from mlstac_hf._formats import Array, dtype_of
from mlstac_hf._reading._statistics import Moments
from mlstac_hf._spec import BandStatistics

PERCENTILES = (2, 5, 25, 50, 75, 95, 98)
_MAX_BANDS = 512
"""More planes than these are no bands, and get no statistics."""
_VALUES = 64
"""Values a band that a sample gives for percentiles."""
_SAMPLES = 512
"""At least half as many samples give values, evenly spread; at most twice as many."""
_GOLDEN = (math.sqrt(5) - 1) / 2
_MOMENTS = ("count", "mean", "deviations")
_PIECE = 2**13
"""Values that are summed at a time: few enough for BLAS to use no threads."""
_SMALL = 2**20
"""Squares of so many integers up to this sum to 2**53 at most, so a float64 holds every sum of them, in any order."""
_MOST = 2**63
_SCRATCH = 2**17
"""Values that are held as floats at a time: a megabyte, which stays near the core."""
_local = threading.local()


def stride(index: int) -> int:
    """Every how many-th sample gives values for percentiles once there are `index` of them."""
    return 1 << (index // _SAMPLES).bit_length()


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
        at = (np.arange(_VALUES) * _GOLDEN + index * math.sqrt(2)) % 1  # spread over the image, elsewhere in each
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


def _as_floats(values: Array) -> Array:
    """A copy as float64."""
    with np.errstate(invalid="ignore"):  # a NaN may be a signalling one
        return values.astype(np.float64)


def _floats(rows: Array) -> dict[str, Any]:
    """Count, mean, squared deviations and range of the finite values of each row.

    Without BLAS, whose threads would fight ours, and whose sums depend on their number.
    """
    values = _as_floats(rows)
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


class BandSums:
    """What the samples of a split gave, summed in their order."""

    def __init__(self) -> None:
        self._count = 0
        self._sums: list[int] = []
        self._squares: list[int] = []
        self._moments: Moments | None = None
        self._range: list[list[float | None]] | None = None
        self._values: dict[int, list[str]] = {}
        self._step = 1

    def add(self, bands: dict[str, Any], index: int) -> bool:
        """One more sample; False where it has another number of bands, so that there is no sum."""
        edges = [bands["minimum"], bands["maximum"]]
        if self._range is None:
            self._range = edges
        elif len(self._range[0]) != len(edges[0]):
            return False
        elif edges != self._range:
            self._range = [
                [_outer(outer, *pair) for pair in zip(known, own, strict=True)]
                for outer, known, own in zip((min, max), self._range, edges, strict=True)
            ]
        if "sums" in bands:
            self._count += bands["count"]
            self._sums = _added(self._sums, bands["sums"])
            self._squares = _added(self._squares, bands["squares"])
        else:
            own = Moments(*(np.array(bands[key], np.float64) for key in _MOMENTS))
            with np.errstate(all="ignore"):  # what is beyond a float is found to be in `statistics`
                self._moments = own if self._moments is None else self._moments.merge(own)
        if "values" in bands:
            self._values[index] = bands["values"]
        if stride(index) != self._step:
            self._step = stride(index)
            self._values = {number: values for number, values in self._values.items() if number % self._step == 0}
        return True

    def statistics(self) -> tuple[BandStatistics, ...] | None:
        """One entry a band; None where nothing was added, or numbers are beyond a float."""
        if self._range is None:
            return None
        with np.errstate(all="ignore"):
            moments = self._joined()
            numbers = np.stack([moments.mean, moments.std, *np.array(self._range, np.float64)])
        if not np.isfinite(numbers).all():
            return None
        drawn = [_drawn(*values) for values in self._values.values()]
        found = []
        for band, (mean, std, low, high) in enumerate(numbers.T.tolist()):
            values = np.concatenate([some[band] for some in drawn])
            values = values[np.isfinite(values)]
            percentiles = np.percentile(values, PERCENTILES).tolist() if values.size else []
            found.append(
                BandStatistics(
                    mean=mean,
                    std=std,
                    minimum=low,
                    maximum=high,
                    percentiles=dict(zip(map(str, PERCENTILES), percentiles, strict=bool(values.size))),
                )
            )
        return tuple(found)

    def _joined(self) -> Moments:
        """Of integers and of other values together."""
        if not self._count:
            assert self._moments is not None
            return self._moments
        count, squared = self._count, zip(self._sums, self._squares, strict=True)
        own = Moments(
            np.full(len(self._sums), float(count)),
            np.array([total / count for total in self._sums]),
            np.array([(count * squares - total**2) / count for total, squares in squared]),
        )
        return own if self._moments is None else own.merge(self._moments)


def _outer(outer: Callable[[float, float], float], one: float | None, other: float | None) -> float | None:
    """The least or most of two, of which None says nothing."""
    return other if one is None else one if other is None else outer(one, other)


def _drawn(dtype: str, text: str) -> Array:
    stored = np.frombuffer(b64decode(text), dtype_of(dtype).newbyteorder("<"))
    return _as_floats(stored.reshape(-1, _VALUES))


def _added(one: list[int], other: list[int]) -> list[int]:
    return [a + b for a, b in zip(one, other, strict=True)] if one else other

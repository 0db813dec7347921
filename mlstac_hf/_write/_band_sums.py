"""The statistics of the bands of `input` over a split: the sum of what its samples gave.

Owns: the sum, which depends on the order of the samples and on nothing else. Leaves to others: what one sample gives
(`_bands`), how statistics stand in `main.json` (`_main`).
"""

from __future__ import annotations

import operator
from base64 import b64decode
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from mlstac_hf._formats import Array, dtype_of
from mlstac_hf._reading._statistics import Moments
from mlstac_hf._spec import BandStatistics
from mlstac_hf._write._bands import as_floats, share, stride

PERCENTILES = (2, 5, 25, 50, 75, 95, 98)
_MOMENTS = ("count", "mean", "deviations")


class BandSums:
    """What the samples of a split gave, summed in their order."""

    def __init__(self) -> None:
        self._count = 0
        self._sums: list[int] = []
        self._squares: list[int] = []
        self._moments: Moments | None = None
        self._range: list[list[float | None]] | None = None
        self._values: dict[int, list[str]] = {}
        self._step, self._last = 1, 0

    def add(self, bands: dict[str, Any], index: int) -> bool:
        """One more sample; False where it has another number of bands, so that there is no sum."""
        edges = [bands["minimum"], bands["maximum"]]
        if self._range is None:
            self._range = edges
        elif len(self._range[0]) != len(edges[0]):
            return False
        elif edges != self._range:
            self._range = [
                list(map(_OUTER[outer] if None in known or None in own else outer, known, own))
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
        self._last = index
        if stride(index) != self._step:
            self._step = stride(index)
            self._values = {number: values for number, values in self._values.items() if number % self._step == 0}
        return True

    def statistics(self) -> tuple[BandStatistics, ...] | None:
        """One entry a band; None where no band has a value, or numbers are beyond a float.

        A band without a value has mean and deviation 0, and no range. Percentiles are those of values that samples gave
        in equal shares.
        """
        if self._range is None or not any(low is not None for low in self._range[0]):
            return None
        with np.errstate(all="ignore"):
            moments = self._joined()
            numbers = np.stack([moments.mean, moments.std])
        if not np.isfinite(numbers).all():
            return None
        bands, most = len(self._range[0]), share(self._last)
        drawn = np.concatenate([_drawn(bands, *values)[:, :most] for values in self._values.values()], axis=1)
        found = []
        for own, mean, std, low, high in zip(drawn, *numbers.tolist(), *self._range, strict=True):
            values = own[np.isfinite(own)]
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


def _drawn(bands: int, dtype: str, text: str) -> Array:
    stored = np.frombuffer(b64decode(text), dtype_of(dtype).newbyteorder("<"))
    return as_floats(stored.reshape(bands, -1))


def _added(one: list[int], other: list[int]) -> list[int]:
    return list(map(operator.add, one, other)) if one else other


_OUTER = {outer: partial(_outer, outer) for outer in (min, max)}

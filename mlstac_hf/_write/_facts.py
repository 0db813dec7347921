"""What is learned of the samples while they are written: schema, statistics, classes, place and time.

Owns: the facts of one sample, as JSON that the journal keeps, and their sum, which depends on the order of the samples
and on nothing else: not on threads, nor on how often a write was broken off. Leaves to others: how they stand in
`main.json` (`_main`), footprints (`_extent`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from mlstac_hf._formats import Array, dtype_of
from mlstac_hf._reading._statistics import Moments
from mlstac_hf._spec import BandStatistics, TensorSchema, format_datetime, parse_datetime
from mlstac_hf._write._sample import Checked

Facts = dict[str, Any]
"""Of one sample, JSON-ready."""

PERCENTILES = (2, 5, 25, 50, 75, 95, 98)
_MAX_BANDS = 512
"""More planes than these are no bands, and get no statistics."""
_VALUES = 64
"""Values a band that a sample gives for percentiles."""
_SAMPLES = 512
"""At least half as many samples give values, evenly spread; at most twice as many."""
_GOLDEN = (math.sqrt(5) - 1) / 2
_EXACT = 2**53
"""Integers up to this are floats as well."""
_MAX_CLASSES = 4096
_MOMENTS = ("count", "mean", "squares")


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What is asked of each sample."""

    statistics: bool = True
    """Whether bands of `input` are measured: those of the training split."""
    band_axis: int | None = None
    classes: bool = False
    """Whether values of `target` are counted."""


def stride(index: int) -> int:
    """Every how many-th sample gives values for percentiles once there are `index` of them."""
    return 1 << max(0, (index // _SAMPLES).bit_length())


def facts_of(sample: Checked, tensors: Mapping[str, Array], survey: Survey) -> Facts:
    """The facts of one sample.

    Args:
        sample: as checked; its tensors are not looked at, since they may be the caller's and change.
        tensors: its arrays as written.
        survey: what is asked.
    """
    facts: Facts = {
        "tensors": {name: [array.dtype.name, list(array.shape)] for name, array in tensors.items()},
        "texts": sorted(sample.texts),
        "keys": {key: kind_of(value) for key, value in sample.keys.items()},
    }
    size = next((array.shape[-2:] for array in tensors.values() if array.ndim >= 2), None)  # noqa: PLR2004 - an image
    if sample.crs is not None and sample.geotransform is not None and size is not None:
        facts["place"] = [sample.crs, *sample.geotransform, *size]
    times = [format_datetime(time) for time in (sample.start, sample.end) if time is not None]
    if times:
        facts["times"] = [times[0], times[-1]]
    if survey.statistics and "input" in tensors:
        facts["bands"] = _bands(tensors["input"], survey.band_axis, sample.index)
    if survey.classes and "target" in tensors:
        facts["classes"] = _classes(tensors["target"])
    return facts


def kind_of(value: object) -> str:
    """The kind of a publisher's own value; `long` are integers that no float holds exactly."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int" if -_EXACT <= value <= _EXACT else "long"
    if isinstance(value, float):
        return "float"
    return "text" if isinstance(value, str) else "time"


def join_kinds(one: str, other: str) -> str | None:
    """The kind that holds values of both; None where there is none."""
    kinds = {one, other} - {"null"}
    if len(kinds) <= 1:
        return kinds.pop() if kinds else "null"
    return _JOINED.get(frozenset(kinds))


_JOINED = {
    frozenset({"int", "float"}): "float",
    frozenset({"int", "long"}): "long",
    frozenset({"text", "time"}): "text",
}


def _bands(array: Array, axis: int | None, index: int) -> Facts | None:
    """Moments, range and a few values of each band; None where there are no numbers, or too many bands."""
    if array.dtype.kind == "c" or array.size == 0:
        return None
    axis = -3 if axis is None else axis
    rows = np.moveaxis(array, axis, 0) if -array.ndim <= axis < array.ndim else array.reshape(1, -1)
    if len(rows) > _MAX_BANDS:
        return None
    flat = rows.reshape(len(rows), -1)
    moments = _moments(flat)
    lows, highs = zip(*map(_range, flat), strict=True)
    facts = {
        "count": moments.count.tolist(),
        "mean": moments.mean.tolist(),
        "squares": moments.squares.tolist(),
        "minimum": lows,
        "maximum": highs,
    }
    if index % stride(index) == 0:
        at = (np.arange(_VALUES) * _GOLDEN + index * math.sqrt(2)) % 1  # spread over the image, elsewhere in each
        some = flat[:, (at * flat.shape[1]).astype(np.int64)].astype(np.float64)
        facts["values"] = [row[np.isfinite(row)].tolist() for row in some]
    return facts


def _moments(rows: Array) -> Moments:
    """Of each row. Without BLAS, whose threads would fight ours, and whose sums depend on their number."""
    values = rows.astype(np.float64)
    if rows.dtype.kind not in "iub" and not np.isfinite(values).all():
        parts = [_moments(row[np.isfinite(row)][None]) for row in values]
        return Moments(*(np.concatenate([getattr(part, name) for part in parts]) for name in _MOMENTS))
    if not values.size:
        return Moments(*np.zeros((3, len(rows))))
    first = values[:, :1].copy()
    with np.errstate(all="ignore"):  # what is beyond a float is found to be in `statistics`
        values -= first
        mean = values.mean(axis=1, keepdims=True)
        values -= mean
        squares = np.einsum("ij,ij->i", values, values)
    return Moments(np.full(len(rows), float(rows.shape[1])), (mean + first)[:, 0], squares)


def _range(row: Array) -> tuple[float | None, float | None]:
    """Least and largest finite value; None where there is none."""
    if row.dtype.kind not in "iub":
        row = row.astype(np.float64)
        row = row[np.isfinite(row)]
    return (float(row.min()), float(row.max())) if row.size else (None, None)


def _classes(array: Array) -> dict[str, int]:
    """Elements by value; nothing where the target is no classes."""
    if array.dtype.kind not in "iub":
        return {}
    if array.dtype.itemsize == 1 and array.dtype.kind != "i":
        counts = np.bincount(array.reshape(-1).view(np.uint8), minlength=1)
        values = np.flatnonzero(counts)
        counts = counts[values]
    else:
        values, counts = np.unique(array, return_counts=True)
    if len(values) > _MAX_CLASSES:
        return {}
    return {str(int(value)): int(count) for value, count in zip(values, counts, strict=True)}


@dataclass
class Totals:
    """The facts of a split, summed sample by sample, in order."""

    n_items: int = 0
    tensors: dict[str, TensorSchema | None] = field(default_factory=dict)
    """None where samples do not agree."""
    kinds: dict[str, str] = field(default_factory=dict)
    classes: dict[str, int] = field(default_factory=dict)
    start: str | None = None
    end: str | None = None
    places: list[list[Any]] = field(default_factory=list)
    """CRS, six numbers, rows and columns of each sample, or nothing."""
    _moments: Moments | None = None
    _range: Array | None = None
    _values: dict[int, list[list[float]]] = field(default_factory=dict)
    _measured: bool = True

    def add(self, facts: Facts) -> None:
        """One more sample."""
        for name, (dtype, shape) in facts["tensors"].items():
            new = TensorSchema(dtype=dtype, shape=tuple(shape))
            self.tensors[name] = join_schemas(self.tensors[name], new) if name in self.tensors else self._first(new)
        for name in self.tensors.keys() - facts["tensors"].keys():
            self.tensors[name] = None
        for key, kind in facts["keys"].items():
            self.kinds[key] = join_kinds(self.kinds.get(key, "null"), kind) or "text"
        for value, count in facts.get("classes", {}).items():
            self.classes[value] = self.classes.get(value, 0) + count
        times = facts.get("times")
        if times:
            self.start = min(filter(None, (self.start, times[0])), key=_moment)
            self.end = max(filter(None, (self.end, times[1])), key=_moment)
        self.places.append(facts.get("place", []))
        if self._measured and "input" in facts["tensors"] and "bands" in facts:
            self._measure(facts["bands"])
        self.n_items += 1

    def _first(self, schema: TensorSchema) -> TensorSchema | None:
        return None if self.n_items else schema

    def _measure(self, bands: Facts | None) -> None:
        if bands is None:
            if self.tensors.get("input") is not None:
                self._measured = False
            return
        own = Moments(*(np.array(bands[key], np.float64) for key in _MOMENTS))
        edges = np.array([bands["minimum"], bands["maximum"]], np.float64)
        if self._moments is None or self._range is None:
            self._moments, self._range = own, edges
        elif own.mean.shape != self._moments.mean.shape:
            self._measured = False
            return
        else:
            with np.errstate(all="ignore"):  # what is beyond a float is found to be in `statistics`
                self._moments = self._moments.merge(own)
            self._range = np.stack([np.fmin(self._range[0], edges[0]), np.fmax(self._range[1], edges[1])])
        if "values" in bands:
            self._values[self.n_items] = bands["values"]
            step = stride(self.n_items)
            self._values = {index: values for index, values in self._values.items() if index % step == 0}

    def statistics(self) -> tuple[BandStatistics, ...] | None:
        """One entry a band of `input`; None where samples have no bands in common."""
        if not self._measured or self._moments is None or self._range is None:
            return None
        columns = list(zip(*self._values.values(), strict=True))
        with np.errstate(all="ignore"):
            numbers = [self._moments.mean, self._moments.std, *self._range]
        if not np.isfinite(numbers).all():
            return None
        found = []
        for band, (mean, std, low, high) in enumerate(zip(*numbers, strict=True)):
            values = [value for part in columns[band] for value in part]
            percentiles = np.percentile(values, PERCENTILES).tolist() if values else []
            found.append(
                BandStatistics(
                    mean=float(mean),
                    std=float(std),
                    minimum=float(low),
                    maximum=float(high),
                    percentiles=dict(zip(map(str, PERCENTILES), percentiles, strict=bool(values))),
                )
            )
        return tuple(found)

    def class_counts(self, labels: Mapping[str, int]) -> dict[str, int]:
        """Elements, or samples where targets are numbers, by label."""
        return {name: self.classes.get(str(value), 0) for name, value in labels.items()}


def _moment(text: str) -> datetime:
    return parse_datetime(text) or datetime.max.replace(tzinfo=UTC)


ARROW = {
    "bool": "bool",
    "int": "int64",
    "long": "int64",
    "float": "double",
    "text": "string",
    "time": "string",
    "null": "null",
}
"""Arrow type by kind, of the sample layout; times are text to readers, as in all columns of ours."""
NAMED = {
    "bool": "a bool",
    "int": "an integer",
    "long": "an integer beyond 2**53",
    "float": "a float",
    "text": "text",
    "time": "a time",
    "null": "unknown",
}


def join_schemas(one: TensorSchema | None, other: TensorSchema | None) -> TensorSchema | None:
    """What two have in common: None of an axis where they differ; None where nothing is left."""
    if one is None or other is None or one.dtype != other.dtype or len(one.shape) != len(other.shape):
        return None
    axes: Sequence[int | None] = [a if a == b else None for a, b in zip(one.shape, other.shape, strict=True)]
    return one if tuple(axes) == one.shape else TensorSchema(dtype=dtype_of(one.dtype).name, shape=tuple(axes))

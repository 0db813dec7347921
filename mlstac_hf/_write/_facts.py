"""What is learned of the samples while they are written: schema, classes, place and time.

Owns: the facts of one sample, as JSON that the journal keeps, and their sum, which depends on the order of the samples
and on nothing else: not on threads, nor on how often a write was broken off. Leaves to others:
statistics of bands (`_bands`), how they stand in `main.json` (`_main`), footprints (`_extent`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlstac_hf._formats import Array, dtype_of
from mlstac_hf._spec import BandStatistics, TensorSchema, format_datetime
from mlstac_hf._write._bands import BandSums, bands_of
from mlstac_hf._write._sample import Checked

Facts = dict[str, Any]
"""Of one sample, JSON-ready."""

_EXACT = 2**53
"""Integers up to this are floats as well."""
_MAX_CLASSES = 4096
_SPAN = 2**16
"""Classes that lie closer than this are counted without sorting them."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What is asked of each sample."""

    statistics: bool = True
    """Whether bands of `input` are measured: those of the training split."""
    band_axis: int | None = None
    classes: bool = False
    """Whether values of `target` are counted."""


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
        facts["bands"] = bands_of(tensors["input"], survey.band_axis, sample.index)
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


def _classes(array: Array) -> dict[str, int]:
    """Elements by value; nothing where the target is no classes."""
    if array.dtype.kind not in "iub" or not array.size:
        return {}
    values, counts = _counted(array.reshape(-1))
    return dict(zip(map(str, values), counts, strict=True)) if len(values) <= _MAX_CLASSES else {}


def _counted(flat: Array) -> tuple[list[int], list[int]]:
    """Values that occur, and how often."""
    first = 0
    if flat.dtype.kind == "b" or flat.dtype == np.uint8:
        counts = np.bincount(flat.view(np.uint8))
    else:
        low, high = flat.min(), flat.max()
        first = int(low)
        if int(high) - first >= _SPAN:
            values, counts = np.unique(flat, return_counts=True)
            return values.tolist(), counts.tolist()
        above = (flat - low).view(f"u{flat.itemsize}")  # a difference that wraps is right without its sign
        counts = np.bincount(above.astype(np.intp))
    steps = np.flatnonzero(counts)
    return [first + step for step in steps.tolist()], counts[steps].tolist()


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
    _bands: BandSums = field(default_factory=BandSums)
    _measured: bool = True

    def add(self, facts: Facts) -> None:
        """One more sample."""
        for name, (dtype, shape) in facts["tensors"].items():
            known = self.tensors.get(name)
            if known is not None and known.dtype == dtype and list(known.shape) == shape:
                continue
            new = TensorSchema(dtype=dtype, shape=tuple(shape))
            self.tensors[name] = join_schemas(known, new) if name in self.tensors else self._first(new)
        for name in self.tensors.keys() - facts["tensors"].keys():
            self.tensors[name] = None
        for key, kind in facts["keys"].items():
            self.kinds[key] = join_kinds(self.kinds.get(key, "null"), kind) or "text"
        for value, count in facts.get("classes", {}).items():
            self.classes[value] = self.classes.get(value, 0) + count
        times = facts.get("times")
        if times:
            self.start = min(self.start or times[0], times[0], key=_moment)
            self.end = max(self.end or times[1], times[1], key=_moment)
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
        self._measured = self._bands.add(bands, self.n_items)

    def statistics(self) -> tuple[BandStatistics, ...] | None:
        """One entry a band of `input`; None where samples have no bands in common."""
        return self._bands.statistics() if self._measured else None

    def class_counts(self, labels: Mapping[str, int]) -> dict[str, int]:
        """Elements, or samples where targets are numbers, by label."""
        return {name: self.classes.get(str(value), 0) for name, value in labels.items()}


def _moment(text: str) -> str:
    """What times sort by as texts, which `format_datetime` made: with a fraction they end in no `Z` too early."""
    return text.removesuffix("Z")


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

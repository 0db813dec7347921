"""What is learned of the samples while they are written: schema, classes, place and time.

Owns: the facts of one sample, as JSON that the journal keeps, and their sum, which depends on the order of the samples
and on nothing else: not on threads, nor on how often a write was broken off. Leaves to others:
what is measured of its values (`_measure`), how they stand in `main.json` (`_main`), footprints (`_extent`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlstac_hf._formats import dtype_name, dtype_of
from mlstac_hf._spec import BandStatistics, TensorSchema, format_datetime
from mlstac_hf._write._band_sums import BandSums
from mlstac_hf._write._measure import Facts
from mlstac_hf._write._sample import Checked

_EXACT = 2**53
"""Integers up to this are floats as well."""


def facts_of(sample: Checked) -> Facts:
    """The facts of one sample, without what is measured of its values (`_measure`)."""
    facts: Facts = {
        "tensors": {name: [dtype_name(array.dtype), list(array.shape)] for name, array in sample.tensors.items()},
        "texts": sorted(sample.texts),
        "keys": {key: kind_of(value) for key, value in sample.keys.items()},
    }
    size = next((array.shape[-2:] for array in sample.tensors.values() if array.ndim >= 2), None)  # noqa: PLR2004 - an image
    if sample.crs is not None and sample.geotransform is not None and size is not None:
        facts["place"] = [sample.crs, *sample.geotransform, *size]
    times = [format_datetime(time) for time in (sample.start, sample.end) if time is not None]
    if times:
        facts["times"] = [times[0], times[-1]]
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

"""Samples against the task and the labels: their form from headers, their values where pixels are read.

Owns: which values occur. Leaves to others: what a task expects (`_spec`), dtypes and shapes as such (`_check_tensors`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from mlstac_hf._formats import RASTER, Array, widen
from mlstac_hf._spec import applying, check_sample_shapes, find_task, flags_of
from mlstac_hf._validate._check import Check
from mlstac_hf._validate._report import Place
from mlstac_hf._validate._scan import Part, Seen

_PIECE = 1 << 20
"""Elements that are looked at together."""
_MOST_VALUES = 4096
"""Different values that are counted; who has more has no labels."""
_SMALL = 2  # bytes of a dtype whose values can be counted in a table


class TargetCheck(Check):
    """See the module."""

    name = "targets"

    def __init__(self, survey: Any) -> None:
        super().__init__(survey)
        self._counts: dict[str, Counter[int]] = {}
        self._named = set(self.collection.labels.values())
        self._is_told = False
        tasks = self.collection.task
        is_told = any(task.has_classes for task in map(find_task, tasks) if task is not None)
        self._is_classes = bool(self._named) and (is_told or not tasks)
        self._flags = flags_of(tasks, self.collection.labels)
        if not self._is_classes:
            self._named = set()

    def sample(self, part: Part, seen: Seen) -> None:
        """Form by header, values by pixels."""
        head = seen.head
        if head is None:
            return
        piece = head.pieces.get("input")
        if piece is not None and piece.stored == RASTER and "target" not in head.columns:
            if not self._is_told:
                self._is_told = True
                self.say("N502", f"a raster of {piece.total} planes is input, whole", part.place())
        else:
            faults = [check_sample_shapes(task, head.tensors, head.texts) for task in self.collection.task]
            if faults and faults[0] and all(faults):  # with several tasks, one of them will do
                self.say("W501", faults[0], seen.place)
        for name, value in (seen.values or {}).items():
            if not isinstance(value, str):
                self._values(part, name, value, seen.place)

    def _values(self, part: Part, name: str, value: Array, place: Place) -> None:
        if value.dtype.kind not in "biu" and not all(np.isfinite(widen(piece)).all() for piece in _pieces(value)):
            self.say("W505", f"{name!r} holds NaN or infinite values", place)
        if name != "target" or not self._is_classes:
            return
        if value.dtype.kind not in "biu":
            self.say("W504", f"expected whole numbers, as labels are, found {value.dtype.name}", place)
            return
        applied = applying(value, self._flags)
        found = _counted(value) if applied is None else Counter(applied)
        self._counts.setdefault(part.name, Counter()).update(found)
        strange = sorted(set(found) - self._named)
        if strange:
            some = ", ".join(map(str, strange[:8])) + (" …" if len(strange) > 8 else "")  # noqa: PLR2004 - a line
            count = sum(found[number] for number in strange)
            named = ", ".join(map(str, sorted(self._named)[:16]))
            self.say("E503", f"{count:,} elements of {some}; the labels are {named}", place)

    def end(self) -> None:
        """Labels that nobody uses, and counts that are stored."""
        if not self._counts:
            return
        seen = {number for counts in self._counts.values() for number, count in counts.items() if count}
        for name, number in self.collection.labels.items():
            if number not in seen:
                self.say("N506", f"{name!r} ({number})")
        for split, stored in (self.collection.annotations.class_counts or {}).items():
            for name, count in stored.items():
                if name not in self.collection.labels or split not in self._counts:
                    continue
                found = self._counts[split][self.collection.labels[name]]
                if found != count:
                    message = f"{name!r}: mlhf:class_counts says {count:,}, found {found:,}"
                    self.say("W507", message, Place(file="main.json", split=split))


def _pieces(array: Array) -> Iterator[Array]:
    flat = array.reshape(-1)
    for start in range(0, flat.size, _PIECE):
        yield flat[start : start + _PIECE]


def _counted(array: Array) -> Counter[int]:
    """How often each value occurs; of too many different ones, the first."""
    counts: Counter[int] = Counter()
    for piece in _pieces(array):
        if piece.dtype.itemsize <= _SMALL and piece.dtype.kind in "bu":
            table = np.bincount(piece.astype(np.intp))
            values = np.flatnonzero(table)
            numbers = table[values]
        else:
            values, numbers = np.unique(piece, return_counts=True)
        for value, number in zip(values.tolist(), numbers.tolist(), strict=True):
            if value in counts or len(counts) < _MOST_VALUES:
                counts[value] += number
    return counts

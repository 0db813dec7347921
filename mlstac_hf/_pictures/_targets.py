"""Targets as people see them: a mask in the colours of its classes, a picture, a text, or a line.

Owns: which of them a target is. Leaves to others: colours (`_colours`), images (`_tones`), where it is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlstac_hf._formats import Array
from mlstac_hf._pictures._colours import painted
from mlstac_hf._pictures._tones import Stretch, Tones
from mlstac_hf._spec import Collection, find_task

_NUMBERS = 4
"""Of a vector, those that a line shows."""
_MOST_CLASSES = 24
"""Distinct numbers up to which a plane of whole numbers is taken for classes that have no names."""


@dataclass(frozen=True, eq=False)
class Target:
    """One target; one of these four."""

    mask: Array | None = None
    """Class of each pixel, `(H, W)`, of whole numbers."""
    planes: Array | None = None
    """A picture, `(H, W, 3 or 1)` of float64; see `Tones.planes`."""
    text: str | None = None
    line: str | None = None
    """A class, some numbers, a count."""

    @property
    def is_picture(self) -> bool:
        """Whether it has pixels."""
        return self.mask is not None or self.planes is not None

    def picture(self, labels: Mapping[str, int]) -> Array:
        """What has pixels, as uint8 `(H, W, 3)`; numbers by their own percentiles."""
        if self.mask is not None:
            return painted(self.mask, labels)
        assert self.planes is not None
        return Stretch.of([self.planes], is_true_colour=False).picture(self.planes, in_colours=True)


def target_of(collection: Collection, value: Any, longest: int) -> Target:
    """What a target shows.

    Args:
        collection: what it is of: its tasks and labels say what numbers mean.
        value: an array of any shape, a text, or None.
        longest: pixels a side at most.
    """
    if isinstance(value, str):
        return Target(text=value)
    if not isinstance(value, np.ndarray):
        return Target()
    if value.ndim < 2:  # noqa: PLR2004 - rows and columns
        return Target(line=_line(collection, value))
    if _has_boxes(collection):
        count = len(value)
        return Target(line=f"{count} object{'' if count == 1 else 's'}")
    plane = _plane(value)
    if plane is not None and _is_mask(collection, plane):
        step = -(-max(plane.shape) // longest)
        top, left = ((min(step, side) - 1) // 2 for side in plane.shape)
        return Target(mask=plane[top::step, left::step])
    return Target(planes=Tones().planes(value, longest))


def labels_of(collection: Collection, masks: list[Array]) -> Mapping[str, int]:
    """The labels of a collection; of one that names none, the numbers that occur."""
    if collection.labels or not masks:
        return collection.labels
    found = sorted({int(value) for mask in masks for value in np.unique(mask)})
    return {str(value): value for value in found[:_MOST_CLASSES]}


def _plane(value: Array) -> Array | None:
    """The one plane of whole numbers that an array is, if it is."""
    if value.dtype.kind not in "iub" or not value.size:
        return None
    while value.ndim > 2 and (len(value) == 1 or value.ndim > 3):  # noqa: PLR2004 - rows and columns, one plane of them
        value = value[0]
    return value.astype(np.int64) if value.ndim == 2 else None  # noqa: PLR2004 - rows and columns


def _is_mask(collection: Collection, plane: Array) -> bool:
    tasks = [task for name in collection.task if (task := find_task(name))]
    if tasks:
        return any(task.has_classes or "masks" in task.target for task in tasks)
    return bool(collection.labels) or len(np.unique(plane)) <= _MOST_CLASSES


def _has_boxes(collection: Collection) -> bool:
    return any(task is not None and "boxes" in task.target for task in map(find_task, collection.task))


def _line(collection: Collection, value: Array) -> str:
    names = {number: name for name, number in collection.labels.items()}
    if value.dtype.kind in "iub":
        if not value.ndim:
            return names.get(int(value), f"class {int(value)}" if _has_classes(collection) else str(int(value)))
        if names and len(value) == len(names) and set(np.unique(value).tolist()) <= {0, 1}:
            said = [names[number] for number in sorted(names) if value[sorted(names).index(number)]]
            return ", ".join(said) or "none of the classes"
    numbers = np.atleast_1d(value)
    shown = [f"{number:.4g}" for number in numbers[:_NUMBERS].tolist()]
    return ", ".join(shown) + (f", … ({len(numbers)} numbers)" if len(numbers) > _NUMBERS else "")


def _has_classes(collection: Collection) -> bool:
    return any(task is not None and task.has_classes for task in map(find_task, collection.task))

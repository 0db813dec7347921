"""What is measured of the values of one sample: its bands, and the classes of its target.

Owns: what is asked of each sample, here and of a helper. Leaves to others: bands (`_bands`), what else is known of a
sample (`_facts`). Imports nothing but the standard library and numpy, for `_helper`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mlstac_hf._spec._flags import applying
from mlstac_hf._write._bands import bands_of

if TYPE_CHECKING:
    from mlstac_hf._formats import Array

Facts = dict[str, Any]
"""Of one sample, JSON-ready."""
_MAX_CLASSES = 4096
_SPAN = 2**16
"""Classes that lie closer than this are counted without sorting them."""


@dataclass(frozen=True)
class Survey:
    """What is asked of each sample."""

    statistics: bool = True
    """Whether bands of `input` are measured: those of the training split."""
    band_axis: int | None = None
    classes: bool = False
    """Whether values of `target` are counted."""
    flags: Sequence[int] = ()
    """The class of each place of a target that says which classes apply, if targets do."""

    def measure(self, tensors: Mapping[str, Array], index: int) -> Facts:
        """What one sample gives.

        Args:
            tensors: its arrays as written.
            index: of the sample.
        """
        facts: Facts = {}
        if self.statistics and "input" in tensors:
            facts["bands"] = bands_of(tensors["input"], self.band_axis, index)
        if self.classes and "target" in tensors:
            facts["classes"] = classes_of(tensors["target"], self.flags)
        return facts

    def ask(self, tensors: Mapping[str, Array], starts: Mapping[str, int], index: int) -> Facts | None:
        """The same, asked of a helper, JSON-ready; None where nothing is asked, or of what numpy alone does not know.

        Args:
            tensors: arrays that were written; only their dtypes and shapes are looked at.
            starts: where in memory the bytes of each lie, by name.
            index: of the sample.
        """
        is_asked = self.statistics or self.classes
        if not is_asked or any(array.dtype.type.__module__ != "numpy" for array in tensors.values()):
            return None
        places = {
            name: [starts[name], array.dtype.newbyteorder("<").str, array.shape] for name, array in tensors.items()
        }
        return {
            "survey": [self.statistics, self.band_axis, self.classes, self.flags],
            "tensors": places,
            "index": index,
        }


def measure_in(memory: memoryview, asked: Facts) -> Facts:
    """What `ask` asked for, of arrays that lie in memory."""
    places = asked["tensors"].items()
    tensors = {name: np.ndarray(shape, dtype, memory, start) for name, (start, dtype, shape) in places}
    return Survey(*asked["survey"]).measure(tensors, asked["index"])


def classes_of(array: Array, flags: Sequence[int] = ()) -> dict[str, int]:
    """Elements by value; nothing where the target is no classes. Of flags, the classes that apply."""
    if array.dtype.kind not in "iub" or not array.size:
        return {}
    applied = applying(array, flags)
    if applied is not None:
        return dict.fromkeys(map(str, applied), 1)
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

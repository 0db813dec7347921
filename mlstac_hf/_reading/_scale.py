"""Numbers of `input` as another unit: physical values, or normalised ones, in float32.

Owns: the arithmetic, and which number belongs to which band. Leaves to others: where statistics come from
(`_statistics`), which planes are read (`_view`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from mlstac_hf._errors import InvalidCollectionError, SchemaMismatchError
from mlstac_hf._formats import Array, TensorSlice, aligned_empty
from mlstac_hf._reading._selected import Through
from mlstac_hf._reading._source import Sample, SampleHead, Source, Targets
from mlstac_hf._reading._view import MAX_PLANES, WHOLE, View
from mlstac_hf._spec import Collection

Scale = bool | float | Sequence[float]
"""True for the collection's own scale and offset, a factor, or a list of one a band."""

INPUT = "input"
_FLOAT32 = np.dtype(np.float32)


class Step(NamedTuple):
    """One operation on every value of a band."""

    operation: str
    """Of numpy: `multiply`, `add`, `subtract`, `divide`."""
    numbers: tuple[float, ...]
    """One, or one a band."""
    beyond: float | None = None
    """Of planes beyond those that have a number, where these count stored planes and need not be all."""


@dataclass(frozen=True)
class Scaled(Through):
    """A split whose `input` is float32 after some arithmetic.

    The steps are taken in float32, as `array.astype("float32") * scale` would; in float64 where a stored value may not
    fit a float32, and rounded once at the end.
    """

    steps: tuple[Step, ...] = ()
    view: View = WHOLE
    stored: bool = False
    """Whether numbers belong to stored planes, not to the bands that are handed out."""
    what: str = "scale="
    """For messages."""

    def fingerprint(self) -> str:
        """See `Source`; other numbers, such as those of a training split that changed, make other samples."""
        return hashlib.sha256(f"{self.steps}{self.stored}{super().fingerprint()}".encode()).hexdigest()

    def head(self, index: int) -> SampleHead:
        """See `Source`."""
        return self._changed(super().head(index))

    def read(self, index: int, columns: Sequence[str] | None = None, into: Targets | None = None) -> Sample:
        """See `Source`."""
        rest = {name: target for name, target in (into or {}).items() if name != INPUT}
        sample = super().read(index, columns, rest)
        array = sample.values.get(INPUT)
        if isinstance(array, np.ndarray):
            sample.values[INPUT] = self._computed(array, index, sample.head, (into or {}).get(INPUT))
        return Sample(sample.values, self._changed(sample.head))

    def _changed(self, head: SampleHead) -> SampleHead:
        tensor = head.tensors.get(INPUT)
        if tensor is None or INPUT in head.texts:
            return head
        changed = TensorSlice(_FLOAT32, tensor.shape, 0, math.prod(tensor.shape) * _FLOAT32.itemsize)
        return replace(head, tensors={**head.tensors, INPUT: changed})

    def _computed(self, array: Array, index: int, head: SampleHead, target: Array | None) -> Array:
        if array.dtype.kind == "c":
            raise SchemaMismatchError(f"{self.place(index)}: {self.what} needs real numbers, found {array.dtype}.")
        fits = target is not None and target.dtype == _FLOAT32 and target.shape == array.shape
        out = target if target is not None and fits else aligned_empty(array.shape, _FLOAT32)
        exact = np.can_cast(array.dtype, _FLOAT32) or array.dtype.itemsize <= 2  # noqa: PLR2004 - bfloat16, float8
        work = out if exact else np.empty(array.shape, np.float64)
        with np.errstate(all="ignore"):  # what is too large for a float32 is infinite, and NaN stays NaN
            np.copyto(work, array, casting="unsafe")
            for step in self.steps:
                getattr(np, step.operation)(work, self._along_bands(step, index, head, work), out=work)
            if work is not out:
                np.copyto(out, work, casting="same_kind")
        return out

    def _along_bands(self, step: Step, index: int, head: SampleHead, work: Array) -> Any:
        numbers = step.numbers
        if len(numbers) == 1 and step.beyond is None:
            return work.dtype.type(numbers[0])
        piece = head.pieces.get(INPUT)
        axis = piece.axis if piece is not None and piece.total else self._axis(work.ndim)
        count = work.shape[axis] if 0 <= axis < work.ndim else 1
        total = piece.total if piece is not None and piece.total else count
        if self.stored and total <= MAX_PLANES:
            planes = piece.planes if piece is not None and piece.planes is not None else range(count)
            numbers = self._chosen(step, planes, total)
        if len(numbers) != count:
            raise SchemaMismatchError(
                f"{self.place(index)}: {self.what} has {len(step.numbers)} numbers, but input has {total} bands, of "
                f"which {count} are read. Expected one number, or one a band that is "
                f"{'stored and no target' if self.stored else 'read'}."
            )
        return np.array(numbers, work.dtype).reshape(-1, *[1] * (work.ndim - axis - 1))

    def _axis(self, axes: int) -> int:
        axis = -3 if self.view.axis is None else self.view.axis
        return axis % axes if -axes <= axis < axes else -1

    def _chosen(self, step: Step, planes: Sequence[int], total: int) -> tuple[float, ...]:
        """The numbers of the planes that are read, out of one a stored plane, or one a plane that is no target."""
        numbers = step.numbers
        if step.beyond is not None:
            return tuple(numbers[plane] if plane < len(numbers) else step.beyond for plane in planes)
        if len(numbers) != total:
            target = {plane % total for plane in self.view.target}
            rest = [plane for plane in range(total) if plane not in target]
            if len(numbers) != len(rest):
                return numbers
            numbers_of = dict(zip(rest, numbers, strict=True))
            return tuple(numbers_of[plane] for plane in planes if plane in numbers_of)
        return tuple(numbers[plane] for plane in planes)


def check_scale(scale: Scale | None) -> tuple[float, ...] | bool:
    """A caller's `scale=` as numbers, one or one a band; True for the collection's, False for none.

    Raises:
        ValueError: neither numbers nor a boolean.
    """
    if scale is None or isinstance(scale, bool | np.bool_):
        return bool(scale)
    try:
        numbers = np.atleast_1d(np.asarray(scale))
    except ValueError:  # lists of different lengths
        numbers = np.array([])
    if numbers.dtype.kind not in "iuf" or numbers.ndim != 1 or not numbers.size or not np.isfinite(numbers).all():
        raise ValueError(f"expected scale to be True, a number, or a list of one a band, got {scale!r}")
    return tuple(map(float, numbers))


def declared_steps(collection: Collection) -> tuple[Step, ...]:
    """The collection's own scale and offset: physical = stored * scale + offset.

    They stand under `mlhf:scale` and `mlhf:offset`, else in its bands as STAC has them (`raster:scale`).

    Raises:
        ValueError: it declares none.
        InvalidCollectionError: what it declares is not finite.
    """
    notes = collection.annotations
    scale, offset = (tuple((values or {}).get(INPUT, ())) for values in (notes.scale, notes.offset))
    steps = (Step("multiply", scale), Step("add", offset))
    if not scale and not offset:
        steps = (_of_bands(collection, "multiply", "scale", 1.0), _of_bands(collection, "add", "offset", 0.0))
    if not any(step.numbers for step in steps):
        raise ValueError(
            f"scale=True: collection {collection.id!r} declares no scale (mlhf:scale in main.json). Pass your own, "
            "such as scale=1e-4 or a list of one number a band."
        )
    if not all(map(math.isfinite, (number for step in steps for number in step.numbers))):
        raise InvalidCollectionError(
            f"scale=True: collection {collection.id!r} declares a scale that is no finite number, {scale or offset}. "
            "Mend mlhf:scale and mlhf:offset in main.json, or pass a scale of your own."
        )
    told = tuple(step for step in steps if step.numbers and (step.operation == "multiply" or any(step.numbers)))
    return told or (Step("multiply", (1.0,)),)


def _of_bands(collection: Collection, operation: str, key: str, neutral: float) -> Step:
    """One number a plane out of the bands' own keys; none where no band has one."""
    found: dict[int, float] = {}
    for position, band in enumerate(collection.bands):
        extra: Mapping[str, Any] = band.model_extra or {}
        value = extra.get(f"raster:{key}", extra.get(key))
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            found[position if band.index is None else band.index] = float(value)
    count = min(max(found, default=-1) + 1, MAX_PLANES)
    return Step(operation, tuple(found.get(plane, neutral) for plane in range(count)), neutral)


def is_scaled(source: Source) -> bool:
    """Whether `input` has other numbers than those that are stored."""
    while isinstance(source, Through) and not isinstance(source, Scaled):
        source = source.source
    return isinstance(source, Scaled)

"""The planes of `input` and the bands of the collection: which is which, and what is left when some were chosen.

Owns: bands and numbers by band of chosen planes, and of planes in another unit; how many planes bands ask for. Leaves
to others: choosing and scaling (`_reading`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from mlstac_hf._spec._collection import Collection
from mlstac_hf._spec._parts import Band

Item = TypeVar("Item")
_PLANES_FROM_END = 3
_OF_NUMBERS = ("scale", "offset", "statistics")


def check_planes(collection: Collection, shape: Sequence[int], *, more: bool = False) -> str | None:
    """Why the bands of a collection are not the planes of an `input`; None where they are.

    Args:
        collection: with bands, or without.
        shape: of the tensor.
        more: whether it may have more planes than there are bands.
    """
    if not collection.bands:
        return None
    axis, axes = collection.band_axis, len(shape)
    axis = axes - _PLANES_FROM_END if axis is None else axis
    if not -axes <= axis < axes:
        return f"bands lie along axis {axis}, and input has {axes} axes"
    count = len(collection.bands)
    if shape[axis] < count or (shape[axis] > count and not more):
        return f"main.json names {count} bands, input has {shape[axis]} along axis {axis}"
    return None


def of_planes(collection: Collection, planes: tuple[int, ...] | None) -> Collection:
    """The collection when `input` has some of its planes: their bands, under their new indices, and their numbers.

    Args:
        collection: of the planes as they were.
        planes: that are left, in order; None where all are.
    """
    if planes is None:
        return collection
    old = collection.annotations
    numbers = {
        "statistics": old.statistics and {k: tuple(_of(v, planes, k)) for k, v in old.statistics.items()},
        "scale": old.scale and {k: tuple(_of(v, planes, k)) for k, v in old.scale.items()},
        "offset": old.offset and {k: tuple(_of(v, planes, k)) for k, v in old.offset.items()},
    }
    bands = tuple(_bands(collection, planes))
    return collection.model_copy(update={"annotations": old.model_copy(update=numbers), "bands": bands})


def of_other_numbers(collection: Collection) -> Collection:
    """The collection when `input` was scaled or normalised: nothing that is said of the stored numbers is left."""
    old = collection.annotations
    numbers = {
        name: {tensor: values for tensor, values in given.items() if tensor != "input"} or None
        for name in _OF_NUMBERS
        if (given := getattr(old, name))
    }
    bands = tuple(
        Band(**{key: value for key, value in dict(band).items() if key.removeprefix("raster:") not in _OF_NUMBERS})
        for band in collection.bands
    )
    return collection.model_copy(update={"annotations": old.model_copy(update=numbers), "bands": bands})


def _bands(collection: Collection, planes: tuple[int, ...]) -> list[Band]:
    stored = {position if band.index is None else band.index: band for position, band in enumerate(collection.bands)}
    return [
        stored[plane].model_copy(update={"index": position}) for position, plane in enumerate(planes) if plane in stored
    ]


def _of(values: Sequence[Item], planes: tuple[int, ...], tensor: str) -> Sequence[Item]:
    """What holds of the planes that are left; one value holds of all."""
    if tensor != "input" or len(values) <= max(planes, default=0):
        return values
    return [values[plane] for plane in planes]

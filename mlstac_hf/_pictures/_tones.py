"""Images as people see them: which planes are red, green and blue, and how their numbers become light.

Owns: the choice of planes and the stretch. Leaves to others: masks and other targets (`_targets`), where pictures are
drawn or stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from mlstac_hf._formats import Array
from mlstac_hf._pictures._colours import FAINT, ramped, rgb
from mlstac_hf._spec import Band, BandStatistics, Collection

PERCENTILES = (2, 98)
"""Between which numbers become dark to bright."""
RGB = ("red", "green", "blue")
_HAZE = 0.7
"""Of the darkest values of a band, what is taken for haze."""
_BEND = 1.9
"""How much bright ends are bent down, so that clouds keep their shapes."""
_VALUES = 1 << 16
"""Of a picture, those that percentiles are taken of."""
_FLAT = 0.04
"""Of a stretch's span, less than what the numbers of a picture have to cover."""
_HUGE = 2048
"""Pixels a side from which on an image is thinned out before anything is computed."""


class Tones:
    """The planes of a collection's images that make a picture.

    Bands called red, green and blue; else the first three; else the first, in grey. Of a time series the first step.
    """

    def __init__(self, collection: Collection | None = None) -> None:
        self._axis = collection.band_axis if collection else None
        self._rgb = tuple(_places(collection.bands)) if collection else ()

    def is_true_colour(self, array: Array) -> bool:
        """Whether the picture of an image shows red, green and blue."""
        return self.chosen(array.shape) == self._rgb

    def chosen(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The planes that make a picture of an image of this shape, three or one."""
        if len(shape) < 3:  # noqa: PLR2004 - planes, rows, columns
            return (0,)
        count = shape[self._axis_of(shape)]
        if self._rgb and max(self._rgb) < count:
            return self._rgb
        return (0, 1, 2) if count >= len(RGB) else (0,)

    def _axis_of(self, shape: Sequence[int]) -> int:
        return -3 if self._axis is None or not -len(shape) <= self._axis < len(shape) else self._axis

    def planes(self, array: Array, longest: int) -> Array | None:
        """The planes of an image, float64 `(H, W, 3 or 1)`, NaN where there is no number; None of what has no pixels.

        Args:
            array: of any shape; more than rows, columns and bands, such as time, is reduced to its first step; less
                is one row.
            longest: pixels a side at most; larger ones are averaged.
        """
        if 0 in array.shape:
            return None
        chosen = self.chosen(array.shape)
        image = np.atleast_2d(array)
        if image.ndim > 2:  # noqa: PLR2004 - more than rows and columns
            image = np.moveaxis(image, self._axis_of(array.shape), 0)
            while image.ndim > 3:  # noqa: PLR2004 - planes, rows, columns
                image = image[:, 0]
            image = image[list(chosen)]
        else:
            image = image[None]
        thin = max(1, max(image.shape[1:]) // _HUGE)
        image = image[:, ::thin, ::thin]
        values = np.abs(image) if image.dtype.kind == "c" else image
        numbers = values.astype(np.float64)
        numbers[~np.isfinite(numbers)] = np.nan
        return averaged(np.moveaxis(numbers, 0, -1), longest)


def _places(bands: Sequence[Band]) -> list[int]:
    """Where red, green and blue lie along the band axis; nothing unless all three are known."""
    found: dict[str, int] = {}
    for number, band in enumerate(bands):
        for name in (band.common_name, band.name):
            found.setdefault((name or "").casefold(), number if band.index is None else band.index)
    places = [found[name] for name in RGB if name in found]
    return places if len(places) == len(RGB) and min(places) >= 0 else []


@np.errstate(over="ignore")
def averaged(planes: Array, longest: int) -> Array:
    """`(H, W, n)` with no side longer than `longest`: means of squares of pixels, without those that are NaN."""
    step = -(-max(planes.shape[:2]) // longest)
    if step == 1:
        return planes
    rows, columns = (max(1, side // step) for side in planes.shape[:2])
    tall, wide = (min(step, side) for side in planes.shape[:2])
    blocks = planes[: rows * tall, : columns * wide].reshape(rows, tall, columns, wide, -1)
    known = np.isfinite(blocks)
    counts = known.sum(axis=(1, 3))
    sums = np.where(known, blocks, 0).sum(axis=(1, 3))
    return np.asarray(np.where(counts > 0, sums / np.maximum(counts, 1), np.nan))


@dataclass(frozen=True, eq=False)
class Stretch:
    """How numbers become light; one for many pictures makes them comparable."""

    low: Array
    """What is black, one a plane."""
    high: Array
    """What is bright, one a plane."""
    is_true_colour: bool = False
    """One scale for all three planes, most haze taken off, bright ends bent down."""

    @classmethod
    def of(cls, pictures: Sequence[Array], *, is_true_colour: bool) -> Self:
        """By the 2nd and 98th percentiles of some pictures `(H, W, n)`."""
        values = np.concatenate([_some(picture) for picture in pictures])
        limits = [_percentiles(values[:, plane]) for plane in range(values.shape[1])]
        return cls._between(*np.array(limits, np.float64).T, is_true_colour=is_true_colour)

    @classmethod
    def of_statistics(
        cls, statistics: Sequence[BandStatistics], chosen: Sequence[int], *, is_true_colour: bool
    ) -> Self | None:
        """By what a collection says of its bands; None where it says nothing of some of these."""
        limits = [_stated(statistics[plane]) for plane in chosen if plane < len(statistics)]
        known = [pair for pair in limits if pair is not None]
        if len(known) < len(chosen) or not np.isfinite(known).all():
            return None
        return cls._between(*np.array(known, np.float64).T, is_true_colour=is_true_colour)

    @classmethod
    def _between(cls, low: Array, high: Array, *, is_true_colour: bool) -> Self:
        if is_true_colour:
            low = np.where(low > 0, _HAZE * low, low)
            high = low + max(float((high - low).max()), np.finfo(float).tiny)
        return cls(low, high, is_true_colour)

    @np.errstate(over="ignore", invalid="ignore")
    def suits(self, planes: Array) -> bool:
        """Whether a picture is more than one even shade under it: numbers of another sensor may be all dark."""
        own = Stretch.of([planes], is_true_colour=False)
        inside = np.minimum(own.high, self.high) - np.maximum(own.low, self.low)
        return bool((inside > _FLAT * (self.high - self.low)).any() or not (own.high > own.low).any())

    @np.errstate(over="ignore", invalid="ignore")
    def picture(self, planes: Array, *, in_colours: bool = False) -> Array:
        """`(H, W, n)` as uint8 `(H, W, 3)`; light grey where there is no number.

        Args:
            planes: as `Tones.planes` gives them.
            in_colours: one plane from dark to bright colours, not in grey.
        """
        span = self.high - self.low
        flat = ~(span > 0)
        light = np.where(flat, 0.5, (planes - self.low) / np.where(flat, 1, span))
        known = np.isfinite(light).all(axis=-1)
        light = np.nan_to_num(light)
        if self.is_true_colour:
            light = 0.03 + 0.97 * (1 - np.exp(-_BEND * np.clip(light, 0, 50)))
        light = np.clip(light, 0, 1)
        if light.shape[-1] == 1:
            light = ramped(light[..., 0]) if in_colours else light.repeat(3, axis=-1)
        picture = np.rint(light * 255).astype(np.uint8)
        picture[~known] = rgb(FAINT)
        return np.asarray(picture)


def _some(picture: Array) -> Array:
    """Numbers of a picture, `(N, n)`, at most so many and the same each time; without padding, if there is any."""
    flat = picture.reshape(-1, picture.shape[-1])
    flat = flat[:: max(1, len(flat) // _VALUES)]
    filled = flat.any(axis=1)
    return flat[filled] if filled.any() else flat


@np.errstate(over="ignore", invalid="ignore")
def _percentiles(values: Array) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 0.0
    low, high = np.percentile(finite, PERCENTILES)
    return float(low), float(high)


def _stated(band: BandStatistics) -> tuple[float, float] | None:
    low, high = (band.percentiles.get(str(percentile)) for percentile in PERCENTILES)
    return None if low is None or high is None or not low < high else (low, high)

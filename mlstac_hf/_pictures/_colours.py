"""Colours: of classes, of splits, of numbers, of what surrounds them.

Owns: which colour a class has in every picture of a collection. Leaves to others: who draws with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle

import numpy as np

from mlstac_hf._formats import Array

COLOURS = {
    "water": "#3a8fd0",
    "forest": "#0a4f42",
    "cropland": "#f0c64f",
    "grassland": "#86c98f",
    "built-up": "#cf4a40",
    "cloud": "#e2e5ea",
}
"""By class name; with any common kind of colour blindness they still differ (by 20 or more in CIE Lab)."""
SPARE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#4d4d4d")
"""For classes of other names (Okabe and Ito), over and over."""
UNLABELLED = "#ffffff"
"""Of values that are no class."""

INK, GREY, FAINT, LAND, PAPER = "#1c2430", "#6b7480", "#d5d9df", "#e9ebef", "#ffffff"
SPLITS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9")
"""Of splits, in their order."""

_RAMP = ("#440154", "#3b528b", "#21918c", "#5ec962", "#fde725")
"""Five of the colours of viridis, dark to bright."""


def rgb(colour: str) -> tuple[int, int, int]:
    """`#rrggbb` as three numbers of 0 to 255."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return red, green, blue


def class_colours(labels: Mapping[str, int]) -> dict[str, str]:
    """A colour by class name; two classes share one only where there are more than colours."""
    known = {name: COLOURS[name.casefold()] for name in labels if name.casefold() in COLOURS}
    spare: Iterator[str] = cycle(SPARE)
    return {name: known.get(name) or next(spare) for name in labels}


def split_colours(splits: Sequence[str]) -> dict[str, str]:
    """A colour by split."""
    return dict(zip(splits, cycle(SPLITS), strict=False))


def painted(mask: Array, labels: Mapping[str, int]) -> Array:
    """A mask `(H, W)` in the colours of its classes, uint8 `(H, W, 3)`; values that are no label stay white."""
    picture = np.full((*mask.shape, 3), rgb(UNLABELLED), np.uint8)
    for name, colour in class_colours(labels).items():
        picture[mask == labels[name]] = rgb(colour)
    return picture


def ramped(shares: Array) -> Array:
    """Numbers 0 to 1 of any shape as colours from dark to bright, float64 `(…, 3)`."""
    anchors = np.array([rgb(colour) for colour in _RAMP]) / 255
    places = np.linspace(0, 1, len(anchors))
    return np.stack([np.interp(shares, places, anchors[:, channel]) for channel in range(3)], axis=-1)

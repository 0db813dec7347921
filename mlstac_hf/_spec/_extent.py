"""The extent of a collection as STAC wants it: boxes in degrees and intervals in UTC that can be meant.

Owns: what counts as a box and an interval, and what stands in for those that are missing. Leaves to others: where
the samples really are (`reading`), how `main.json` spells an extent (`_dialects`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

from mlstac_hf._spec._metadata import format_datetime, parse_datetime
from mlstac_hf._spec._parts import Extent

Box: TypeAlias = Sequence[float]
Interval: TypeAlias = tuple[str | None, str | None]

WORLD = (-180.0, -90.0, 180.0, 90.0)
OPEN: Interval = (None, None)
_SINCE_EVER = "0001-01-01T00:00:00Z"
"""Says no more than an open start: mlstac 0.1 refuses an interval that is open on both sides."""
ALL_TIME: tuple[Interval, ...] = (OPEN, (_SINCE_EVER, None))
"""Intervals that say nothing."""


def extent_document(extent: Extent | None, *, closed: bool = False) -> dict[str, Any]:
    """STAC's extent object; the whole world and all time where nothing better is known.

    Args:
        extent: as stored; often built from pixel coordinates, which are left out.
        closed: no interval may be open on both sides.
    """
    boxes = plain_boxes(extent.bbox) if extent else []
    intervals = plain_intervals(extent.interval) if extent else []
    return {
        "spatial": {"bbox": _overall(boxes) or [list(WORLD)]},
        "temporal": {
            "interval": [
                [_SINCE_EVER if closed and interval == OPEN else interval[0], interval[1]]
                for interval in intervals or [OPEN]
            ]
        },
    }


def plain_boxes(boxes: Sequence[Box]) -> list[list[float]]:
    """The boxes as lists, where every one of them can be meant; none of them otherwise."""
    return [list(map(float, box)) for box in boxes] if all(map(_is_box, boxes)) else []


def _is_box(box: Box) -> bool:
    if len(box) not in (4, 6) or not all(map(math.isfinite, box)):
        return False
    half = len(box) // 2
    west, south, east, north = box[0], box[1], box[half], box[half + 1]
    # a box over the date line has its west in the east
    return -180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90  # noqa: PLR2004 - the globe


def _overall(boxes: list[list[float]]) -> list[list[float]]:
    """STAC asks for one box, or for the overall one and then two or more."""
    if len(boxes) != 2:  # noqa: PLR2004 - neither of the two
        return boxes
    if any(box[0] > box[len(box) // 2] or len(box) != len(boxes[0]) for box in boxes):
        return [list(WORLD), *boxes]
    half = len(boxes[0]) // 2
    corners = list(zip(*boxes, strict=True))
    return [[*map(min, corners[:half]), *map(max, corners[half:])], *boxes]


def plain_intervals(intervals: Sequence[Interval]) -> list[Interval]:
    """The intervals in UTC, where every one of them can be meant; none of them otherwise."""
    found: list[Interval] = []
    for start, end in intervals:
        first, last = parse_datetime(start), parse_datetime(end)
        if (first is None) != (start is None) or (last is None) != (end is None) or (first and last and first > last):
            return []
        found.append((format_datetime(first), format_datetime(last)))
    return found

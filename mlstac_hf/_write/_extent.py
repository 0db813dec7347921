"""Where and when the samples of a collection lie, as one box in degrees and one interval.

Owns: boxes, around the antimeridian too. Leaves to others: footprints (`_conditions`), what samples say of
themselves (`_facts`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mlstac_hf._conditions import _footprints
from mlstac_hf._conditions._wgs84 import four
from mlstac_hf._errors import MissingExtraError
from mlstac_hf._spec import Extent, parse_datetime
from mlstac_hf._spec._extent import ALL_TIME, Interval

Box = tuple[float, float, float, float]
"""West, south, east, north in degrees; west > east crosses the antimeridian."""

_DIGITS = 6
"""After the point: 0.1 m."""
_HALF = 180.0
_CM, _CM_DIGITS = 1e-7, 7


def footprints(places: Sequence[Sequence[Any]]) -> np.ndarray[Any, Any] | None:
    """The outline of each sample in longitude and latitude, None where it is not known.

    None in all, where no sample says where it is, or shapely and pyproj are not installed.

    Args:
        places: by sample CRS, six numbers, rows and columns; empty where one is unknown.
    """
    if not any(places):
        return None
    numbers = np.array([place[1:7] if place else [math.nan] * 6 for place in places], np.float64)
    sizes = np.array([place[7:] if place else (0, 0) for place in places], np.int64)
    try:
        found: np.ndarray[Any, Any] = _footprints.footprints(
            [place[0] if place else None for place in places], numbers, sizes
        )
    except MissingExtraError:
        return None
    return found


def outlines(shapes: np.ndarray[Any, Any]) -> list[str | None]:
    """Shapes as WKT in degrees, to 1 cm; None stays None."""
    import shapely

    found: list[str | None] = shapely.to_wkt(shapely.simplify(shapes, _CM), rounding_precision=_CM_DIGITS).tolist()
    return found


def box_of(shapes: np.ndarray[Any, Any] | None) -> Box | None:
    """The box around all shapes; None where there is none."""
    if shapes is None:
        return None
    import shapely

    known = shapes[[shape is not None for shape in shapes]]
    if not len(known):
        return None
    bounds = shapely.bounds(shapely.get_parts(known))
    crosses = any(_crosses(shape) for shape in known if shape.geom_type == "MultiPolygon")
    return _around([(float(w), float(s), float(e), float(n)) for w, s, e, n in bounds], crosses=crosses)


def _crosses(shape: Any) -> bool:
    edges = [part.bounds for part in shape.geoms]
    return any(box[0] <= -_HALF for box in edges) and any(box[2] >= _HALF for box in edges)


def _around(boxes: Sequence[Box], *, crosses: bool) -> Box:
    """One box around boxes of which none has west > east."""
    south, north = min(box[1] for box in boxes), max(box[3] for box in boxes)
    spans = sorted((box[0], box[2]) for box in boxes)
    west, east = spans[0][0], max(span[1] for span in spans)
    if crosses:  # the widest gap is outside
        widest, reached = 0.0, spans[0][1]
        for begin, end in spans:
            if begin - reached > widest:
                widest, west, east = begin - reached, begin, reached
            reached = max(reached, end)
    return (round(west, _DIGITS), round(south, _DIGITS), round(east, _DIGITS), round(north, _DIGITS))


def _uncrossed(box: Box) -> list[Box]:
    west, south, east, north = box
    return [box] if west <= east else [(west, south, _HALF, north), (-_HALF, south, east, north)]


def join_extents(known: Extent | None, box: Box | None, start: str | None, end: str | None) -> Extent | None:
    """The extent around what is known of a collection and one more split."""
    boxes = [four(item) for item in (known.bbox[:1] if known else ())] + ([box] if box else [])
    crosses = any(item[0] > item[2] for item in boxes)
    around = _around([part for item in boxes for part in _uncrossed(item)], crosses=crosses) if boxes else None
    intervals = [item for item in (known.interval[:1] if known else ()) if item not in ALL_TIME]
    intervals += [(start, end)] if start else []
    if around is None and not intervals:
        return known
    return Extent(bbox=(around,) if around else (), interval=(_joined(intervals),) if intervals else ())


def _joined(intervals: Sequence[Interval]) -> Interval:
    """From the first start to the last end; open where one of them is."""
    starts, ends = ([text for text in texts if text is not None] for texts in zip(*intervals, strict=True))
    return (
        min(starts, key=_moment) if len(starts) == len(intervals) else None,
        max(ends, key=_moment) if len(ends) == len(intervals) else None,
    )


def _moment(text: str) -> float:
    time = parse_datetime(text)
    return -math.inf if time is None else time.timestamp()

"""How near footprints of one split come to those of another, and which show the same ground.

Owns: the geometry of it. Leaves to others: whose footprints these are (`_check_ground`, and the card of `_push`).
Distances are taken on a plane that fits each degree of latitude, and the smallest is measured on the ellipsoid; the
antimeridian is a border here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mlstac_hf._validate._report import Distance

_NEAR_M = 1000
_METRES = 111_195  # to a degree of latitude
_SHARED = 0.01  # of the smaller footprint: neighbours in a grid share a border, and no ground
_CANDIDATES = 64
_TOUCHING = 1e-9  # degrees, 0.1 mm
_REACH = 5  # degrees of latitude around a band where neighbours are looked for first


def compare(a: str, b: str, ground_a: Any, ground_b: Any) -> tuple[Distance, tuple[int, int] | None]:
    """Two splits.

    Args:
        a: name of the first.
        b: name of the second.
        ground_a: `(N,)` footprints of the first, at least one, none of them None.
        ground_b: the same of the second.

    Returns:
        How near they come, and the positions of a sample of each that show the same ground, if any do.
    """
    (distinct_a, first_a, counts_a), (distinct_b, first_b, counts_b) = _distinct(ground_a), _distinct(ground_b)
    shared = _overlapping(distinct_a, distinct_b)
    minimum, near = _nearness(distinct_a, distinct_b)
    distance = Distance(
        splits=(a, b),
        samples=(int(counts_a.sum()), int(counts_b.sum())),
        minimum_m=0.0 if shared else minimum,
        overlapping=int(counts_b[list(shared)].sum()),
        within_1km=int(counts_b[near].sum()),
    )
    one = min(shared, default=None)
    return distance, None if one is None else (first_a[shared[one]], first_b[one])


def _distinct(shapes: Any) -> tuple[Any, list[int], Any]:
    """Footprints without repeats, the position of the first of each, and how many share it."""
    import shapely

    where: dict[bytes, int] = {}
    first: list[int] = []
    counts: list[int] = []
    for position, data in enumerate(shapely.to_wkb(shapes)):
        at = where.setdefault(data, len(where))
        if at == len(first):
            first.append(position)
            counts.append(0)
        counts[at] += 1
    return shapes[first], first, np.array(counts, np.int64)


def _overlapping(ground_a: Any, ground_b: Any) -> dict[int, int]:
    """Of the second, those that show what one of the first shows, each with that one.

    Where a centre lies in the other footprint, nothing else is asked: stacks of images over one place take no longer
    than others. What overlaps without that is compared with the first few it could overlap.
    """
    import shapely

    found: dict[int, int] = {}
    tree = shapely.STRtree(ground_a)
    of_b, of_a = tree.query_nearest(_centres(ground_b), max_distance=_TOUCHING, all_matches=False)
    found.update(zip(of_b.tolist(), of_a.tolist(), strict=True))
    rest = np.setdiff1d(np.arange(len(ground_b)), of_b)
    centres = shapely.STRtree(_centres(ground_a))
    within, of_a = centres.query_nearest(ground_b[rest], max_distance=_TOUCHING, all_matches=False)
    found.update(zip(rest[within].tolist(), of_a.tolist(), strict=True))
    for b in np.setdiff1d(rest, rest[within]).tolist():
        near = tree.query(ground_b[b])[:_CANDIDATES]
        valid_a, valid_b = shapely.make_valid(ground_a[near]), shapely.make_valid(ground_b[b])
        shared = shapely.area(shapely.intersection(valid_a, valid_b))
        is_shared = shared > _SHARED * np.minimum(shapely.area(valid_a), shapely.area(valid_b))
        if is_shared.any():
            found[b] = int(near[np.argmax(is_shared)])
    return found


def _centres(ground: Any) -> Any:
    """A point in the middle of each; of its largest part, as two parts lie at both ends of the antimeridian."""
    import shapely

    centres = shapely.centroid(ground)
    several = np.flatnonzero(shapely.get_num_geometries(ground) > 1)
    for position in several:
        parts = shapely.get_parts(ground[position])
        centres[position] = shapely.centroid(parts[np.argmax(shapely.area(parts))])
    return centres


def _nearness(ground_a: Any, ground_b: Any) -> tuple[float, Any]:
    """Metres between the nearest two, and which of the second lie within a kilometre of one of the first."""
    import pyproj
    import shapely

    geod, minimum = pyproj.Geod(ellps="WGS84"), float("inf")
    near = np.zeros(len(ground_b), dtype=bool)
    latitude_a, latitude_b = (_latitudes(ground) for ground in (ground_a, ground_b))
    for band in np.unique(np.floor(latitude_b)):
        of_b = np.flatnonzero(np.floor(latitude_b) == band)
        of_a = np.flatnonzero(np.abs(latitude_a - band) <= _REACH)
        of_a = of_a if len(of_a) else np.arange(len(ground_a))
        stretch = np.array([max(np.cos(np.radians(band + 0.5)), 1e-3), 1.0])
        plane_a, plane_b = (
            shapely.transform(shapes, lambda xy, stretch=stretch: xy * stretch)
            for shapes in (ground_a[of_a], ground_b[of_b])
        )
        tree = shapely.STRtree(plane_a)
        (rows, nearest), distances = tree.query_nearest(plane_b, return_distance=True, all_matches=False)
        near[of_b[rows[distances <= _NEAR_M / _METRES]]] = True
        best = int(np.argmin(distances))
        line = shapely.shortest_line(plane_a[nearest[best]], plane_b[rows[best]])
        (x0, y0), (x1, y1) = shapely.get_coordinates(line) / stretch
        minimum = min(minimum, float(geod.inv(x0, y0, x1, y1)[2]))
    return minimum, near


def _latitudes(ground: Any) -> Any:
    import shapely

    bounds = shapely.bounds(ground)
    return (bounds[:, 1] + bounds[:, 3]) / 2

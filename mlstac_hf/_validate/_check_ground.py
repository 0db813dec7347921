"""Where samples lie to each other: ground that two splits share, and how near they come.

Owns: footprints of splits against each other. Leaves to others: one sample's place (`_check_metadata`), making
footprints (`conditions`). Distances are taken on a plane that fits each degree of latitude, and the smallest is
measured on the ellipsoid; the antimeridian is a border here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np

from mlstac_hf._conditions._footprints import footprints
from mlstac_hf._errors import MissingExtraError, UnknownNameError
from mlstac_hf._reading._index import table_index
from mlstac_hf._validate._check import Check
from mlstac_hf._validate._report import Distance
from mlstac_hf._validate._scan import Part, Seen

_MOST = 200_000
"""Samples of a split whose place is kept; of those that follow none is."""
_NEAR_M = 1000
_METRES = 111_195  # to a degree of latitude
_SHARED = 0.01  # of the smaller footprint: neighbours in a grid share a border, and no ground
_CANDIDATES = 64
_TOUCHING = 1e-9  # degrees, 0.1 mm
_REACH = 5  # degrees of latitude around a band where neighbours are looked for first
_UNKNOWN = (np.nan,) * 6


@dataclass
class _Places:
    """Of the samples of one split."""

    part: Part
    indices: list[int] = field(default_factory=list)
    crs: list[str | None] = field(default_factory=list)
    transforms: list[tuple[float, ...]] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)


class GroundCheck(Check):
    """See the module."""

    name = "ground"

    def __init__(self, survey: Any) -> None:
        super().__init__(survey)
        self._splits: dict[str, _Places] = {}

    def sample(self, part: Part, seen: Seen) -> None:
        """Its place is kept until all are known."""
        places = self._splits.setdefault(part.name, _Places(part))
        if len(places.indices) >= _MOST:
            return
        transform, crs = seen.facts.get("geotransform"), seen.facts.get("crs")
        places.indices.append(seen.index)
        places.crs.append(crs if isinstance(crs, str) else None)
        places.transforms.append(transform if isinstance(transform, tuple) else _UNKNOWN)
        places.sizes.append(seen.size)

    def end(self) -> None:
        """Footprints of all splits, two splits at a time."""
        try:
            known = {name: self._footprints(places) for name, places in self._splits.items()}
        except MissingExtraError:
            self.say("N901", "distances between splits: pyproj and shapely are needed; pip install 'mlstac-hf[select]'")
            return
        for a, b in combinations([name for name, found in known.items() if len(found[0])], 2):
            self._compare(a, b, known[a], known[b])

    def _footprints(self, places: _Places) -> tuple[Any, list[int]]:
        """Footprints that are known, and of which samples."""
        transforms = np.array(places.transforms, np.float64).reshape(-1, 6)
        sizes = np.array(places.sizes, np.int64).reshape(-1, 2)
        found = footprints(places.crs, transforms, sizes)
        usable = [i for i, shape in enumerate(found) if shape is None and self._is_whole(places, i)]
        for i in usable:
            numbers = ", ".join(f"{value:g}" for value in places.transforms[i])
            message = f"{places.crs[i]} with geotransform {numbers} and {places.sizes[i]} pixels is nowhere on Earth"
            self.say("W410", message, places.part.place(places.indices[i]))
        source = places.part.containers
        if source is not None and source.table is not None:
            all_rows = source.table_rows()
            rows = [all_rows[index] for index in places.indices]
            try:
                told = table_index(source.split, source.table, rows).geometries()
            except UnknownNameError:
                told = found
            found = np.array([*(a if a is not None else b for a, b in zip(found, told, strict=True)), None], object)[
                :-1
            ]
        kept = [i for i, shape in enumerate(found) if shape is not None]
        return found[kept], [places.indices[i] for i in kept]

    def _is_whole(self, places: _Places, i: int) -> bool:
        """Whether all that makes a footprint is there and in itself right."""
        _, width, row_rotation, _, column_rotation, height = places.transforms[i]
        crs = places.crs[i]
        spans = width * height - row_rotation * column_rotation
        return crs is not None and bool(np.isfinite(spans) and spans) and all(places.sizes[i]) and _has_ground(crs)

    def _compare(self, a: str, b: str, of_a: tuple[Any, list[int]], of_b: tuple[Any, list[int]]) -> None:
        (ground_a, _, counts_a), (ground_b, first_b, counts_b) = (_distinct(*found) for found in (of_a, of_b))
        shared = _overlapping(ground_a, ground_b)
        minimum, near = _nearness(ground_a, ground_b)
        overlapping = int(counts_b[list(shared)].sum())
        total_a, total_b = int(counts_a.sum()), int(counts_b.sum())
        self.survey.distances.append(
            Distance(
                splits=(a, b),
                samples=(total_a, total_b),
                minimum_m=0.0 if shared else minimum,
                overlapping=overlapping,
                within_1km=int(counts_b[near].sum()),
            )
        )
        if shared:
            parts = self._splits[a].part, self._splits[b].part
            one = min(shared)
            other = of_a[1][_index_of(of_a[0], ground_a[shared[one]])]
            message = f"{overlapping:,} of {total_b:,} samples of {b} show ground that {a} shows too, such as sample "
            place = parts[1].place(first_b[one])
            self.say("W605", f"{message}{first_b[one]} here and {parts[0].place(other)}", replace(place, span=None))


@lru_cache(maxsize=4096)
def _has_ground(crs: str) -> bool:
    """Whether PROJ knows a CRS, and it counts along the ground."""
    import pyproj

    try:
        known = pyproj.CRS.from_authority(*crs.split(":", 1))
    except pyproj.exceptions.ProjError:
        return False
    return bool(known.is_projected or known.is_geographic)


def _distinct(shapes: Any, indices: list[int]) -> tuple[Any, list[int], Any]:
    """Footprints without repeats, the first sample of each, and how many share it."""
    import shapely

    where: dict[bytes, int] = {}
    first: list[int] = []
    counts: list[int] = []
    kept = []
    for position, (data, index) in enumerate(zip(shapely.to_wkb(shapes), indices, strict=True)):
        at = where.setdefault(data, len(where))
        if at == len(first):
            first.append(index)
            counts.append(0)
            kept.append(position)
        counts[at] += 1
    return shapes[kept], first, np.array(counts, np.int64)


def _index_of(shapes: Any, shape: Any) -> int:
    return next(i for i, other in enumerate(shapes) if other is shape)


def _overlapping(ground_a: Any, ground_b: Any) -> dict[int, int]:
    """Of the second, those that show what one of the first shows, each with that one.

    Where a centre lies in the other footprint, nothing else is asked: stacks of images over one place take no longer
    than others. What overlaps without that is compared with the first few it could overlap.
    """
    import shapely

    found: dict[int, int] = {}
    tree = shapely.STRtree(ground_a)
    of_b, of_a = tree.query_nearest(shapely.centroid(ground_b), max_distance=_TOUCHING, all_matches=False)
    found.update(zip(of_b.tolist(), of_a.tolist(), strict=True))
    rest = np.setdiff1d(np.arange(len(ground_b)), of_b)
    centres = shapely.STRtree(shapely.centroid(ground_a))
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

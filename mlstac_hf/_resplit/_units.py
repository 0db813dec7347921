"""Units: samples that may not be torn apart, because they lie near one another or share a value.

Owns: which samples those are. Leaves to others: where samples lie (`_place`), which split a unit goes to (`_shares`).

What is near is found so that no pair is missed: first by boxes around the footprints, grown by half the distance, that
meet; then by the distance, in metres that are nowhere around the two footprints longer than real ones. Samples that are
up to about a hundredth further apart than asked for may be kept together too; near the poles, or where footprints or
the distance measure many degrees, it may be more.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mlstac_hf._conditions._wgs84 import Geometries

_Numbers = NDArray[np.int64]
_Floats = NDArray[np.float64]
_Pairs = tuple[_Numbers, _Numbers, _Floats]

_EASTWARD, _NORTHWARD = 6_378_137.0, 6_335_439.0
"""Metres to a radian on WGS84, at least: along a parallel (times the cosine of its latitude), and along a meridian."""
_LONGEST = 6_399_594.0
"""The same, at most."""
_TURN, _POLE = 360.0, 90.0  # degrees
_SLACK_M = 0.001  # footprints that share a border do not always share it to the last digit
_QUERIES, _PAIRS = 64, 4096  # boxes looked up at once, each of which may meet all others, and pairs measured at once
_FIRST_MULTI = 4  # shapely's types from here on have parts


class Units:
    """A forest over the numbers of samples: a unit's root is the first of its samples."""

    def __init__(self, count: int) -> None:
        self._parents: _Numbers = np.arange(count)

    def of(self, samples: _Numbers) -> _Numbers:
        """The unit of each."""
        found = self._parents[samples]
        while ((above := self._parents[found]) != found).any():
            found = above
        self._parents[samples] = found
        return found

    def join(self, some: _Numbers, others: _Numbers) -> None:
        """Put each of `some` into one unit with its counterpart in `others`."""
        while True:
            some, others = self.of(some), self.of(others)
            apart = some != others
            if not apart.any():
                return
            some, others = some[apart], others[apart]
            np.minimum.at(self._parents, np.maximum(some, others), np.minimum(some, others))

    def join_equal(self, values: Sequence[Hashable]) -> None:
        """Put samples of the same value into one unit; None is no value."""
        firsts: dict[Hashable, int] = {}
        first = [at if value is None else firsts.setdefault(value, at) for at, value in enumerate(values)]
        self.join(np.arange(len(first)), np.array(first, np.int64))

    def join_near(self, shapes: Geometries, distance_m: float) -> None:
        """Put samples into one unit that are not further apart than a distance.

        Args:
            shapes: `(N,)` shapely geometries in longitude and latitude; none is None or empty.
            distance_m: in metres; with 0, samples that overlap or touch.
        """
        parts, owners = _parts(shapes)
        if not len(parts):
            return
        distance_m += _SLACK_M
        boxes = _grown(parts, distance_m)
        # Of a dense place little is looked at: one part of each cell of a grid, whose parts belong together in any
        # case, and then those cells which may still be near a unit of others.
        cells, firsts = _cells(parts, distance_m)
        self.join(owners, owners[firsts][cells])
        self._join_near(parts[firsts], boxes[firsts], owners[firsts], distance_m)
        if len(firsts) < len(parts):
            unsettled = np.zeros(len(firsts), bool)
            for one, other, _ in self._apart(_around(boxes, cells), owners[firsts]):
                unsettled[one] = unsettled[other] = True
            rest = np.flatnonzero(unsettled[cells])
            self._join_near(parts[rest], boxes[rest], owners[rest], distance_m)

    def _join_near(self, parts: Geometries, boxes: _Floats, owners: _Numbers, distance_m: float) -> None:
        for one, other, turn in self._apart(boxes, owners):
            near = _is_wide(boxes[one]) | _is_wide(boxes[other])
            rest = np.flatnonzero(~near)
            some, others = one[rest], other[rest]
            poleward = np.abs(np.hstack([boxes[some][:, 1::2], boxes[others][:, 1::2]])).max(axis=1, initial=0)
            near[rest] = _distances(parts[some], parts[others], turn[rest], poleward) <= distance_m
            self.join(owners[one[near]], owners[other[near]])

    def _apart(self, boxes: _Floats, owners: _Numbers) -> Iterator[_Pairs]:
        """Pairs of boxes that meet and do not belong together yet."""
        if not len(boxes):
            return
        for lookup, (one, other, turn) in enumerate(_meeting(boxes)):
            for start in range(0, len(one), _PAIRS):
                part = slice(start, start + _PAIRS)
                apart = self.of(owners[one[part]]) != self.of(owners[other[part]])
                if apart.any():
                    yield one[part][apart], other[part][apart], turn[part][apart]
            if not lookup & (lookup + 1) and (self.of(owners) == self.of(owners[:1])).all():
                return  # all are one unit; looked at now and then


def _parts(shapes: Geometries) -> tuple[Geometries, _Numbers]:
    """Points, lines and polygons, west of each from -180 to 180, and the number of the sample that each is part of."""
    import shapely

    parts, owners = shapely.get_parts(shapes, return_index=True)
    while (shapely.get_type_id(parts) >= _FIRST_MULTI).any():
        parts, inner = shapely.get_parts(parts, return_index=True)
        owners = owners[inner]
    has_place = ~shapely.is_empty(parts)
    parts, owners = parts[has_place], owners[has_place]
    turns = -_TURN * np.floor((shapely.bounds(parts)[:, 0] + _TURN / 2) / _TURN)
    return _changed(parts, turns, np.ones((len(parts), 2))), owners


def _changed(parts: Geometries, east: _Floats, factors: _Floats) -> Geometries:
    """Parts moved east, then their coordinates times `(N, 2)` factors."""
    import shapely

    coordinates, of = shapely.get_coordinates(parts, return_index=True)
    coordinates[:, 0] += east[of]
    changed: Geometries = shapely.set_coordinates(parts.copy(), coordinates * factors[of])
    return changed


def _grown(parts: Geometries, distance_m: float) -> _Floats:
    """West, south, east, north around each part, in degrees, that no way of half the distance leaves: `(N, 4)`."""
    import shapely

    west, south, east, north = shapely.bounds(parts).T
    up = np.degrees(distance_m / 2 / _NORTHWARD)
    cosine = np.cos(np.radians(np.minimum(np.maximum(np.abs(south), np.abs(north)) + up, _POLE)))
    along = np.degrees(distance_m / 2 / (_EASTWARD * cosine))
    # around a pole, or the better part of the way around the Earth: all the way
    wide = east - west + 2 * along >= _TURN / 2
    west, east = np.where(wide, -2 * _TURN, west - along), np.where(wide, 2 * _TURN, east + along)
    return np.stack([west, south - up, east, north + up], axis=1)


def _is_wide(boxes: _Floats) -> NDArray[np.bool_]:
    """Which go all the way around the Earth."""
    wide: NDArray[np.bool_] = boxes[:, 0] <= -2 * _TURN
    return wide


def _cells(parts: Geometries, distance_m: float) -> tuple[_Numbers, _Numbers]:
    """The cell that each part begins in, no two places of which are further apart, and the first part of each cell."""
    import shapely

    coordinates, of = shapely.get_coordinates(parts, return_index=True)
    lon, lat = coordinates[np.searchsorted(of, np.arange(len(parts)))].T
    step = np.degrees(distance_m / 2 / _LONGEST)
    row = np.floor(lat / step)
    widest = np.cos(np.radians(np.minimum(np.abs(row), np.abs(row + 1)) * step))
    column = np.floor(lon / step * widest)
    _, firsts, cells = np.unique(np.stack([row, column], axis=1), axis=0, return_index=True, return_inverse=True)
    return cells.reshape(-1), firsts


def _around(boxes: _Floats, cells: _Numbers) -> _Floats:
    """One box around all of each cell."""
    order = np.argsort(cells, kind="stable")
    starts = np.flatnonzero(np.diff(cells[order], prepend=-1))
    least = np.minimum.reduceat(boxes[order, :2], starts)
    return np.hstack([least, np.maximum.reduceat(boxes[order, 2:], starts)])


def _meeting(boxes: _Floats) -> Iterator[_Pairs]:
    """Pairs of boxes that meet, each once, and how many degrees east the first has to be moved for that."""
    import shapely

    tree = shapely.STRtree(shapely.box(*boxes.T))
    over = np.flatnonzero(~_is_wide(boxes) & (boxes[:, 0] + _TURN <= boxes[:, 2].max()))
    numbers = np.concatenate([np.arange(len(boxes)), over])
    turns = np.repeat([0, _TURN], [len(boxes), len(over)])
    for start in range(0, len(numbers), _QUERIES):
        asked, turn = numbers[start : start + _QUERIES], turns[start : start + _QUERIES]
        west, south, east, north = boxes[asked].T
        query, other = tree.query(shapely.box(west + turn, south, east + turn, north))
        one, turn = asked[query], turn[query]
        once = (one < other) | (turn > 0)
        yield one[once], other[once], turn[once]


def _distances(some: Geometries, others: Geometries, turns: _Floats, poleward: _Floats) -> _Floats:
    """Metres from each to its counterpart, never more than they are.

    Args:
        some: parts.
        others: as many.
        turns: how many degrees east `some` are moved before.
        poleward: the latitude nearest to a pole that the shortest way may lead through.
    """
    import shapely

    eastward = np.radians(_EASTWARD * np.cos(np.radians(poleward)))
    factors = np.stack([eastward, np.full(len(some), np.radians(_NORTHWARD))], axis=1)
    metres: _Floats = shapely.distance(_changed(some, turns, factors), _changed(others, np.zeros(len(others)), factors))
    return metres

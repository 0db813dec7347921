"""Where the samples of each split are, as one picture: a map around them, and the world.

Owns: its extent, its net of degrees, dots and outlines. Leaves to others: how it is known where samples are.
Plate carrée, squeezed so that the middle of the map is true to shape.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlstac_hf._conditions._wgs84 import EAST, POLE, TURN, Geometries, unknown
from mlstac_hf._pictures._colours import FAINT, GREY, INK, LAND, split_colours
from mlstac_hf._pictures._land import outlines
from mlstac_hf._pictures._page import Page, one_line, plain_style

_WIDTH, _HEIGHT, _SIDE, _MARGIN, _LABELS = 1500, 900, 420, 60, 40
_STEPS = (60, 30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
"""Degrees between lines of the net."""
_LINES = 7
"""Of the net across a map, at most."""
_LEAST_DEGREES = 0.01
_WIDE = 50
"""Degrees from which on coarse outlines of land help."""
_SEEN = 3
"""Dots of the picture from which on an outline can be seen."""
_MOST_SHAPES = 20_000

_Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Places:
    """Of one split."""

    shapes: Geometries
    """Distinct ones."""
    centres: _Floats
    """`(N, 2)` longitude and latitude."""
    count: int
    """Of samples."""


def draw_map(places: Mapping[str, Geometries], path: str | os.PathLike[str]) -> None:
    """Draw where samples are.

    Args:
        places: shapely geometries by split, in longitude and latitude; None where unknown.
        path: of the PNG, which is replaced.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ValueError: no place is known.
    """
    import shapely

    known: dict[str, _Places] = {}
    for split, shapes in places.items():
        there = shapes[~unknown(shapes)]
        if len(there):
            _, first = np.unique(shapely.to_wkb(there), return_index=True)  # one place, many dates
            there = there[np.sort(first)]
            known[split] = _Places(there, shapely.get_coordinates(shapely.centroid(there)), len(shapes))
    if not known:
        raise ValueError("expected samples whose place is known, found none")
    colours = split_colours(list(places))
    with plain_style():
        _drawn(known, colours).save(path)


def _drawn(known: Mapping[str, _Places], colours: Mapping[str, str]) -> Page:
    turn = _turn(np.concatenate([found.centres[:, 0] for found in known.values()]))
    west, south, east, north = _extent(known, turn)
    page = Page(_WIDTH, _HEIGHT)
    room = _WIDTH - _SIDE - 3 * _MARGIN - _LABELS, _HEIGHT - 2 * _MARGIN - _LABELS
    squeeze = max(0.1, float(np.cos(np.radians((south + north) / 2))))
    west, south, east, north = _filled(west, south, east, north, squeeze * room[1] / room[0])
    axes = page.axes(_MARGIN + _LABELS, _MARGIN, *room)
    _frame(axes, (west, south, east, north), is_main=True)
    if east - west > _WIDE:
        _land(axes)
    seen = _SEEN * (east - west) / room[0]
    total = sum(len(found.centres) for found in known.values())
    for split, found in known.items():
        _samples(axes, found, turn, colours[split], seen, size=5.5 if total < 500 else 3.5 if total < 20_000 else 1.6)  # noqa: PLR2004 - dots
    side = _WIDTH - _SIDE - _MARGIN
    world = page.axes(side, _MARGIN, _SIDE, _SIDE / 2)
    _frame(world, (-EAST, -POLE, EAST, POLE), is_main=False)
    _land(world)
    for split, found in known.items():
        world.plot(*found.centres.T, "o", color=colours[split], markersize=1.6, markeredgewidth=0, linestyle="none")
    _rectangle(world, (west, south, east, north))
    for number, split in enumerate(known):
        line = _MARGIN + _SIDE / 2 + 60 + 66 * number
        page.rectangle(side, line - 20, 24, 24, colours[split])
        count, distinct = known[split].count, len(known[split].centres)
        label = f"{one_line(split, 18)}: {count:,} sample{'' if count == 1 else 's'}"
        page.text(side + 38, line, label, size=8.5)
        if distinct < count:
            page.text(side + 38, line + 26, f"at {distinct:,} place{'' if distinct == 1 else 's'}", size=7, color=GREY)
    return page


def _turn(longitudes: _Floats) -> float:
    """Where to cut the globe open so that samples on both sides of the antimeridian lie together."""
    return TURN if np.ptp(longitudes) > EAST and np.ptp(longitudes % TURN) < np.ptp(longitudes) else 0.0


def _moved(longitudes: Any, turn: float) -> Any:
    return longitudes % TURN if turn else longitudes


def _extent(known: Mapping[str, _Places], turn: float) -> tuple[float, float, float, float]:
    """West, south, east, north with a margin."""
    import shapely

    centres = np.concatenate([found.centres for found in known.values()])
    bounds = np.concatenate([shapely.bounds(found.shapes) for found in known.values()])
    half = np.minimum((bounds[:, 2:] - bounds[:, :2]) / 2, EAST / 4)
    x, y = _moved(centres[:, 0], turn), centres[:, 1]
    west, east = float((x - half[:, 0]).min()), float((x + half[:, 0]).max())
    south, north = float((y - half[:, 1]).min()), float((y + half[:, 1]).max())
    margin = 0.06 * max(east - west, north - south, _LEAST_DEGREES)
    return west - margin, max(south - margin, -POLE), east + margin, min(north + margin, POLE)


def _filled(west: float, south: float, east: float, north: float, ratio: float) -> tuple[float, float, float, float]:
    """Grown to a ratio of degrees north to degrees east, and no further than the globe."""
    wide = min(TURN, max(east - west, (north - south) / ratio))
    tall = min(2 * POLE, wide * ratio)
    x, y = (west + east) / 2, (south + north) / 2
    y = min(max(y, -POLE + tall / 2), POLE - tall / 2)
    return x - wide / 2, y - tall / 2, x + wide / 2, y + tall / 2


def _frame(axes: Any, extent: tuple[float, float, float, float], *, is_main: bool) -> None:
    west, south, east, north = extent
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_facecolor("#f7f9fb")
    step = (
        next((step for step in _STEPS[::-1] if max(north - south, east - west) / step <= _LINES), _STEPS[0])
        if is_main
        else 60
    )
    lines = [
        np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step for low, high in ((west, east), (south, north))
    ]
    axes.set_xticks(lines[0])
    axes.set_yticks(lines[1])
    axes.grid(visible=True, color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=6.5, labelcolor=GREY, pad=3)
    digits = max(0, -int(np.floor(np.log10(step)))) if step < 1 else 0
    if is_main:
        axes.set_xticklabels([_degrees((x + EAST) % TURN - EAST, "E", "W", digits) for x in lines[0]])
        axes.set_yticklabels([_degrees(y, "N", "S", digits) for y in lines[1]], rotation=90, va="center")
    else:
        axes.set_xticklabels([])
        axes.set_yticklabels([])
    for spine in axes.spines.values():
        spine.set(color=FAINT, linewidth=0.8)


def _degrees(value: float, positive: str, negative: str, digits: int) -> str:
    side = positive if value > 0 else negative if value < 0 else ""
    return f"{abs(value):.{digits}f}°{side}"


def _land(axes: Any) -> None:
    from matplotlib.collections import PolyCollection

    shapes = [outline + np.array([shift, 0]) for outline in outlines() for shift in (-TURN, 0, TURN)]
    axes.add_collection(
        PolyCollection(shapes, facecolors=LAND, edgecolors="#cfd4db", linewidths=0.4, zorder=0.5), autolim=False
    )


def _samples(axes: Any, found: _Places, turn: float, colour: str, seen: float, *, size: float) -> None:
    """Outlines of those that are large enough to be seen, dots for the others."""
    import shapely
    from matplotlib.collections import PolyCollection

    bounds = shapely.bounds(found.shapes)
    large = (bounds[:, 2] - bounds[:, 0] >= 4 * seen) & (bounds[:, 2] - bounds[:, 0] < EAST)
    shown = np.flatnonzero(large)[:_MOST_SHAPES]
    rings = [
        np.column_stack([_moved(xy[:, 0], turn), xy[:, 1]])
        for part in shapely.get_parts(found.shapes[shown])
        if shapely.get_type_id(part) == _POLYGON
        for xy in [shapely.get_coordinates(shapely.get_exterior_ring(part))]
    ]
    if rings:
        axes.add_collection(
            PolyCollection(rings, facecolors=f"{colour}55", edgecolors=colour, linewidths=0.7), autolim=False
        )
    small = found.centres[~large]
    axes.plot(
        _moved(small[:, 0], turn),
        small[:, 1],
        "o",
        color=colour,
        markersize=size,
        markeredgewidth=0.4,
        markeredgecolor="white",
        linestyle="none",
    )


_POLYGON = 3  # shapely's number for the type


def _rectangle(axes: Any, extent: tuple[float, float, float, float]) -> None:
    """Where the map lies in the world; large enough to be found."""
    from matplotlib.patches import Rectangle

    west, south, east, north = extent
    wide, tall = max(east - west, 8), max(north - south, 8)
    x, y = (west + east) / 2 - wide / 2, (south + north) / 2 - tall / 2
    for shift in (-TURN, 0, TURN):
        axes.add_patch(Rectangle((x + shift, y), wide, tall, fill=False, edgecolor=INK, linewidth=0.9, clip_on=True))

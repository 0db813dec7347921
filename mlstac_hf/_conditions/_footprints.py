"""Footprints: where rasters lie on Earth, by their geotransform, CRS and size.

Owns: outlines, as shapely geometries in WGS84 longitude, latitude. Leaves to others: where these three come from. They
keep within longitudes -180 to 180, cut in two at the antimeridian as GeoJSON (RFC 7946) wants it. A footprint around a
pole is all that lies between its border and the pole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlstac_hf._conditions._wgs84 import EAST, POLE, TINY, TURN, WEST, Geometries, Geometry, installed
from mlstac_hf._spec import parse_crs

_Floats: TypeAlias = NDArray[np.float64]
_ToDegrees: TypeAlias = Callable[[_Floats, _Floats], tuple[_Floats, _Floats]]
_FOUND_OFF_POLE = 95  # grids with a cell's centre on the pole begin up to half a cell beyond it
_STEEP = 5  # degrees of longitude from one point of a border to the next that ask for points between them
_REFINEMENTS, _MOST_POINTS = 16, 4096  # how often steps are halved, and up to how many points
_BORDER = np.arange(0, 4, 1 / 8)  # around a raster from its first corner, each edge in 8 parts
_CHUNK = 8192  # footprints at once, which keeps them in the CPU's caches


def footprints(
    crs: Sequence[str | None], geotransforms: NDArray[np.float64], sizes: NDArray[np.integer[Any]]
) -> Geometries:
    """The outlines of rasters.

    Args:
        crs: `(N,)` `AUTHORITY:CODE`, None where unknown.
        geotransforms: `(N, 6)` float64 in GDAL order, in units of the CRS, NaN where unknown.
        sizes: `(N, 2)` rows and columns, in pixels; where one is 0, the footprint is the first corner, a point.

    Returns:
        `(N,)` polygons, multi polygons and points; None where a value is unknown, pyproj does not know the CRS, the
        geotransform spans no area, or part of the border is nowhere on Earth.

    Raises:
        MissingExtraError: shapely or pyproj is not installed.
    """
    _, pyproj = installed()
    transforms, counts = (np.asarray(values, np.float64) for values in (geotransforms, sizes))
    found: Geometries = np.full(len(crs), None, dtype=object)
    rows_of: dict[str, list[int]] = {}
    for row, text in enumerate(crs):
        if name := parse_crs(text):
            rows_of.setdefault(name, []).append(row)
    for name, rows in rows_of.items():
        try:
            source = pyproj.CRS.from_authority(*name.split(":"))
            to_degrees = pyproj.Transformer.from_crs(source, "OGC:CRS84", always_xy=True).transform
        except pyproj.exceptions.ProjError:  # unknown, or of another planet
            continue
        if source.is_projected or source.is_geographic:  # others are heights, or count from the centre of the Earth
            for start in range(0, len(rows), _CHUNK):
                part = rows[start : start + _CHUNK]
                found[part] = _outlines(to_degrees, transforms[part], counts[part])
    return found


def boxes(geometries: Geometries) -> _Floats:
    """`(N, 4)` west, south, east, north in degrees; NaN for None and for what is empty.

    West > east where a geometry was cut in two at the antimeridian, as GeoJSON (RFC 7946) has it.
    """
    shapely, _ = installed()
    found: _Floats = shapely.bounds(geometries)
    for row in np.flatnonzero((found[:, 0] <= WEST) & (found[:, 2] >= EAST)):
        parts = shapely.bounds(shapely.get_parts(geometries[row]))
        in_east, in_west = parts[:, 2] >= EAST, parts[:, 0] <= WEST
        if (in_east ^ in_west).all():  # else it lies all around the Earth, or nobody can tell
            found[row, 0], found[row, 2] = parts[in_east, 0].min(), parts[in_west, 2].max()
    return found


@np.errstate(over="ignore", invalid="ignore")
def _outlines(to_degrees: _ToDegrees, transforms: _Floats, sizes: _Floats) -> Geometries:
    """The footprints of rasters in one CRS."""
    shapely, _ = installed()
    found: Geometries = np.full(len(sizes), None, dtype=object)
    is_point: NDArray[np.bool_] = np.any(sizes <= 0, axis=1)
    area = transforms[:, 1] * transforms[:, 5] - transforms[:, 2] * transforms[:, 4]
    lon, lat = _border(to_degrees, transforms, sizes, _BORDER)

    rows = np.flatnonzero(is_point & np.isfinite(lon[:, 0]))
    found[rows] = shapely.points(lon[rows, 0] - TURN * np.round(lon[rows, 0] / TURN), lat[rows, 0])
    rows = np.flatnonzero(~is_point & np.isfinite(lon[:, 0]) & (area != 0))
    steep = (np.abs(_steps(lon[rows])) > _STEEP) | (np.abs(lat[rows]) >= POLE - TINY)
    is_hard = steep.any(axis=1)
    found[rows[~is_hard]] = _polygons(np.unwrap(lon[rows[~is_hard]], period=TURN), lat[rows[~is_hard]])

    # outlines as large as these are often those of many samples
    hard, outline = np.unique(np.hstack([transforms, sizes])[rows[is_hard]], axis=0, return_inverse=True)
    polygons = [_hard_polygon(to_degrees, row[:6], row[6:]) for row in hard]
    found[rows[is_hard]] = np.array([*polygons, None], dtype=object)[outline.reshape(-1)]
    return found


def _border(to_degrees: _ToDegrees, transforms: _Floats, sizes: _Floats, at: _Floats) -> tuple[_Floats, _Floats]:
    """Longitudes and latitudes, `(N, len(at))`, of points on the borders; NaN all along where one is nowhere."""
    columns = sizes[:, 1:] * np.interp(at, range(5), [0, 1, 1, 0, 0])
    rows = sizes[:, :1] * np.interp(at, range(5), [0, 0, 1, 1, 0])
    x0, dx, x_by_row, y0, y_by_column, dy = transforms.T[:, :, None]
    x, y = x0 + columns * dx + rows * x_by_row, y0 + columns * y_by_column + rows * dy
    lon, lat = (degrees.reshape(x.shape) for degrees in to_degrees(x.ravel(), y.ravel()))
    lon[~((np.abs(lon) <= 2 * TURN) & (np.abs(lat) <= _FOUND_OFF_POLE)).all(axis=1)] = np.nan
    return lon, np.clip(lat, -POLE, POLE)


def _steps(lon: _Floats) -> _Floats:
    """Degrees from each longitude to the next, around the ring, the short way."""
    steps = np.diff(lon, append=lon[..., :1])
    return steps - TURN * np.round(steps / TURN)


def _polygons(lon: _Floats, lat: _Floats) -> Geometries:
    """Polygons of `(N, points)` longitudes that may run over the antimeridian, cut there."""
    shapely, _ = installed()
    lon = lon - TURN * np.floor((lon.min(axis=1) + EAST + TINY) / TURN)[:, None]
    lon = np.maximum(np.where(np.abs(lon - EAST) < TINY, EAST, lon), WEST)
    polygons: Geometries = shapely.polygons(np.stack([lon, lat], axis=-1))
    over = lon.max(axis=1) > EAST
    whole = shapely.make_valid(polygons[over])
    beyond = shapely.intersection(whole, shapely.box(EAST, -POLE, 3 * EAST, POLE))
    beyond = shapely.transform(beyond, lambda xy: np.subtract(xy, (TURN, 0)))
    polygons[over] = shapely.union(shapely.intersection(whole, shapely.box(WEST, -POLE, EAST, POLE)), beyond)
    return polygons


def _hard_polygon(to_degrees: _ToDegrees, transform: _Floats, size: _Floats) -> Geometry:
    """A footprint with steep steps along its border: by more points, and up to the pole where it has one inside."""
    shapely, _ = installed()
    at = _BORDER
    for _ in range(_REFINEMENTS):
        (lon,), (lat,) = _border(to_degrees, transform[None], size[None], at)
        is_pole = np.abs(lat) >= POLE - TINY
        steep = (np.abs(_steps(lon)) > _STEEP) & ~is_pole & ~np.roll(is_pole, -1)
        if not steep.any() or len(at) > _MOST_POINTS:
            break
        at = np.sort(np.concatenate([at, (at + np.diff(at, append=4) / 2)[steep]]))
    if np.isnan(lon[0]):
        return None
    if is_pole.sum() == 1:  # a corner at the pole has any longitude: the border begins and ends there
        pole = np.copysign(POLE, lat[is_pole][0])
        lon, lat = (np.roll(degrees, -np.argmax(is_pole))[1:] for degrees in (lon, lat))
    else:
        lon, lat, pole = np.append(lon, lon[0]), np.append(lat, lat[0]), 0
    lon = np.unwrap(lon, period=TURN)
    if not pole and abs(turned := lon[-1] - lon[0]) > EAST:  # eastwards is anticlockwise around the north pole
        is_anticlockwise = transform[1] * transform[5] > transform[2] * transform[4]
        pole = POLE if is_anticlockwise == (turned > 0) else -POLE
    if pole:
        lon, lat = np.append(lon, [lon[-1], lon[0]]), np.append(lat, [pole, pole])
    return shapely.make_valid(_polygons(lon[None], lat[None]))[0]

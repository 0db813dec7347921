"""Places: which area `bbox=` and `intersects=` ask for, where samples lie, and which of them meet it.

Owns: areas and footprints, as shapely geometries in WGS84 longitude, latitude. Leaves to others: where a sample's CRS,
geotransform or geometry column comes from.

What is made here keeps within longitudes -180 to 180, cut in two at the antimeridian as GeoJSON (RFC 7946) wants it.
A footprint around a pole is all that lies between its border and the pole.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlstac_hf._errors import MissingExtraError
from mlstac_hf._spec import parse_crs

BBox: TypeAlias = str | Sequence[float]
"""West, south, east, north in degrees; with heights, west, south, lowest, east, north, highest."""

Geometry: TypeAlias = Any
"""A shapely geometry; shapely has no types."""

Geometries: TypeAlias = NDArray[np.object_]
"""`(N,)` shapely geometries, None where unknown."""

_Floats: TypeAlias = NDArray[np.float64]
_ToDegrees: TypeAlias = Callable[[_Floats, _Floats], tuple[_Floats, _Floats]]

_WEST, _EAST, _TURN, _POLE = -180, 180, 360, 90  # degrees
_TINY = 1e-9  # degrees, 0.1 mm: less than that from a pole, a longitude is noise
_FOUND_OFF_POLE = 95  # grids with a cell's centre on the pole begin up to half a cell beyond it
_STEEP = 5  # degrees of longitude from one point of a border to the next that ask for points between them
_REFINEMENTS, _MOST_POINTS = 16, 4096  # how often steps are halved, and up to how many points
_BORDER = np.arange(0, 4, 1 / 8)  # around a raster from its first corner, each edge in 8 parts
_CHUNK = 8192  # footprints at once, which keeps them in the CPU's caches
_LONGEST = 1_000_000  # characters or bytes of a geometry in a column
_FLAT_WKT = re.compile(r"\s*(MULTI)?(POINT|LINESTRING|POLYGON)", re.IGNORECASE)
_POINT, _POLYGON, _MULTI = 1, 3, 3  # WKB's numbers: point, line, polygon, then the same with 3 added


def parse_bbox(value: BBox) -> tuple[float, float, float, float]:
    """West, south, east, north of `bbox=`, in degrees; west > east crosses the antimeridian.

    Args:
        value: 4 numbers, 6 with heights, which are dropped, or a text of them with commas.

    Raises:
        ValueError: these are no such numbers; the message shows what was found and what to type.

    Example:
        >>> parse_bbox("177,-20,-178,-15")
        (177.0, -20.0, -178.0, -15.0)
    """
    found = f"bbox={value!r:.200}"
    try:
        numbers = [float(number) for number in (value.split(",") if isinstance(value, str) else value)]
        west, south, east, north = _four(numbers)
    except (TypeError, ValueError):
        raise ValueError(
            f"{found} is not understood. Expected west, south, east, north in degrees, such as "
            "(5.9, 45.8, 10.5, 47.8), or 6 numbers with heights"
        ) from None
    _check_degrees(found, (west, east), (south, north))
    if south > north:
        raise ValueError(
            f"{found} has its south {south} above its north {north}. The order is west, south, east, north"
        )
    if min(west, east) < _WEST or max(west, east) > _EAST:
        moved = (-180.0, 180.0) if east - west >= _TURN else (_moved(west), _moved(east))
        raise ValueError(
            f"{found}: longitudes run from -180 to 180 here. Write bbox={(moved[0], south, moved[1], north)}"
        )
    return west, south, east, north


def area_of(bbox: BBox | None = None, intersects: object = None) -> Geometry:
    """The area asked for, as one geometry.

    Args:
        bbox: see `parse_bbox`.
        intersects: a GeoJSON geometry, Feature or FeatureCollection as a mapping or text, or an object with
            `__geo_interface__` or with a `geometry` that has one. Polygons that cross themselves are repaired.

    Raises:
        ValueError: both or none are given, or what is given cannot be read, is empty, or is not in WGS84 longitude
            and latitude.
        MissingExtraError: shapely or pyproj is not installed.
    """
    if (bbox is None) == (intersects is None):
        raise ValueError("give bbox= or intersects=, and not both: STAC API takes one of them")
    shapely, _ = _installed()
    if bbox is not None:
        return _box(*parse_bbox(bbox))
    found = f"intersects={intersects!r:.200}"
    try:
        geojson = _geojson(intersects)
        parts, crs = _parts(geojson), _crs_name(intersects, geojson)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, shapely.errors.ShapelyError) as error:
        raise ValueError(
            f"{found} is not understood ({error!r:.200}). Expected a GeoJSON geometry, such as "
            "{'type': 'Point', 'coordinates': [8.55, 47.37]}, a Feature, or an object with __geo_interface__"
        ) from None
    if crs and crs.rpartition(":")[2] not in {"4326", "4979", "CRS84", "CRS84h"}:
        raise ValueError(f"{found} is in {crs}. Coordinates must be WGS84 longitude, latitude: reproject to EPSG:4326")
    coordinates = shapely.get_coordinates(parts)
    if not len(coordinates):
        raise ValueError(f"{found} is empty. Leave intersects= out to have every sample")
    (west, south), (east, north) = coordinates.min(axis=0).tolist(), coordinates.max(axis=0).tolist()
    _check_degrees(found, (west, east), (south, north))
    if west < _WEST - _TINY or east > _EAST + _TINY:
        raise ValueError(
            f"{found} has longitudes from {west} to {east}, and they run from -180 to 180 here. Move those outside by "
            f"360, to {_moved(west)} and {_moved(east)}, and cut what crosses the antimeridian in two"
        )
    return shapely.union_all(shapely.make_valid(shapely.force_2d(parts)))


def points(wkt: Sequence[str | None]) -> Geometries:
    """`(N,)` geometries from WKT such as `"POINT (8.55 47.37)"`, longitude first; None where it cannot be read.

    Geometry collections, curves and texts above 1 MB are not read.
    """
    shapely, _ = _installed()
    found: Geometries = np.full(len(wkt), None, dtype=object)
    flat = {row: text for row, text in enumerate(wkt) if isinstance(text, str) and _is_flat_wkt(text)}
    with np.errstate(all="ignore"):  # NaN, and numbers too large for a double
        found[list(flat)] = shapely.from_wkt(np.array(list(flat.values()), dtype=object), on_invalid="ignore")
    return _on_earth(found)


def shapes(values: Sequence[object]) -> Geometries:
    """`(N,)` geometries from a column of them; None where one cannot be read, or is not in degrees.

    A geometry that crosses itself is taken as it is: repairing one can take any time, and these are untrusted.

    Args:
        values: WKB, WKT (see `points`), GeoJSON as mapping or text, shapely geometries, and boxes: mappings with
            `xmin`, `ymin`, `xmax`, `ymax`, or sequences of west, south, east, north.
    """
    shapely, _ = _installed()
    found = points([value if isinstance(value, str) else None for value in values])
    flat = {}
    for row, value in enumerate(values):
        if isinstance(value, bytes | bytearray | memoryview):
            if _is_flat_wkb(data := bytes(value)):
                flat[row] = data
        elif value is not None and found[row] is None:
            found[row] = _shape(value)
    with np.errstate(all="ignore"):  # NaN, and numbers too large for a double
        found[list(flat)] = shapely.from_wkb(np.array(list(flat.values()), dtype=object), on_invalid="ignore")
    return _on_earth(found)


def meets(geometries: Geometries, area: Geometry) -> NDArray[np.bool_]:
    """`(N,)` bool: which geometries share a point with the area, borders included; False for None.

    Args:
        geometries: `(N,)`, from any function here.
        area: from `area_of`.
    """
    shapely, _ = _installed()
    met: NDArray[np.bool_] = np.zeros(len(geometries), dtype=bool)
    for turn in (0, _TURN, -_TURN):  # -180 is 180, and columns may count from 0 to 360
        moved = shapely.transform(area, lambda xy, turn=turn: np.add(xy, (turn, 0)))
        shapely.prepare(moved)
        met |= shapely.intersects(moved, geometries)
    return met


def _installed() -> tuple[Any, Any]:
    """Shapely and pyproj."""
    try:
        import pyproj
        import shapely
    except ImportError:
        raise MissingExtraError(
            "bbox= and intersects= need pyproj and shapely, which are not installed. Install them with: "
            "pip install 'mlstac-hf[select]'"
        ) from None
    return shapely, pyproj


def _four(numbers: Sequence[float]) -> tuple[float, float, float, float]:
    west, south, east, north = numbers if len(numbers) != 6 else (*numbers[:2], *numbers[3:5])  # noqa: PLR2004 - 3-D
    return west, south, east, north


def _moved(longitude: float) -> float:
    """A longitude from -360 to 360 within -180 to 180."""
    return longitude if abs(longitude) <= _EAST else round(longitude - math.copysign(_TURN, longitude), 9)


def _check_degrees(found: str, longitudes: Sequence[float], latitudes: Sequence[float]) -> None:
    if not (all(abs(x) <= _TURN for x in longitudes) and all(abs(y) <= _POLE + _TINY for y in latitudes)):
        raise ValueError(
            f"{found} has x from {longitudes[0]} to {longitudes[1]} and y from {latitudes[0]} to {latitudes[1]}. "
            "Coordinates must be WGS84 longitude (-180 to 180) and latitude (-90 to 90), in this order; reproject "
            "others to EPSG:4326"
        )


def _box(west: float, south: float, east: float, north: float) -> Geometry:
    """The box, in two where west > east; one without width or height is a line or a point."""
    shapely, _ = _installed()
    if west > east:
        return shapely.union(_box(west, south, _EAST, north), _box(_WEST, south, east, north))
    return shapely.make_valid(shapely.box(west, south, east, north))


def _geojson(value: Any) -> Any:
    """The mapping behind GeoJSON text, an object with `__geo_interface__`, or a row with a `geometry`."""
    value = json.loads(value) if isinstance(value, str | bytes) else value
    if isinstance(value, Mapping):
        return value
    value = value if hasattr(value, "__geo_interface__") else value.geometry
    return getattr(value, "__geo_interface__", value)


def _parts(geojson: Any) -> list[Geometry]:
    """The geometries of a geometry, Feature or FeatureCollection, without those that are null."""
    from shapely.geometry import shape

    features = geojson["features"] if geojson["type"] == "FeatureCollection" else [geojson]
    geometries = [item["geometry"] if item["type"] == "Feature" else item for item in features]
    return [shape(geometry) for geometry in geometries if geometry is not None]


def _crs_name(value: Any, geojson: Any) -> str | None:
    """The CRS that a geopandas object or GeoJSON of before 2016 names, if any."""
    crs: Any = getattr(value, "crs", None) if hasattr(value, "__geo_interface__") else geojson.get("crs")
    if isinstance(crs, Mapping):
        crs = crs["properties"]["name"]
    elif hasattr(crs, "to_authority"):
        crs = ":".join(crs.to_authority() or ["an unknown CRS"])
    return None if crs is None else str(crs)


def _shape(value: Any) -> Geometry:
    """One geometry of a column that is neither WKB nor WKT."""
    shapely, _ = _installed()
    try:
        if isinstance(value, shapely.Geometry):
            return value
        if isinstance(value, str):
            value = json.loads(value) if len(value) <= _LONGEST else None
        if isinstance(value, Mapping) and "xmin" in value:
            value = [value[key] for key in ("xmin", "ymin", "xmax", "ymax")]
        if isinstance(value, Mapping) or hasattr(value, "__geo_interface__"):
            (geometry,) = _parts(_geojson(value))
            return geometry
        return _box(*_four([float(number) for number in value]))
    except Exception:  # noqa: BLE001 - untrusted: whatever is wrong with it, its place is unknown
        return None


def _on_earth(geometries: Geometries) -> Geometries:
    """Without those whose coordinates are no degrees."""
    shapely, _ = _installed()
    coordinates, index = shapely.get_coordinates(geometries, return_index=True)
    geometries[index[~(np.abs(coordinates) <= (_TURN, _POLE + _TINY)).all(axis=1)]] = None
    return geometries


def _is_flat_wkt(text: str) -> bool:
    """Whether it nests no geometries: GEOS recurses, and what is nested too deep ends the process."""
    return len(text) <= _LONGEST and text.isascii() and _FLAT_WKT.match(text) is not None


def _is_flat_wkb(data: bytes) -> bool:
    """Whether it is a point, line or polygon, or a multi geometry of nothing else; see `_is_flat_wkt`."""
    if len(data) > _LONGEST:
        return False
    try:
        kind, count, _, at = _wkb_header(data, 0)
        if kind <= _POLYGON:
            return True
        (parts,) = count.unpack_from(data, at) if kind <= _POLYGON + _MULTI else (-1,)
        at += count.size
        for _ in range(parts):
            part, count, stride, at = _wkb_header(data, at)
            if part != kind - _MULTI:
                return False
            (rings,) = count.unpack_from(data, at) if part == _POLYGON else (1,)
            at += count.size if part == _POLYGON else 0
            for _ in range(rings):
                at += stride if part == _POINT else count.size + stride * count.unpack_from(data, at)[0]
    except (struct.error, IndexError):
        return False
    return bool(parts >= 0)


def _wkb_header(data: bytes, at: int) -> tuple[int, struct.Struct, int, int]:
    """The kind of a geometry, how its counts are written, bytes to a point, and where its header ends."""
    count = (struct.Struct(">I"), struct.Struct("<I"))[data[at]]
    (code,) = count.unpack_from(data, at + 1)
    axes, kind = divmod(code & 0xFFFF, 1000)  # ISO counts heights and measures in thousands, PostGIS sets bits
    more = (code >> 31 or axes in {1, 3}) + (code >> 30 & 1 or axes in {2, 3})
    return kind, count, 8 * (2 + more), at + (9 if code >> 29 & 1 else 5)


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
    _, pyproj = _installed()
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


@np.errstate(over="ignore", invalid="ignore")
def _outlines(to_degrees: _ToDegrees, transforms: _Floats, sizes: _Floats) -> Geometries:
    """The footprints of rasters in one CRS."""
    shapely, _ = _installed()
    found: Geometries = np.full(len(sizes), None, dtype=object)
    is_point: NDArray[np.bool_] = np.any(sizes <= 0, axis=1)
    area = transforms[:, 1] * transforms[:, 5] - transforms[:, 2] * transforms[:, 4]
    lon, lat = _border(to_degrees, transforms, sizes, _BORDER)

    rows = np.flatnonzero(is_point & np.isfinite(lon[:, 0]))
    found[rows] = shapely.points(lon[rows, 0] - _TURN * np.round(lon[rows, 0] / _TURN), lat[rows, 0])
    rows = np.flatnonzero(~is_point & np.isfinite(lon[:, 0]) & (area != 0))
    steep = (np.abs(_steps(lon[rows])) > _STEEP) | (np.abs(lat[rows]) >= _POLE - _TINY)
    is_hard = steep.any(axis=1)
    found[rows[~is_hard]] = _polygons(np.unwrap(lon[rows[~is_hard]], period=_TURN), lat[rows[~is_hard]])

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
    lon[~((np.abs(lon) <= 2 * _TURN) & (np.abs(lat) <= _FOUND_OFF_POLE)).all(axis=1)] = np.nan
    return lon, np.clip(lat, -_POLE, _POLE)


def _steps(lon: _Floats) -> _Floats:
    """Degrees from each longitude to the next, around the ring, the short way."""
    steps = np.diff(lon, append=lon[..., :1])
    return steps - _TURN * np.round(steps / _TURN)


def _polygons(lon: _Floats, lat: _Floats) -> Geometries:
    """Polygons of `(N, points)` longitudes that may run over the antimeridian, cut there."""
    shapely, _ = _installed()
    lon = lon - _TURN * np.floor((lon.min(axis=1) + _EAST + _TINY) / _TURN)[:, None]
    lon = np.maximum(np.where(np.abs(lon - _EAST) < _TINY, _EAST, lon), _WEST)
    polygons: Geometries = shapely.polygons(np.stack([lon, lat], axis=-1))
    over = lon.max(axis=1) > _EAST
    whole = shapely.make_valid(polygons[over])
    beyond = shapely.intersection(whole, shapely.box(_EAST, -_POLE, 3 * _EAST, _POLE))
    beyond = shapely.transform(beyond, lambda xy: np.subtract(xy, (_TURN, 0)))
    polygons[over] = shapely.union(shapely.intersection(whole, shapely.box(_WEST, -_POLE, _EAST, _POLE)), beyond)
    return polygons


def _hard_polygon(to_degrees: _ToDegrees, transform: _Floats, size: _Floats) -> Geometry:
    """A footprint with steep steps along its border: by more points, and up to the pole where it has one inside."""
    shapely, _ = _installed()
    at = _BORDER
    for _ in range(_REFINEMENTS):
        (lon,), (lat,) = _border(to_degrees, transform[None], size[None], at)
        is_pole = np.abs(lat) >= _POLE - _TINY
        steep = (np.abs(_steps(lon)) > _STEEP) & ~is_pole & ~np.roll(is_pole, -1)
        if not steep.any() or len(at) > _MOST_POINTS:
            break
        at = np.sort(np.concatenate([at, (at + np.diff(at, append=4) / 2)[steep]]))
    if np.isnan(lon[0]):
        return None
    if is_pole.sum() == 1:  # a corner at the pole has any longitude: the border begins and ends there
        pole = np.copysign(_POLE, lat[is_pole][0])
        lon, lat = (np.roll(degrees, -np.argmax(is_pole))[1:] for degrees in (lon, lat))
    else:
        lon, lat, pole = np.append(lon, lon[0]), np.append(lat, lat[0]), 0
    lon = np.unwrap(lon, period=_TURN)
    if not pole and abs(turned := lon[-1] - lon[0]) > _EAST:  # eastwards is anticlockwise around the north pole
        is_anticlockwise = transform[1] * transform[5] > transform[2] * transform[4]
        pole = _POLE if is_anticlockwise == (turned > 0) else -_POLE
    if pole:
        lon, lat = np.append(lon, [lon[-1], lon[0]]), np.append(lat, [pole, pole])
    return shapely.make_valid(_polygons(lon[None], lat[None]))[0]

"""Places: which area `bbox=` and `intersects=` ask for, and which geometries meet it.

Owns: areas, as shapely geometries in WGS84 longitude, latitude. Leaves to others: where samples lie (`_geometries`,
`_footprints`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlstac_hf._conditions._wgs84 import (
    EAST,
    POLE,
    TINY,
    TURN,
    WEST,
    Geometries,
    Geometry,
    box,
    four,
    geojson_of,
    installed,
    parts_of,
)

BBox: TypeAlias = str | Sequence[float]
"""West, south, east, north in degrees; with heights, west, south, lowest, east, north, highest."""


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
        west, south, east, north = four(numbers)
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
    if min(west, east) < WEST or max(west, east) > EAST:
        moved = (-180.0, 180.0) if east - west >= TURN else (_moved(west), _moved(east))
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
    shapely, _ = installed()
    if bbox is not None:
        return box(*parse_bbox(bbox))
    found = f"intersects={intersects!r:.200}"
    try:
        geojson = geojson_of(intersects)
        parts, crs = parts_of(geojson), _crs_name(intersects, geojson)
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
    if west < WEST - TINY or east > EAST + TINY:
        raise ValueError(
            f"{found} has longitudes from {west} to {east}, and they run from -180 to 180 here. Move those outside by "
            f"360, to {_moved(west)} and {_moved(east)}, and cut what crosses the antimeridian in two"
        )
    return shapely.union_all(shapely.make_valid(shapely.force_2d(parts)))


def meets(geometries: Geometries, area: Geometry) -> NDArray[np.bool_]:
    """`(N,)` bool: which geometries share a point with the area, borders included; False for None.

    Args:
        geometries: `(N,)`, from any function here.
        area: from `area_of`.
    """
    shapely, _ = installed()
    met: NDArray[np.bool_] = np.zeros(len(geometries), dtype=bool)
    for turn in (0, TURN, -TURN):  # -180 is 180, and columns may count from 0 to 360
        moved = shapely.transform(area, lambda xy, turn=turn: np.add(xy, (turn, 0)))
        shapely.prepare(moved)
        met |= shapely.intersects(moved, geometries)
    return met


def _moved(longitude: float) -> float:
    """A longitude from -360 to 360 within -180 to 180."""
    return longitude if abs(longitude) <= EAST else round(longitude - math.copysign(TURN, longitude), 9)


def _check_degrees(found: str, longitudes: Sequence[float], latitudes: Sequence[float]) -> None:
    if not (all(abs(x) <= TURN for x in longitudes) and all(abs(y) <= POLE + TINY for y in latitudes)):
        raise ValueError(
            f"{found} has x from {longitudes[0]} to {longitudes[1]} and y from {latitudes[0]} to {latitudes[1]}. "
            "Coordinates must be WGS84 longitude (-180 to 180) and latitude (-90 to 90), in this order; reproject "
            "others to EPSG:4326"
        )


def _crs_name(value: Any, geojson: Any) -> str | None:
    """The CRS that a geopandas object or GeoJSON of before 2016 names, if any."""
    crs: Any = getattr(value, "crs", None) if hasattr(value, "__geo_interface__") else geojson.get("crs")
    if isinstance(crs, Mapping):
        crs = crs["properties"]["name"]
    elif hasattr(crs, "to_authority"):
        crs = ":".join(crs.to_authority() or ["an unknown CRS"])
    return None if crs is None else str(crs)

"""Longitudes and latitudes: shapely's types, boxes, GeoJSON, and the two libraries that know them.

Owns: what everything about places shares. Leaves to others: areas (`_place`), columns (`_geometries`), outlines of
rasters (`_footprints`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlstac_hf._errors import MissingExtraError

Geometry: TypeAlias = Any
"""A shapely geometry; shapely has no types."""

Geometries: TypeAlias = NDArray[np.object_]
"""`(N,)` shapely geometries, None where unknown."""

WEST, EAST, TURN, POLE = -180, 180, 360, 90  # degrees
TINY = 1e-9  # degrees, 0.1 mm: less than that from a pole, a longitude is noise


def unknown(geometries: Geometries) -> NDArray[np.bool_]:
    """`(N,)`, True where there is no geometry."""
    return np.array([geometry is None for geometry in geometries], dtype=bool)


def installed() -> tuple[Any, Any]:
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


def four(numbers: Sequence[float]) -> tuple[float, float, float, float]:
    west, south, east, north = numbers if len(numbers) != 6 else (*numbers[:2], *numbers[3:5])  # noqa: PLR2004 - 3-D
    return west, south, east, north


def box(west: float, south: float, east: float, north: float) -> Geometry:
    """The box, in two where west > east; one without width or height is a line or a point."""
    shapely, _ = installed()
    if west > east:
        return shapely.union(box(west, south, EAST, north), box(WEST, south, east, north))
    return shapely.make_valid(shapely.box(west, south, east, north))


def geojson_of(value: Any) -> Any:
    """The mapping behind GeoJSON text, an object with `__geo_interface__`, or a row with a `geometry`."""
    value = json.loads(value) if isinstance(value, str | bytes) else value
    if isinstance(value, Mapping):
        return value
    value = value if hasattr(value, "__geo_interface__") else value.geometry
    return getattr(value, "__geo_interface__", value)


def parts_of(geojson: Any) -> list[Geometry]:
    """The geometries of a geometry, Feature or FeatureCollection, without those that are null."""
    from shapely.geometry import shape

    features = geojson["features"] if geojson["type"] == "FeatureCollection" else [geojson]
    geometries = [item["geometry"] if item["type"] == "Feature" else item for item in features]
    return [shape(geometry) for geometry in geometries if geometry is not None]

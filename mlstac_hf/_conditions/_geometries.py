"""Columns that hold places: WKT, WKB, GeoJSON and boxes, read without trust.

Owns: what such a column may hold. Leaves to others: which column it is, and what is asked for (`_place`).
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlstac_hf._conditions._wgs84 import (
    POLE,
    TINY,
    TURN,
    Geometries,
    Geometry,
    box,
    four,
    geojson_of,
    installed,
    parts_of,
)

_LONGEST = 1_000_000  # characters or bytes of a geometry in a column
_FLAT_WKT = re.compile(r"\s*(MULTI)?(POINT|LINESTRING|POLYGON)", re.IGNORECASE)
_HEX = re.compile(r"([0-9A-Fa-f]{2}){9,}")
_POINT, _POLYGON, _MULTI = 1, 3, 3  # WKB's numbers: point, line, polygon, then the same with 3 added


def points(wkt: Sequence[object]) -> Geometries:
    """`(N,)` geometries from WKT such as `"POINT (8.55 47.37)"`, longitude first; None where it cannot be read.

    Geometry collections, curves and texts above 1 MB are not read.
    """
    shapely, _ = installed()
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
            `xmin`, `ymin`, `xmax`, `ymax`, or sequences of west, south, east, north. WKB may be in hexadecimal.
    """
    shapely, _ = installed()
    found = points(values)
    flat = {}
    for row, given in enumerate(values):
        value = bytes.fromhex(given) if isinstance(given, str) and _HEX.fullmatch(given) else given
        if isinstance(value, bytes | bytearray | memoryview):
            if _is_flat_wkb(data := bytes(value)):
                flat[row] = data
        elif value is not None and found[row] is None:
            found[row] = _shape(value)
    with np.errstate(all="ignore"):  # NaN, and numbers too large for a double
        found[list(flat)] = shapely.from_wkb(np.array(list(flat.values()), dtype=object), on_invalid="ignore")
    return _on_earth(found)


def _shape(value: Any) -> Geometry:
    """One geometry of a column that is neither WKB nor WKT."""
    shapely, _ = installed()
    try:
        if isinstance(value, shapely.Geometry):
            return value
        if isinstance(value, str):
            value = json.loads(value) if len(value) <= _LONGEST else None
        if isinstance(value, Mapping) and "xmin" in value:
            value = [value[key] for key in ("xmin", "ymin", "xmax", "ymax")]
        if isinstance(value, Mapping) or hasattr(value, "__geo_interface__"):
            (geometry,) = parts_of(geojson_of(value))
            return geometry
        return box(*four([float(number) for number in value]))
    except Exception:  # noqa: BLE001 - untrusted: whatever is wrong with it, its place is unknown
        return None


def _on_earth(geometries: Geometries) -> Geometries:
    """Without those whose coordinates are no degrees."""
    shapely, _ = installed()
    coordinates, index = shapely.get_coordinates(geometries, return_index=True)
    geometries[index[~(np.abs(coordinates) <= (TURN, POLE + TINY)).all(axis=1)]] = None
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

"""Place and time of a sample, as publishers give them.

Owns: what is accepted, and what is said of the rest. Leaves to others: how they are stored (`_encode`), what stored
texts mean (`_spec`). What is unknown is None; nothing is ever invented.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from mlstac_hf._frameworks import to_numpy
from mlstac_hf._spec import Geotransform, format_datetime, parse_crs, parse_datetime, parse_geotransform

_GDAL = "six numbers in GDAL order: x of the upper-left corner, pixel width, row rotation, y, column rotation, height"


def read_crs(value: Any) -> str | None:
    """`AUTHORITY:CODE` of a text, or of a CRS object of rasterio or pyproj.

    Raises:
        ValueError: it is none of these, or has no authority.
    """
    if value is None or value == "":
        return None
    authority = value.to_authority() if hasattr(value, "to_authority") else None
    crs = parse_crs(":".join(map(str, authority)) if authority else value)
    if crs is None:
        raise ValueError(f"crs: expected AUTHORITY:CODE such as 'EPSG:32633', found {value!r:.80}")
    return crs


def read_geotransform(value: Any) -> Geotransform | None:
    """Six finite numbers in GDAL order, of a sequence, array or tensor, a stored text, or an Affine of rasterio.

    All NaN is unknown, as in the columns of our datasets.

    Raises:
        ValueError: these are no such numbers, or they span no area.
    """
    if value is None:
        return None
    found = value.to_gdal() if hasattr(value, "to_gdal") else value
    if isinstance(found, str):
        numbers: tuple[float, ...] = parse_geotransform(found) or ()
    else:
        try:
            numbers = tuple(map(float, to_numpy(found).reshape(-1).tolist()))
        except (TypeError, ValueError):
            numbers = ()
    if len(numbers) != 6:  # noqa: PLR2004 - a geotransform has six numbers
        raise ValueError(f"geotransform: expected {_GDAL}; found {value!r:.80}")
    if all(map(math.isnan, numbers)):
        return None
    x, width, row, y, column, height = numbers
    if not all(map(math.isfinite, numbers)) or width * height - row * column == 0:
        raise ValueError(f"geotransform: expected {_GDAL}, all finite, spanning an area; found {numbers}")
    if width == y == 0:
        raise ValueError(
            f"geotransform: {numbers} look like the order of rasterio's Affine, expected {_GDAL}. "
            "Pass the Affine itself, or its to_gdal()"
        )
    return (x, width, row, y, column, height)


def read_time(value: Any, name: str) -> datetime | None:
    """A time in UTC, of a `datetime` (naive ones are UTC), a `numpy.datetime64` or ISO 8601 text.

    Raises:
        ValueError: it is none of these.
    """
    if value is None or value == "" or value != value:  # noqa: PLR0124 - NaT is not itself
        return None
    time: datetime | None = None
    found = value.astype("datetime64[us]").item() if isinstance(value, np.datetime64) else value
    if isinstance(found, datetime):
        time = parse_datetime(found.isoformat())
    elif isinstance(found, date):
        time = datetime(found.year, found.month, found.day, tzinfo=UTC)
    elif isinstance(found, str):
        time = parse_datetime(found)
    if time is None:
        raise ValueError(
            f"{name}: expected a datetime or ISO 8601 text such as '2020-05-03T10:15:30Z', found {value!r:.80}"
        )
    return time


def check_interval(start: datetime | None, end: datetime | None) -> None:
    """Refuse an interval that ends before it starts.

    Raises:
        ValueError: it does; the message shows both ends.
    """
    if start is not None and end is not None and end < start:
        raise ValueError(
            f"end_datetime: expected {format_datetime(start)}, the start, or later; found {format_datetime(end)}"
        )

"""Samples as STAC Items, one row each, in the columns of STAC-GeoParquet.

Owns: what an Item says of a sample. Leaves to others: where samples are (`_footprints`, `_index`), the file
(`_stac_geoparquet`), the collection's own document (`Collection.to_stac`).

An Item has the sample's id, its footprint, its time, the publisher's keys as properties, and one asset, `data`. Nothing
is invented: a sample without place has a null geometry and no box, one without time a null `datetime`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import shapely

from mlstac_hf._conditions._footprints import boxes, footprints
from mlstac_hf._conditions._wgs84 import unknown
from mlstac_hf._convert._destination import Destination
from mlstac_hf._errors import SchemaMismatchError
from mlstac_hf._reading import Location, SampleHead, Source
from mlstac_hf._reading._heads import heads
from mlstac_hf._reading._index import image_size, stated_places
from mlstac_hf._spec import STANDARD_KEYS, Collection, free_names

STAC_VERSION = "1.1.0"
PROJECTION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
OWN = "own:"
"""Before the names of the publisher's keys, until all of them are known; see `property_names`."""
TIMES = pa.timestamp("us", "UTC")
ALWAYS = (
    "type",
    "stac_version",
    "stac_extensions",
    "id",
    "geometry",
    "bbox",
    "datetime",
    "links",
    "assets",
    "mlhf:split",
)
"""Columns that stay where no row has a value; the others are left out then, for STAC refuses null in most of them."""
_TAKEN = frozenset(
    (
        *ALWAYS,
        *("collection", "properties", "start_datetime", "end_datetime"),
        # what STAC and its extensions give a type that a publisher's text or number need not have
        *("created", "updated", "published", "unpublished", "expires", "gsd", "bands", "instruments", "providers"),
        *("keywords", "roles", "description", "license"),
    )
)
_TEXTS = ("title", "platform", "constellation", "mission")
"""Names of STAC's own that any text will do for."""
_STRUCT_BOX = pa.struct([(name, pa.float64()) for name in ("xmin", "ymin", "xmax", "ymax")])
_LINK = pa.struct([(name, pa.string()) for name in ("rel", "href", "type")])
_FILE = [("href", pa.string()), ("type", pa.string()), ("roles", pa.list_(pa.string()))]
_RANGE = [("mlhf:byte_offset", pa.int64()), ("mlhf:byte_length", pa.int64())]
_UNKNOWN = (np.nan,) * 6
_TOLERANCE = 1e-7  # degrees, 1 cm: a small raster has four corners then, not 32 points


@dataclass(frozen=True, kw_only=True)
class Items:
    """The Items of one split."""

    collection: Collection
    source: Source
    destination: Destination
    main: Location
    """Of `main.json`."""

    def batches(self, faults: list[str], *, skip: bool) -> Iterator[Any]:
        """Record batches, one row a sample; the publisher's keys under `own:<key>`.

        Args:
            faults: the messages of samples that cannot be read are added to it.
            skip: whether to leave those out.

        Raises:
            SampleError, LinkRefusedError, StoreError: see `heads`.
            SchemaMismatchError: a value that is not of the type of its column.
        """
        yield self._batch([])  # all columns there are, of a split without samples too
        for window in heads(self.source, faults, skip=skip):
            rows = [_Row(self.source, index, head) for index, head in window if head is not None]
            if rows:
                yield self._batch(rows)

    def _batch(self, rows: Sequence[_Row]) -> Any:
        transforms = [row.facts["geotransform"] for row in rows]
        places = shapely.simplify(_places(rows), _TOLERANCE)
        is_nowhere = unknown(places)
        around = boxes(places)
        start, end = ([row.facts[name] for row in rows] for name in ("start_datetime", "end_datetime"))
        columns: dict[str, Any] = {
            "type": _texts(["Feature"] * len(rows)),
            "stac_version": _texts([STAC_VERSION] * len(rows)),
            "stac_extensions": pa.array(
                [[PROJECTION] if row.facts["crs"] else [] for row in rows], pa.list_(pa.string())
            ),
            "id": _texts([row.facts["id"] for row in rows]),
            "geometry": pa.array(shapely.to_wkb(places, flavor="iso"), pa.binary()),
            "bbox": pa.StructArray.from_arrays(
                [pa.array(side) for side in around.T], fields=list(_STRUCT_BOX), mask=pa.array(is_nowhere)
            ),
            "datetime": pa.array(list(map(_nominal, start, end)), TIMES),
            # STAC wants both or none
            "start_datetime": pa.array([a if b else None for a, b in zip(start, end, strict=True)], TIMES),
            "end_datetime": pa.array([b if a else None for a, b in zip(start, end, strict=True)], TIMES),
            "proj:code": _texts([row.facts["crs"] for row in rows]),
            "proj:transform": pa.array([value and _affine(value) for value in transforms], pa.list_(pa.float64())),
            "proj:shape": pa.array([row.size if all(row.size) else None for row in rows], pa.list_(pa.int64())),
            "mlhf:split": _texts([self.source.split] * len(rows)),
            **self._collection(len(rows)),
            "assets": self._assets(rows),
            **self._own(rows),
        }
        return pa.record_batch(columns)

    def _collection(self, count: int) -> dict[str, Any]:
        """The link to the collection, which STAC refuses to Items of one without an id."""
        if not self.collection.id:
            return {"links": pa.array([[]] * count, pa.list_(_LINK))}
        link = {"rel": "collection", "href": self.destination.href(self.main), "type": "application/json"}
        return {
            "collection": _texts([self.collection.id.encode(errors="replace").decode()] * count),
            "links": pa.array([[link]] * count, pa.list_(_LINK)),
        }

    def _assets(self, rows: Sequence[_Row]) -> Any:
        in_containers = len(self.source) > 0 and self.source.location(0).start is not None
        fields = [*_FILE, *_RANGE] if in_containers else _FILE
        return pa.array(
            [{"data": _asset(row.location, self.destination)} for row in rows],
            pa.struct([("data", pa.struct(fields))]),
        )

    def _own(self, rows: Sequence[_Row]) -> dict[str, Any]:
        kinds: dict[str, str] = {}
        for row in rows:
            kinds |= {key: kind for key, kind in row.keys.items() if kinds.get(key, "null") == "null"}
        return {OWN + key: self._column(key, kind, [row.facts.get(key) for row in rows]) for key, kind in kinds.items()}

    def _column(self, key: str, kind: str, values: list[Any]) -> Any:
        known = pa.string() if kind in ("null", "string") else pa.from_numpy_dtype(np.dtype(kind))
        try:
            return pa.array(values, known)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
            raise SchemaMismatchError(
                f"split {self.source.split!r}: expected {key!r} to be {known} in all samples, found another type: "
                f"{error}. A table has one type a column; convert the splits that were joined one at a time."
            ) from None


class _Row:
    """What is known of one sample."""

    def __init__(self, source: Source, index: int, head: SampleHead) -> None:
        self.facts: dict[str, Any] = source.metadata(index, head)
        self.keys: Mapping[str, str] = source.keys(head)
        self.location = source.location(index)
        self.size = image_size(head)
        self.raw = head.raw


def property_names(keys: Mapping[str, Any]) -> dict[str, str]:
    """Column by key of the publisher's: the key itself, or `meta_<key>` where STAC means something else by it.

    Args:
        keys: with the Arrow type of each.

    Example:
        >>> property_names({"cloud": pa.float64(), "datetime": pa.string(), "proj:epsg": pa.int64()})
        {'cloud': 'cloud', 'datetime': 'meta_datetime', 'proj:epsg': 'meta_proj:epsg'}
    """
    taken = _TAKEN | {key for key in keys if key in _TEXTS and not pa.types.is_string(keys[key])}
    return free_names(keys, lambda name: name in taken or name.startswith("proj:"))


def _places(rows: Sequence[_Row]) -> np.ndarray[Any, Any]:
    """Footprints; of a datapoint without one, what the table beside its container says."""
    transforms = [row.facts["geotransform"] or _UNKNOWN for row in rows]
    found = footprints(
        [row.facts["crs"] for row in rows],
        np.array(transforms, np.float64).reshape(-1, 6),
        np.array([row.size for row in rows], np.int64).reshape(-1, 2),
    )
    lacking = [at for at in np.flatnonzero(unknown(found)).tolist() if rows[at].location.start is not None]
    if lacking:
        names = {name for at in lacking for name in rows[at].raw if name not in STANDARD_KEYS}
        found[lacking] = stated_places(
            {name: [rows[at].raw.get(name) for at in lacking] for name in names}, len(lacking)
        )
    return found


def _texts(values: Sequence[Any]) -> Any:
    return pa.array(values, pa.string())


def _nominal(start: datetime | None, end: datetime | None) -> datetime | None:
    """STAC's `datetime`: null for an interval, whose ends stand beside it."""
    return start if end is None or start == end else None


def _affine(geotransform: Sequence[float]) -> list[float]:
    """GDAL's order in that of `proj:transform`."""
    x, width, row_rotation, y, column_rotation, height = geotransform
    return [width, row_rotation, x, column_rotation, height, y]


def _asset(location: Location, destination: Destination) -> dict[str, Any]:
    href = destination.href(location)
    if location.start is not None:
        kind = "application/mls; profile=cloud-optimized"
        place = {"mlhf:byte_offset": location.start, "mlhf:byte_length": location.nbytes}
        return {"href": href, "type": kind, "roles": ["data"], **place}
    kind = "application/gzip" if location.path.endswith(".gz") else "application/octet-stream"
    return {"href": href, "type": kind, "roles": ["data"]}

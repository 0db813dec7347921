"""STAC-GeoParquet: one table a split, one row a sample, each a STAC Item.

Owns: the files: GeoParquet 1.1 (https://geoparquet.org/releases/v1.1.0) with the metadata of STAC-GeoParquet 1.1
(https://radiantearth.github.io/stac-geoparquet-spec). Leaves to others: the rows (`_items`).

Written with pyarrow alone. The package `stac-geoparquet` goes through JSON Items, holds a table in memory to know its
columns, refuses null geometries, and brings geopandas; it is the oracle of the tests.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

from mlstac_hf._conditions._wgs84 import unknown
from mlstac_hf._convert._format import Request
from mlstac_hf._convert._items import ALWAYS, OWN, Items, property_names
from mlstac_hf._convert._spool import Spool
from mlstac_hf._errors import warn_skipped
from mlstac_hf._reading import Source
from mlstac_hf._reading._origin import main_location
from mlstac_hf._spec import Collection

VERSION = "1.1.0"
"""Of both specifications."""
_ROW_GROUP = 4096
_COVERING = {side: ["bbox", side] for side in ("xmin", "ymin", "xmax", "ymax")}


def write(request: Request) -> list[str]:
    """One table a split; see `mlstac_hf.convert`."""
    written = []
    for split, source in request.sources.items():
        name = request.destination.named(f"{split}.parquet")
        with Spool() as spool, request.destination.store.filling(name) as path:
            geometry_types = _spool(request, source, spool)
            _write_table(path, spool, {"geo": _geo(geometry_types), "stac-geoparquet": _stac(request.collection)})
        written.append(request.destination.shown(name))
    return written


def _spool(request: Request, source: Source, spool: Spool) -> set[str]:
    """Fill the spool; which types of geometry went in."""
    geometry_types: set[str] = set()
    faults: list[str] = []
    items = Items(
        collection=request.collection,
        source=source,
        destination=request.destination,
        main=main_location(request.collection),
    )
    for batch in items.batches(faults, skip=request.skip):
        spool.add(batch)
        geometries = shapely.from_wkb(np.asarray(batch.column("geometry").to_pylist(), dtype=object))
        geometry_types |= {geometry.geom_type for geometry in geometries[~unknown(geometries)]}
    if faults:
        warn_skipped(faults)
    return geometry_types


def _write_table(path: str, spool: Spool, metadata: dict[str, str]) -> None:
    schema = spool.schema
    own = sorted(name for name in schema.names if name.startswith(OWN))
    shown = [name for name in schema.names if name not in own and (name in ALWAYS or name in spool.known)]
    shown += ["collection"] if "collection" in schema.names and "collection" not in shown else []
    named = property_names({name.removeprefix(OWN): schema.field(name).type for name in own})
    names = [*shown, *named.values()]
    fields = [schema.field(name).with_name(new) for name, new in zip([*shown, *own], names, strict=True)]
    with pq.ParquetWriter(path, pa.schema(fields, metadata), compression="zstd") as writer:
        for table in spool.tables(_ROW_GROUP):
            renamed = table.select([*shown, *own]).rename_columns(names)
            writer.write_table(renamed.replace_schema_metadata(metadata))


def _geo(geometry_types: set[str]) -> str:
    """GeoParquet's metadata; without a `crs`, coordinates are OGC:CRS84, longitude and latitude."""
    geometry: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": sorted(geometry_types),
        "covering": {"bbox": _COVERING},
    }
    return json.dumps({"version": VERSION, "primary_column": "geometry", "columns": {"geometry": geometry}})


def _stac(collection: Collection) -> str:
    known = {"collections": {collection.id: collection.to_stac()}} if collection.id else {}
    return json.dumps({"version": VERSION, **known})

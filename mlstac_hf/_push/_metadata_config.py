"""The small table beside the shards: one row a sample, with its outline, as GeoParquet.

Owns: its columns. Leaves to others: typed columns (`_hf`), outlines (`_survey`), GeoParquet's own metadata
(`_convert`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

from mlstac_hf._hf._job import Job
from mlstac_hf._hf._tables import table_of
from mlstac_hf._push._shards import ShardFormat
from mlstac_hf._push._spelling import readable_schema
from mlstac_hf._push._survey import outlines
from mlstac_hf._reading import Batch, Columns, SampleHead, Source
from mlstac_hf._reading._metadata_table import PLACES_IN_SHARDS, SHAPE
from mlstac_hf._reading._sample_table import OF_FILES

Place = tuple[str, int | None, int | None]
ROW_NBYTES = 200
"""About, of a sample."""
_WINDOW = 4096
_PLACE_TYPES = dict(zip(PLACES_IN_SHARDS, (pa.string(), pa.int64(), pa.int64()), strict=True))


def metadata_features(job: Job) -> datasets.Features:
    """The columns of the table: all that is no tensor, the outline, and where the row lies."""
    tensors = [name for name, tensor in job.schema.columns.items() if tensor is not None]
    features = {name: feature for name, feature in job.features.items() if name not in tensors}
    shapes = {
        f"{SHAPE}{name}": datasets.Sequence(datasets.Value("int64"))
        for name, tensor in job.schema.columns.items()
        if tensor is not None and None in tensor.shape
    }
    return datasets.Features(
        {
            **features,
            "geometry": datasets.Value("binary"),
            **shapes,
            **{name: datasets.Value(str(kind)) for name, kind in _PLACE_TYPES.items()},
        }
    )


def write_metadata(
    job: Job, places: Sequence[Place], form: ShardFormat, path: Path, *, of_files: str | None = None
) -> None:
    """Write the table of one split.

    Args:
        job: the split, its schema and features.
        places: of each row its file in the repository, and its group and row in that, where it has such.
        form: of the file: GeoParquet, or Arrow IPC with the same columns.
        path: of it.
        of_files: the digest of the files that its rows are of, where each is one; see `_sample_table`.
    """
    features = metadata_features(job)
    own = {name: feature for name, feature in features.items() if name in job.features}
    schema = readable_schema(features)
    kinds: set[str] = set()
    tables = [
        pa.table(_columns(job, features, own, places, start, kinds), schema=schema)
        for start in range(0, len(places), _WINDOW)
    ]
    vouching = {} if of_files is None else {OF_FILES: of_files}
    schema = schema.with_metadata({**schema.metadata, "geo": geo_metadata(kinds), **vouching})
    with (
        pa.ipc.new_file(str(path), schema)
        if form == "arrow"
        else pq.ParquetWriter(str(path), schema, compression="zstd") as writer
    ):
        for table in tables:
            writer.write_table(table.cast(schema))


def _columns(
    job: Job,
    features: datasets.Features,
    own: Mapping[str, Any],
    places: Sequence[Place],
    start: int,
    kinds: set[str],
) -> list[Any]:
    """The columns of some rows; the types of their geometries are added to `kinds`."""
    indices = job.scan.indices[start : start + _WINDOW]
    heads = [job.source.head(index) for index in indices]
    texts: Columns = {name: [head.texts[name] for head in heads] for name in job.schema.columns if name in own}
    table = table_of(Batch(texts, list(indices), heads), job.source, job.schema, datasets.Features(own))
    columns = {name: table.column(name) for name in own}
    columns["geometry"] = pa.array(_outlines(job.source, indices, heads, kinds), pa.binary())
    for name in features:
        if name.startswith(SHAPE):
            columns[name] = pa.array([head.tensors[name.removeprefix(SHAPE)].shape for head in heads])
    lying = zip(*places[start : start + _WINDOW], strict=True)
    columns |= {name: pa.array(values, kind) for (name, kind), values in zip(_PLACE_TYPES.items(), lying, strict=True)}
    return [columns[name] for name in features]


def _outlines(source: Source, indices: Sequence[int], heads: Sequence[SampleHead], kinds: set[str]) -> list[Any]:
    """WKB in longitude and latitude, null where a sample's place is not known."""
    facts: list[dict[str, Any]] = [source.metadata(index, head) for index, head in zip(indices, heads, strict=True)]
    import shapely  # a dry run does without

    places = outlines(source, indices, heads, facts)
    kinds |= {place.geom_type for place in places if place is not None}
    return [None if place is None else shapely.to_wkb(place, flavor="iso") for place in places]


def geo_metadata(kinds: set[str]) -> str:
    """GeoParquet's metadata; without a `crs`, coordinates are OGC:CRS84, longitude and latitude."""
    geometry = {"encoding": "WKB", "geometry_types": sorted(kinds)}
    return json.dumps({"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": geometry}})

"""A split as shards that `datasets` reads without this package: Parquet, or Arrow IPC files.

Owns: how large shards and their row groups are, how arrays are encoded in them. Leaves to others: tables (`_hf`), the
spelling of features (`_spelling`), where shards go.

Row groups are small, so that a stream starts soon and a selection fetches little; of two rows at least, since
`datasets` buffers lone rows a thousand at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from mlstac_hf._hf._job import Job, tables
from mlstac_hf._hf._schema import chunks
from mlstac_hf._push._spelling import readable_schema

ShardFormat = Literal["parquet", "arrow"]

SHARD_NBYTES = 128 << 20
"""Of tensors in a shard: large enough for a server, small enough for a worker to take one at a time."""
GROUP_NBYTES = 1 << 20
"""Of tensors in a row group or record batch."""
MAX_FILES = 5000
"""Of a split; the Hub takes 10,000 entries a folder."""
_ZSTD_LEVEL = 1


@dataclass(frozen=True, kw_only=True)
class Shard:
    """Rows of a split that become one file."""

    name: str
    """Of the file, such as `train-00000-of-00012.parquet`."""
    start: int
    stop: int


def shards_of(split: str, nbytes: Sequence[int], form: ShardFormat, max_nbytes: int = SHARD_NBYTES) -> list[Shard]:
    """Divide a split, by what its rows weigh.

    Args:
        split: its name.
        nbytes: of each row.
        form: of the files.
        max_nbytes: a shard is closed before it holds more, unless that made more than 5,000 of them.

    Returns:
        No shard for a split without rows: `datasets` refuses files without any.

    Example:
        >>> [(shard.name, shard.start, shard.stop) for shard in shards_of("test", [4, 4, 4], "parquet", 8)]
        [('test-00000-of-00002.parquet', 0, 2), ('test-00001-of-00002.parquet', 2, 3)]
    """
    limit = max(max_nbytes, -(-2 * sum(nbytes) // MAX_FILES))
    edges, held = [0], 0
    for row, weight in enumerate(nbytes):
        if held + weight > limit and row > edges[-1]:
            edges.append(row)
            held = 0
        held += weight
    if nbytes:
        edges.append(len(nbytes))
    count = len(edges) - 1
    return [
        Shard(name=f"{split}-{number:05d}-of-{count:05d}.{form}", start=edges[number], stop=edges[number + 1])
        for number in range(count)
    ]


def places_of(job: Job, shards: Sequence[Shard]) -> list[tuple[str, int, int]]:
    """For each row its shard's name, its row group or record batch, and its place in that."""
    places = []
    for shard in shards:
        nbytes, elements = (part[shard.start : shard.stop] for part in (job.scan.nbytes, job.scan.elements))
        for group, (start, stop) in enumerate(chunks(nbytes, elements, GROUP_NBYTES)):
            places += [(shard.name, group, row) for row in range(stop - start)]
    return places


def write_shard(job: Job, shard: Shard, path: Path, form: ShardFormat) -> None:
    """Write the rows of one shard; the same bytes for the same rows.

    Args:
        job: the split, its schema and features.
        shard: which rows.
        path: of the file, which is not there yet.
        form: Parquet, or Arrow IPC.

    Raises:
        MLSTACError: a sample that cannot be read, or does not fit.
    """
    schema = readable_schema(job.features)
    with open_writer(path, schema, form) as writer:
        for table in tables(job, [(shard.start, shard.stop)], GROUP_NBYTES):
            writer.write_table(table.replace_schema_metadata(schema.metadata))


def open_writer(path: Path, schema: pa.Schema, form: ShardFormat) -> Any:
    """What writes tables to a file."""
    if form == "arrow":
        return pa.ipc.new_file(str(path), schema)
    return pq.ParquetWriter(str(path), schema, **parquet_options(schema))


def parquet_options(schema: pa.Schema) -> dict[str, Any]:
    """Settings under which arrays are small and quick to write and read.

    Parquet has no 16-bit integers and stores small ones as 32-bit. DELTA_BINARY_PACKED takes the bits back that this
    adds, BYTE_STREAM_SPLIT helps zstd with floats; both are in the format since 2.8. Dictionaries and statistics of
    pixels are of no use.
    """
    leaves = [leaf for field in schema for leaf in _leaves(field.name, field.type)]
    encodings = {path: encoding for path, kind in leaves if (encoding := _encoding(kind)) and path.count(".")}
    plain = [path for path, _ in leaves if not path.count(".")]
    return {
        "use_dictionary": plain,
        "column_encoding": encodings,
        "write_statistics": plain,
        "compression": "zstd",
        "compression_level": _ZSTD_LEVEL,
    }


def _leaves(path: str, kind: pa.DataType) -> Iterator[tuple[str, pa.DataType]]:
    """The columns that Parquet makes of one, by path."""
    kind = getattr(kind, "storage_type", kind)
    if pa.types.is_struct(kind):
        for field in kind:
            yield from _leaves(f"{path}.{field.name}", field.type)
    elif pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from _leaves(f"{path}.list.element", kind.value_type)
    else:
        yield path, kind


def _encoding(kind: pa.DataType) -> str | None:
    if pa.types.is_integer(kind):
        return "DELTA_BINARY_PACKED"
    return "BYTE_STREAM_SPLIT" if pa.types.is_float32(kind) or pa.types.is_float64(kind) else None

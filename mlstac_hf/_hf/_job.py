"""Samples of a split as Arrow tables, a few at a time.

Owns: how many rows a table has, what happens to a sample that does not fit. Leaves to others: reading (`reading`), the
columns of a table (`_tables`), what becomes of tables (`_builder`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import datasets
import pyarrow as pa
from tqdm.auto import tqdm

from mlstac_hf._errors import MLSTACError, warn_skipped
from mlstac_hf._hf._schema import MAX_ELEMENTS, Scan, Schema, chunks, joined, ranges
from mlstac_hf._hf._tables import misfits, strangers, table_of
from mlstac_hf._reading import Source, read_ahead, read_batch

TABLE_NBYTES = 32 << 20
"""Of tensors in one table; the cache file's record batches, and what is held in memory twice."""
SHARDS = 128
"""Runs of rows a split is dealt in: enough for any number of processes and workers."""
_LEAST_SHARDS = 16
_SHARD_NBYTES = 256 << 20


@dataclass(frozen=True, kw_only=True)
class Job:
    """What there is to build."""

    source: Source
    scan: Scan
    schema: Schema
    """That of all splits that are loaded together."""
    features: datasets.Features
    info: dict[str, Any] = field(default_factory=dict)
    """Description, licence: what a DatasetInfo has room for."""
    skip: bool = False
    of_one: bool = False
    """Whether the schema was read off one sample, so that others may have more."""
    bar: bool = False
    """Whether to show our progress bar, which counts bytes."""


def shards(job: Job, *, streaming: bool) -> list[tuple[int, int]]:
    """The rows of a job as runs that may be read by as many processes.

    What comes over a network is read ahead within a run, so there are fewer where runs would be short.
    """
    count = len(job.scan.indices)
    if not streaming or not job.of_one or not count:
        return ranges(count, SHARDS)
    parts = count * job.scan.nbytes[0] // _SHARD_NBYTES
    return ranges(count, min(SHARDS, max(_LEAST_SHARDS, parts)))


def tables(job: Job, rows: list[tuple[int, int]], max_nbytes: int = TABLE_NBYTES) -> Iterator[pa.Table]:
    """Tables of runs of rows, in order.

    Args:
        job: what to build.
        rows: first and last of each run, in `job.scan`.
        max_nbytes: of the tensors in a table, where two rows have fewer.

    Raises:
        MLSTACError: a sample that cannot be read, or does not fit; with `job.skip` it is left out, with a warning.
    """
    tensors = [name for name in job.schema.columns if name in job.features]
    # all, and whatever more a sample has: fetched in one piece, and found out
    columns = None if job.of_one and tensors and set(tensors) == {*job.schema.taken} else tensors
    skipped: list[str] = []

    def on_bad(_: int, error: MLSTACError) -> None:
        skipped.append(str(error))

    total = sum(sum(job.scan.nbytes[start:stop]) for start, stop in joined(rows))
    with tqdm(
        total=total,
        desc=job.source.split,
        unit="B",
        unit_scale=True,
        unit_divisor=1024,
        disable=None if job.bar else True,
        leave=False,
    ) as bar:
        runs = list(_runs(job, rows, max_nbytes))
        wanted = (job.scan.indices[start:stop] for start, stop in runs)
        found = read_ahead(job.source, wanted, columns, on_bad=on_bad if job.skip else None)
        for (start, stop), batch in zip(runs, found, strict=True):
            faults = misfits(batch, job.source, job.schema, job.features)
            if job.of_one:
                faults |= strangers(batch, job.source, job.schema)
            if faults and not job.skip:
                raise faults[min(faults, key=batch.indices.index)]
            skipped += map(str, faults.values())
            good = read_batch(job.source, [i for i in batch.indices if i not in faults], tensors) if faults else batch
            if good.indices:
                yield table_of(good, job.source, job.schema, job.features)
            bar.update(sum(job.scan.nbytes[start:stop]))
    if skipped:
        warn_skipped(skipped)


def _runs(job: Job, rows: list[tuple[int, int]], max_nbytes: int) -> Iterator[tuple[int, int]]:
    """First row and the row after the last of each table; of a stream, small ones first, since somebody waits.

    They depend on the rows alone, as a stream that is resumed counts tables.
    """
    for first, last in joined(rows):
        start, limit = first, 1 if job.of_one else max_nbytes
        while start < last:
            nbytes, elements = job.scan.nbytes[start:last], job.scan.elements[start:last]
            found = [(start + begin, start + end) for begin, end in chunks(nbytes, elements, limit, MAX_ELEMENTS)]
            found = found if limit == max_nbytes else found[:1]
            yield from found
            limit, start = min(max_nbytes, 2 * sum(job.scan.nbytes[start : found[0][1]])), found[-1][1]

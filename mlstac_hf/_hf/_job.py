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
from mlstac_hf._hf._schema import MAX_ELEMENTS, Scan, Schema, chunks, joined
from mlstac_hf._hf._tables import misfits, table_of
from mlstac_hf._reading import Source, read_batch

TABLE_NBYTES = 32 << 20
"""Of tensors in one table; the cache file's record batches, and what is held in memory twice."""


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
    bar: bool = False
    """Whether to show our progress bar, which counts bytes."""


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
        for first, last in joined(rows):
            nbytes, elements = job.scan.nbytes[first:last], job.scan.elements[first:last]
            for start, stop in chunks(nbytes, elements, max_nbytes, MAX_ELEMENTS):
                indices = job.scan.indices[first + start : first + stop]
                batch = read_batch(job.source, indices, tensors, on_bad if job.skip else None)
                faults = misfits(batch, job.source, job.schema, job.features)
                if faults:
                    if not job.skip:
                        raise next(iter(faults.values()))
                    skipped += map(str, faults.values())
                    batch = read_batch(job.source, [i for i in batch.indices if i not in faults], tensors)
                if batch.indices:
                    yield table_of(batch, job.source, job.schema, job.features)
                bar.update(sum(nbytes[start:stop]))
    if skipped:
        warn_skipped(skipped)

"""The `datasets` builder: one split of a collection as an Arrow-cached or streamed dataset.

Owns: what `datasets` calls. Leaves to others: which split and cache key (`_load_dataset`), columns (`_schema`,
`_features`), tables (`_tables`). Importing this module registers our formats, so that a worker which unpickles a
streamed dataset knows them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import datasets
import pyarrow as pa
from datasets.exceptions import DatasetGenerationError
from tqdm.auto import tqdm

from mlstac_hf._errors import MLSTACError, warn_skipped
from mlstac_hf._hf._formatting import register_formats
from mlstac_hf._hf._schema import MAX_ELEMENTS, Scan, Schema, chunks, joined, ranges
from mlstac_hf._hf._tables import misfits, table_of
from mlstac_hf._reading import Source, read_batch

register_formats()

_patched_for_streaming = True
"""Told to `datasets`, which would else put streaming versions of `open` and of scipy's readers into this
module, and import scipy for it. We open files through our stores."""

TABLE_NBYTES = 32 << 20
"""Of tensors in one table; the cache file's record batches, and what is held in memory twice."""
SHARDS = 128
"""Runs of rows a split is dealt in: enough for any number of processes and workers."""


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


class GenerationError(DatasetGenerationError):
    """Carries an error of ours through `datasets`, which wraps and pickles what builders raise."""

    def __init__(self, error: MLSTACError) -> None:
        super().__init__(str(error))
        self.error = error

    def __reduce__(self) -> tuple[type[GenerationError], tuple[MLSTACError]]:
        return type(self), (self.error,)


class MLSTAC(datasets.ArrowBasedBuilder):
    """Builds one split. Made by `load_dataset`, which sets `job` before anything is asked of it."""

    job: Job | None = None

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo()

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        job = self._job()
        self.info.features = job.features
        for key, value in job.info.items():
            setattr(self.info, key, value)
        rows = ranges(len(job.scan.indices), SHARDS)
        streaming = isinstance(dl_manager, datasets.StreamingDownloadManager)
        return [datasets.SplitGenerator(name=job.source.split, gen_kwargs={"rows": rows, "streaming": streaming})]

    def _generate_tables(self, rows: list[tuple[int, int]], streaming: bool = False) -> Iterator[tuple[int, pa.Table]]:  # noqa: FBT001, FBT002 - called by name
        """Tables of the given runs of rows, in order."""
        try:
            yield from enumerate(self._tables(rows))
        except MLSTACError as error:
            if streaming:
                raise
            raise GenerationError(error) from error

    def _tables(self, rows: list[tuple[int, int]]) -> Iterator[pa.Table]:
        job = self._job()
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
                for start, stop in chunks(nbytes, elements, TABLE_NBYTES, MAX_ELEMENTS):
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

    def _job(self) -> Job:
        if self.job is None:
            raise RuntimeError("this builder has no samples to read; use mlstac_hf.load_dataset(address)")
        return self.job

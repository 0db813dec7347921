"""The `datasets` builder: one split of a collection as an Arrow-cached or streamed dataset.

Owns: what `datasets` calls. Leaves to others: which split and cache key (`_load_dataset`), columns (`_schema`,
`_features`), tables (`_tables`). Importing this module registers our formats, so that a worker which unpickles a
streamed dataset knows them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import datasets
import pyarrow as pa
from datasets.exceptions import DatasetGenerationError

from mlstac_hf._errors import MLSTACError
from mlstac_hf._hf._formatting import register_formats
from mlstac_hf._hf._job import Job, tables
from mlstac_hf._hf._schema import ranges

register_formats()

_patched_for_streaming = True
"""Told to `datasets`, which would else put streaming versions of `open` and of scipy's readers into this
module, and import scipy for it. We open files through our stores."""

SHARDS = 128
"""Runs of rows a split is dealt in: enough for any number of processes and workers."""


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
            yield from enumerate(tables(self._job(), rows))
        except MLSTACError as error:
            if streaming:
                raise
            raise GenerationError(error) from error

    def _job(self) -> Job:
        if self.job is None:
            raise RuntimeError("this builder has no samples to read; use mlstac_hf.load_dataset(address)")
        return self.job

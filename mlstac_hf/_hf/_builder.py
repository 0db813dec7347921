"""The `datasets` builder: splits of a collection as Arrow-cached or streamed datasets.

Owns: what `datasets` calls. Leaves to others: which splits and cache key (`_load_dataset`, `_packaged`), columns
(`_schema`, `_features`), tables (`_tables`). Importing this module registers our formats, so that a worker which
unpickles a streamed dataset knows them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import datasets
import pyarrow as pa
from datasets.exceptions import DatasetGenerationError

from mlstac_hf._errors import MLSTACError
from mlstac_hf._hf._formatting import register_formats
from mlstac_hf._hf._job import Job, shards, tables
from mlstac_hf._hf._private import write_no_lock

register_formats()
write_no_lock()

_patched_for_streaming = True
"""Told to `datasets`, which would else put streaming versions of `open` and of scipy's readers into this
module, and import scipy for it. We open files through our stores."""


class GenerationError(DatasetGenerationError):
    """Carries an error of ours through `datasets`, which wraps and pickles what builders raise."""

    def __init__(self, error: MLSTACError) -> None:
        super().__init__(str(error))
        self.error = error

    def __reduce__(self) -> tuple[type[GenerationError], tuple[MLSTACError]]:
        return type(self), (self.error,)


class MLSTAC(datasets.ArrowBasedBuilder):
    """Builds splits. Made by `load_dataset`, which sets `jobs` before anything is asked of it."""

    jobs: Mapping[str, Job] = MappingProxyType({})
    """By split; they have one schema."""

    def as_dataset(self, split: Any = None, **arguments: Any) -> Any:
        """See `datasets`, which refuses splits that hold no row."""
        counts = {str(name): found.num_examples for name, found in (self.info.splits or {}).items()}
        if counts and split is None:
            return datasets.DatasetDict({name: self.as_dataset(name, **arguments) for name in counts})
        if counts and not counts.get(str(split), any(counts.values())):
            features = self.info.features
            return datasets.Dataset.from_dict({name: [] for name in features}, features)
        return super().as_dataset(split, **arguments)

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo()

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        if not self.jobs:
            raise RuntimeError("this builder has no samples to read; use mlstac_hf.load_dataset(address)")
        first = next(iter(self.jobs.values()))
        self.info.features = first.features
        for key, value in first.info.items():
            setattr(self.info, key, value)
        streaming = isinstance(dl_manager, datasets.StreamingDownloadManager)
        return [
            datasets.SplitGenerator(
                name=name,
                gen_kwargs={
                    "rows": shards(job, streaming=streaming),  # a list is what datasets shares out
                    "split": name,
                    "streaming": streaming,
                },
            )
            for name, job in self.jobs.items()
        ]

    def _generate_tables(
        self,
        rows: list[tuple[int, int]],
        split: str,
        streaming: bool = False,  # noqa: FBT001, FBT002 - called by name
    ) -> Iterator[tuple[int, pa.Table]]:
        """Tables of the given runs of rows, in order."""
        try:
            yield from enumerate(tables(self.jobs[split], rows))
        except MLSTACError as error:
            if streaming:
                raise
            raise GenerationError(error) from error

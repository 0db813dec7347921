"""Many samples at once: stacked where they agree, lists where they don't.

Owns: filling one array per column straight from the files. Leaves to others: one sample (`_source`),
frameworks (`_frameworks`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlstac_hf._errors import BAD_SAMPLE, MLSTACError
from mlstac_hf._formats import Array, aligned_empty
from mlstac_hf._reading._source import Sample, SampleHead, Source

Columns = dict[str, Array | list[Any]]
"""By column: an `(N, …)` array, or a list of N arrays, texts and (where a sample lacks it) None."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The samples of a batch that could be read."""

    columns: Columns
    indices: list[int]
    """Of the samples in it."""
    heads: list[SampleHead]
    """Of the same."""


def read_batch(
    source: Source,
    indices: Sequence[int],
    columns: Sequence[str] | None = None,
    on_bad: Callable[[int, MLSTACError], None] | None = None,
) -> Batch:
    """Read samples into one batch.

    The first sample is read on its own and says what the batch should look like; only what really was in
    a file is ever allocated, N times. Each further sample goes straight into its row.

    Args:
        source: the split.
        indices: 0 to `len(source)` - 1, in any order, repeats allowed.
        columns: see `Source.read`.
        on_bad: called with the index and error of a sample that cannot be read, which is then left out;
            without it the error is raised.
    """
    stacks: dict[str, Array] = {}
    rows: list[dict[str, Array | str]] = []
    batch = Batch({}, [], [])
    for index in indices:
        place = len(rows)
        try:
            sample = source.read(index, columns, {name: stack[place, ...] for name, stack in stacks.items()})
        except BAD_SAMPLE as error:
            if on_bad is None:
                raise
            on_bad(index, error)
            continue
        if not rows and len(indices) > 1 and source.is_local:  # a server's word is no reason to allocate
            for name, value in sample.values.items():
                if not isinstance(value, str):
                    stacks[name] = aligned_empty((len(indices), *value.shape), value.dtype)
                    stacks[name][0] = value
                    sample.values[name] = stacks[name][0, ...]
        rows.append(sample.values)
        batch.indices.append(index)
        batch.heads.append(sample.head)
    batch.columns.update(_collect(rows, stacks))
    return batch


def stacked(samples: Sequence[tuple[int, Sample]]) -> Batch:
    """Samples that were read one by one as a batch.

    Args:
        samples: each with its index.
    """
    rows = [sample.values for _, sample in samples]
    return Batch(_collect(rows, {}), [index for index, _ in samples], [sample.head for _, sample in samples])


def _collect(rows: list[dict[str, Array | str]], stacks: dict[str, Array]) -> Columns:
    names = list(dict.fromkeys(name for row in rows for name in row))
    batch: Columns = {}
    for name in names:
        values: list[Any] = [row.get(name) for row in rows]
        stack = stacks.get(name)
        if stack is None and _agree(values):
            batch[name] = values[0][None] if len(values) == 1 else np.stack(values)
        elif stack is not None and all(_shares(value, stack) for value in values):
            batch[name] = stack[: len(rows)]
        else:
            batch[name] = values
    return batch


def _agree(values: list[Any]) -> bool:
    first = values[0]
    return all(
        isinstance(value, np.ndarray) and value.shape == first.shape and value.dtype == first.dtype for value in values
    )


def _shares(value: Array | str | None, stack: Array) -> bool:
    """Whether a value lies in its row of the stack, which it does exactly if dtype and shape agreed."""
    return not isinstance(value, str | None) and value.base is not None and value.base is stack.base

"""Samples out of whatever holds them: iterables, torch Datasets and DataLoaders, Hugging Face Datasets, our own splits.

Owns: one sample after another, and how many there are. Leaves to others: what a sample is (`_sample`), columns of a
Hugging Face Dataset (`_from_datasets`). No framework is imported: a DataLoader is told by its class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlstac_hf._spec import STANDARD_KEYS, TENSOR_NAMES, Collection, of_other_numbers, of_planes
from mlstac_hf._write._from_datasets import rows_of
from mlstac_hf._write._sample import Sample

_SIX = 6  # numbers of a geotransform


def count_of(samples: Any) -> int | None:
    """How many samples there are, at most; None where that is not known before the end."""
    try:
        if _is_loader(samples):
            return len(samples.sampler)
        return len(samples)
    except (TypeError, AttributeError, NotImplementedError):
        return None


def items_of(samples: Any) -> Iterator[Any]:
    """One sample after another.

    Raises:
        TypeError: nothing to iterate over.
    """
    if isinstance(samples, str | bytes | Mapping):
        raise TypeError(
            f"expected samples to be an iterable of samples, got a {type(samples).__name__}. To copy a collection, "
            "pass mlstac_hf.load(address)"
        )
    if _is_of(samples, "mlstac_hf._split", "Split"):
        return iter(samples.stored())
    if _is_of(samples, "datasets", "Dataset") or _is_of(samples, "datasets", "IterableDataset"):
        return rows_of(samples)
    if _is_loader(samples):
        batched = samples.batch_size is not None or samples.batch_sampler is not None
        return (item for batch in samples for item in (unbatch(batch) if batched else (batch,)))
    if hasattr(samples, "__iter__"):
        return iter(samples)
    if hasattr(samples, "__getitem__") and hasattr(samples, "__len__"):  # a torch Dataset, which may know no end
        return (samples[index] for index in range(len(samples)))
    raise TypeError(f"expected samples to be an iterable of samples, got a {type(samples).__name__}")


def described(samples: Any, collection: Collection) -> Collection:
    """The collection to write: where it says of a split of ours what the split's own says, what is left of that.

    Where the split has some bands, these, and where its numbers are not those that were stored, nothing of them.

    Args:
        samples: as the caller gave them.
        collection: likewise.
    """
    if not _is_of(samples, "mlstac_hf._split", "Split"):
        return collection
    own = samples.collection
    if samples.is_scaled and collection.annotations == own.annotations:
        collection, own = of_other_numbers(collection), of_other_numbers(own)
    return of_planes(collection, samples.planes()) if collection.bands == own.bands else collection


def _is_of(value: object, module: str, name: str) -> bool:
    return any(
        kind.__name__ == name and (kind.__module__ == module or kind.__module__.startswith(f"{module}."))
        for kind in type(value).__mro__
    )


def _is_loader(value: object) -> bool:
    return _is_of(value, "torch.utils.data", "DataLoader")


def unbatch(batch: Any) -> Iterator[Any]:
    """The samples of a batch, as torch's own collate function or one of ours made it.

    Raises:
        TypeError: it cannot be told how to take it apart.
    """
    if isinstance(batch, list | tuple) and all(isinstance(item, Mapping | Sample) for item in batch):
        yield from batch
        return
    pair = isinstance(batch, list | tuple) and len(batch) == 2  # noqa: PLR2004 - input and target
    columns = {"input": batch[0], "target": batch[1]} if pair else batch
    if not isinstance(columns, Mapping):
        raise TypeError(f"expected batches to be mappings or pairs (input, target), got a {type(batch).__name__}")
    counts = {name: len(columns[name]) for name in TENSOR_NAMES if columns.get(name) is not None}
    if len(set(counts.values())) != 1:
        raise TypeError(
            f"expected the columns of a batch to be of one length, found {counts or 'no tensors'}. "
            "Pass the Dataset itself, or a DataLoader with batch_size=None"
        )
    for row in range(next(iter(counts.values()))):
        yield {name: _row(name, column, row) for name, column in columns.items()}


def _row(name: str, column: Any, row: int) -> Any:
    """One sample's value of a column of a batch."""
    if column is None:
        return None
    if name in STANDARD_KEYS and isinstance(column, list | tuple) and len(column) == _SIX and _are_columns(column):
        return [value[row] for value in column]  # torch turns six numbers a sample into six columns
    return column[row]


def _are_columns(values: Any) -> bool:
    return all(len(getattr(value, "shape", ())) == 1 for value in values)

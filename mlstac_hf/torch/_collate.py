"""Samples into a batch, whatever is in them.

Owns: what becomes of None, text and tensors that do not stack, on all of which torch's own collate fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from mlstac_hf._frameworks._torch import from_numpy
from mlstac_hf.torch._rows import Rows

_TEXTS, _NO_NUMBERS = "SUT", "OmM"
"""Kinds of numpy's dtypes."""


def collate(samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Make a batch of samples; pass it as `collate_fn` to a DataLoader.

    Args:
        samples: dicts of tensors, arrays, text, numbers, None or further dicts, as `load`, its `metadata` or
            a dataset give them.

    Returns:
        By key: tensors and arrays stacked to an `(N, …)` tensor where dtype and shape agree, else a list of
        them; dicts collated in turn; anything else (text, None, times, numbers) as a list. A sample that
        lacks a key has None there.

    Example:
        >>> loader = torch.utils.data.DataLoader(load(demo), batch_size=4, collate_fn=collate)
        >>> next(iter(loader))["input"].shape
        torch.Size([4, 4, 64, 64])
    """
    if isinstance(samples, Rows):  # a batch already
        return (
            samples.columns if samples.metadata is None else {**samples.columns, "metadata": collate(samples.metadata)}
        )
    keys = dict.fromkeys(key for sample in samples for key in sample)
    return {key: _column([sample.get(key) for sample in samples]) for key in keys}


def _column(values: list[Any]) -> Any:
    if all(isinstance(value, Mapping) for value in values):
        return collate(values)
    tensors = list(map(_converted, values))
    first = tensors[0]
    if not all(isinstance(value, torch.Tensor) for value in tensors):
        return tensors
    if any(value.shape != first.shape or value.dtype != first.dtype for value in tensors):
        return tensors
    return torch.stack(tensors, out=_shared(first, len(tensors)))


def _converted(value: Any) -> Any:
    """Numbers of numpy as a tensor; its texts as such, and all else, times among it, as it is."""
    if not isinstance(value, np.ndarray | np.generic):
        return value
    if value.dtype.kind in _TEXTS:
        return value.item() if value.ndim == 0 else value
    return value if value.dtype.kind in _NO_NUMBERS else from_numpy(np.asarray(value))


def _shared(first: torch.Tensor, count: int) -> torch.Tensor | None:
    """In a worker, memory that the parent can take over without another copy."""
    if torch.utils.data.get_worker_info() is None or first.device.type != "cpu":
        return None
    nbytes = first.element_size() * first.numel() * count
    storage = torch.UntypedStorage._new_shared(nbytes, device=first.device)  # as torch's own collate does
    return torch.empty(0, dtype=first.dtype).set_(storage).resize_(count, *first.shape)

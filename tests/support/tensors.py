"""Tensors of any framework as plain facts: dtype name, shape, bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

Facts = tuple[str, tuple[int, ...], bytes]

PADDLE = {"uint16": "int32", "uint32": "int64", "uint64": "int64"}
"""What paddle widens, as documented."""


def facts_of(tensor: Any, framework: str) -> Facts:
    """What a tensor is and holds, asked of its own framework."""
    name, shape = str(tensor.dtype).rpartition(".")[2], tuple(tensor.shape)
    if framework == "torch":
        import torch

        return name, shape, tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    if framework == "tensorflow":
        return tensor.dtype.name, shape, tensor.numpy().tobytes()
    if framework == "paddle":
        return name, shape, tensor.numpy().tobytes()
    array = np.asarray(tensor)
    return array.dtype.name, shape, array.tobytes()


def facts_as_stored(array: np.ndarray, framework: str) -> Facts:
    """What the tensor of a stored array must be: the same, but for paddle's documented widening."""
    if framework == "paddle":
        array = array.astype(PADDLE.get(array.dtype.name, array.dtype))
    return array.dtype.name, array.shape, array.tobytes()


def assert_sample(sample: dict[str, Any], shown: dict[str, Any], framework: str) -> None:
    """A sample is exactly what was stored: names, order, texts, dtypes, shapes, bytes."""
    assert list(sample) == list(shown)
    for name, value in shown.items():
        if isinstance(value, str):
            assert sample[name] == value
        else:
            assert facts_of(sample[name], framework) == facts_as_stored(value, framework), name

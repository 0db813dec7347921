"""What tests of datasets and frameworks share: loading a made collection, and tensors back in numpy."""

from __future__ import annotations

import warnings

import numpy as np

import mlstac_hf


def load(made, cache, **options):
    """The dataset of a made collection; what it warns of is tested where it is the point."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", mlstac_hf.CollectionWarning)
        return mlstac_hf.load_dataset(made.address, cache_dir=cache, trust_links=True, **options)


def as_numpy(value, expected):
    """A tensor of any framework as numpy, paddle's documented widening undone."""
    if isinstance(value, str | np.ndarray):
        return value
    if type(value).__module__.startswith("torch"):
        import torch

        bits = {torch.bfloat16: torch.int16, torch.float8_e4m3fn: torch.uint8, torch.float8_e5m2: torch.uint8}
        if value.dtype in bits:
            assert str(value.dtype).removeprefix("torch.") == expected.dtype.name
            return value.view(bits[value.dtype]).numpy().view(expected.dtype)
        return value.numpy()
    if "paddle" in type(value).__module__:
        name = str(value.dtype).rpartition(".")[2]
        if name in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
            assert name == expected.dtype.name
            return value.astype("float32").numpy().astype(expected.dtype)
        widened = {"uint16": "int32", "uint32": "int64", "uint64": "int64"}
        assert name == widened.get(expected.dtype.name, expected.dtype.name)
        return value.numpy().astype(expected.dtype)
    return np.asarray(value)

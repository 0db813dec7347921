"""torch: views of the arrays; every stored dtype exists there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlstac_hf._errors import UnsupportedDtypeError
from mlstac_hf._formats import Array, is_exotic
from mlstac_hf._frameworks._views import require, viewable

if TYPE_CHECKING:
    import torch


def check() -> None:
    """Import torch."""
    require("torch", extra="torch")


def from_numpy(array: Array, device: str = "cpu") -> torch.Tensor:
    """The tensor over the array's memory, moved to `device` if that is another."""
    import torch

    if is_exotic(array.dtype):
        dtype = getattr(torch, array.dtype.name, None)
        if dtype is None:
            raise UnsupportedDtypeError(f"torch has no dtype {array.dtype.name}; read it with framework='numpy'")
        bits = viewable(array.view(np.dtype(f"u{array.dtype.itemsize}")))
        tensor = torch.from_numpy(bits).view(dtype)
    else:
        tensor = torch.from_numpy(viewable(array))
    return tensor if device == "cpu" else tensor.to(device)

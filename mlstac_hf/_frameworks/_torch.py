"""torch: views of the arrays; every stored dtype exists there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlstac_hf._errors import UnsupportedDtypeError
from mlstac_hf._formats import Array, dtype_of, is_exotic
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


def to_numpy(tensor: torch.Tensor) -> Array:
    """The tensor's values in its own dtype: a view where it lies on the cpu, else a copy.

    Raises:
        UnsupportedDtypeError: a dtype or layout that no array has, such as quantized or sparse ones.
    """
    import torch

    plain = tensor.detach().resolve_conj().resolve_neg()
    name = str(plain.dtype).removeprefix("torch.")
    if plain.layout != torch.strided or plain.is_quantized:
        raise UnsupportedDtypeError(f"found a torch tensor that is sparse or quantized ({plain.layout}, {name})")
    try:
        dtype = dtype_of(name)
    except TypeError:
        raise UnsupportedDtypeError(f"found a torch tensor of dtype {name}, which no array has") from None
    plain = plain.cpu()
    if not is_exotic(dtype):
        return np.asarray(plain.numpy())
    bits = plain.contiguous().view(torch.uint8 if dtype.itemsize == 1 else torch.int16)
    return np.asarray(bits.numpy().view(dtype))

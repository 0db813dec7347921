"""paddle: views through dlpack. It has no unsigned types beyond uint8, and takes uint16 for bfloat16.

uint16 is widened to int32 and uint32 to int64; uint64 becomes int64 where every value fits. tensorflow must not be
loaded in the same process before paddle: the process would crash.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING

import numpy as np

from mlstac_hf._errors import MLSTACError, UnsupportedDtypeError
from mlstac_hf._formats import Array, dtype_of, is_exotic
from mlstac_hf._frameworks._views import require, viewable

if TYPE_CHECKING:
    import paddle

_WIDENED = {"uint16": "int32", "uint32": "int64", "uint64": "int64"}
_EXOTIC = ("bfloat16", "float8_e4m3fn", "float8_e5m2")


def check() -> None:
    """Import paddle."""
    if "paddle" not in sys.modules and "tensorflow" in sys.modules:
        raise MLSTACError(
            "paddle cannot be imported after tensorflow in one process: it would crash. "
            "Import paddle first, or use them in two processes."
        )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "No ccache found")
        require("paddle", extra="paddle")


def from_numpy(array: Array, device: str = "cpu") -> paddle.Tensor:
    """The tensor over the array's memory, or of its widened copy, moved to `device` if that is another."""
    import paddle

    name = array.dtype.name
    if is_exotic(array.dtype):
        if name not in _EXOTIC:
            raise UnsupportedDtypeError(f"paddle has no dtype {name}; read it with framework='numpy'")
        # uint16 is what paddle calls the bits of a bfloat16
        bits = paddle.to_tensor(array.view(f"u{array.dtype.itemsize}"))
        tensor = bits if name == "bfloat16" else bits.view(name)
    else:
        if name == "uint64" and array.size and array.max() > np.iinfo(np.int64).max:
            raise UnsupportedDtypeError("paddle has no uint64, and these values do not fit int64")
        plain = viewable(array.astype(_WIDENED.get(name, name), copy=False))
        tensor = paddle.utils.dlpack.from_dlpack(plain.__dlpack__()) if plain.size else paddle.to_tensor(plain)
    return tensor if device == "cpu" else tensor.to(device)


def to_numpy(tensor: paddle.Tensor) -> Array:
    """The values in their own dtype."""
    name = str(tensor.dtype).rpartition(".")[2]
    if name == "bfloat16":  # whose bits paddle hands over as uint16
        return np.asarray(tensor.numpy()).view(dtype_of(name))
    if name in _EXOTIC:
        return np.asarray(tensor.view("uint8").numpy()).view(dtype_of(name))
    return np.asarray(tensor.numpy())

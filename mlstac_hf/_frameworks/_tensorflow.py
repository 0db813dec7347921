"""tensorflow: views through dlpack where memory is aligned, copies elsewhere; every stored dtype exists there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlstac_hf._errors import UnsupportedDtypeError
from mlstac_hf._formats import Array, is_exotic
from mlstac_hf._frameworks._views import is_aligned, require, viewable

if TYPE_CHECKING:
    import tensorflow as tf


def check() -> None:
    """Import tensorflow."""
    require("tensorflow", extra="tf")


def from_numpy(array: Array, device: str = "cpu") -> tf.Tensor:
    """The tensor over the array's memory where it can be viewed, else of a copy."""
    import tensorflow as tf

    shared = not is_exotic(array.dtype) and array.size > 0 and array.flags.c_contiguous and is_aligned(array)
    if shared:
        tensor = tf.experimental.dlpack.from_dlpack(viewable(array).__dlpack__())
    else:
        try:
            tensor = tf.convert_to_tensor(array)
        except (ValueError, TypeError):
            raise UnsupportedDtypeError(
                f"tensorflow has no dtype {array.dtype.name}; read it with framework='numpy'"
            ) from None
    if device == "cpu":
        return tensor
    with tf.device(device):
        return tf.identity(tensor)


def to_numpy(tensor: Any) -> Array:
    """The tensor's values in its own dtype; texts as an array of bytes objects.

    Raises:
        UnsupportedDtypeError: it is ragged, sparse, or only a symbol of a graph.
    """
    if not hasattr(tensor, "numpy") or hasattr(tensor, "flat_values"):
        raise UnsupportedDtypeError(f"found a {type(tensor).__name__} of tensorflow, expected an eager tensor")
    return np.asarray(tensor.numpy())

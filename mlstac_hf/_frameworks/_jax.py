"""jax: views where memory is aligned (jax copies elsewhere by itself).

Without `jax_enable_x64` jax has no 64-bit types and cuts values silently. Here integers are narrowed only
where every value fits, and float64 and complex128 are refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlstac_hf._errors import UnsupportedDtypeError
from mlstac_hf._formats import Array
from mlstac_hf._frameworks._views import require

if TYPE_CHECKING:
    import jax

_WIDE = {"int64": "int32", "uint64": "uint32", "float64": None, "complex128": None}


def check() -> None:
    """Import jax."""
    require("jax", extra="jax")


def from_numpy(array: Array, device: str | jax.Device | jax.sharding.Sharding = "cpu") -> jax.Array:
    """The array on `device`: a platform such as `cpu` or `gpu`, one of its devices, `gpu:1`, or what jax has for it."""
    import jax

    if array.dtype.name in _WIDE and not jax.config.jax_enable_x64:
        array = _narrowed(array)
    if not isinstance(device, str):
        return jax.device_put(array, device)
    platform, _, number = device.partition(":")
    return jax.device_put(array, jax.devices(platform)[int(number or 0)])


def _narrowed(array: Array) -> Array:
    narrow = _WIDE[array.dtype.name]
    if narrow is not None:
        limits = np.iinfo(narrow)
        if not array.size or (array.min() >= limits.min and array.max() <= limits.max):
            return array.astype(narrow)
    fault = "its values do not fit 32 bits" if narrow else "jax would round them to 32 bits"
    raise UnsupportedDtypeError(
        f"jax has no {array.dtype.name} unless jax_enable_x64 is set, and {fault}. "
        'Call jax.config.update("jax_enable_x64", True) first, or read with framework="numpy".'
    )


def to_numpy(tensor: jax.Array) -> Array:
    """The values in their own dtype."""
    return np.asarray(tensor)

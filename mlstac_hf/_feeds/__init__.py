"""Batches for training loops outside of torch: `to_tf()` and `to_jax()`."""

from mlstac_hf._feeds._jax import JaxBatches, to_jax
from mlstac_hf._feeds._tf import to_tf

__all__ = ["JaxBatches", "to_jax", "to_tf"]

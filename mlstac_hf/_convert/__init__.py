"""Collections in formats of others; see `_convert`."""

from mlstac_hf._convert._convert import convert

__all__ = ["convert"]

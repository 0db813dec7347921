"""Collections in formats of others; see `_convert`."""

from mlstac_hf._convert._convert import FORMATS, convert

__all__ = ["FORMATS", "convert"]

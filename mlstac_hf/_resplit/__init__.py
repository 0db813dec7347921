"""Splits without leakage, as files that list samples."""

from mlstac_hf._resplit._resplit import resplit

__all__ = ["resplit"]

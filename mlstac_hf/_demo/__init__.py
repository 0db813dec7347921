"""A demo collection made on the spot."""

from mlstac_hf._demo._collection import SHEET, make_collection

__all__ = ["SHEET", "make_collection"]

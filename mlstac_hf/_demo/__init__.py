"""A demo collection made on the spot, and a picture of it."""

from mlstac_hf._demo._collection import SHEET, make_collection
from mlstac_hf._demo._sheet import contact_sheet

__all__ = ["SHEET", "contact_sheet", "make_collection"]

"""Where bytes come from and go: one small seam over disks, http and buckets."""

from mlstac_hf._stores._address import MAIN, Access, open_address, open_link
from mlstac_hf._stores._http import HttpStore
from mlstac_hf._stores._local import LocalStore
from mlstac_hf._stores._store import Entry, Store

__all__ = ["MAIN", "Access", "Entry", "HttpStore", "LocalStore", "Store", "open_address", "open_link"]

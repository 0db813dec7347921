"""Where bytes come from and go: one small seam over disks, http and buckets."""

from mlstac_hf._stores._address import MAIN, Access, open_address, open_link
from mlstac_hf._stores._fsspec import FsspecStore
from mlstac_hf._stores._http import HttpStore
from mlstac_hf._stores._hub import HubStore
from mlstac_hf._stores._hub_address import hub_address
from mlstac_hf._stores._local import LocalStore
from mlstac_hf._stores._secrets import hide, sendable
from mlstac_hf._stores._store import Entry, Store, WritableStore
from mlstac_hf._stores._wanted import Consumer, consumer_here, read_for, reading_for
from mlstac_hf._stores._whole import PART

__all__ = [
    "MAIN",
    "PART",
    "Access",
    "Consumer",
    "Entry",
    "FsspecStore",
    "HttpStore",
    "HubStore",
    "LocalStore",
    "Store",
    "WritableStore",
    "consumer_here",
    "hide",
    "hub_address",
    "open_address",
    "open_link",
    "read_for",
    "reading_for",
    "sendable",
]

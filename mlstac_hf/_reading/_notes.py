"""What was found out once and is worth keeping: files in the user's cache folder, which may go at any time.

Owns: where they lie, and that a folder that cannot be written to is no error. Leaves to others: what is in them.
"""

from __future__ import annotations

from pathlib import Path

import platformdirs

from mlstac_hf._errors import StoreError
from mlstac_hf._stores import LocalStore


class Notes:
    """Small files by name, each written whole or not at all.

    Args:
        cache_dir: where they lie; default the platform's cache folder of the user.
    """

    def __init__(self, cache_dir: str | Path | None) -> None:
        folder = platformdirs.user_cache_path("mlstac-hf") if cache_dir is None else Path(cache_dir).expanduser()
        self._store = LocalStore(folder, trust_links=True)  # the user's own

    def get(self, name: str) -> bytes | None:
        """What was kept under a name; None where nothing was, or it cannot be read."""
        try:
            return self._store.read(name)
        except (FileNotFoundError, StoreError):
            return None

    def put(self, name: str, data: bytes) -> None:
        """Keep something; where that cannot be done, it is found out anew next time."""
        try:
            self._store.put(name, data)
        except StoreError:
            return

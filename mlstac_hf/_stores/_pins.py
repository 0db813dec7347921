"""One version of each file, as long as a store lives.

Owns: the version that was seen first, and what is said of a file that is another later. Leaves to others: what tells
versions apart (`_http_checks.Version`), where files come from.
"""

from __future__ import annotations

from typing import Any

from mlstac_hf._errors import StoreError
from mlstac_hf._stores._http_checks import Version

MAX_VERSIONS = 1 << 15
"""Files whose version is kept in mind; of more, the first."""


class Pins:
    """The first version that was seen of each file. Picklable."""

    def __init__(self) -> None:
        self._versions: dict[str, Version] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"_versions": dict(self._versions)}

    def get(self, path: str) -> Version | None:
        """What was seen first; None where nothing was."""
        return self._versions.get(path)

    def settle(self, path: str, version: Version) -> Version:
        """The version of a file that is read: the first that was seen, which may be this one."""
        first = self._versions.get(path)
        if first is None:
            return self._versions.setdefault(path, version) if len(self._versions) < MAX_VERSIONS else version
        if first.nbytes is None or not first.host:
            self._versions[path] = first = first.completed(version)
        return first

    def check(self, path: str, version: Version, shown: str) -> None:
        """Settle the version of bytes that were read.

        Raises:
            StoreError: they are of another version than what was read before.
        """
        change = self.settle(path, version).change(version)
        if change:
            raise StoreError(f"{shown} changed on the server while it was read ({change}); open the collection again.")

    def forget(self, path: str) -> None:
        """A file that we write ourselves may be another."""
        self._versions.pop(path, None)

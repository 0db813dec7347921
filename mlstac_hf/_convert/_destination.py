"""Where converted files go: beside each other in a folder or bucket, or one file of a given name.

Owns: names of the files, and how files of the collection are pointed to from there. Leaves to others: that nothing
half-written is ever seen (`_stores`), what is written.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mlstac_hf._errors import InvalidCollectionError
from mlstac_hf._reading import Location
from mlstac_hf._stores import MAIN, LocalStore, WritableStore
from mlstac_hf._write._destination import open_destination

_OWN = (MAIN, "metadata.parquet", "SHA256SUMS")
"""Names that a collection's own files have."""


@dataclass(frozen=True, kw_only=True)
class Destination:
    """A folder, and the one file in it that was named, if one was."""

    store: WritableStore
    file: str | None

    @classmethod
    def of(cls, address: str | os.PathLike[str], suffix: str, storage_options: dict[str, Any] | None) -> Destination:
        """The destination of an address: one file where it ends in `suffix`, a folder otherwise.

        Raises:
            ValueError: nothing can be written there, or the name is one of a collection's own files.
        """
        folder, file = os.fspath(address), None
        if folder.lower().endswith(suffix):
            before, slash, file = folder.replace(os.sep, "/").rpartition("/")
            folder = before + slash if before.endswith(":/") else before or (slash or ".")
        if file in _OWN:
            raise ValueError(
                f"destination: {os.fspath(address)!r} has the name of a file of the collection itself. Choose another"
            )
        return cls(store=open_destination(folder, storage_options), file=file)

    def named(self, name: str) -> str:
        """The name of a file: the one that was asked for, else `name`.

        Raises:
            InvalidCollectionError: `name`, which comes from the collection, cannot be a file's.
        """
        if self.file is not None:
            return self.file
        if name in _OWN or name.startswith(".") or any(letter in name for letter in '/\\\0:*?"<>|'):
            raise InvalidCollectionError(
                f"expected a split whose name can be a file's, found {name!r:.80}. Give split= and name the file as "
                "the destination."
            )
        return name

    def shown(self, name: str) -> str:
        """Where a file lies, for the user."""
        return f"{self.store.url.rstrip('/')}/{name}"

    def href(self, location: Location) -> str:
        """How a file of the collection is pointed to from a file there: relative where both lie on this disk."""
        if "://" in location.folder:
            path = quote(location.path) if location.folder.startswith("http") else location.path
            return f"{location.folder.rstrip('/')}/{path}"
        full = os.path.abspath(os.path.join(location.folder, location.path))
        if isinstance(self.store, LocalStore):
            return quote(Path(os.path.relpath(full, os.path.abspath(self.store.root))).as_posix())
        return Path(full).as_uri()

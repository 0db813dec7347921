"""The store seam: where bytes come from and go, for every address and everybody.

Owns: the calls (`read`, `read_range`, `fetch`, `fetch_parts`, `stat`, `list`, `put`), and what they promise. A path is
relative to the store's root, with forward slashes, and never leaves it. A missing file is a plain
FileNotFoundError, for the caller to name; everything else that goes wrong is a StoreError.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from mlstac_hf._errors import LinkRefusedError

_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*", re.ASCII)
"""A path that is clean as it is, as nearly all are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One file of a folder."""

    name: str
    """Without the folder."""
    nbytes: int | None
    """None where the store does not say."""
    version: str
    """Changes when the content does: times and sizes, an ETag or a content hash."""


class Store(Protocol):
    """A readable, and where it makes sense writable, tree of files. Picklable, and safe to fork."""

    @property
    def url(self) -> str:
        """The root, for messages; never holds credentials."""

    def read(self, path: str) -> bytes:
        """The whole file."""

    def fetch(self, path: str) -> bytes | memoryview:
        """As `read`; memory that is writable is nobody else's."""

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """Bytes `start` to `stop`, fewer where the file ends before."""

    def fetch_parts(self, path: str, parts: Sequence[range]) -> Sequence[bytes | memoryview]:
        """Parts of a file, one behind the other, by one request; see `fetch`. Fewer bytes where the file ends."""

    def stat(self, path: str) -> Entry:
        """Size and version of one file, without reading it."""

    def list(self, path: str) -> list[Entry] | None:
        """The files directly in a folder, in no order; None where this store cannot list."""

    def put(self, path: str, data: bytes | memoryview) -> None:
        """Write a whole file; readers see the old one or the new one, never half."""

    def open_local(self, path: str) -> int | None:
        """A descriptor of the file where it lies on this machine's disk, for the caller to close; else None."""


class WritableStore(Store, Protocol):
    """A store that whole collections are written to."""

    def put_parts(self, path: str, parts: Iterable[bytes | memoryview]) -> None:
        """As `put`, of parts that lie one after another; none is held longer than it takes."""

    def filling(self, path: str) -> AbstractContextManager[str]:
        """A path of this disk to write a file at, which is put in place at the end, and not at all after an error."""

    def remove(self, path: str) -> None:
        """Remove a file. A FileNotFoundError where there is none."""


def parts_of(data: bytes, parts: Sequence[range]) -> list[memoryview]:
    """Parts of bytes that were read from where the first of them begins."""
    view, start = memoryview(data), parts[0].start
    return [view[part.start - start : part.stop - start] for part in parts]


def check_relative(path: str) -> str:
    """`path`, cleaned; for names that come from files, not from the user.

    Raises:
        LinkRefusedError: it is absolute, or climbs out of the root.
    """
    if _PLAIN.fullmatch(path):
        return path
    pure = PurePosixPath(path.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or "\x00" in path:
        raise LinkRefusedError(
            f"expected a path inside the collection, found {path!r}, which leads out of it. "
            "Files are only read from the collection's own folder."
        )
    return str(pure)

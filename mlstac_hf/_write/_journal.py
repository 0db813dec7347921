"""The journal of a split that is being written: what of it is in place, so that a broken-off write goes on.

Owns: its lines, where they lie, and that one process writes a split at a time. Leaves to others: what an entry means.
On a disk it is one file that grows; in a bucket, where nothing grows, it is a row of small objects. A line that is
torn, and all after it, never happened.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from pydantic_core import to_json

from mlstac_hf._errors import StoreError
from mlstac_hf._stores import LocalStore, WritableStore
from mlstac_hf._stores._lock import lock
from mlstac_hf._write._destination import JOURNALS, names_of, remove, remove_folder

_EVERY = 64
"""Entries an object holds, at most."""
_EVERY_S = 5.0
"""Between two fsyncs, or two objects."""
_OFTEN_S = 0.05
"""Between two writes to a file: what was put meanwhile is put again after a kill."""
VERSION = 2

Entry = dict[str, Any]


class _Lines(Protocol):
    """Lines that are kept."""

    every_s: float
    """How long lines may wait for others."""

    def read(self) -> list[bytes]: ...
    def append(self, lines: list[bytes]) -> None: ...
    def keep(self, lines: list[bytes]) -> None: ...
    def remove(self) -> None: ...
    def close(self) -> None: ...


class Journal:
    """The journal of one split.

    Args:
        store: where the collection is written.
        split: its name.
        header: the options of the call, JSON-ready; a journal begun with others is not gone on with.

    Raises:
        FileExistsError: a write with other options was broken off here.
        StoreError: another process writes this split now, or the store failed.
    """

    def __init__(self, store: WritableStore, split: str, header: Mapping[str, Any]) -> None:
        self._store = store
        self._lines: _Lines = _File(store, split) if isinstance(store, LocalStore) else _Objects(store, split)
        try:
            self._open(split, {"journal": VERSION, **header})
        except BaseException:
            self._lines.close()
            raise

    def _open(self, split: str, header: dict[str, Any]) -> None:
        found = self._lines.read()
        parsed = [_parsed(line) for line in found]
        whole = next((number for number, entry in enumerate(parsed) if entry is None), len(parsed))
        entries = [entry for entry in parsed[:whole] if entry is not None]
        if entries:
            differing = sorted(key for key in header | entries[0] if header.get(key) != entries[0].get(key))
            if differing:
                key = differing[0]
                raise FileExistsError(
                    f"a write of split {split!r} to {self._store.url} was broken off, and began with "
                    f"{key}={entries[0].get(key)!r}; this call has {header.get(key)!r}. Go on with the options it "
                    f"began with, or remove {split}/ and {JOURNALS}/ there to begin anew"
                )
        self.entries: list[Entry] = entries[1:]
        """What is in place, in order."""
        self._kept = found[:whole]
        if whole < len(found):
            self._lines.keep(self._kept)
        self._pending: list[bytes] = []
        self._last = time.monotonic()
        if not entries:
            self._lines.append([_line(header)])

    @staticmethod
    def exists(store: WritableStore, split: str) -> bool:
        """Whether a write of a split was broken off."""
        return any(name.startswith(f"{split}.") for name in names_of(store, JOURNALS))

    def keep(self, count: int) -> None:
        """Forget all entries but the first `count`: what they say is not so."""
        if count < len(self.entries):
            del self.entries[count:]
            self._lines.keep(self._kept[: count + 1])

    def append(self, entry: Entry) -> None:
        """Note what is in place now."""
        self._pending.append(_line(entry))
        if len(self._pending) >= _EVERY or time.monotonic() - self._last > self._lines.every_s:
            self.flush()

    def flush(self) -> None:
        """Keep what was noted."""
        if self._pending:
            self._lines.append(self._pending)
            self._pending, self._last = [], time.monotonic()

    def close(self) -> None:
        """Keep what was noted, and let other processes go on with it."""
        try:
            self.flush()
        finally:
            self._lines.close()

    def remove(self) -> None:
        """The split is declared, so nothing of it is needed."""
        self._pending = []
        self._lines.remove()
        remove_folder(self._store, JOURNALS)


class _File:
    """A file of this disk that grows; locked as long as it is open."""

    every_s = _OFTEN_S

    def __init__(self, store: LocalStore, split: str) -> None:
        self._path = Path(store.root) / JOURNALS / f"{split}.jsonl"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise StoreError(f"could not write {self._path}: {error.strerror or error}") from error
        self._synced = time.monotonic()
        lock(self._descriptor, self._path, "writes this split")

    def read(self) -> list[bytes]:
        return self._path.read_bytes().splitlines(keepends=True)

    def append(self, lines: list[bytes]) -> None:
        data = memoryview(b"".join(lines))
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
            if time.monotonic() - self._synced > _EVERY_S:
                os.fsync(self._descriptor)
                self._synced = time.monotonic()
        except OSError as error:
            raise StoreError(f"could not write {self._path}: {error.strerror or error}") from error

    def keep(self, lines: list[bytes]) -> None:
        os.ftruncate(self._descriptor, sum(map(len, lines)))

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)
        self._let_go()

    def close(self) -> None:
        if self._descriptor >= 0:
            with suppress(OSError):
                os.fsync(self._descriptor)
            self._let_go()

    def _let_go(self) -> None:
        os.close(self._descriptor)
        self._descriptor = -1


class _Objects:
    """Objects that are written once each, numbered."""

    every_s = _EVERY_S

    def __init__(self, store: WritableStore, split: str) -> None:
        self._store, self._split = store, split
        own = (name for name in names_of(store, JOURNALS) if name.startswith(f"{split}.") and name.endswith(".jsonl"))
        self._names = sorted(own)

    def _add(self, lines: list[bytes]) -> None:
        number = int(self._names[-1].split(".")[-2]) + 1 if self._names else 0
        name = f"{self._split}.{number:08d}.jsonl"
        self._store.put(f"{JOURNALS}/{name}", b"".join(lines))
        self._names.append(name)

    def read(self) -> list[bytes]:
        return [
            line for name in self._names for line in self._store.read(f"{JOURNALS}/{name}").splitlines(keepends=True)
        ]

    def append(self, lines: list[bytes]) -> None:
        self._add(lines)

    def keep(self, lines: list[bytes]) -> None:
        old, self._names = self._names, []
        for name in reversed(old):  # the end first: what is left at any moment is a beginning
            remove(self._store, f"{JOURNALS}/{name}")
        self._add(lines)

    def remove(self) -> None:
        for name in reversed(self._names):
            remove(self._store, f"{JOURNALS}/{name}")
        self._names = []

    def close(self) -> None:
        """Nothing is held."""


def _line(entry: Entry) -> bytes:
    return to_json(entry) + b"\n"


def _parsed(line: bytes) -> Entry | None:
    """An entry; None of a line that is torn."""
    if not line.endswith(b"\n"):
        return None
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None

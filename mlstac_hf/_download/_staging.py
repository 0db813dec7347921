"""What a download keeps in its folder until all is there, and the note by which the same call goes on.

Owns: which folder may be downloaded to, that one process does, which files and parts of files are there. Leaves to
others: which files there are to bring, fetching them.

Everything comes to a folder of its own first, and `main.json` is put last: half a download is no collection.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mlstac_hf._errors import MLSTACError, StoreError
from mlstac_hf._stores import MAIN, LocalStore
from mlstac_hf._stores._lock import lock
from mlstac_hf._stores._store import check_relative

FOLDER = ".mlstac-hf-download"
_RECORD, _WHOLE, _PARTS = "record.json", "whole", "parts"
_VERSION = 1
Skipped = dict[str, dict[int, str]]
"""Of the samples that are left out, by split: number in the selection, and what is wrong."""


class Staging:
    """The folder of one download.

    Args:
        root: the destination.
        call: what was asked for, JSON-ready; a folder that another call began is refused.

    Raises:
        FileExistsError: the folder holds something else, or a download of other arguments.
    """

    def __init__(self, root: Path, call: Mapping[str, Any]) -> None:
        self.root = root
        self._call = {"version": _VERSION, **call}
        self._own = root / FOLDER
        self.store = LocalStore(root)
        self.skipped: Skipped | None = self._read()
        """None until all that can be had is there; from then on files have their places."""

    @property
    def is_done(self) -> bool:
        """Whether `main.json` is in place."""
        return self.skipped is not None and (self.root / MAIN).is_file()

    def _read(self) -> Skipped | None:
        try:
            found = json.loads((self._own / _RECORD).read_bytes())
            began, skipped = dict(found["call"]), found["skipped"]
            noted = (
                None if skipped is None else {s: {int(k): str(v) for k, v in of.items()} for s, of in skipped.items()}
            )
        except FileNotFoundError:
            self._check_free()
            return None
        except NotADirectoryError as error:
            raise FileExistsError(
                f"{self.root}: expected a folder, found a file; choose another destination"
            ) from error
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            raise FileExistsError(
                f"{self._own / _RECORD} cannot be read, so this download cannot go on. Remove {self.root} to begin anew"
            ) from None
        for key in sorted(began.keys() | self._call.keys()):
            if began.get(key) != self._call.get(key):
                raise FileExistsError(self._differs(key, began.get(key), self._call.get(key)))
        return noted

    def _differs(self, key: str, began: object, now: object) -> str:
        if key == "state":
            return (
                f"{self.root} holds a download of this collection as it was before; its files have changed since. "
                "Choose another destination, or remove that folder to begin anew"
            )
        return (
            f"{self.root} holds a download that began with {key}={began!r}, and this call has {now!r}. Go on with the "
            "arguments it began with, or choose another destination"
        )

    def _check_free(self) -> None:
        """Refuse a folder with files of others. Our own folder alone was left by a call that had only begun."""
        if self.root.exists() and not self.root.is_dir():
            raise FileExistsError(f"{self.root}: expected a folder, found a file; choose another destination")
        with suppress(FileNotFoundError):
            others = sorted(name for name in os.listdir(self.root) if name != FOLDER)
            if others:
                raise FileExistsError(
                    f"{self.root} holds {', '.join(others[:5])}, which no download brought. Nothing was changed; "
                    "choose a destination that is empty or not there yet"
                )

    @contextmanager
    def begun(self) -> Iterator[None]:
        """While files are brought: no other process does it too.

        Raises:
            StoreError: another process downloads to this folder, or the disk failed.
        """
        with _writing(self._own):
            self._own.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._own, os.O_RDONLY)
        lock(descriptor, self._own, "downloads to this folder")
        try:
            self.skipped = self._read()
            with _writing(self._own):
                self._note()
                yield
        finally:
            os.close(descriptor)

    def settle(self, skipped: Skipped) -> None:
        """Note that all that can be had is there."""
        if self.skipped is None:
            self.skipped = skipped
            self._note()

    def _note(self) -> None:
        self.store.put(f"{FOLDER}/{_RECORD}", json.dumps({"call": self._call, "skipped": self.skipped}).encode())

    def finish(self) -> None:
        """Remove what only mattered on the way."""
        for name in (_WHOLE, _PARTS):
            shutil.rmtree(self._own / name, ignore_errors=True)

    def whole(self, path: str) -> Path:
        """Where a file lies that was brought."""
        return self._own / _WHOLE / check_relative(path)

    def part(self, path: str) -> Path:
        """Where a file lies that is being brought; which parts of it are there stands beside it."""
        return self._own / _PARTS / check_relative(path)

    def place(self, path: str) -> Path:
        """Where a file will lie in the end."""
        return self.root / check_relative(path)

    def sizes(self, folder: str, *, landed: bool) -> dict[str, int]:
        """Bytes by name of the files of a folder that were brought, or are in place."""
        try:
            entries = self.store.list(folder if landed else f"{FOLDER}/{_WHOLE}/{folder}")
        except FileNotFoundError:
            return {}
        return {entry.name: entry.nbytes or 0 for entry in entries}

    def nbytes_there(self) -> int:
        """Bytes that need not be fetched again."""
        total = 0
        for folder, _, names in os.walk(self._own / _WHOLE):
            total += sum(os.path.getsize(os.path.join(folder, name)) for name in names)
        for folder, _, names in os.walk(self._own / _PARTS):
            for name in names:
                status = os.stat(os.path.join(folder, name))
                # a file that fills part by part has holes, which take no room
                total += min(status.st_size, getattr(status, "st_blocks", 0) * 512)
        return total

    def move(self, path: str, final: str) -> Path:
        """Put a file that was brought where it will lie, if it is not there already."""
        target = self.place(final)
        with suppress(FileNotFoundError):
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(self.whole(path), target)
        return target

    def remove(self, paths: Sequence[Path]) -> None:
        """Remove files if they are there."""
        for path in paths:
            path.unlink(missing_ok=True)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Failures of the disk as ours."""
    try:
        yield
    except MLSTACError:
        raise
    except OSError as error:
        raise StoreError(f"could not write {error.filename or folder}: {error.strerror or error}") from error

"""What is known to be up already, kept on this machine, so that a broken-off push goes on.

Owns: where it lies, its lines, and that one process pushes to a branch at a time. Leaves to others: whether it is still
so (the listing of the repository has the last word, `_repository`).
A line that cannot be read, such as the torn last one of a process that was killed, never happened.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Collection as Container
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import platformdirs

from mlstac_hf._errors import StoreError
from mlstac_hf._stores._lock import lock

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA1 = re.compile(r"[0-9a-f]{40}")
_FIELDS = 4
_NAME = "manifest.jsonl"


@dataclass(frozen=True, kw_only=True)
class Content:
    """What tells one content from another, as LFS and git do."""

    sha256: str
    blob: str
    """Git's id of it; empty for files that are too large for git."""
    nbytes: int

    @classmethod
    def of(cls, data: bytes) -> Self:
        """That of some bytes."""
        return cls(sha256=hashlib.sha256(data).hexdigest(), blob=git_id(data), nbytes=len(data))


def git_id(data: bytes) -> str:
    """What git calls a content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def work_folder(endpoint: str, repo_id: str, revision: str, cache_dir: Path | None = None) -> Path:
    """Where a push to one branch keeps its manifest and the files that it is making.

    Args:
        endpoint: of the Hub.
        repo_id: `user/repo`.
        revision: the branch.
        cache_dir: default the platform's cache folder of the user.
    """
    digest = hashlib.sha256(f"{endpoint}\n{repo_id}\n{revision}".encode()).hexdigest()[:16]
    root = platformdirs.user_cache_path("mlstac-hf") if cache_dir is None else cache_dir
    return root / "push" / f"{repo_id.replace('/', '--')}-{digest}"


def known_in(folder: Path) -> dict[str, Content]:
    """The contents that went up, by key, as far as can be read."""
    try:
        lines = (folder / _NAME).read_bytes().splitlines()
    except OSError:
        return {}
    return dict(entry for entry in map(_parsed, lines) if entry is not None)


class Manifest:
    """The contents that went up, by the key of what they are made from.

    Args:
        folder: is made where it is not there.

    Raises:
        StoreError: another process pushes there now, or the disk failed.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise StoreError(f"could not write {self._path}: {error.strerror or error}") from error
        lock(self._descriptor, self._path, "pushes to this branch")
        self._known = known_in(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def get(self, key: str) -> Content | None:
        """What came of it the last time; None where nothing is known of it."""
        return self._known.get(key)

    def note(self, key: str, content: Content) -> None:
        """A content is up."""
        if self._known.get(key) != content:
            self._known[key] = content
            self._write(b"\n" + _line(key, content))  # after a line that is torn, this is one of its own

    def forget_all_but(self, keys: Container[str]) -> None:
        """What is not part of the push that ended will not be asked for."""
        kept = {key: content for key, content in self._known.items() if key in keys}
        if len(kept) < len(self._known):
            part = self._path.with_suffix(".part")
            with suppress(OSError):  # then it stays as long as it is
                part.write_bytes(b"".join(_line(key, content) for key, content in kept.items()))
                part.replace(self._path)

    def _write(self, line: bytes) -> None:
        try:
            os.write(self._descriptor, line)  # appends: a line is there in full, or torn at the end
        except OSError as error:
            raise StoreError(f"could not write {self._path}: {error.strerror or error}") from error


def _line(key: str, content: Content) -> bytes:
    return json.dumps({"key": key, **asdict(content)}, separators=(",", ":")).encode() + b"\n"


def _parsed(line: bytes) -> tuple[str, Content] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    match entry:
        case {"key": str(key), "sha256": str(sha256), "blob": str(blob), "nbytes": int(nbytes)} if (
            len(entry) == _FIELDS and _SHA256.fullmatch(sha256) and (not blob or _SHA1.fullmatch(blob)) and nbytes >= 0
        ):
            return key, Content(sha256=sha256, blob=blob, nbytes=nbytes)
    return None

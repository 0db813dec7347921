"""Files of the Hub on this disk, as huggingface_hub lays them, so that what one has fetched the other finds.

Owns: `blobs/<hash>`, `snapshots/<commit>/<path>` and `refs/<revision>` of one repository in HF_HUB_CACHE, and beside
them, in `.mlstac/`, what the folders of a commit held. Leaves to others: fetching (`_hub`).
Layout: https://huggingface.co/docs/huggingface_hub/guides/manage-cache
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from contextlib import suppress
from urllib.parse import quote

from mlstac_hf._stores._store import Entry, check_relative

COMMIT = re.compile(r"[0-9a-f]{40}")
_HASH_NBYTES = {40: hashlib.sha1, 64: hashlib.sha256}
_FLAGS = os.O_RDONLY | os.O_CLOEXEC


class HubCache:
    """What lies on this disk of one dataset repository.

    Args:
        root: HF_HUB_CACHE.
        repository: such as `user/repo`.
    """

    def __init__(self, root: str, repository: str) -> None:
        self.folder = os.path.join(root, f"datasets--{repository.replace('/', '--')}")

    def commit_of(self, revision: str) -> str | None:
        """The commit that a revision named when it was last looked up."""
        if COMMIT.fullmatch(revision):
            return revision if os.path.isdir(os.path.join(self.folder, "snapshots", revision)) else None
        with suppress(OSError, ValueError), open(self._path("refs", revision), encoding="ascii") as file:
            found = file.read(41).strip()
            return found if COMMIT.fullmatch(found) else None
        return None

    def note_commit(self, revision: str, commit: str) -> None:
        """Keep in mind which commit a revision names."""
        if revision != commit:
            self._write(self._path("refs", revision), commit.encode())

    def open(self, commit: str, path: str) -> int | None:
        """A descriptor of a file, for the caller to close; None where it is not here."""
        try:
            return os.open(self._path("snapshots", commit, path), _FLAGS)
        except OSError:
            return None

    def put(self, commit: str, path: str, digest: str, data: bytes) -> bool:
        """Keep a file.

        Args:
            commit: that it is of.
            path: in the repository.
            digest: what the Hub names its content by: SHA-256, or that of git.
            data: the content.

        Returns:
            False where the content is not what `digest` says. A disk that cannot be written to is no error.
        """
        digest = digest.removeprefix("W/").strip('"')
        if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", digest):
            return True  # a mirror that names its files otherwise: nothing to check, no name to keep it by
        content = data if len(digest) == 64 else b"blob %d\0" % len(data) + data  # noqa: PLR2004 - digits of a SHA-256
        if _HASH_NBYTES[len(digest)](content, usedforsecurity=False).hexdigest() != digest:
            return False
        blob, place = self._path("blobs", digest), self._path("snapshots", commit, path)
        if os.path.exists(blob) or self._write(blob, data):
            with suppress(OSError):
                os.makedirs(os.path.dirname(place), exist_ok=True)
                try:
                    os.symlink(os.path.relpath(blob, os.path.dirname(place)), place)
                except FileExistsError:
                    pass
                except OSError:  # a system without links: as huggingface_hub does there
                    os.replace(blob, place)
        return True

    def listing(self, commit: str, folder: str) -> list[Entry] | None:
        """The files directly in a folder, as they were noted; None where they were not."""
        with suppress(OSError, ValueError, TypeError), open(self._note(commit, folder), encoding="utf-8") as file:
            return [Entry(name=name, nbytes=nbytes, version=digest) for name, nbytes, digest in json.load(file)]
        return None

    def note_listing(self, commit: str, folder: str, entries: list[Entry]) -> None:
        """Keep in mind what a folder holds; of a commit that never changes."""
        facts = [[entry.name, entry.nbytes, entry.version] for entry in entries]
        self._write(self._note(commit, folder), json.dumps(facts).encode())

    def found(self, commit: str, folder: str) -> list[Entry]:
        """The files of a folder that are here, which may not be all."""
        entries = []
        with suppress(OSError), os.scandir(self._path("snapshots", commit, folder)) as items:
            for item in items:
                with suppress(OSError):
                    if item.is_file():
                        target = os.path.basename(os.path.realpath(item.path))  # the blob's name is its digest
                        entries.append(Entry(name=item.name, nbytes=item.stat().st_size, version=target))
        return entries

    def _note(self, commit: str, folder: str) -> str:
        return self._path(".mlstac", commit, f"{quote(folder, safe='')}.json")

    def _path(self, *parts: str) -> str:
        return os.path.join(self.folder, *(check_relative(part) for part in parts))

    @staticmethod
    def _write(path: str, data: bytes) -> bool:
        """Write a whole file; False where that cannot be done."""
        temporary = f"{path}.{secrets.token_hex(8)}.incomplete"
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(temporary, "wb") as file:
                file.write(data)
            os.replace(temporary, path)
        except OSError:
            with suppress(OSError):
                os.unlink(temporary)
            return False
        return True

"""What the bytes of a published file must be, where somebody says, and whether those that came are.

Owns: whose word counts: `mlhf:checksums` of `main.json`, then the Hub's. Leaves to others: `SHA256SUMS` (`_samples`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from mlstac_hf._formats import HeaderError
from mlstac_hf._stores import HubStore, Store

_PIECE = 4 << 20
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_OF_HUB = {64: "sha256:", 40: "git:"}


def digest_of(store: Store, path: str, checksums: Mapping[str, str], known_as: str) -> str | None:
    """What is said of a file.

    Args:
        store: where it lies.
        path: in the store.
        checksums: of `main.json`.
        known_as: its path beside `main.json`.
    """
    said = checksums.get(known_as, "").lower()
    if _SHA256.fullmatch(said):
        return said
    if isinstance(store, HubStore):
        version = store.stat(path).version
        if re.fullmatch(r"[0-9a-f]+", version) and len(version) in _OF_HUB:
            return _OF_HUB[len(version)] + version
    return None


def sha256_of(path: Path) -> str:
    """SHA-256 of a file of this disk, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_digest(path: Path, said: str) -> None:
    """Compare a file with what is said of it.

    Raises:
        HeaderError: it is another.
    """
    kind, _, expected = said.partition(":")
    if kind == "sha256":
        found = sha256_of(path)
    else:
        digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
        found = digest.hexdigest()
    if found != expected:
        raise HeaderError(f"expected bytes of {said}, found {kind}:{found}: it is damaged, or was changed since")

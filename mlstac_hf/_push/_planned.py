"""What is to go up, before any of it is made.

Owns: the seam between what a repository will hold (`_publication`, `_card`) and bringing it there (`_upload`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlstac_hf._stores import MAIN


@dataclass(frozen=True, kw_only=True)
class PlannedFile:
    """One file of a repository."""

    path: str
    """In the repository."""
    key: str
    """The same for the same content: digest of all that it is made from."""
    nbytes: int
    """About what it will take."""
    make: Callable[[Path], None] = field(repr=False)
    """Writes it to a path where nothing is yet; the same bytes each time. Called when it has to go up."""


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """One file as it went up."""

    path: str
    sha256: str
    nbytes: int


def document_file(document: Mapping[str, Any]) -> PlannedFile:
    """`main.json`."""
    return bytes_file(MAIN, (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def bytes_file(path: str, data: bytes) -> PlannedFile:
    """A file whose bytes are at hand."""

    def make(to: Path) -> None:
        to.write_bytes(data)

    return PlannedFile(path=path, key=hashlib.sha256(data).hexdigest(), nbytes=len(data), make=make)

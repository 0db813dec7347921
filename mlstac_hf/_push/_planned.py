"""What is to go up, before any of it is made.

Owns: the seam between what a repository will hold (`_publication`, `_card`) and bringing it there (`_upload`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


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

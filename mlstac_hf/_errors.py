"""Every error this package raises on purpose, and the one warning.

* MLSTACError
  x CollectionError                 the collection as a whole
    + CollectionNotFoundError       nothing to open at this address
    + InvalidCollectionError        something is there, and it is no readable collection
    + UnknownNameError              a split, column or band the collection does not have
  x SampleError                     one sample; the others stay readable
    + MissingSampleError            the file should be there and is not
    + CorruptSampleError            the bytes are not what their header claims
    + SchemaMismatchError           the sample does not fit its neighbours, where that matters
  x LinkRefusedError                a link of the collection leads where it may not
  x StoreError                      the network, the disk or the bucket failed
  x MissingExtraError               an optional dependency is not installed
  x UnsupportedDtypeError           a framework cannot hold the stored values exactly

Each leaf also inherits the builtin it resembles, so `except FileNotFoundError` works as well.
Every error holds one string, so it crosses process borders unharmed.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence

__all__ = [
    "CollectionError",
    "CollectionNotFoundError",
    "CollectionWarning",
    "CorruptSampleError",
    "InvalidCollectionError",
    "LinkRefusedError",
    "MLSTACError",
    "MissingExtraError",
    "MissingSampleError",
    "SampleError",
    "SchemaMismatchError",
    "StoreError",
    "UnknownNameError",
    "UnsupportedDtypeError",
]


class MLSTACError(Exception):
    """Base of everything this package raises on purpose."""


class CollectionError(MLSTACError):
    """The collection as a whole cannot be used as asked."""


class CollectionNotFoundError(CollectionError, FileNotFoundError):
    """Nothing to open at the address; the message lists where was looked, and for what."""


class InvalidCollectionError(CollectionError, ValueError):
    """`main.json` cannot be read, or describes nothing that could be opened."""


class UnknownNameError(CollectionError, LookupError):
    """A split, column or band that the collection does not have; the message lists those it has."""


class SampleError(MLSTACError):
    """One sample cannot be had. The others stay readable and keep their index."""


class MissingSampleError(SampleError, FileNotFoundError):
    """A sample that should exist is not there."""


class CorruptSampleError(SampleError, ValueError):
    """A sample whose bytes are not what its header claims, or whose header makes no sense."""


class SchemaMismatchError(SampleError, ValueError):
    """A sample whose tensors differ from the rest of its split where one schema is needed."""


class LinkRefusedError(MLSTACError, PermissionError):
    """A link inside a collection leads out of it; `trust_links=True` follows it anyway."""


BAD_SAMPLE = (SampleError, LinkRefusedError)
"""What `on_error="skip"` leaves out: faults of one sample, a link out of the collection included."""


class StoreError(MLSTACError, OSError):
    """Reading or writing failed below us: network, disk, bucket, permissions."""


class MissingExtraError(MLSTACError, ImportError):
    """An optional dependency is missing; the message is the line that installs it."""


class UnsupportedDtypeError(MLSTACError, TypeError):
    """The framework has no dtype for the stored values, and a near one would change them."""


_PASSED_OVER = ("mlstac_hf", "datasets")
"""Packages whose lines are not the user's."""


def warn(message: str) -> None:
    """Warn at the line of the user's that led here, however deep in this package the cause was found."""
    frame, level = sys._getframe(), 1  # noqa: SLF001 - warnings' own skip_file_prefixes is there from 3.12 on
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _PASSED_OVER:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, CollectionWarning, stacklevel=level)


_MOST_NAMED = 10


def warn_skipped(errors: Sequence[str]) -> None:
    """Tell which samples were left out."""
    shown = "\n  ".join(errors[:_MOST_NAMED])
    more = f"\n  and {len(errors) - _MOST_NAMED} more" if len(errors) > _MOST_NAMED else ""
    warn(f"{len(errors)} bad samples left out:\n  {shown}{more}")


class CollectionWarning(UserWarning):
    """The collection is readable but not quite what it says of itself."""

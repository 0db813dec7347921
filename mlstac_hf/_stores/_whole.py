"""A file of this disk that is put whole: readers see the old one or the new one, never half.

Owns: what it is called while it is written, and how bytes get there. Leaves to others: paths (`_local`), and what the
bytes are. Imports nothing but the standard library: processes that only put files bring in no more.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

PART = ".part"
"""Ends the names of files that are being written, which begin with a dot."""

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_READABLE = 0o666  # less what the umask takes: others read what is written, if the user lets them
_SEND_OFF = 2**16
"""Bytes that are worth the disk's while."""


@contextmanager
def putting(target: str) -> Iterator[tuple[int, str]]:
    """A new file, put in place at the end, and not at all after an error.

    Args:
        target: its path then; folders that are not there are made.

    Yields:
        A descriptor to write to, and the path of the file until it is in place.

    Raises:
        OSError: it cannot be written.
    """
    temporary = os.path.join(os.path.dirname(target), f".{os.urandom(8).hex()}{PART}")
    handle = _create(temporary)
    try:
        try:
            yield handle, temporary
        finally:
            os.close(handle)
        os.replace(temporary, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _create(path: str) -> int:
    """A descriptor of a new file, whose folders are made where they are not there."""
    try:
        return os.open(path, _NEW, _READABLE)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return os.open(path, _NEW, _READABLE)


def write_all(handle: int, parts: Iterable[bytes | memoryview]) -> None:
    """Write bytes one after another."""
    sent = end = 0
    for part in parts:
        rest = memoryview(part)
        while rest:
            written = os.write(handle, rest)
            rest, end = rest[written:], end + written
        if end - sent >= _SEND_OFF:
            _send_off(handle, sent, end)
            sent = end


def _send_off(handle: int, start: int, stop: int) -> None:
    """Have the disk begin with what was written, instead of much later with all of it; nobody waits for it.

    Linux takes this for the word to do so; what is on its way is still in memory for readers.
    """
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):
            os.posix_fadvise(handle, start, stop - start, os.POSIX_FADV_DONTNEED)

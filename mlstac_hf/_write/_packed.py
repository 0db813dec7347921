"""Bytes on their way into a file: packed, counted, hashed.

Owns: how a file is compressed, and what is known of its bytes when they are written. Leaves to others: what they are,
and where they go. Imports nothing but the standard library, for `_helper`.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator


def compress(data: bytes | memoryview) -> bytes:
    """One gzip member without name or time, the same for the same bytes."""
    packed = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packed.compress(data) + packed.flush()
    head = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # no flags, no time, no system: Python's own differ between versions
    return head + body + zlib.crc32(data).to_bytes(4, "little") + (len(data) & 0xFFFFFFFF).to_bytes(4, "little")


class Passing:
    """Parts of a file, hashed and counted as they are taken.

    Args:
        parts: one after another.
    """

    def __init__(self, parts: Iterable[bytes | memoryview]) -> None:
        self._parts, self._hash = parts, hashlib.sha256()
        self.nbytes = 0

    def __iter__(self) -> Iterator[bytes | memoryview]:
        for part in self._parts:
            self._hash.update(part)
            yield part
            self.nbytes += len(part)

    @property
    def digest(self) -> str:
        """SHA-256 of what was taken, in hexadecimal digits."""
        return self._hash.hexdigest()

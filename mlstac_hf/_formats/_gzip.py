"""Gzip, inflated no further than asked.

Owns: which library inflates. Leaves to others: what is inside (`_safetensors`) and how much of it to ask for.
`isal` reads twice as fast as zlib and has the same interface, so it is used where it is installed.
Format: RFC 1952; several members and zero padding at the end are legal.
"""

from __future__ import annotations

import gzip
import io
import zlib
from typing import Any, BinaryIO, cast

from mlstac_hf._formats._safetensors import HeaderError

_ERRORS: list[type[Exception]] = [EOFError, gzip.BadGzipFile, zlib.error]
GzipFile: Any = gzip.GzipFile
try:
    from isal import igzip, isal_zlib
except ImportError:  # no wheel for this platform
    pass
else:
    GzipFile = igzip.GzipFile
    _ERRORS.append(cast(type[Exception], isal_zlib.error))

MAGIC = b"\x1f\x8b"
MAX_RATIO = 1032
"""Deflate cannot do better: a claim beyond this times the compressed size is a lie."""


class Inflater:
    """Reads forward through the inflated bytes of an open gzip file.

    Args:
        file: open at the start of the gzip data.

    Raises:
        HeaderError: from each method, when the data is cut, damaged or not gzip.
    """

    def __init__(self, file: BinaryIO | io.BufferedIOBase) -> None:
        self._gzip = GzipFile(fileobj=file, mode="rb")

    def read(self, nbytes: int) -> bytes:
        """The next `nbytes`; fewer only at the end."""
        try:
            return bytes(self._gzip.read(nbytes))
        except tuple(_ERRORS) as error:
            raise _damaged(error) from None

    def readinto(self, buffer: memoryview) -> None:
        """Fill `buffer` with the next bytes, without another copy."""
        done = 0
        try:
            while done < len(buffer):
                count = self._gzip.readinto(buffer[done:])
                if not count:
                    raise HeaderError(f"expected {len(buffer)} bytes of tensors, found {done}; the file is cut short")
                done += count
        except tuple(_ERRORS) as error:
            raise _damaged(error) from None

    def finish(self) -> None:
        """Check that nothing follows and that the checksum is right."""
        if self.read(1):
            raise HeaderError("bytes follow after the last tensor")


def _damaged(error: Exception) -> HeaderError:
    return HeaderError(f"the gzip data is damaged or cut short: {error}")

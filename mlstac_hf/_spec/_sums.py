"""`SHA256SUMS`: checksums of a split's files, as `sha256sum` writes and checks them.

Owns: what its lines say. Leaves to others: the files, and the checksum of this one, which stands in `main.json`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_LINE = re.compile(r"([0-9a-fA-F]{64})  ([^/\\]+)")


def sums_bytes(sums: Iterable[tuple[str, str]]) -> bytes:
    """The file.

    Args:
        sums: name of a file and its SHA-256 in hexadecimal digits, in the order to write them.

    Example:
        >>> parse_sums(sums_bytes([("0000001.safetensors", "ab" * 32)]))["0000001.safetensors"][:4]
        'abab'
    """
    return "".join(f"{digest}  {name}\n" for name, digest in sums).encode()


def parse_sums(data: bytes) -> dict[str, str]:
    """SHA-256 in small hexadecimal digits, by name of a file of the same folder.

    Raises:
        ValueError: it is no such file.
    """
    found = {}
    for line in data.decode().splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            raise ValueError("expected lines of a checksum, two blanks and a file's name")
        found[match[2]] = match[1].lower()
    return found

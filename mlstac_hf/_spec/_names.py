"""Sample file names of the sample layout: an index to base61 and back.

Owns: the alphabet and what counts as a sample file. Leaves to others: which files exist (`reading`).
Format: digits `1`…`9`, `A`…`Z`, `a`…`z` (61 of them, `1` is zero), left-padded with `0`, which is no
digit, to 7 characters. Byte order of names is the order of indices.
"""

from __future__ import annotations

ALPHABET = "123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
WIDTH = 7
PLAIN = ".safetensors"
COMPRESSED = ".safetensors.gz"
SUFFIXES = (PLAIN, COMPRESSED)
SUMS = "SHA256SUMS"
"""Checksums of a split's files, as `sha256sum -c` reads them; its own stands in `main.json`."""
MAX_SAMPLES = len(ALPHABET) ** WIDTH
"""How many samples names of the standard width can tell apart: 61^7, about 3.1e12."""

_VALUE = {digit: value for value, digit in enumerate(ALPHABET)}


def encode_name(index: int) -> str:
    """The name of sample `index`, without suffix.

    Raises:
        ValueError: `index` is negative.

    Example:
        >>> encode_name(0), encode_name(9), encode_name(61)
        ('0000001', '000000A', '0000021')
    """
    if index < 0:
        raise ValueError(f"a sample index is 0 or more, got {index}")
    digits = ""
    while True:
        index, digit = divmod(index, len(ALPHABET))
        digits = ALPHABET[digit] + digits
        if not index:
            return digits.rjust(WIDTH, "0")


def decode_name(name: str) -> int | None:
    """The index that `name` (without suffix) stands for, or None where it is no sample name.

    Example:
        >>> decode_name("0000211"), decode_name("notes"), decode_name("copy001")
        (3721, None, None)
    """
    digits = name.lstrip("0")
    if not digits or len(name) > 2 * WIDTH:
        return None
    index = 0
    for digit in digits:
        if digit not in _VALUE:
            return None
        index = index * len(ALPHABET) + _VALUE[digit]
    return index if encode_name(index) == name else None


def split_suffix(filename: str) -> tuple[str, str] | None:
    """`("0000001", ".safetensors.gz")` of a sample file's name; None where the suffix is another."""
    for suffix in (COMPRESSED, PLAIN):
        if filename.endswith(suffix):
            return filename[: -len(suffix)], suffix
    return None

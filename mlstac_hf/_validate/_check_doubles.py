"""Samples that occur twice: by id, and by their bytes where pixels are read.

Owns: within a split and across splits. Leaves to others: names of files (`_check_files`), places (`_check_ground`).
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from mlstac_hf._formats import Array
from mlstac_hf._spec import encode_name
from mlstac_hf._validate._check import Check
from mlstac_hf._validate._scan import Part, Seen

_PIECE = 16 << 20


class DoubleCheck(Check):
    """See the module."""

    name = "doubles"

    def __init__(self, survey: Any) -> None:
        super().__init__(survey)
        self._ids: dict[bytes, tuple[str, int]] = {}
        self._here: dict[bytes, int] = {}
        self._inputs: dict[bytes, tuple[str, int, str]] = {}

    def split(self, part: Part) -> None:  # noqa: ARG002 - part of a check
        """Ids are compared within a split first."""
        self._here = {}

    def sample(self, part: Part, seen: Seen) -> None:
        """Its id, and its input."""
        self._id(part, seen)
        value = (seen.values or {}).get("input")
        if value is None or not (len(value) if isinstance(value, str) else value.size):
            return
        known = self._inputs.setdefault(_digest(value), (part.name, seen.index, seen.place.file or ""))
        if known[:2] != (part.name, seen.index):
            code = "W603" if known[0] == part.name else "W604"
            self.say(code, f"its input is that of {known[2]} (sample {known[1]} of {known[0]})", seen.place)

    def _id(self, part: Part, seen: Seen) -> None:
        name = str(seen.facts.get("id"))
        key = hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=12).digest()
        first = self._here.setdefault(key, seen.index)
        if first != seen.index:
            self.say("W601", f"id {name[:80]!r} is that of sample {first} too", seen.place)
        if name in (seen.stem if part.folder is not None else None, encode_name(seen.index)):
            return  # the number of the sample, which begins anew in each split
        elsewhere = self._ids.setdefault(key, (part.name, seen.index))
        if elsewhere[0] != part.name:
            message = f"id {name[:80]!r} is that of sample {elsewhere[1]} of {elsewhere[0]} too"
            self.say("W602", message, seen.place)


def _digest(value: Array | str) -> bytes:
    """SHA-256 of a tensor with its dtype and shape, or of a text."""
    if isinstance(value, str):
        return hashlib.sha256(b"text\0" + value.encode("utf-8", "replace")).digest()
    digest = hashlib.sha256(f"{value.dtype.name} {value.shape}".encode())
    flat = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
    for start in range(0, flat.size, _PIECE):
        digest.update(flat[start : start + _PIECE].data)
    return digest.digest()

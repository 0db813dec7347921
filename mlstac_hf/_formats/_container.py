"""The container header (`.mlstac`): bytes to checked places of payloads.

Owns: what a container's header may say. Leaves to others: where bytes come from (`stores`), what a payload is
(`_payloads`). Format: `#y`, the header's length as u64 little-endian, JSON `{id: [begin, length]}`, then the
payloads; `begin` counts from the end of the header.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from typing import Any, NamedTuple

from mlstac_hf._formats._safetensors import HeaderError, check_surrogates, json_object, short

CONTAINER_MAGIC = b"#y"
CONTAINER_PREFIX = 10
"""Bytes before the header: the magic and the header's length."""
MAX_CONTAINER_HEADER = 64 << 20
"""Bytes. Published containers of 47,000 samples have 3 MiB."""
MAX_ID = 4096
"""Characters. An id is the stem of a file's name, which has at most 255."""

_ROUNDS = 8
_TEXT = 100  # a number of more digits is described, not shown


class Datapoint(NamedTuple):
    """One payload, as the header places it."""

    id: str
    start: int
    """First byte, counted from the start of the file; 0 where there is a fault."""
    nbytes: int
    """0 where there is a fault."""
    fault: str | None = None
    """Why it must not be read; None where its place is right."""


class Container(NamedTuple):
    """A checked header: every datapoint without a fault lies in the file and shares no byte with another."""

    entries: Mapping[str, Datapoint]
    """By id, in the header's order."""


def container_header_length(prefix: bytes, nbytes: int) -> int:
    """Length of the JSON after the first 10 bytes.

    Args:
        prefix: the first bytes of the file, 10 at least.
        nbytes: size of the file.

    Raises:
        HeaderError: it is no container, or it claims more than the file or any real header holds.
    """
    if prefix[:2] != CONTAINER_MAGIC[: len(prefix)]:
        raise HeaderError(f"expected a container, which begins with b'#y', found {prefix[:8]!r}")
    if len(prefix) < CONTAINER_PREFIX:
        raise HeaderError(f"expected 10 bytes before the header, found {len(prefix)} in all; the file is cut or empty")
    length = int.from_bytes(prefix[2:CONTAINER_PREFIX], "little")
    if length > nbytes - CONTAINER_PREFIX:
        raise HeaderError(
            f"the header claims {length} bytes, but only {nbytes - CONTAINER_PREFIX} follow; the file is cut short"
        )
    if length > MAX_CONTAINER_HEADER:
        raise HeaderError(f"the header claims {length} bytes, more than the {MAX_CONTAINER_HEADER} allowed")
    return length


def parse_container_header(data: bytes, nbytes: int) -> Container:
    """Check a header and place its payloads.

    An entry that is wrong spoils itself only: it carries a `fault`, and the others stay readable.

    Args:
        data: the JSON after the first 10 bytes, all of it; padding counts.
        nbytes: size of the whole file.

    Raises:
        HeaderError: no JSON object, an id that occurs twice, or one that is no id.
    """
    places = json_object(data, CONTAINER_PREFIX)
    longest = max(places, key=len, default="")
    if len(longest) > MAX_ID:
        raise HeaderError(f"the id {short(longest)} has {len(longest)} characters, more than the {MAX_ID} allowed")
    if b"\\u" in data:
        check_surrogates(dict.fromkeys(places, ""))
    first = CONTAINER_PREFIX + len(data)
    entries = {name: _datapoint(name, place, first, nbytes) for name, place in places.items()}
    for name, other in _overlapping([entry for entry in entries.values() if entry.fault is None]).items():
        entry = entries[name]
        end = entry.start + entry.nbytes
        entries[name] = Datapoint(name, 0, 0, f"its bytes {entry.start} to {end} overlap those of {short(other)}")
    return Container(entries)


def container_header(sizes: Mapping[str, int]) -> bytes:
    """What a container begins with, before its payloads.

    Args:
        sizes: bytes of each payload by id, in the order they will lie.
    """
    places, begin = {}, 0
    for name, nbytes in sizes.items():
        places[name] = [begin, nbytes]
        begin += nbytes
    text = json.dumps(places).encode()  # to the letter: upstream dumps it again to learn its length
    return CONTAINER_MAGIC + len(text).to_bytes(CONTAINER_PREFIX - 2, "little") + text


def _datapoint(name: str, place: Any, first: int, nbytes: int) -> Datapoint:
    """One entry of the header, checked in Python integers, which cannot overflow."""
    if type(place) is not list or len(place) != 2:  # noqa: PLR2004 - begin, length
        return Datapoint(name, 0, 0, f"its place is {_described(place)}, expected [begin, length]")
    begin, length = place
    if type(begin) is not int or type(length) is not int:
        found = f"[{_described(begin)}, {_described(length)}]"
        return Datapoint(name, 0, 0, f"its place is {found}, expected two whole numbers")
    if begin < 0 or length < 0:
        return Datapoint(name, 0, 0, f"it begins at {_described(begin)} and has {_described(length)} bytes")
    if not length:
        return Datapoint(name, 0, 0, "it has no bytes")
    if first + begin + length > nbytes:
        claim = f"it claims {_described(length)} bytes from byte {_described(first + begin)} on"
        return Datapoint(name, 0, 0, f"{claim}, but the file has {nbytes}: it is cut short or the header is wrong")
    return Datapoint(name, first + begin, length)


def _described(value: Any) -> str:
    """For a message: short, and without walking through what is nested."""
    if isinstance(value, list | dict):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, int) and abs(value) >= 10**_TEXT:
        return "a number beyond all bounds"
    return short(value)


def _overlapping(entries: list[Datapoint]) -> dict[str, str]:
    """Who is at fault where payloads share bytes, and whom each overlaps.

    Of two that overlap, the one that overlaps more others is at fault, both where they are equal: one
    false length over a whole file does not spoil the file.
    """
    entries = sorted(entries, key=lambda entry: (entry.start, entry.nbytes))
    faults: dict[str, str] = {}
    for _ in range(_ROUNDS):
        others = _neighbours(entries)
        if not others:
            return faults
        counts = _counts(entries)
        most = max(counts)
        for entry, count in zip(entries, counts, strict=True):
            if count == most:
                faults[entry.id] = others[entry.id]
        entries = [entry for entry in entries if entry.id not in faults]
    return faults | _neighbours(entries)  # made to be slow: no one is spared


def _neighbours(entries: list[Datapoint]) -> dict[str, str]:
    """For each entry that overlaps, the id of one it overlaps; `entries` are sorted by start."""
    others: dict[str, str] = {}
    widest: Datapoint | None = None  # of those before, the one that reaches furthest
    for entry in entries:
        if widest is not None and entry.start < widest.start + widest.nbytes:
            others[entry.id] = widest.id
            others.setdefault(widest.id, entry.id)
        if widest is None or entry.start + entry.nbytes > widest.start + widest.nbytes:
            widest = entry
    return others


def _counts(entries: list[Datapoint]) -> list[int]:
    """How many others each entry overlaps."""
    starts = [entry.start for entry in entries]  # sorted
    ends = sorted(entry.start + entry.nbytes for entry in entries)
    return [bisect_left(starts, entry.start + entry.nbytes) - bisect_right(ends, entry.start) - 1 for entry in entries]

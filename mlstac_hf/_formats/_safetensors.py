"""The safetensors header: bytes to checked tensor slices.

Owns: what a header may say. Leaves to others: where bytes come from (`stores`), what a sample means
(`spec`). We read headers ourselves because reading files from a map, into a caller's batch, out of a gzip
stream or over ranges is beyond the `safetensors` package, which remains the oracle of our tests and the
writer. Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from mlstac_hf._formats._dtypes import CODES, Array

PREFIX = 8
"""Bytes before the header: its length, u64 little-endian."""
MAX_HEADER = 16 << 20
"""Bytes. Sample headers stay under 10 KB; safetensors itself allows 100 MB, which is an attack here."""

MAX_NBYTES = 2**63 - 1
"""What 64 bits count; strides beyond it no library can hold."""
MAX_AXES = 32
"""What numpy 1 could hold; real tensors have up to 5."""


class HeaderError(ValueError):
    """The header is not one; the message says why, the caller says where."""


class TensorSlice(NamedTuple):
    """One tensor, as the header places it."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    """First byte, counted from the start of the file."""
    nbytes: int

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.nbytes // self.dtype.itemsize

    def view(self, buffer: memoryview | bytearray, base: int = 0) -> Array:
        """The tensor as an array over `buffer`, which begins `base` bytes into the file. No copy."""
        flat = np.frombuffer(buffer, self.dtype, self.size, self.start - base)
        return flat.reshape(self.shape)


class Header(NamedTuple):
    """A checked header: every slice lies in the file, none overlaps, nothing is left over."""

    tensors: Mapping[str, TensorSlice]
    """By name, in the order they lie in the file."""
    metadata: Mapping[str, str]
    """`__metadata__` as stored, texts by key."""
    nbytes: int
    """Of the whole file."""


def header_length(prefix: bytes | memoryview, nbytes: int | None = None) -> int:
    """Length of the JSON after the first 8 bytes.

    Args:
        prefix: the first bytes of the file, 8 at least.
        nbytes: size of the file where it is known.

    Raises:
        HeaderError: there are no 8 bytes, or they claim more than the file or any real header holds.
    """
    if len(prefix) < PREFIX:
        raise HeaderError(f"expected 8 bytes of header length, found {len(prefix)} in all; the file is cut or empty")
    length = int.from_bytes(prefix[:PREFIX], "little")
    if nbytes is not None and length > nbytes - PREFIX:
        raise HeaderError(
            f"the header claims {length} bytes, but only {nbytes - PREFIX} follow; "
            f"the file is cut short or is no safetensors{_looks_like(prefix)}"
        )
    if length > MAX_HEADER:
        raise HeaderError(f"the header claims {length} bytes, more than the {MAX_HEADER} allowed{_looks_like(prefix)}")
    return length


def _looks_like(prefix: bytes | memoryview) -> str:
    return " (its first bytes are those of gzip)" if prefix[:2] == b"\x1f\x8b" else ""


def parse_header(data: bytes, nbytes: int | None = None) -> Header:
    """Check a header and place its tensors.

    Args:
        data: the JSON after the 8-byte prefix, all of it.
        nbytes: size of the whole file, where known; the tensors must fill it exactly.

    Raises:
        HeaderError: not JSON, an unknown dtype, a shape that does not fit its bytes, slices that
            overlap, leave holes or lie outside, or metadata that is not text by text.
    """
    entries = json_object(data, PREFIX)
    metadata = entries.pop("__metadata__", None)
    first = PREFIX + len(data)
    tensors = [(name, _slice(name, entry, first)) for name, entry in entries.items()]
    tensors.sort(key=_place)
    end = first
    for name, tensor in tensors:
        if tensor.start != end:
            fault = "overlaps the tensor before it" if tensor.start < end else "leaves a hole before it"
            raise HeaderError(f"tensor {short(name)} begins at byte {tensor.start}, expected {end}: it {fault}")
        end += tensor.nbytes
    if nbytes is not None and end != nbytes:
        name = tensors[-1][0] if tensors else "header"
        raise HeaderError(
            f"{short(name)} ends at byte {end}, but the file has {nbytes}: "
            + ("it is cut short" if end > nbytes else f"{nbytes - end} bytes belong to nothing")
        )
    texts = _texts(metadata)
    if b"\\u" in data:
        check_surrogates({**dict.fromkeys(entries, ""), **texts})
    return Header(tensors=dict(tensors), metadata=texts, nbytes=end)


def json_object(data: bytes, start: int) -> dict[str, Any]:
    """The JSON object of a header, in which no key occurs twice.

    Args:
        data: all of it; white space around it is allowed.
        start: where it begins in the file, for messages.

    Raises:
        HeaderError: not UTF-8, not JSON, no object, nested too deep, or a key that occurs twice.
    """
    try:
        entries = _decoder.decode(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise HeaderError(f"the header is not UTF-8 ({error.reason} at byte {start + error.start})") from None
    except HeaderError:
        raise
    except RecursionError:
        raise HeaderError("the header is nested too deep") from None
    except ValueError as error:  # JSONDecodeError, and integers of thousands of digits
        raise HeaderError(f"the header is not JSON: {error}") from None
    if not isinstance(entries, dict):
        raise HeaderError(f"the header is a JSON {type(entries).__name__}, not an object")
    return entries


def _place(item: tuple[str, TensorSlice]) -> tuple[int, int]:
    return item[1].start, item[1].nbytes


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise HeaderError(f"the key {short(twice)} occurs twice in the header")
    return entries


def short(value: Any) -> str:
    """For a message: nothing a file holds may fill a screen."""
    text = ascii(value[:80] if isinstance(value, str | list) else value)
    return text if len(text) <= 80 else f"{text[:77]}..."  # noqa: PLR2004 - a line


def _texts(metadata: Any) -> dict[str, str]:
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise HeaderError(f"__metadata__ is a JSON {type(metadata).__name__}, not an object")
    for key, value in metadata.items():
        if not isinstance(value, str):
            raise HeaderError(f"__metadata__[{short(key)}] is {type(value).__name__}, expected text")
    return metadata


def check_surrogates(texts: dict[str, str]) -> None:
    """Refuse half a surrogate pair, which JSON can escape but no encoding can hold."""
    for key, value in texts.items():
        try:
            (key + value).encode()
        except UnicodeEncodeError as error:
            raise HeaderError(f"{short(key)} is not Unicode text: {error.reason}") from None


_INTEGER = {int}
_decoder = json.JSONDecoder(object_pairs_hook=_unique)


def _slice(name: str, entry: Any, first: int) -> TensorSlice:
    """One entry of the header, checked in Python integers, which cannot overflow."""
    if type(entry) is not dict:
        raise HeaderError(f"tensor {short(name)}: its entry is {type(entry).__name__}, not an object")
    code, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    dtype = CODES.get(code) if type(code) is str else None
    if dtype is None:
        raise HeaderError(f"tensor {short(name)}: dtype {short(code)} is not one of {', '.join(CODES)}")
    if type(shape) is not list or len(shape) > MAX_AXES or not _are_counts(shape):
        raise HeaderError(f"tensor {short(name)}: shape {short(shape)} is not a list of at most {MAX_AXES} sizes")
    if type(offsets) is not list or len(offsets) != 2 or not _are_counts(offsets):  # noqa: PLR2004 - begin, end
        raise HeaderError(f"tensor {short(name)}: data_offsets {short(offsets)} are not two positions")
    begin, end = offsets
    nbytes = most = dtype.itemsize * math.prod(shape)
    if not nbytes:  # an axis of 0 hides how large the others are
        most = dtype.itemsize * math.prod(axis or 1 for axis in shape)
    if most > MAX_NBYTES:
        raise HeaderError(f"tensor {short(name)}: shape {short(shape)} overflows 64 bits")
    if end - begin != nbytes:
        raise HeaderError(
            f"tensor {short(name)}: claims bytes {begin} to {end}, but {dtype.name} {tuple(shape)} takes {nbytes}"
        )
    return TensorSlice(dtype, tuple(shape), first + begin, nbytes)


def _are_counts(values: list[Any]) -> bool:
    if not _INTEGER.issuperset(map(type, values)):  # and no bool
        return False
    return not values or (min(values) >= 0 and max(values) <= MAX_NBYTES)

"""A plain sample file that is fetched in parts: its header, then the planes that are asked for.

Owns: which bytes of a remote file are asked for. Leaves to others: asking for them (`stores`), files that are
fetched whole or lie on this disk (`_file`).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from mlstac_hf._formats import (
    PREFIX,
    Array,
    Header,
    HeaderError,
    TensorSlice,
    aligned_empty,
    header_length,
    parse_header,
)
from mlstac_hf._reading._view import Piece

Fetch = Callable[[int, int], bytes]
"""Bytes of the file from the first number to before the second, fewer where it ends."""

FIRST_FETCH = 4096
"""Bytes; nearly every header fits."""
MAX_PARTS = 1 << 16
"""Of more parts than these, a tensor is fetched whole, and a header may claim any number of them."""
_FIRST_INFLATED = 64 << 10
_GZIP = 31  # zlib's window bits for a gzip stream
MAX_GAP = 32 << 10
"""Bytes between two parts that are fetched all the same: another request takes longer."""


class RangedFile:
    """A plain file that lies elsewhere.

    Args:
        fetch: asks for bytes of it.

    Raises:
        HeaderError: the bytes are not a sample.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        first = fetch(0, FIRST_FETCH)
        end = PREFIX + header_length(first)
        if end > len(first):
            first += fetch(len(first), end)
        if len(first) < end:
            raise HeaderError(f"the header claims {end - PREFIX} bytes, but the file ends after {len(first)}")
        self.header: Header = parse_header(first[PREFIX:end])
        self._first = first

    def column(self, piece: Piece | str, target: Array | None) -> Array:
        """One column, `target` where it fits.

        Args:
            piece: what it is made of, or the name of a tensor that is the column, whole.
            target: an array to fill.

        Raises:
            HeaderError: the file ends before.
        """
        if isinstance(piece, str):
            piece = Piece(piece, self.header.tensors[piece].shape)
        tensor = self.header.tensors[piece.stored]
        stored = self._planes(tensor, piece)  # nothing is allocated before its bytes are here
        out = target_of(piece.shape, tensor.dtype, target)
        return piece._replace(planes=None).copy(stored, out)

    def _planes(self, tensor: TensorSlice, piece: Piece) -> Array:
        """The planes of a piece, with all their rows and columns."""
        if piece.planes is None:
            return self._whole(tensor)
        outer = math.prod(tensor.shape[: piece.axis])
        nbytes = tensor.nbytes // max(1, outer * piece.total)
        if not nbytes or outer * len(piece.planes) > MAX_PARTS:
            return self._whole(tensor).take(piece.planes, piece.axis)
        starts = [tensor.start + (row * piece.total + plane) * nbytes for row in range(outer) for plane in piece.planes]
        parts: dict[int, memoryview] = {}
        for begin, end in _runs(starts, nbytes):
            data = memoryview(self._exactly(begin, end))
            parts |= {start: data[start - begin :][:nbytes] for start in starts if begin <= start < end}
        shape = (*tensor.shape[: piece.axis], len(piece.planes), *tensor.shape[piece.axis + 1 :])
        return _array(b"".join(parts[start] for start in starts), tensor.dtype, shape)

    def _whole(self, tensor: TensorSlice) -> Array:
        return _array(self._exactly(tensor.start, tensor.start + tensor.nbytes), tensor.dtype, tensor.shape)

    def _exactly(self, begin: int, end: int) -> bytes:
        if end <= len(self._first):  # came with the header
            return self._first[begin:end]
        data = self._fetch(begin, end) if end > begin else b""
        if len(data) != end - begin:
            raise HeaderError(f"expected bytes {begin} to {end}, found {len(data)}; the file is cut short")
        return data


def remote_header(fetch: Fetch, *, compressed: bool) -> Header | None:
    """The header of a file that lies elsewhere, from its first bytes; None where they are too few.

    Raises:
        HeaderError: the bytes are not a sample.
    """
    if not compressed:
        return RangedFile(fetch).header
    try:
        first = zlib.decompressobj(wbits=_GZIP).decompress(fetch(0, FIRST_FETCH), _FIRST_INFLATED)
        end = PREFIX + header_length(first)
    except (zlib.error, HeaderError):  # whoever reads the whole file says what is wrong
        return None
    return parse_header(first[PREFIX:end]) if end <= len(first) else None


def target_of(shape: Sequence[int], dtype: np.dtype[Any], target: Array | None) -> Array:
    """`target` where a column fits it, else memory of its own."""
    if target is not None and target.dtype == dtype and target.shape == tuple(shape):
        return target
    return aligned_empty(tuple(shape), dtype)


def _array(data: bytes, dtype: np.dtype[Any], shape: Sequence[int]) -> Array:
    return np.frombuffer(data, dtype).reshape(shape)


def _runs(starts: Sequence[int], nbytes: int) -> Iterator[tuple[int, int]]:
    """Ranges that cover parts of `nbytes` each, near ones merged."""
    begin = end = -1
    for start in sorted(set(starts)):
        if begin >= 0 and start <= end + MAX_GAP:
            end = start + nbytes
            continue
        if begin >= 0:
            yield begin, end
        begin, end = start, start + nbytes
    if begin >= 0:
        yield begin, end

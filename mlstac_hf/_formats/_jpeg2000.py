"""The size marker of JPEG 2000: what a decoder would allocate, known before there is one.

Owns: finding the codestream and reading its SIZ marker. Leaves to others: decoding (`_raster`).
Format: ISO/IEC 15444-1, annexes A.5.1 and I.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from mlstac_hf._formats._safetensors import HeaderError

BOXES = bytes.fromhex("0000000c6a502020")
"""First bytes of a JP2 file."""
CODESTREAM = bytes.fromhex("ff4fff51")
"""First bytes of a codestream, which may stand alone."""

MAX_TILES = 1 << 14
"""A decoder allocates about 6 kB a tile before it reads any: 4,096 tiles make 65,536 x 65,536 pixels."""
MAX_TILE_PARTS = 1 << 17
"""Tiles times components; about 1 kB each."""

_SIZ = struct.Struct(">HH8IH")
_MAX_BOXES = 1000
_TILED_AT_ONCE = 4
"""Bytes a value while it is decoded, whatever its dtype."""


class Size(NamedTuple):
    """What the SIZ marker says."""

    width: int
    height: int
    components: int
    tiles: int


def check_size(data: bytes, limit: int) -> Size:
    """Read the size of an image and refuse one whose decoding would fill the memory.

    Args:
        data: a JP2 file or a bare codestream.
        limit: bytes that decoding may take, at four bytes a value.

    Raises:
        HeaderError: there is no codestream, its size makes no sense, or it takes more than `limit`.
    """
    start = 0 if data.startswith(CODESTREAM) else _codestream(data)
    if data[start : start + 4] != CODESTREAM or len(data) < start + 4 + _SIZ.size:
        raise HeaderError("the JPEG 2000 codestream does not begin with its size; it is damaged or cut short")
    (_, _, right, bottom, left, top, tile_width, tile_height, tile_left, tile_top, components) = _SIZ.unpack_from(
        data, start + 4
    )
    if not (left < right and top < bottom and tile_width and tile_height and components):
        raise HeaderError("the JPEG 2000 image is empty")
    if tile_left > left or tile_top > top:
        raise HeaderError("the JPEG 2000 tiles begin within the image")
    tiles = -((tile_left - right) // tile_width) * -((tile_top - bottom) // tile_height)
    size = Size(right - left, bottom - top, components, tiles)
    nbytes = size.width * size.height * components * _TILED_AT_ONCE
    if nbytes > limit or tiles > MAX_TILES or tiles * components > MAX_TILE_PARTS:
        raise HeaderError(
            f"the JPEG 2000 image claims {components} x {size.height} x {size.width} in {tiles} tiles: decoding takes "
            f"{nbytes} bytes, more than the {limit} allowed, or its tiles are too many"
        )
    return size


def _codestream(data: bytes) -> int:
    """Where the first codestream of a JP2 file begins."""
    start = 0
    for _ in range(_MAX_BOXES):
        length, kind = int.from_bytes(data[start : start + 4]), data[start + 4 : start + 8]
        head = 8
        if length == 1:
            length, head = int.from_bytes(data[start + 8 : start + 16]), 16
        if kind == b"jp2c":
            return start + head
        if length < head or start + length >= len(data):
            break
        start += length
    raise HeaderError("the JPEG 2000 file holds no codestream; it is damaged or cut short")

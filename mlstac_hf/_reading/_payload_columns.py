"""Columns out of one payload.

Owns: that planes of one tensor are decoded together, since decoders of JPEG 2000 go through all of them each time.
Leaves to others: which pieces make a column (`_view`), decoding (`formats`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mlstac_hf._formats import Array, Payload
from mlstac_hf._reading._ranges import target_of
from mlstac_hf._reading._source import Targets
from mlstac_hf._reading._view import Piece

_PLANES_FROM_END = 3


def read_columns(payload: Payload, pieces: Mapping[str, Piece], into: Targets) -> dict[str, Array]:
    """The columns `pieces` of a payload, in their stored dtype.

    Args:
        payload: an opened one.
        pieces: what makes each column.
        into: arrays to fill, by column, where dtype and shape fit.

    Raises:
        HeaderError: the pixels are damaged.
    """
    if all(piece.is_whole for piece in pieces.values()):
        return {name: payload.read(piece.stored, out=into.get(name)) for name, piece in pieces.items()}
    by_tensor: dict[str, dict[str, Piece]] = {}
    for name, piece in pieces.items():
        by_tensor.setdefault(piece.stored, {})[name] = piece
    columns: dict[str, Array] = {}
    for own in by_tensor.values():
        columns |= _together(payload, own, into)
    return {name: columns[name] for name in pieces}


def _together(payload: Payload, pieces: Mapping[str, Piece], into: Targets) -> dict[str, Array]:
    """Columns that are made of one tensor."""
    first = next(iter(pieces.values()))
    form = payload.tensors[first.stored]
    axis = len(form.shape) - _PLANES_FROM_END
    if any(piece.planes is not None and piece.axis != axis for piece in pieces.values()):
        whole = payload.read(first.stored)
        return {
            name: piece.copy(whole, target_of(piece.shape, form.dtype, into.get(name)))
            for name, piece in pieces.items()
        }
    if len(pieces) == 1:
        name, piece = next(iter(pieces.items()))
        return {name: payload.read(piece.stored, planes=piece.planes, window=piece.window, out=into.get(name))}
    planes = [plane for piece in pieces.values() for plane in piece.planes or range(form.shape[-_PLANES_FROM_END])]
    decoded = payload.read(first.stored, planes=planes, window=first.window)
    columns: dict[str, Array] = {}
    start = 0
    for name, piece in pieces.items():
        stop = start + piece.shape[-_PLANES_FROM_END]
        columns[name] = target_of(piece.shape, form.dtype, into.get(name))
        np.copyto(columns[name], decoded[..., start:stop, :, :])
        start = stop
    return columns

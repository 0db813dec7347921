"""One sample file, plain or gzip, local or fetched, as a checked header and arrays.

Owns: how bytes reach arrays: mapped where they lie on this disk, straight into the caller's batch where a
batch is being filled, inflated no further than the header implies. Leaves to others: which file is which
sample (`_folder`), what a header may say (`formats`), files that are fetched in parts (`_ranges`).
"""

from __future__ import annotations

import io
import mmap
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import BinaryIO, Protocol

import numpy as np

from mlstac_hf._formats import (
    MAX_RATIO,
    PREFIX,
    Array,
    Header,
    HeaderError,
    Inflater,
    TensorSlice,
    header_length,
    may_keep,
    parse_header,
)
from mlstac_hf._reading._ranges import RangedFile, target_of
from mlstac_hf._reading._source import Targets
from mlstac_hf._reading._view import Piece

FIRST_READ = 4096
"""Bytes read to get a header; nearly every header fits."""
MAPPED_FROM = 256 << 10
"""Bytes from which a map beats a copy; below, faulting pages in costs more than copying them."""
TRUSTED = 16 << 20
"""Bytes that are allocated on the word of a compressed file's header; more only as they come."""
MAX_BUFFERS = 64  # one call's worth; every system takes 1,024


class OpenFile(Protocol):
    """An opened sample file: its header is checked, its tensors can be read."""

    @property
    def header(self) -> Header:
        """Checked against the size of the file."""

    def read(self, names: Iterable[str], into: Targets) -> dict[str, Array]:
        """The tensors `names`, in their stored dtype; those of `into` that fit are filled and returned."""


class _Plain:
    """A plain file on this disk."""

    def __init__(self, descriptor: int) -> None:
        self._fd = descriptor
        size = os.fstat(descriptor).st_size
        first = os.pread(descriptor, FIRST_READ, 0)
        end = PREFIX + header_length(first, size)
        if end > len(first):
            first += os.pread(descriptor, end - len(first), len(first))
        self.header = parse_header(first[PREFIX:end], size)

    def read(self, names: Iterable[str], into: Targets) -> dict[str, Array]:
        wanted = {name: self.header.tensors[name] for name in names}
        arrays = self._viewed({name: tensor for name, tensor in wanted.items() if name not in into})
        rest = [name for name in wanted if name not in arrays]
        arrays |= {name: _target(wanted[name], into.get(name)) for name in rest}
        self._fill(sorted((wanted[name].start, name) for name in rest), arrays)
        return arrays

    def _viewed(self, tensors: Mapping[str, TensorSlice]) -> dict[str, Array]:
        """Views of the file where it pays to map it; nothing where it does not."""
        if sum(tensor.nbytes for tensor in tensors.values()) < MAPPED_FROM:
            return {}
        mapped = self._map()
        return {} if mapped is None else {name: _aligned(tensor.view(mapped)) for name, tensor in tensors.items()}

    def _map(self) -> memoryview | None:
        try:  # copy-on-write: the caller may change what he gets, the file stays
            return memoryview(mmap.mmap(self._fd, 0, access=mmap.ACCESS_COPY))
        except OSError:  # too many maps, or a filesystem without them
            return None

    def _fill(self, order: Sequence[tuple[int, str]], arrays: Mapping[str, Array]) -> None:
        """Read tensors that lie one behind the other with one call."""
        run: list[memoryview] = []
        begin = end = 0
        for start, name in order:
            buffer = _bytes(arrays[name])
            if run and (start != end or len(run) == MAX_BUFFERS):
                _read_exactly(self._fd, run, begin)
                run = []
            if not run:
                begin = end = start
            run.append(buffer)
            end += len(buffer)
        if run:
            _read_exactly(self._fd, run, begin)


class _Bytes:
    """A plain file that was fetched whole."""

    def __init__(self, data: bytes | memoryview) -> None:
        end = PREFIX + header_length(data[:PREFIX], len(data))
        self.header = parse_header(bytes(data[PREFIX:end]), len(data))
        self._data = memoryview(data)

    def read(self, names: Iterable[str], into: Targets) -> dict[str, Array]:
        arrays = {}
        for name in names:
            tensor, target = self.header.tensors[name], into.get(name)
            stored = tensor.view(self._data)
            if target is None and may_keep(stored, len(self._data)):
                arrays[name] = stored
                continue
            arrays[name] = _target(tensor, target)
            np.copyto(arrays[name], stored)  # lets other threads run, as slices do not
        return arrays


class _Gzip:
    """A gzip file on this disk or fetched; it can only be read through from the start."""

    def __init__(self, file: BinaryIO | io.BufferedIOBase, nbytes: int) -> None:
        self._stream = Inflater(file)
        prefix = self._stream.read(PREFIX)
        length = header_length(prefix, nbytes * MAX_RATIO)
        data = self._stream.read(length)
        if len(data) < length:
            raise HeaderError(f"the header claims {length} bytes, but the gzip data ends after {len(data)}")
        self.header = parse_header(data)
        if self.header.nbytes > nbytes * MAX_RATIO:
            raise HeaderError(
                f"the tensors claim {self.header.nbytes} bytes, more than {nbytes} bytes of gzip can inflate to"
            )

    def read(self, names: Iterable[str], into: Targets) -> dict[str, Array]:
        wanted = set(names)
        arrays = {}
        for name, tensor in self.header.tensors.items():
            target = into.get(name) if name in wanted else None
            if tensor.nbytes > TRUSTED and (target is None or not _fits(tensor, target)):
                array = tensor.view(self._inflated(tensor.nbytes), tensor.start)
            else:
                array = _target(tensor, target)
                self._stream.readinto(_bytes(array))
            if name in wanted:
                arrays[name] = array
        self._stream.finish()
        return arrays

    def _inflated(self, nbytes: int) -> bytearray:
        """Bytes that memory is taken for as they come, not because a header claims them."""
        data = bytearray()
        while len(data) < nbytes:
            piece = self._stream.read(min(TRUSTED, nbytes - len(data)))
            if not piece:
                raise HeaderError(f"expected {nbytes} bytes of a tensor, found {len(data)}; the file is cut short")
            data += piece
        return data


def read_columns(file: OpenFile | RangedFile, pieces: Mapping[str, Piece | None], into: Targets) -> dict[str, Array]:
    """Columns of a file, in their stored dtype.

    Args:
        file: an opened one; a compressed one can be read once.
        pieces: by column what it is made of; None is the tensor of that name, whole.
        into: arrays to fill, by column, where dtype and shape fit.
    """
    if isinstance(file, RangedFile):
        return {name: file.column(piece or name, into.get(name)) for name, piece in pieces.items()}
    whole = [name for name, piece in pieces.items() if piece is None]
    partial = {name: piece for name, piece in pieces.items() if piece is not None}
    stored = dict.fromkeys([*whole, *(piece.stored for piece in partial.values())])
    arrays = file.read(stored, {name: into[name] for name in whole if name in into})
    columns = {name: arrays[name] for name in whole}
    for name, piece in partial.items():
        array = arrays[piece.stored]
        columns[name] = piece.copy(array, target_of(piece.shape, array.dtype, into.get(name)))
    return {name: columns[name] for name in pieces}


def open_descriptor(descriptor: int, *, compressed: bool) -> OpenFile:
    """A sample file on this disk, opened; the caller closes the descriptor when he has read.

    Raises:
        HeaderError: the bytes are not a sample.
        OSError: the file cannot be read.
    """
    if not compressed:
        return _Plain(descriptor)
    return _Gzip(open(descriptor, "rb", closefd=False), os.fstat(descriptor).st_size)


def open_bytes(data: bytes | memoryview, *, compressed: bool) -> OpenFile:
    """Open a sample file that was fetched whole; of a plain one in memory that is writable, large tensors are views.

    Raises:
        HeaderError: the bytes are not a sample.
    """
    return _Gzip(io.BytesIO(data), len(data)) if compressed else _Bytes(data)


def _fits(tensor: TensorSlice, target: Array) -> bool:
    return target.dtype == tensor.dtype and target.shape == tensor.shape


def _target(tensor: TensorSlice, target: Array | None) -> Array:
    return target_of(tensor.shape, tensor.dtype, target)


def _aligned(array: Array) -> Array:
    """A map is only as aligned as its file; what frameworks could not read in place is copied."""
    return array if array.flags.aligned else array.copy()


def _bytes(array: Array) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _read_exactly(descriptor: int, buffers: list[memoryview], offset: int) -> None:
    expected = sum(map(len, buffers))
    done = os.preadv(descriptor, buffers, offset)
    while done < expected:  # a signal, or a file that shrank
        rest, skipped = [], done
        for buffer in buffers:
            if skipped < len(buffer):
                rest.append(buffer[skipped:])
            skipped = max(0, skipped - len(buffer))
        count = os.preadv(descriptor, rest, offset + done)
        if not count:
            raise HeaderError(f"expected {expected} bytes at byte {offset}, found {done}; the file shrank meanwhile")
        done += count

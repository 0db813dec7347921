"""What a split is to those who read it, whatever layout it lies in.

Owns: the seam between the layouts (`_folder`, `_containers`) and everybody else (`_batch`, `load`, `hf`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from mlstac_hf._formats import Array, TensorSlice
from mlstac_hf._reading._view import Piece
from mlstac_hf._spec import TENSOR_NAMES

Targets = Mapping[str, Array]
"""Arrays to fill, by tensor name: used where dtype and shape are those of the sample."""


@dataclass(frozen=True, slots=True)
class SampleHead:
    """What is known of a sample before a tensor is read."""

    tensors: Mapping[str, TensorSlice]
    """Dtype and shape of what is handed out, by name; not texts, though the tensor that one stands for may be there."""
    texts: Mapping[str, str]
    """Texts that take a tensor's place, by column."""
    columns: tuple[str, ...]
    """Tensors and texts the sample has: `input`, `target`, `extra`, then others as they lie in the file."""
    raw: Mapping[str, str]
    """Metadata as stored, texts by key."""
    pieces: Mapping[str, Piece] = field(default_factory=dict)
    """What of a stored tensor makes a column, where it is not the tensor of that name, whole."""

    @property
    def origin(self) -> tuple[int, int]:
        """Row and column of the stored image where what is handed out of it begins."""
        return max((piece.origin for piece in self.pieces.values()), default=(0, 0))


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample as stored."""

    values: dict[str, Array | str]
    """Tensors by name in their stored dtype; text where it takes a tensor's place."""
    head: SampleHead


class Location(NamedTuple):
    """Where the bytes of a sample lie in a collection."""

    folder: str
    """Address of the folder that `path` counts from: a path of this disk, or a URL."""
    path: str
    """Of the file, with forward slashes; not quoted."""
    start: int | None = None
    """First byte of the sample in a file that holds several; None where the file is the sample."""
    nbytes: int | None = None
    """Bytes of the sample, where they are known without asking."""
    group: int | None = None
    """Which part of the file is only read at once, such as a row group, where the sample is one of several in it."""

    @property
    def span(self) -> range:
        """The bytes of the sample in its file; none where they are not known."""
        start = self.start or 0
        return range(start, start + (self.nbytes or 0))


class Source(Protocol):
    """The samples of one split, by index 0 to `len` - 1. Picklable, and safe to fork."""

    @property
    def split(self) -> str:
        """Its name."""

    @property
    def is_local(self) -> bool:
        """Whether the samples lie on this disk."""

    def __len__(self) -> int: ...

    def place(self, index: int) -> str:
        """What to call a sample in a message."""

    def name(self, index: int) -> str:
        """What no other sample of this split is called, whatever is added to it: for files that list samples."""

    def location(self, index: int) -> Location:
        """Where a sample lies; asks nobody."""

    def find(self, names: Iterable[str]) -> dict[str, int]:
        """Index by `name`, of those that are here."""

    def nbytes(self, index: int) -> int | None:
        """Size of a sample as stored, where it is known without asking for it."""

    def head(self, index: int) -> SampleHead:
        """What is known of a sample before its tensors are read; raises what `read` does."""

    def read(self, index: int, columns: Sequence[str] | None = None, into: Targets | None = None) -> Sample:
        """Read a sample.

        Args:
            index: 0 to `len(self)` - 1.
            columns: tensors and texts to read; default all. What the sample does not have is left out.
            into: arrays to fill, by name, where their dtype and shape fit.

        Raises:
            MissingSampleError: it is not there.
            CorruptSampleError: its bytes are not what they claim to be.
            LinkRefusedError: its file is a symbolic link out of the collection.
            StoreError: the network or disk failed.
        """

    def metadata(self, index: int, head: SampleHead) -> dict[str, object]:
        """The typed metadata of a sample whose head is at hand: standard keys, then `keys`."""

    def keys(self, head: SampleHead) -> Mapping[str, str]:
        """The publisher's own metadata keys of a sample, each with the name of its Arrow type."""

    def fingerprint(self) -> str:
        """Changes when a sample is added, removed or changed. Asks a server about each file, reads none."""

    def apart(self, at: Location | None, parts: Sequence[range] = ()) -> Source:
        """The same samples, to be read by one thread: what it keeps in memory goes with it.

        Args:
            at: bytes that hold several samples, as `location` names them, which are fetched by one request when the
                first of these is read.
            parts: where each of these samples lies in the file.
        """

    def brought(self, folder: Path, indices: Sequence[int]) -> Source:
        """Those samples and no others, in this order, copied to a folder of this disk."""


def column_names(tensors: Iterable[str], texts: Iterable[str]) -> tuple[str, ...]:
    """The columns of a sample in their order: `input`, `target`, `extra`, then others as they lie."""
    tensors, texts = list(tensors), list(texts)
    known = [name for name in TENSOR_NAMES if name in tensors or name in texts]
    return (*known, *(name for name in tensors if name not in TENSOR_NAMES))


def slice_of(dtype: np.dtype[Any], shape: tuple[int, ...]) -> TensorSlice:
    """Dtype and shape as the seam has them, of a tensor that has no place of its own."""
    return TensorSlice(dtype, shape, 0, math.prod(shape) * dtype.itemsize)


def input_planes(source: Source, index: int = 0) -> tuple[int, ...] | None:
    """The stored planes that `input` of a sample has; None where it has all, or where there is no sample."""
    piece = source.head(index).pieces.get("input") if len(source) else None
    return None if piece is None else piece.planes

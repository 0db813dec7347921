"""Some samples of a split, in an order of their own, as a split.

Owns: renumbering. Leaves to others: which samples (`_selection`), the samples themselves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mlstac_hf._reading._source import Location, Sample, SampleHead, Source, Targets


@dataclass(frozen=True)
class Through:
    """A split that hands on what another one has; the base of those that change one thing about it."""

    source: Source

    def _at(self, index: int) -> int:
        return index

    def __len__(self) -> int:
        return len(self.source)

    @property
    def split(self) -> str:
        """See `Source`."""
        return self.source.split

    @property
    def is_local(self) -> bool:
        """See `Source`."""
        return self.source.is_local

    def place(self, index: int) -> str:
        """See `Source`; names the sample as it lies in the collection."""
        return self.source.place(self._at(index))

    def name(self, index: int) -> str:
        """See `Source`."""
        return self.source.name(self._at(index))

    def location(self, index: int) -> Location:
        """See `Source`."""
        return self.source.location(self._at(index))

    def find(self, names: Iterable[str]) -> dict[str, int]:
        """See `Source`."""
        return self.source.find(names)

    def nbytes(self, index: int) -> int | None:
        """See `Source`."""
        return self.source.nbytes(self._at(index))

    def head(self, index: int) -> SampleHead:
        """See `Source`."""
        return self.source.head(self._at(index))

    def read(self, index: int, columns: Sequence[str] | None = None, into: Targets | None = None) -> Sample:
        """See `Source`."""
        return self.source.read(self._at(index), columns, into)

    def metadata(self, index: int, head: SampleHead) -> dict[str, object]:
        """See `Source`."""
        return self.source.metadata(self._at(index), head)

    def keys(self, head: SampleHead) -> Mapping[str, str]:
        """See `Source`."""
        return self.source.keys(head)

    def fingerprint(self) -> str:
        """See `Source`."""
        return self.source.fingerprint()

    def apart(self, at: Location | None, parts: Sequence[range] = ()) -> Source:
        """See `Source`."""
        return replace(self, source=self.source.apart(at, parts))

    def brought(self, folder: Path, indices: Sequence[int]) -> Source:
        """See `Source`."""
        return replace(self, source=self.source.brought(folder, [self._at(index) for index in indices]))


@dataclass(frozen=True)
class Selected(Through):
    """The samples `indices` of another split, renumbered from 0."""

    indices: Sequence[int]

    def _at(self, index: int) -> int:
        return self.indices[index]

    def __len__(self) -> int:
        return len(self.indices)

    def find(self, names: Iterable[str]) -> dict[str, int]:
        """See `Source`."""
        places = {index: place for place, index in enumerate(self.indices)}
        found = self.source.find(names)
        return {name: places[index] for name, index in found.items() if index in places}

    def fingerprint(self) -> str:
        """See `Source`."""
        chosen = repr(self.indices) if isinstance(self.indices, range) else np.asarray(self.indices, np.int64).tobytes()
        digest = hashlib.sha256(chosen.encode() if isinstance(chosen, str) else chosen)
        digest.update(self.source.fingerprint().encode())
        return digest.hexdigest()

    def brought(self, folder: Path, indices: Sequence[int]) -> Source:
        """See `Source`; what was brought is a split of its own."""
        return self.source.brought(folder, [self.indices[index] for index in indices])

"""Samples of several splits, one after another, as one split.

Owns: which of them an index means. Leaves to others: which splits (`_open`), the samples themselves.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

from mlstac_hf._reading._selected import Selected
from mlstac_hf._reading._source import Location, Sample, SampleHead, Source, Targets


@dataclass(frozen=True)
class Joined:
    """Splits one after another, under a name of their own."""

    split: str
    sources: tuple[Source, ...]

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(map(len, self.sources)))

    def _place(self, index: int) -> tuple[int, int]:
        """Which split a sample lies in, and its index there."""
        which = bisect_right(self._ends, index)
        return which, index - (self._ends[which - 1] if which else 0)

    def _at(self, index: int) -> tuple[Source, int]:
        which, inner = self._place(index)
        return self.sources[which], inner

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @property
    def is_local(self) -> bool:
        """See `Source`."""
        return all(source.is_local for source in self.sources)

    def place(self, index: int) -> str:
        """See `Source`; names the sample as it lies in the collection."""
        source, inner = self._at(index)
        return source.place(inner)

    def name(self, index: int) -> str:
        """See `Source`."""
        source, inner = self._at(index)
        return f"{source.split}/{source.name(inner)}"

    def location(self, index: int) -> Location:
        """See `Source`."""
        source, inner = self._at(index)
        return source.location(inner)

    def find(self, names: Iterable[str]) -> dict[str, int]:
        """See `Source`."""
        wanted, start = set(names), 0
        found: dict[str, int] = {}
        for source in self.sources:
            prefix = f"{source.split}/"
            own = source.find(name.removeprefix(prefix) for name in wanted if name.startswith(prefix))
            found |= {prefix + name: start + index for name, index in own.items()}
            start += len(source)
        return found

    def nbytes(self, index: int) -> int | None:
        """See `Source`."""
        source, inner = self._at(index)
        return source.nbytes(inner)

    def head(self, index: int) -> SampleHead:
        """See `Source`."""
        source, inner = self._at(index)
        return source.head(inner)

    def read(self, index: int, columns: Sequence[str] | None = None, into: Targets | None = None) -> Sample:
        """See `Source`."""
        source, inner = self._at(index)
        return source.read(inner, columns, into)

    def metadata(self, index: int, head: SampleHead) -> dict[str, object]:
        """See `Source`."""
        source, inner = self._at(index)
        return source.metadata(inner, head)

    def keys(self, head: SampleHead) -> Mapping[str, str]:
        """See `Source`; a column that is null throughout one split takes its type from another."""
        found: dict[str, str] = {}
        for source in self.sources:
            found |= {key: kind for key, kind in source.keys(head).items() if found.get(key, "null") == "null"}
        return found

    def fingerprint(self) -> str:
        """See `Source`."""
        prints = (source.fingerprint() for source in self.sources)
        return hashlib.sha256("\0".join([self.split, *prints]).encode()).hexdigest()

    def apart(self, at: Location | None, parts: Sequence[range] = ()) -> Joined:
        """See `Source`."""
        return Joined(self.split, tuple(source.apart(at, parts) for source in self.sources))

    def brought(self, folder: Path, indices: Sequence[int]) -> Source:
        """See `Source`; each split to a folder of its own."""
        places: list[list[int]] = [[] for _ in self.sources]
        own: list[list[int]] = [[] for _ in self.sources]
        for place, index in enumerate(indices):
            which, inner = self._place(index)
            places[which].append(place)
            own[which].append(inner)
        brought = []
        for number, (source, wanted) in enumerate(zip(self.sources, own, strict=True)):
            (folder / str(number)).mkdir()
            brought.append(source.brought(folder / str(number), wanted))
        order = [place for part in places for place in part]
        joined = Joined(self.split, tuple(brought))
        return joined if order == sorted(order) else Selected(joined, sorted(range(len(order)), key=order.__getitem__))

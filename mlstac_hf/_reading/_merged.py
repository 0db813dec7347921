"""Samples that lie near one another in one file, fetched by one request.

Owns: which samples that is, and a store that answers out of what came. Leaves to others: when that is done (`_ahead`),
reading a sample out of it (`Source`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mlstac_hf._errors import MLSTACError
from mlstac_hf._reading._source import Location, Source
from mlstac_hf._stores import Entry, Store

MERGED_NBYTES = 8 << 20
"""At most so much is fetched at once, unless a single sample is more."""
MAX_GAP = 128 << 10
"""Bytes between two samples that are fetched all the same: another request takes longer."""


@dataclass
class Piece:
    """What one thread fetches, then decodes."""

    positions: list[int]
    """Of its samples, among those that are planned together."""
    at: Location | None = None
    """Where they lie, if one request brings them; else each is asked for as it is read."""
    is_shared: bool = False
    """Whether they lie in what can only be read at once, such as a row group."""


def pieces_of(locations: Sequence[Location | None], merged_nbytes: int = MERGED_NBYTES) -> list[Piece]:
    """Samples as pieces, those first that are needed first.

    Args:
        locations: of the samples, in the order they are needed; None is read on its own.
        merged_nbytes: the most that one request brings.
    """
    files: dict[tuple[str, str], list[int]] = {}
    groups: dict[tuple[str, str, int], Piece] = {}
    pieces = []
    for position, at in enumerate(locations):
        if at is not None and at.group is not None:
            piece = groups.get((at.folder, at.path, at.group))
            if piece is None:
                piece = groups[at.folder, at.path, at.group] = Piece([], is_shared=True)
                pieces.append(piece)
            piece.positions.append(position)
        elif at is not None and at.start is not None and at.nbytes:
            files.setdefault((at.folder, at.path), []).append(position)
        else:
            pieces.append(Piece([position]))
    for positions in files.values():
        pieces += _runs(positions, locations, merged_nbytes)
    return sorted(pieces, key=lambda piece: min(piece.positions))


def _runs(positions: Iterable[int], locations: Sequence[Location | None], merged_nbytes: int) -> list[Piece]:
    """Samples of one file, near ones together: no more than `merged_nbytes`, nor more between them than of them."""
    places = [(at.start or 0, at.nbytes or 0, p) for p in positions if (at := locations[p]) is not None]
    pieces: list[Piece] = []
    begin = end = wanted = 0
    for start, nbytes, position in sorted(places):
        stop = max(end, start + nbytes)
        is_near = start - end <= MAX_GAP and stop - begin <= max(MAX_GAP, 2 * (wanted + nbytes))
        if not pieces or not is_near or stop - begin > merged_nbytes:
            pieces.append(Piece([]))
            begin, stop, wanted = start, start + nbytes, 0
        wanted, end = wanted + nbytes, stop
        pieces[-1].positions.append(position)
        at = locations[position]
        if at is not None:
            pieces[-1].at = Location(at.folder, at.path, begin, end - begin)
    return pieces


def fetching_at_once(source: Source, at: Location) -> Source:
    """The same samples; the first that lies in a range of a file brings all that is there, until this is let go."""
    return source.over(lambda store: Fetched(store, at) if store.url == at.folder else store)


@dataclass
class Fetched:
    """A store of which one range of a file is fetched at once, and kept.

    What could not be fetched is not asked for again.
    """

    store: Store
    at: Location
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _data: memoryview | MLSTACError | FileNotFoundError | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """See `Store`."""
        return self.store.url

    def read(self, path: str) -> bytes:
        """See `Store`."""
        return self.store.read(path)

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        """See `Store`; of the range that is kept, a copy: decoders take bytes."""
        first = self.at.start or 0
        end = first + (self.at.nbytes or 0)
        if path != self.at.path or not first <= start <= stop <= end:
            return self.store.read_range(path, start, stop)
        with self._lock:
            if self._data is None:
                try:
                    self._data = memoryview(self.store.read_range(path, first, end))
                except (MLSTACError, FileNotFoundError) as error:
                    self._data = error
            if not isinstance(self._data, memoryview):
                raise self._data
        return bytes(self._data[start - first : stop - first])

    def stat(self, path: str) -> Entry:
        """See `Store`."""
        return self.store.stat(path)

    def list(self, path: str) -> list[Entry] | None:
        """See `Store`."""
        return self.store.list(path)

    def put(self, path: str, data: bytes) -> None:
        """See `Store`."""
        self.store.put(path, data)

    def open_local(self, path: str) -> int | None:
        """See `Store`."""
        return self.store.open_local(path)

"""Samples that lie near one another in one file, fetched by one request.

Owns: which samples that is, and what came. Leaves to others: when that is done (`_crew`), reading a sample out of it
(`Source`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mlstac_hf._errors import MLSTACError
from mlstac_hf._reading._source import Location
from mlstac_hf._stores import Store

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
    files: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
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
            files.setdefault((at.folder, at.path), []).append((at.start, at.nbytes, position))
        else:
            pieces.append(Piece([position]))
    for (folder, path), places in files.items():
        pieces += [
            Piece(positions, Location(folder, path, begin, end - begin))
            for begin, end, positions in _runs(places, merged_nbytes)
        ]
    return sorted(pieces, key=lambda piece: min(piece.positions))


def _runs(places: Iterable[tuple[int, int, int]], merged_nbytes: int) -> list[tuple[int, int, list[int]]]:
    """Samples of one file, near ones together: no more than `merged_nbytes`, nor more between them than of them.

    Args:
        places: first byte, bytes and position of each.
        merged_nbytes: see `pieces_of`.

    Returns:
        First byte, the byte after the last, and positions of each run.
    """
    runs: list[tuple[int, int, list[int]]] = []
    own: list[int] = []
    begin = end = wanted = 0
    for start, nbytes, position in sorted(places):
        stop = max(end, start + nbytes)
        is_near = start - end <= MAX_GAP and stop - begin <= max(MAX_GAP, 2 * (wanted + nbytes))
        if own and not (is_near and stop - begin <= merged_nbytes):
            runs.append((begin, end, own))
            own = []
        if not own:
            begin, stop, wanted = start, start + nbytes, 0
        wanted, end = wanted + nbytes, stop
        own.append(position)
    return [*runs, (begin, end, own)]


class Fetched:
    """A range of a file, fetched at once when the first part of it is asked for. Threads may share it.

    Args:
        store: where the file lies.
        at: which file, which range.
        parts: that will be asked for, of which each gets memory of its own where none is asked for twice.
    """

    def __init__(self, store: Store, at: Location, parts: Sequence[range] = ()) -> None:
        self._store, self._path = store, at.path
        self._span = at.span
        self._parts = sorted(parts, key=lambda part: part.start)
        self._are_apart = _are_apart(self._parts, self._span)
        if not self._are_apart:
            self._parts = [self._span]
        self._lock = threading.Lock()
        self._data: dict[range, memoryview] | Exception | None = None

    def view(self, path: str, start: int, stop: int) -> memoryview | None:
        """Bytes of a file, fewer where it ends before; None of what is not in the range, or is somebody's own by now.

        Raises:
            FileNotFoundError, StoreError: the range cannot be fetched. Nobody asks for it again.
        """
        if path != self._path or not self._span.start <= start <= stop <= self._span.stop:
            return None
        with self._lock:
            if self._data is None:
                try:
                    self._data = self._fetched()
                except (MLSTACError, FileNotFoundError) as error:
                    self._data = error
            if isinstance(self._data, Exception):
                raise self._data
            if self._are_apart:
                return self._data.pop(range(start, stop), None)
            whole, first = self._data[self._span], self._span.start
        return whole[start - first : stop - first].toreadonly()  # it is others' too

    def _fetched(self) -> dict[range, memoryview]:
        found = self._store.fetch_parts(self._path, self._parts)
        return {part: memoryview(data) for part, data in zip(self._parts, found, strict=True)}


def _are_apart(parts: Sequence[range], whole: range) -> bool:
    """Whether parts lie one behind the other in the whole, up to its ends."""
    if not parts or (parts[0].start, parts[-1].stop) != (whole.start, whole.stop):
        return False
    return all(part.stop <= following.start < following.stop for part, following in pairwise(parts))

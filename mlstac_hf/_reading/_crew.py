"""Threads that read ahead of who takes samples one by one, in order.

Owns: how far they run ahead, what is fetched by one request, and that nothing more is begun at the end. Leaves to
others: reading a sample (`Source`), what one request brings (`_merged`), batches and bad samples (`_ahead`).

What is ahead is bounded by bytes: little at the start, so that the first sample need not share the line with hundreds,
and twice what was delivered from there on, up to the bound. Threads fetch and decode, and never wait for the consumer:
what is ahead and not wanted yet lies finished in memory, and nothing more is begun. What a sample takes is guessed by
those before it; where they take far more than was guessed, threads hand back what they were given, until there is room.
"""

from __future__ import annotations

import heapq
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from mlstac_hf._reading._merged import MERGED_NBYTES, Piece, pieces_of
from mlstac_hf._reading._source import Location, Sample, Source
from mlstac_hf._stores import Consumer, read_for

_MOST_AHEAD = 4096
"""Samples, however small: more of them make nothing faster, and of a count that is a lie each is asked for in vain."""
_UNKNOWN_NBYTES = 1 << 20  # of a sample that nobody knows the size of, before one was seen
_LEAST_NBYTES = 1 << 10  # of any sample: its head, and what is noted here
_PORTIONS = 4  # of what may be ahead: one is planned at a time, and those near one another in it are merged
_SLACK = 4  # a part of the bound by which samples may be heavier than was guessed before they are handed back
_MERGED_PARTS = 8
_LEAST_MERGED = 512 << 10


def read_sample(source: Source, index: int, columns: Sequence[str] | None) -> Sample | Exception:
    """A sample, or what went wrong, which is raised at its turn."""
    try:
        return source.read(index, columns)
    except Exception as error:  # noqa: BLE001 - raised at the turn of its sample
        return error


@dataclass(slots=True)
class _Turn:
    """A sample that was planned."""

    index: int
    at: Location | None
    stored: int | None
    """Bytes, where they are known."""
    weight: int
    """Bytes it is held to take in memory: a guess until it was read."""
    number: int = 0
    """In the order in which they are taken."""
    found: Sample | Exception | None = None
    work: Future[None] | None = None


class Crew:
    """Threads that read ahead, and what they have read. All but `_work` is called by the consumer's thread.

    Args:
        source: the samples.
        indices: in the order in which they are taken.
        columns: see `Source.read`.
        bounds: bytes that may be ahead at first, and at most.
        connections: requests at a time.
        windows: how many samples each lie near one another, one window after another: these are planned together.
    """

    def __init__(
        self,
        source: Source,
        indices: Iterable[int],
        columns: Sequence[str] | None,
        bounds: tuple[int, int],
        connections: int,
        windows: Iterator[int] | None = None,
    ) -> None:
        self._source, self._columns = source, columns
        self._least, self._most = bounds
        self._indices, self._windows = iter(indices), windows
        self._is_all = False
        self._failure: Exception | None = None
        self._turns: deque[_Turn] = deque()
        self._lock = threading.Lock()
        self._held = self._delivered = 0
        self._seen = self._seen_nbytes = self._seen_stored = 0
        self._latest = self._count = 0  # bytes of the last that was read, and samples that were planned
        self._back: list[tuple[int, _Turn]] = []  # handed back, a heap
        self._consumer = Consumer()
        self._process = os.getpid()
        self._pool = ThreadPoolExecutor(connections, "mlstac-ahead", read_for, (self._consumer,))

    def fill(self) -> bool:
        """Plan as much as may be ahead; False where nothing is left."""
        if self._process != os.getpid():
            raise RuntimeError("samples are read ahead in one process: begin to iterate after a fork, not before")
        self._resume()
        while not self._is_all and not self._back:
            allowed = min(self._most, self._least + 2 * self._delivered)
            portion = max(1, allowed // _PORTIONS)
            least = portion if self._windows is None else allowed // 2
            if self._turns and (allowed - self._held < least or len(self._turns) >= _MOST_AHEAD):
                break
            self._start(self._plan(portion), min(MERGED_NBYTES, max(_LEAST_MERGED, allowed // _MERGED_PARTS)))
        if not self._turns and self._failure is not None:
            raise self._failure
        return bool(self._turns)

    def take(self) -> tuple[int, Sample | Exception]:
        """The next sample, when it is here."""
        turn = self._turns.popleft()
        if turn.found is None and turn.work is not None:
            turn.work.result()
        if self._is_back(turn):
            self._read(turn, self._source)
        with self._lock:
            self._held -= turn.weight
            self._delivered += turn.weight
        return turn.index, turn.found if turn.found is not None else RuntimeError("the interpreter is ending")

    def _resume(self) -> None:
        """Give threads again what they handed back, as far as there is room; the next one in any case."""
        while self._back:
            with self._lock:
                turn = self._back[0][1]
                weight = max(self._latest, _LEAST_NBYTES)
                if self._held + weight > self._most and turn is not self._turns[0]:
                    return
                heapq.heappop(self._back)
                self._held, turn.weight = self._held + weight, weight
            turn.work = self._pool.submit(self._read, turn, self._source)

    def _is_back(self, turn: _Turn) -> bool:
        """Whether a sample that is wanted now was handed back; it is not any more."""
        with self._lock:
            if (turn.number, turn) not in self._back:
                return False
            self._back.remove((turn.number, turn))
            heapq.heapify(self._back)
            return True

    def end(self) -> None:
        """Begin nothing more; threads end with the request that they are at. A process that was forked off has none."""
        self._consumer.leave()
        if self._process == os.getpid():
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _plan(self, nbytes: int) -> list[_Turn]:
        """The next samples of about so many bytes, or the next window, one at least where there is one."""
        planned: list[_Turn] = []
        weight, count = 0, _MOST_AHEAD // _PORTIONS
        window = None if self._windows is None else next(self._windows, None)
        if window is not None:
            nbytes, count = max(nbytes, self._most // 2), min(window, count)
        with self._lock:
            seen = (self._seen, self._seen_nbytes, self._seen_stored)
        while weight < nbytes and len(planned) < count:
            try:
                turn = self._turn(next(self._indices), *seen)
            except StopIteration:
                self._is_all = True
                break
            except Exception as error:  # noqa: BLE001 - of whoever says which samples; raised after those before it
                self._is_all, self._failure = True, error
                break
            turn.number, self._count = self._count, self._count + 1
            planned.append(turn)
            weight += turn.weight
        with self._lock:
            self._held += weight
        return planned

    def _turn(self, index: int, seen: int, seen_nbytes: int, seen_stored: int) -> _Turn:
        """One more, and what it may take, by what those that were read took in memory, and as stored."""
        try:
            at = self._source.location(index)
            stored = self._source.nbytes(index) if at.nbytes is None else at.nbytes
        except Exception as error:  # noqa: BLE001 - at the turn of its sample
            return _Turn(index, None, 0, _LEAST_NBYTES, found=error)
        if stored is None:
            weight = seen_nbytes // seen if seen else _UNKNOWN_NBYTES
        else:
            known = seen_stored and seen_nbytes > seen_stored
            weight = stored * seen_nbytes // seen_stored if known else stored
        return _Turn(index, at, stored, weight + _LEAST_NBYTES)

    def _start(self, turns: list[_Turn], merged_nbytes: int) -> None:
        self._turns += turns
        turns = [turn for turn in turns if turn.found is None]
        for piece in pieces_of([turn.at for turn in turns], merged_nbytes):
            own = [turns[position] for position in piece.positions]
            work = self._pool.submit(self._work, piece, own)
            for turn in own:
                turn.work = work

    def _work(self, piece: Piece, turns: list[_Turn]) -> None:
        """Fetch and decode the samples of a piece, in a thread. Whatever goes wrong is found at its sample's turn."""
        source = self._source
        if len(turns) > 1:  # of their own, so that what came goes when they are read
            source = source.apart(piece.at, [turn.at.span for turn in turns if turn.at is not None])
        for turn in turns:
            if self._consumer.is_gone:
                return
            if self._has_room(turn):
                self._read(turn, source)

    def _has_room(self, turn: _Turn) -> bool:
        """Whether a sample may be read now, by what the last one took; else it is handed back."""
        with self._lock:
            weight = max(turn.weight, self._latest)
            if self._held + weight - turn.weight <= self._most + self._most // _SLACK:
                self._held, turn.weight = self._held + weight - turn.weight, weight
                return True
            self._held, turn.weight = self._held - turn.weight, 0
            heapq.heappush(self._back, (turn.number, turn))
            return False

    def _read(self, turn: _Turn, source: Source) -> None:
        """Fetch and decode one sample; its weight is known then."""
        if self._consumer.is_gone:
            return
        found = read_sample(source, turn.index, self._columns)
        weight = _LEAST_NBYTES
        if isinstance(found, Sample):
            weight += sum(value.nbytes for value in found.values.values() if isinstance(value, np.ndarray))
        with self._lock:
            self._held += weight - turn.weight
            turn.weight, turn.found, self._latest = weight, found, weight
            self._seen, self._seen_nbytes = self._seen + 1, self._seen_nbytes + weight - _LEAST_NBYTES
            self._seen_stored += turn.stored or 0

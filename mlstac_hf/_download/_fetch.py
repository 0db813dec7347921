"""Planned files, fetched over many connections, a few parts in memory at a time.

Owns: parts, which of them are there already, and that a file gets its name when it is whole and checked. Leaves to
others: which files (`_samples`, `_containers`, `_shards`), requests and their repetition (`_stores`).
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from mlstac_hf._download._digests import check_digest
from mlstac_hf._download._planned import Faults, PlannedFile
from mlstac_hf._download._staging import Staging
from mlstac_hf._errors import BAD_SAMPLE, CorruptSampleError, MissingSampleError, MLSTACError
from mlstac_hf._formats import HeaderError
from mlstac_hf._stores import Store

CONNECTIONS = 16
PART = 4 << 20
"""Bytes of one request, at most."""
_AHEAD = 4 * CONNECTIONS
"""Parts that wait for a connection, or to be looked at."""
_DONE = ".done"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a part, and, with the last part of a file, of the file."""

    file: PlannedFile
    nbytes: int
    """That came."""
    is_last: bool = True
    faults: Faults = field(default_factory=dict)


def fetch(files: Iterable[PlannedFile], staging: Staging, *, skip: bool) -> Iterator[Outcome]:
    """Bring files, in threads; outcomes come in the order of the files.

    Args:
        files: taken as they are needed.
        staging: where to.
        skip: whether samples with faults are taken out of the files that hold others too; else such files go.

    Raises:
        StoreError: the network or disk failed.
    """
    pool = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="mlstac-download")
    waiting: deque[Future[Outcome]] = deque()
    try:
        for file in files:
            for job in _jobs(file, staging, skip=skip):
                waiting.append(pool.submit(job))
                if len(waiting) >= _AHEAD:
                    yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _jobs(file: PlannedFile, staging: Staging, *, skip: bool) -> Iterator[Callable[[], Outcome]]:
    settle = partial(_settled, file, staging, skip=skip)
    if file.runs is None and (file.nbytes is None or file.nbytes <= PART):
        yield lambda: settle(lambda: _whole(file, staging))
        return
    assembly = _Assembly(file, staging, settle)
    for number in assembly.lacking:
        yield partial(assembly.bring, number)
    if not assembly.lacking:
        yield assembly.end


def _settled(file: PlannedFile, staging: Staging, bring: Callable[[], tuple[str, int]], *, skip: bool) -> Outcome:
    """What came of a file: its name where it is whole and as it should be, else its faults."""
    where = f"{file.store.url.rstrip('/')}/{file.ways[0][0]}"
    nbytes, faults = 0, dict[int, MLSTACError]()
    try:
        path, nbytes = bring()
        part = staging.part(path)
        faults = dict(_checked(file, part))
        spares = skip and file.drop is not None and len(faults) < len(file.keys)
        if faults and spares and file.drop is not None:
            file.drop(part, faults)
        if not faults or spares:
            whole = staging.whole(path)
            whole.parent.mkdir(parents=True, exist_ok=True)
            os.replace(part, whole)
    except HeaderError as error:
        faults = dict.fromkeys(
            file.keys,
            CorruptSampleError(f'{file.place}: {error}. Fetched from {where}; leave it out with on_error="skip".'),
        )
    except BAD_SAMPLE as error:
        faults = dict.fromkeys(file.keys, error)
    except FileNotFoundError as error:
        if isinstance(error, MLSTACError):
            raise
        faults = dict.fromkeys(file.keys, MissingSampleError(f"{file.place}: expected {where}, and it is not there."))
    for _, path in file.ways:  # what is damaged is fetched anew by the next call
        part = staging.part(path)
        staging.remove([part, _done_of(part)])
    return Outcome(file=file, nbytes=nbytes, faults=faults)


def _checked(file: PlannedFile, path: Path) -> Faults:
    """Look at a file that was brought.

    Raises:
        HeaderError: it is not what it should be, as a whole.
    """
    found = path.stat().st_size
    if file.nbytes is not None and found != file.nbytes:
        raise HeaderError(f"expected {file.nbytes} bytes, found {found}")
    if file.digest is not None:
        check_digest(path, file.digest)
        return {}
    return file.check(path)


def _whole(file: PlannedFile, staging: Staging) -> tuple[str, int]:
    """A file in one request, or in a row of them where nobody says how large it is: its path and its bytes."""
    for source, path in file.ways:
        with suppress(FileNotFoundError):
            first = _first(file.store, source, file.nbytes)
            target = staging.part(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as out:
                count, piece = 0, first
                while piece:
                    out.write(piece)
                    count += len(piece)
                    full = len(piece) >= PART and file.nbytes is None
                    piece = file.store.read_range(source, count, count + PART) if full else b""
            return path, count
    raise FileNotFoundError(file.ways[0][0])


def _first(store: Store, source: str, nbytes: int | None) -> bytes:
    """The beginning of a file. One byte more than it should have is asked for: it may have grown."""
    return store.read_range(source, 0, PART if nbytes is None else nbytes + 1)


class _Assembly:
    """A large file, of parts that come in any order; a line in a file beside it says which are there.

    Args:
        file: one whose size is known.
        staging: where to.
        settle: looks at the file when all parts are there.
    """

    def __init__(self, file: PlannedFile, staging: Staging, settle: Callable[..., Outcome]) -> None:
        self._file, self._settle = file, settle
        self._source, self._path = file.ways[0]
        self._part = staging.part(self._path)
        self._done = _done_of(self._part)
        self._parts = list(_parts_of(file))
        self._first_line = f"{PART} {file.nbytes} {len(self._parts)}\n"
        there = self._there()
        self.lacking = [number for number in range(len(self._parts)) if number not in there]
        self._left = len(self.lacking)
        self._lock = threading.Lock()
        self._fault: FileNotFoundError | HeaderError | None = None
        if not there:
            self._part.parent.mkdir(parents=True, exist_ok=True)
            self._part.write_bytes(file.head)
            self._done.write_text(self._first_line)

    def _there(self) -> set[int]:
        try:
            lines = self._done.read_text().splitlines(keepends=True)
        except FileNotFoundError:
            return set()
        if not self._part.is_file() or lines[:1] != [self._first_line]:
            return set()
        return {int(line) for line in lines[1:] if line.endswith("\n") and line.strip().isdecimal()}

    def bring(self, number: int) -> Outcome:
        """Fetch one part; the last one that comes settles the file."""
        at, start, stop = self._parts[number]
        nbytes = 0
        try:
            nbytes = self._bring(number, at, start, stop)
        except (FileNotFoundError, HeaderError) as error:
            self._fault = error
        with self._lock:
            self._left -= 1
            is_last = not self._left
        if not is_last:
            return Outcome(file=self._file, nbytes=nbytes, is_last=False)
        return replace(self.end(), nbytes=nbytes)

    def _bring(self, number: int, at: int, start: int, stop: int) -> int:
        is_end = self._file.runs is None and number == len(self._parts) - 1
        data = self._file.store.read_range(self._source, start, stop + is_end)
        if len(data) != stop - start:
            raise HeaderError(f"expected {stop - start} bytes from byte {start} on, found {len(data)}")
        with self._part.open("r+b") as out:
            out.seek(at)
            out.write(data)
        with self._done.open("a") as done:
            done.write(f"{number}\n")
        return len(data)

    def end(self) -> Outcome:
        """All parts came, or some cannot be had."""
        return self._settle(self._assembled)

    def _assembled(self) -> tuple[str, int]:
        if self._fault is not None:
            raise self._fault
        return self._path, 0


def _done_of(part: Path) -> Path:
    return part.with_name(part.name + _DONE)


def _parts_of(file: PlannedFile) -> Iterator[tuple[int, int, int]]:
    """Place in the file to be, and start and stop in the published one, of each part."""
    at = len(file.head)
    for start, stop in file.runs if file.runs is not None else ((0, file.nbytes or 0),):
        for begin in range(start, stop, PART):
            end = min(stop, begin + PART)
            yield at, begin, end
            at += end - begin

"""Which datapoints containers hold, and in what order: their headers, read side by side.

Owns: what is said of headers that cannot be read, and of what else claims to know what is in a container. Leaves to
others: what a header may say (`formats`), which files there are (`_find_containers`), samples (`_containers`).
The container's own header is the authority: what `metadata.parquet` says of offsets is compared, never used.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, groupby
from typing import Any, overload

from mlstac_hf._errors import CorruptSampleError, StoreError, warn
from mlstac_hf._formats import CONTAINER_PREFIX, HeaderError, container_header_length, parse_container_header
from mlstac_hf._reading._containers import ContainerFolder, Row
from mlstac_hf._reading._metadata_table import MetadataTable
from mlstac_hf._reading._table_rows import TableError
from mlstac_hf._reading._view import View
from mlstac_hf._stores import Entry, Store

_CONNECTIONS = 16
_FIRST_FETCH = 4 << 10
_ROW_NBYTES = 48  # of a header: quotes, brackets, two numbers, a comma and spaces; the id comes on top
_MOST_FETCHED = 16 << 20  # of a header, on the word of a table


def open_containers(
    split: str,
    store: Store,
    files: Sequence[str],
    *,
    table: MetadataTable | None,
    view: View,
    sizes: Mapping[str, int],
    task: tuple[str, ...] = (),
) -> ContainerFolder:
    """The datapoints of containers, in order.

    Args:
        split: its name.
        store: where the files are.
        files: their paths in it, in the order of the collection.
        table: `metadata.parquet`, where there is one.
        view: what of each sample is handed out.
        sizes: by file name, the size the collection claims; a difference is warned of.
        task: the collection's tasks.

    Raises:
        CorruptSampleError: a container whose header cannot be read.
        StoreError: a file is gone meanwhile, or the network or disk failed.
    """
    rows: list[Row] = []
    versions = []
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        opened = list(pool.map(partial(_read_header, store), files))
    for file, (entry, found) in zip(files, opened, strict=True):
        versions.append(f"{file}\0{entry.version if entry else sizes}")
        claimed = sizes.get(file.rpartition("/")[2])
        if entry is not None and claimed is not None and claimed != entry.nbytes:
            warn(f"{file} has {entry.nbytes} bytes, main.json claims {claimed}; it may have been uploaded anew.")
        rows += found
    if table is not None:
        _compare(split, rows, table, 0)
    return ContainerFolder(
        split=split,
        store=store,
        rows=rows,
        table=table,
        view=view,
        task=task,
        version="\0".join(versions),
        files={file: (entry and entry.nbytes) or 0 for file, (entry, _) in zip(files, opened, strict=True)},
    )


def counted_containers(
    split: str,
    store: Store,
    files: Sequence[str],
    *,
    table: MetadataTable,
    view: View,
    sizes: Mapping[str, int],
    task: tuple[str, ...] = (),
    counts: Mapping[str, int] | None = None,
) -> ContainerFolder | None:
    """The datapoints of containers by number alone: a header is read when a datapoint of its container is.

    Args:
        split: its name.
        store: where the files are.
        files: their paths in it, in the order of the collection.
        table: says how many datapoints each container holds.
        view: what of each sample is handed out.
        sizes: by file name, the size the collection claims.
        task: the collection's tasks.
        counts: the same by file name, where `main.json` says it too, so that the table need not be read for it.

    Returns:
        None where the table does not say.
    """
    counts = table.counts if counts is None else counts
    names = [file.rpartition("/")[2] for file in files]
    if any(name not in counts for name in names):
        return None
    claims = [Claim(file, counts[name], sizes.get(name)) for file, name in zip(files, names, strict=True)]
    rows = CountedRows(split, store, claims, table)
    stored = [claim.nbytes for claim in claims if claim.nbytes is not None]
    whole = len(rows), sum(stored) if len(stored) == len(claims) else table.nbytes
    return ContainerFolder(split=split, store=store, rows=rows, table=table, view=view, task=task, whole=whole)


@dataclass(frozen=True, slots=True)
class Claim:
    """What is said of a container before it is opened."""

    file: str
    count: int
    """Datapoints."""
    nbytes: int | None
    """Size."""


class CountedRows(Sequence[Row]):
    """The datapoints of containers, each opened when the first of its datapoints is asked for. Threads may share it."""

    def __init__(self, split: str, store: Store, claims: Sequence[Claim], table: MetadataTable) -> None:
        self._split, self._store, self._claims, self._table = split, store, claims, table
        self._ends = list(accumulate(claim.count for claim in claims))
        self._opened: dict[int, list[Row]] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None, "_opened": dict(self._opened)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @property
    def version(self) -> str:
        """Changes when a container does. Asks the server about each."""
        return "\0".join(f"{claim.file}\0{self._store.stat(claim.file).version}" for claim in self._claims)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        """A datapoint, after a look at the header of its container where nobody has looked yet.

        Raises:
            CorruptSampleError: the header cannot be read.
            StoreError: the container is gone, or the network failed.
        """
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        which = bisect_right(self._ends, index)
        rows = self._opened.get(which)
        if rows is None:
            with self._lock:
                rows = self._opened.get(which)
                if rows is None:
                    rows = self._opened[which] = self._open(which)
        return rows[index - self._ends[which] + self._claims[which].count]

    def _open(self, which: int) -> list[Row]:
        try:
            return self._compared(which)
        except TableError as error:
            raise CorruptSampleError(f"{self._split}/metadata.parquet: {error}") from None

    def _compared(self, which: int) -> list[Row]:
        """The datapoints of a container, as many as were claimed, whatever it holds."""
        claim = self._claims[which]
        first = self._ends[which] - claim.count
        each = self._table.id_nbytes(first, self._ends[which]) + _ROW_NBYTES
        guess = min(max(_FIRST_FETCH, CONTAINER_PREFIX + each * claim.count), _MOST_FETCHED)
        _, rows = _read_header(self._store, claim.file, claim.nbytes, guess)
        lacking = claim.count - len(rows)
        if lacking:
            warn(
                f"{claim.file} holds {len(rows)} datapoints, {self._split}/metadata.parquet has {claim.count} rows of "
                "it; open the split without streaming, which reads all headers first."
            )
        else:
            _compare(self._split, rows, self._table, first)
        fault = (
            f"{self._split}/metadata.parquet has {claim.count} rows of the file, and it holds {len(rows)} datapoints"
        )
        return rows[: claim.count] + [
            Row(claim.file, f"(datapoint {len(rows) + number})", 0, 0, 0, fault) for number in range(lacking)
        ]


def _read_header(
    store: Store, file: str, claimed: int | None = None, guess: int | None = None
) -> tuple[Entry | None, list[Row]]:
    """What a container holds. Little is read beyond its header.

    Args:
        store: where it is.
        file: its path.
        claimed: its size, if that is taken for true as long as the header agrees; else the store is asked.
        guess: bytes that are likely to hold the header; default 4 KiB.
    """
    try:
        entry = None if claimed is not None else store.stat(file)
        nbytes = claimed if entry is None else entry.nbytes
        if nbytes is None:
            raise StoreError(f"{store.url.rstrip('/')}/{file}: the server does not say how large it is")
        first = store.read_range(file, 0, min(guess or _FIRST_FETCH, nbytes))
        end = CONTAINER_PREFIX + container_header_length(first, nbytes)
        if end > len(first):
            first += store.read_range(file, len(first), end)
        container = parse_container_header(first[CONTAINER_PREFIX:end], nbytes)
    except FileNotFoundError:
        raise StoreError(f"{store.url.rstrip('/')}/{file} is gone") from None
    except HeaderError as error:
        if claimed is not None:  # which may be what is wrong
            return _read_header(store, file, None, guess)
        raise CorruptSampleError(f"{store.url.rstrip('/')}/{file}: {error}") from None
    points = container.entries.values()
    if claimed is not None and any(point.fault for point in points):
        return _read_header(store, file, None, guess)
    return entry, [Row(file, point.id, point.start, point.nbytes, end, point.fault) for point in points]


def _compare(split: str, rows: Sequence[Row], table: MetadataTable, first: int | None = None) -> None:
    """Tell where the table and the containers do not agree.

    Args:
        split: its name.
        rows: the datapoints of containers.
        table: beside them.
        first: its row that is likely to be that of the first datapoint, and those of the others to follow.
    """
    lacking, pairs = [], []
    for file, own in groupby(rows, lambda row: row.file.rpartition("/")[2]):
        points = list(own)
        numbers = table.rows_of(file, [point.name for point in points], first)
        first = None if first is None else first + len(points)
        lacking += [point.name for point, number in zip(points, numbers, strict=True) if number is None]
        pairs += [(point, at) for point, at in zip(points, numbers, strict=True) if at is not None and not point.fault]
    if lacking:
        warn(f"{split}/metadata.parquet lacks {len(lacking)} of {len(rows)} datapoints, such as {min(lacking)!r}.")
    claims = table.placed([at for _, at in pairs])
    wrong = [
        point.name
        for (point, _), (begin, length) in zip(pairs, claims, strict=True)
        if begin not in (None, point.start - point.base) or length not in (None, point.nbytes)
    ]
    if wrong:
        warn(
            f"{split}/metadata.parquet places {len(wrong)} datapoints elsewhere than their containers, such as "
            f"{min(wrong)!r}; the containers decide."
        )

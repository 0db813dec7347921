"""Samples in the order they are asked for, fetched before they are needed: the engine of every stream and loader.

Owns: batches of them, what becomes of bad ones, and whether there is anything to run ahead for. Leaves to others: how
far, and threads (`_crew`), reading a sample (`Source`), which samples (`_order`, callers).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing

from mlstac_hf._errors import BAD_SAMPLE, InvalidCollectionError, MissingSampleError, MLSTACError
from mlstac_hf._reading._asking import WINDOW
from mlstac_hf._reading._batch import Batch, read_batch, stacked
from mlstac_hf._reading._crew import Crew, read_sample
from mlstac_hf._reading._source import Sample, Source

OnBad = Callable[[int, MLSTACError], None]
"""Told the index and error of a sample that is left out."""

AHEAD_NBYTES = 128 << 20
"""Of samples that are fetched or being fetched, and not delivered yet."""
CONNECTIONS = 32
"""Requests at a time to a store that is not this disk."""
START_NBYTES = 4 << 20


def read_ahead(
    source: Source,
    batches: Iterable[Sequence[int]],
    columns: Sequence[str] | None = None,
    *,
    max_nbytes: int = AHEAD_NBYTES,
    start_nbytes: int = START_NBYTES,
    connections: int | None = None,
    on_bad: OnBad | None = None,
    windows: Iterator[int] | None = None,
) -> Iterator[Batch]:
    """Batches in the order asked for, read ahead where they come over a network.

    Args:
        source: the samples.
        batches: indices of each batch, in any order, repeats allowed; asked for ahead of what is yielded.
        columns: see `Source.read`.
        max_nbytes: of samples ahead, in memory or on their way; one sample may be more.
        start_nbytes: as much is fetched before anything was delivered.
        connections: requests at a time. Default: 32, and none ahead where the samples lie on this disk.
        on_bad: told the index and error of each sample that cannot be read, which is then left out; without it the
            error is raised at the turn of that sample's batch.
        windows: how many samples lie near one another, one window after another, where that is known: each is fetched
            in ranges as large as can be.

    Yields:
        A Batch for each of `batches`, which is empty where none of its samples could be read.

    Raises:
        SampleError, LinkRefusedError, StoreError: see `Source.read`.
        InvalidCollectionError: with `on_bad`, a long run of samples is not there.
    """
    limit = _connections(source, connections)
    if not limit:
        for batch in batches:
            yield read_batch(source, batch, columns, on_bad)
        return
    sizes: deque[int] = deque()

    def each() -> Iterator[int]:
        for batch in batches:
            sizes.append(len(batch))
            yield from batch

    rows: list[tuple[int, Sample]] = []
    taken = 0
    crew = Crew(source, each(), columns, (start_nbytes, max_nbytes), limit, windows)
    for index, sample in _judged(source, _ahead(crew), on_bad):
        while not sizes[0]:
            sizes.popleft()
            yield stacked([])
        taken += 1
        rows += [] if sample is None else [(index, sample)]
        if taken == sizes[0]:
            yield stacked(rows)
            sizes.popleft()
            rows, taken = [], 0
    for _ in sizes:
        yield stacked([])


def samples_ahead(
    source: Source,
    indices: Iterable[int],
    columns: Sequence[str] | None = None,
    *,
    max_nbytes: int = AHEAD_NBYTES,
    connections: int | None = None,
    on_bad: OnBad | None = None,
) -> Iterator[tuple[int, Sample]]:
    """As `read_ahead`, one sample after another, each with its index."""
    limit = _connections(source, connections)
    found = (
        _ahead(Crew(source, indices, columns, (START_NBYTES, max_nbytes), limit))
        if limit
        else _one_by_one(source, indices, columns)
    )
    for index, sample in _judged(source, found, on_bad):
        if sample is not None:
            yield index, sample


def _connections(source: Source, connections: int | None) -> int:
    if connections is not None and connections < 0:
        raise ValueError(f"expected connections to be 0 or more, got {connections}")
    return (0 if source.is_local else CONNECTIONS) if connections is None else connections


def _one_by_one(
    source: Source, indices: Iterable[int], columns: Sequence[str] | None
) -> Generator[tuple[int, Sample | Exception]]:
    for index in indices:
        yield index, read_sample(source, index, columns)


def _judged(
    source: Source, found: Generator[tuple[int, Sample | Exception]], on_bad: OnBad | None
) -> Iterator[tuple[int, Sample | None]]:
    """What was read; None for what `on_bad` was told of, other errors raised.

    Raises:
        InvalidCollectionError: so many samples in a row are not there that those that follow may never be.
    """
    missing = 0
    with closing(found):
        for index, sample in found:
            if isinstance(sample, Sample):
                missing = 0
                yield index, sample
                continue
            if on_bad is None or not isinstance(sample, BAD_SAMPLE):
                raise sample
            missing = missing + 1 if isinstance(sample, MissingSampleError) else 0
            if missing == WINDOW:
                raise InvalidCollectionError(
                    f"{missing} samples in a row, up to {source.place(index)}, are not there: the collection claims "
                    f"{len(source)} in split {source.split!r}. Mend the count in main.json, or pass limit=."
                ) from sample
            on_bad(index, sample)
            yield index, None


def _ahead(crew: Crew) -> Generator[tuple[int, Sample | Exception]]:
    try:
        while crew.fill():
            yield crew.take()
    finally:
        crew.end()

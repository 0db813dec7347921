"""The splits of a collection as a validation sees them, and their samples one by one.

Owns: opening what can be opened, one sample's facts, and going through them with little memory. Leaves to others: what
is wrong with them (the checks), reading (`reading`).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from tqdm.auto import tqdm

from mlstac_hf._errors import (
    CollectionNotFoundError,
    CorruptSampleError,
    MissingExtraError,
    MissingSampleError,
    MLSTACError,
    StoreError,
)
from mlstac_hf._formats import Array
from mlstac_hf._reading import SampleHead, Source, origin_of
from mlstac_hf._reading._container_headers import open_containers
from mlstac_hf._reading._containers import ContainerFolder
from mlstac_hf._reading._folder import SampleFolder
from mlstac_hf._reading._metadata_table import MetadataTable
from mlstac_hf._reading._open import open_part
from mlstac_hf._reading._view import view_of
from mlstac_hf._spec import Catalog, Collection
from mlstac_hf._validate._findings import Findings, code_of
from mlstac_hf._validate._report import Place

TABLE = "metadata.parquet"
CONTAINER = ".mlstac"

_CONNECTIONS, _DEEP_CONNECTIONS = 16, 2
_MOST_LOST = 256  # samples in a row that are not there; asking on could take forever
_MOST_FAILED = 16  # in a row, by the network


@dataclass(frozen=True, kw_only=True)
class Part:
    """One split that was opened.

    Attributes:
        name: of the split.
        catalog: what main.json declares of it.
        source: its samples.
    """

    name: str
    catalog: Catalog
    source: Source

    @property
    def folder(self) -> SampleFolder | None:
        """The source, where it is of the sample layout."""
        return self.source if isinstance(self.source, SampleFolder) else None

    @property
    def containers(self) -> ContainerFolder | None:
        """The source, where it is of the container layout."""
        return self.source if isinstance(self.source, ContainerFolder) else None

    def place(self, index: int | None = None, file: str | None = None) -> Place:
        """A sample, a file or the split, for a finding."""
        if index is None:
            return Place(file=file, split=self.name)
        if isinstance(self.source, ContainerFolder):
            row = self.source.rows[index]
            span = None if row.fault else (row.start, row.start + row.nbytes)
            return Place(file=row.file, split=self.name, sample=index, span=span)
        name = self.source.names[index] if isinstance(self.source, SampleFolder) else self.source.name(index)
        return Place(file=f"{self.name}/{name}", split=self.name, sample=index)


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """One sample that was looked at.

    Attributes:
        index: in its split.
        place: for findings.
        stem: what its file, or its entry in a container, is called.
        head: dtypes, shapes and texts; None of a datapoint whose payload was not opened.
        facts: typed metadata.
        raw: `crs`, `geotransform`, `start_datetime` and `end_datetime` as stored, and everything else there is.
        row: what metadata.parquet has of it; None where it has nothing.
        values: tensors and texts; None where pixels are not read.
    """

    index: int
    place: Place
    stem: str
    head: SampleHead | None
    facts: Mapping[str, object]
    raw: Mapping[str, object]
    row: Mapping[str, Any] | None = None
    values: Mapping[str, Array | str] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of its image; zeros where it has none, or it is not known."""
        tensors = {} if self.head is None else self.head.tensors
        for name in ("input", "target", "extra"):
            if name in tensors and len(tensors[name].shape) >= 2:  # noqa: PLR2004 - rows, columns
                return tensors[name].shape[-2], tensors[name].shape[-1]
        return 0, 0


def open_part_of(collection: Collection, name: str, findings: Findings) -> Part | None:
    """One split; None where it cannot be opened, which is then put down."""
    catalog, place = origin_of(collection).catalogs[name], Place(split=name)
    try:
        return Part(name=name, catalog=catalog, source=open_part(collection, name))
    except CorruptSampleError as error:
        source, is_told = _readable_containers(collection, catalog, findings)
        if source is not None:
            return Part(name=name, catalog=catalog, source=source)
        if not is_told:
            findings.error(error, place, "E710")
    except CollectionNotFoundError as error:
        findings.error(error, place, "E201")
    except MLSTACError as error:
        findings.error(error, place)
    return None


def _readable_containers(
    collection: Collection, catalog: Catalog, findings: Findings
) -> tuple[ContainerFolder | None, bool]:
    """The containers beside main.json that can be read, where others cannot; and whether these were put down."""
    store, view, is_told = origin_of(collection).store, view_of(collection), False
    for folder in (catalog.name, f"{catalog.name}/mls"):
        try:
            entries = store.list(folder)
        except (FileNotFoundError, MLSTACError):
            continue
        opened = []
        for entry in sorted(entries or (), key=lambda entry: entry.name):
            if entry.name.endswith(CONTAINER):
                path = f"{folder}/{entry.name}"
                try:
                    opened.append(open_containers(catalog.name, store, [path], table=None, view=view, sizes={}))
                except MLSTACError as error:
                    is_told, known = True, "E710" if isinstance(error, CorruptSampleError) else code_of(error)
                    findings.error(error, Place(file=path, split=catalog.name), known)
        if opened:
            try:
                table = MetadataTable(store.read(f"{folder}/{TABLE}"), collection.annotations.time_column)
            except (FileNotFoundError, ValueError, MLSTACError):
                table = None
            return replace(opened[0], rows=[row for one in opened for row in one.rows], table=table), is_told
    return None, is_told


def scan(part: Part, findings: Findings, *, deep: bool, first: int = 0) -> Iterator[Seen]:
    """The samples of a split that can be read; the others are put down.

    Args:
        part: the split.
        findings: where bad samples go.
        deep: whether to read pixels; where what decodes them is not installed, headers have to do.
        first: where to begin.
    """
    lost = failed = 0
    with closing(_answers(part, first, deep=deep)) as answers:
        for index, answer in answers:
            if isinstance(answer, Seen):
                lost = failed = 0
                yield answer
                continue
            if isinstance(answer, MissingExtraError):
                findings.error(answer, part.place())
                break
            _put_down(answer, part.place(index), findings)
            lost = lost + 1 if isinstance(answer, MissingSampleError) else 0
            failed = failed + 1 if isinstance(answer, StoreError) else 0
            if lost >= _MOST_LOST or failed >= _MOST_FAILED:
                findings.more("E302" if lost else "E103", len(part.source) - index - 1)
                return
        else:
            return
    if deep:
        yield from scan(part, findings, deep=False, first=index)


def _answers(part: Part, first: int, *, deep: bool) -> Generator[tuple[int, Seen | Exception], None, None]:
    """What becomes of each sample; of those that lie elsewhere, several are asked for at once."""
    total, look = len(part.source), partial(_answer, part, deep=deep)
    width = 1 if part.source.is_local else _DEEP_CONNECTIONS if deep else _CONNECTIONS
    title = f"{part.name}: {'pixels' if deep else 'headers'}"
    with (
        tqdm(total=total, desc=title, unit=" samples", disable=None, delay=2, leave=False, initial=first) as bar,
        ThreadPoolExecutor(width) as pool,
    ):
        for start in range(first, total, width):
            window = range(start, min(start + width, total))
            for pair in zip(window, map(look, window) if width == 1 else pool.map(look, window), strict=True):
                bar.update()
                yield pair


def _put_down(error: Exception, place: Place, findings: Findings) -> None:
    if isinstance(error, MLSTACError):
        findings.error(error, place)
    else:
        findings.say("E999", f"reading a sample: {type(error).__name__}: {error}", place)


def _answer(part: Part, index: int, *, deep: bool) -> Seen | Exception:
    try:
        if part.containers is not None:
            return _datapoint(part, part.containers, index, deep=deep)
        return _sample(part, index, deep=deep)
    except Exception as error:  # noqa: BLE001 - nothing a collection holds may end a validation
        return error


def _sample(part: Part, index: int, *, deep: bool) -> Seen:
    sample = part.source.read(index) if deep else None
    head = part.source.head(index) if sample is None else sample.head
    return Seen(
        index=index,
        place=part.place(index),
        stem=part.source.name(index),
        head=head,
        facts=part.source.metadata(index, head),
        raw=head.raw,
        values=None if sample is None else sample.values,
    )


def _datapoint(part: Part, source: ContainerFolder, index: int, *, deep: bool) -> Seen:
    datapoint, table = source.rows[index], source.table
    if datapoint.fault:
        source.head(index)  # raises
    at = None if table is None else table.row_of(datapoint.file.rpartition("/")[2], datapoint.name)
    row = None if table is None or at is None else table.values(at)
    sample = source.read(index) if deep else None
    head = None if sample is None else sample.head
    stored = {} if head is None else {key: head.raw.get(key) for key in ("crs", "geotransform")}
    time = None if table is None or table.time_column is None else (row or {}).get(table.time_column)
    return Seen(
        index=index,
        place=part.place(index),
        stem=datapoint.name,
        head=head,
        facts=source.metadata(index, head or SampleHead({}, {}, (), {})),
        raw={**(row or {}), **stored, "start_datetime": time},
        row=row,
        values=None if sample is None else sample.values,
    )

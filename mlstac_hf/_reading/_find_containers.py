"""Where the containers of a split lie: beside `main.json`, in its `mls/` folder, or where their addresses lead.

Owns: which files, in which order. Leaves to others: what is in them (`_container_headers`), which links may be followed
(`stores`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mlstac_hf._errors import CollectionNotFoundError, LinkRefusedError, StoreError, warn
from mlstac_hf._reading._container_headers import counted_containers, open_containers
from mlstac_hf._reading._containers import ContainerFolder
from mlstac_hf._reading._metadata_table import MetadataTable
from mlstac_hf._reading._table_rows import GroupedRows, TableError
from mlstac_hf._reading._view import WHOLE, View
from mlstac_hf._spec import Catalog, file_in
from mlstac_hf._stores import Access, LocalStore, Store, open_link

SUFFIX = ".mlstac"
_TABLE = "metadata.parquet"
_LARGE_TABLE = 16 << 20
"""Bytes of a table, up to which fetching all of it takes no longer than asking for some of it."""
_COUNT = re.compile(r"(\d{1,12}) samples", re.ASCII)
_SUBFOLDERS = ("", "/mls")  # as published, and as upstream's download lays it


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What of a split is opened."""

    view: View = WHOLE
    """What of each sample is handed out."""
    task: tuple[str, ...] = ()
    """The collection's tasks, which say where text stands for a tensor."""
    types: Mapping[str, str] = field(default_factory=dict)
    """Arrow types of the publisher's own keys that are no text, as the collection declares."""
    time_column: str | None = None
    """The column of `metadata.parquet` that the collection declares to hold the time of a sample."""
    lists: bool = True
    """Whether folders are listed; else a split is what `main.json` and the table say, until it is read."""
    files: Callable[[MetadataTable], Collection[str] | None] | None = None
    """Names of the containers that hold what is asked for, by the table; None for all."""


def find_containers(store: Store, folder: str, catalog: Catalog, wanted: Wanted) -> ContainerFolder | None:
    """The containers beside `main.json`; None where there are none.

    Args:
        store: where `main.json` came from.
        folder: of the split.
        catalog: what the collection declares of the split.
        wanted: what of it is opened.
    """
    listed = list(dict.fromkeys(file_in(file.href) for file in catalog.data_files))
    lists = wanted.lists or not listed or isinstance(store, LocalStore)
    if not lists:
        counted = _counted(store, folder, listed, catalog, wanted)
        if counted is not None:
            return counted
    for place in (f"{folder}{sub}" for sub in _SUBFOLDERS):
        found = _present(store, place, listed, lists=lists)
        if not found:
            continue
        absent = [name for name in listed if name not in found]
        if absent:
            warn(f"{store.url.rstrip('/')}/{place} lacks {', '.join(absent[:5])}, which main.json lists; left out.")
        table = _table_at(store, f"{place}/{_TABLE}", wanted)
        return _opened(store, [f"{place}/{name}" for name in found], table, catalog, wanted)
    return None


def linked_containers(
    catalog: Catalog, store: Store, access: Access, wanted: Wanted, looked: Sequence[str]
) -> ContainerFolder:
    """The containers where their addresses in `main.json` lead, all of one folder.

    Raises:
        CollectionNotFoundError: they are not there either.
        LinkRefusedError: the addresses may not be followed.
        StoreError: the network or disk failed.
    """
    folders = list(dict.fromkeys(file.href.rpartition("/")[0] for file in catalog.data_files))
    names = [file_in(file.href) for file in catalog.data_files]
    where = " or ".join(looked)
    try:
        linked = open_link(f"{folders[0]}/" if folders[0] else ".", store, access)
        found = _present(linked, "", names, lists=wanted.lists) if len(folders) == 1 else []
    except (LinkRefusedError, StoreError) as error:
        raise type(error)(f"no containers of split {catalog.name!r} found in {where}, and {error}") from None
    if not found:
        raise CollectionNotFoundError(
            f"no containers of split {catalog.name!r} found: looked in {where} and {linked.url} for "
            f"{', '.join(names[:5])}"
        )
    return _opened(linked, found, _table_at(linked, _TABLE, wanted), catalog, wanted)


def _present(store: Store, place: str, listed: Sequence[str], *, lists: bool) -> list[str]:
    """The containers that are there: those that are listed in their order, then others by name."""
    try:
        entries = store.list(place) if lists else None
    except FileNotFoundError:
        return []
    if entries is None:
        return [name for name in listed if _is_there(store, f"{place}/{name}".lstrip("/"))]
    names = {entry.name for entry in entries if entry.name.endswith(SUFFIX)}
    others = sorted(names - set(listed))
    if others and listed:
        warn(
            f"{store.url.rstrip('/')}/{place} holds {', '.join(others[:5])}, which main.json does not list; read last."
        )
    return [*(name for name in listed if name in names), *others]


def _counted(
    store: Store, folder: str, listed: Sequence[str], catalog: Catalog, wanted: Wanted
) -> ContainerFolder | None:
    """The containers beside a table that says how many datapoints each holds; None where none says."""
    for place in (f"{folder}{sub}" for sub in _SUBFOLDERS):
        rows = _table_at(store, f"{place}/{_TABLE}", wanted, getattr(catalog, "metadata_checksum", None))
        if rows is None:
            continue
        files = [f"{place}/{name}" for name in listed]
        try:
            if wanted.files is not None:  # what is asked for takes the headers of those that hold it
                return _opened(store, files, rows, catalog, wanted)
            return counted_containers(
                catalog.name,
                store,
                files,
                table=rows,
                view=wanted.view,
                sizes=_sizes(catalog),
                task=wanted.task,
                counts=_counts(catalog),
            )
        except TableError:  # which is said where all of it is read
            return None
    return None


def _table_at(store: Store, path: str, wanted: Wanted, nbytes: object = None) -> MetadataTable | None:
    """The table beside containers; None where there is none that can be read.

    Args:
        store: where it is.
        path: of it.
        wanted: what is opened.
        nbytes: its size, as the collection claims; of a large one no more is read than is asked for.
    """
    try:
        if not isinstance(nbytes, int) or nbytes <= _LARGE_TABLE:
            return MetadataTable(store.read(path), wanted.time_column)
        there = store.stat(path).nbytes
        return MetadataTable(store.read(path) if there is None else GroupedRows(store, path, there), wanted.time_column)
    except FileNotFoundError:
        return None
    except TableError as error:
        warn(f"{store.url.rstrip('/')}/{path} is left out: {error}")
        return None


def _sizes(catalog: Catalog) -> dict[str, int]:
    """Bytes by file name, as the collection claims."""
    return {file_in(file.href): file.nbytes for file in catalog.data_files if file.nbytes is not None}


def _counts(catalog: Catalog) -> dict[str, int] | None:
    """Datapoints by file name, where `main.json` says how many each holds, as `write` has it."""
    told = [_COUNT.fullmatch(file.description or "") for file in catalog.data_files]
    counts = {file_in(file.href): int(one[1]) for file, one in zip(catalog.data_files, told, strict=True) if one}
    return counts if len(counts) == len(told) and sum(counts.values()) == catalog.n_items else None


def _is_there(store: Store, path: str) -> bool:
    try:
        store.stat(path)
    except FileNotFoundError:
        return False
    return True


def _opened(
    store: Store, files: Sequence[str], rows: MetadataTable | None, catalog: Catalog, wanted: Wanted
) -> ContainerFolder:
    needed = wanted.files(rows) if wanted.files is not None and rows is not None else None
    chosen = [file for file in files if needed is None or file_in(file) in needed]
    found = open_containers(
        catalog.name, store, chosen, table=rows, view=wanted.view, sizes=_sizes(catalog), task=wanted.task
    )
    if rows is None or len(chosen) == len(files):
        return found
    return replace(found, whole=(len(rows), rows.nbytes))

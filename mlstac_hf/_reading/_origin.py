"""Where an open collection came from, and which files divide it anew.

Owns: what is remembered between opening a collection and opening its samples. Leaves to others: opening either
(`_open`), what split files look like (`_split_files`).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from mlstac_hf._errors import InvalidCollectionError, UnknownNameError
from mlstac_hf._reading._source import Location, Source
from mlstac_hf._reading._split_files import SplitFile, read_split_files
from mlstac_hf._spec import Catalog, Collection
from mlstac_hf._stores import MAIN, Access, HubStore, LocalStore, Store, hide


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where an open collection came from."""

    store: Store
    access: Access
    address: str = field(repr=False)  # may be a signed URL
    digest: str = field(repr=False)
    """Of the bytes of `main.json`, and of split files."""
    catalogs: Mapping[str, Catalog] = field(repr=False)
    """The splits as they lie, by name."""
    lists: bool = True
    """Whether folders are listed where that can be done; else what main.json says of them is taken."""
    files: Mapping[str, SplitFile] | None = field(default=None, repr=False)
    """The splits as files list them, by name, where they were asked for."""


def origin_of(collection: Collection) -> Origin:
    """Where an open collection came from.

    Raises:
        InvalidCollectionError: it was built in code and lies nowhere yet.
    """
    origin = collection._origin
    if not isinstance(origin, Origin):
        raise InvalidCollectionError(
            f"collection {collection.id!r} was not opened from an address, so it has no samples to read. "
            "Open it with open_collection(address)."
        )
    return origin


def main_location(collection: Collection) -> Location:
    """Where the `main.json` of an open collection lies."""
    origin = origin_of(collection)
    name = origin.address.rstrip("/").rpartition("/")[2].partition("?")[0]
    return Location(origin.store.url, name if name.endswith(".json") else MAIN)


def passing(collection: Collection) -> Collection:
    """The same collection, of which nothing that is read is kept on this disk."""
    origin = origin_of(collection)
    if isinstance(origin.store, HubStore):
        collection = collection.model_copy()
        collection._origin = replace(origin, store=origin.store.passing())
    return collection


def streaming(collection: Collection) -> Collection:
    """The same collection, of which nothing is listed where `main.json` counts, and nothing is kept on this disk."""
    origin = origin_of(collection)
    if isinstance(origin.store, LocalStore):
        return collection
    store = origin.store.streaming() if isinstance(origin.store, HubStore) else origin.store
    collection = collection.model_copy()
    collection._origin = replace(origin, store=store, lists=False)
    return collection


def with_splits(collection: Collection, folder: str | os.PathLike[str]) -> Collection:
    """The same collection, split as the files of a folder say.

    Raises:
        InvalidCollectionError: they are of another collection, or name splits that it does not have.
    """
    origin, files = origin_of(collection), read_split_files(folder)
    for file in files.values():
        unknown = [name for name in file.samples if name not in origin.catalogs]
        if file.collection != collection.id or unknown:
            raise InvalidCollectionError(
                f"{os.fspath(folder)}: its splits are of collection {file.collection!r} ({', '.join(file.samples)}), "
                f"expected {collection.id!r} ({', '.join(origin.catalogs)})"
            )
    counts = {name: sum(map(len, file.samples.values())) for name, file in files.items()}
    split = {name: Catalog(name=name, n_items=count) for name, count in counts.items()}
    collection = collection.model_copy(update={"splits": split})
    listed = json.dumps([[name, dict(file.samples)] for name, file in files.items()])
    digest = hashlib.sha256(f"{origin.digest}{listed}".encode()).hexdigest()
    collection._origin = replace(origin, files=files, digest=digest)
    return collection


def parts_of(collection: Collection, split: str) -> Mapping[str, Sequence[str]] | None:
    """The samples that a split file lists, by the split they lie in; None of a split as it lies.

    Raises:
        UnknownNameError: the collection has no such split; the message lists those it has.
    """
    origin = origin_of(collection)
    if split not in collection.splits:
        near = get_close_matches(split.lower(), list(collection.splits), n=1, cutoff=0.4)
        hint = f". Did you mean {near[0]!r}?" if near else ""
        has = ", ".join(collection.splits) or "(none)"
        raise UnknownNameError(f"{hide(origin.address)}: expected one of the splits {has}, got {split!r}{hint}")
    return None if origin.files is None else origin.files[split].samples


def listed_indices(source: Source, names: Sequence[str]) -> list[int]:
    """The samples that a split file lists, in its order.

    Raises:
        InvalidCollectionError: some are not there.
    """
    found = source.find(names)
    lacking = [name for name in names if name not in found]
    if lacking:
        raise InvalidCollectionError(
            f"{len(lacking)} of the {len(names)} samples that the split files list are not in split {source.split!r}, "
            f"such as {lacking[0]!r}. The collection changed since; split it again with resplit()."
        )
    return [found[name] for name in names]

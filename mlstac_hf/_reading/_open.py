"""From an address to a collection, and from a collection to the samples of a split.

Owns: where the samples of a split are looked for, and in which order. Leaves to others: addresses and links
(`stores`), what `main.json` says (`spec`), what is in a folder (`_folder`).
"""

from __future__ import annotations

import hashlib
import itertools
import os
from dataclasses import replace
from typing import Any

from mlstac_hf._errors import (
    CollectionNotFoundError,
    InvalidCollectionError,
    LinkRefusedError,
    StoreError,
    warn,
)
from mlstac_hf._reading._arguments import check_folder
from mlstac_hf._reading._find_containers import Wanted, find_containers, linked_containers
from mlstac_hf._reading._folder import SampleFolder
from mlstac_hf._reading._joined import Joined
from mlstac_hf._reading._listing import NumberedNames, list_samples
from mlstac_hf._reading._origin import Origin, listed_indices, origin_of, parts_of, with_splits
from mlstac_hf._reading._selected import Selected
from mlstac_hf._reading._shards import METADATA, open_shards
from mlstac_hf._reading._source import Source
from mlstac_hf._reading._view import view_of
from mlstac_hf._spec import SUFFIXES, Catalog, Collection, encode_name
from mlstac_hf._stores import Access, HubStore, LocalStore, Store, hide, open_address, open_link

_FOLDERS = {"validation": ("validation", "val")}
"""Folder names of a split, where they are not its own."""

Address = str | os.PathLike[str] | Collection
"""A path of `main.json` or its folder, an http(s) URL, `user/repo`, any fsspec URL, or an open Collection."""


def open_collection(
    address: Address,
    *,
    revision: str | None = None,
    token: str | None = None,
    storage_options: dict[str, Any] | None = None,
    trust_links: bool = False,
    splits: str | os.PathLike[str] | None = None,
) -> Collection:
    """Read the `main.json` of a collection; no sample is touched.

    Args:
        address: a path of `main.json` or of its folder, an http(s) URL of either, `user/repo` or
            `hf://datasets/user/repo[@revision]` on the Hub, any fsspec URL, or an open Collection, which is
            returned as it is. An existing local path wins over a Hub id.
        revision: branch, tag or commit of a Hub repository.
        token: for private http and Hub addresses; sent to that host alone.
        storage_options: for the fsspec filesystem of the address.
        trust_links: follow links of the collection that are otherwise refused (see docs/formats.md).
        splits: a folder that `resplit` wrote, whose splits take the place of the collection's own.

    Returns:
        The Collection, in one model whatever the dialect.

    Raises:
        CollectionNotFoundError: nothing at `address`; the message says what was looked for, and where.
        InvalidCollectionError: `main.json` cannot be read as a collection.
        StoreError: the network or disk failed.

    Example:
        >>> collection = open_collection(demo)
        >>> collection.splits["train"].n_items, collection.bands[3].common_name
        (24, 'nir')
    """
    check_folder(splits, "splits")
    access = Access(revision=revision, token=token, storage_options=storage_options, trust_links=trust_links)
    if isinstance(address, Collection):
        collection = address if access == Access() else _reopened(address, access)
        return collection if splits is None else with_splits(collection, splits)
    store, name = open_address(address, access)
    try:
        data = store.read(name)
    except CollectionNotFoundError:
        raise
    except FileNotFoundError:
        raise CollectionNotFoundError(
            f"no collection at {hide(os.fspath(address))!r}: expected {name} in {store.url}, and there is none. "
            "An ML-STAC collection is a folder with a main.json beside its train, validation and test folders."
        ) from None
    collection = Collection.from_bytes(data, f"{store.url.rstrip('/')}/{name}")
    for key, reason in collection._problems.items():
        warn(f"{store.url.rstrip('/')}/{name}: {key!r} cannot be read and is left out: {reason[:200]}")
    collection._origin = Origin(
        store=store,
        access=replace(access, commit=store.commit) if isinstance(store, HubStore) else access,
        address=os.fspath(address),
        digest=hashlib.sha256(data).hexdigest(),
        catalogs=collection.splits,
    )
    return collection if splits is None else with_splits(collection, splits)


def _reopened(collection: Collection, access: Access) -> Collection:
    """The same collection, its samples reached as `access` says where it says anything."""
    origin = origin_of(collection)
    said = {name: value for name, value in vars(access).items() if value}
    if "revision" in said:
        said["commit"] = None
    access = replace(origin.access, **said)
    store, _ = open_address(origin.address, access)
    collection = collection.model_copy()
    collection._origin = replace(origin, store=store, access=access)
    return collection


def open_split(collection: Collection, split: str, wanted: Wanted | None = None) -> Source:
    """The samples of one split.

    Args:
        collection: an open one.
        split: its canonical name.
        wanted: what of it is opened; default all, the target as the collection declares.

    Raises:
        UnknownNameError: the collection has no such split; the message lists those it has.
        CollectionNotFoundError: the split is declared, and no sample of it can be found.
        LinkRefusedError: its link may not be followed.
        InvalidCollectionError: the folder cannot be listed, and `main.json` does not count its samples; or a split
            file lists samples that are not there.
        CorruptSampleError: a container whose header cannot be read.
    """
    parts = parts_of(collection, split)
    if parts is None:
        return open_part(collection, split, wanted)
    found: list[Source] = []
    for name, listed in parts.items():
        source = open_part(collection, name, wanted)
        found.append(Selected(source, listed_indices(source, listed)))
    return Joined(split, tuple(found))


def open_part(collection: Collection, split: str, wanted: Wanted | None = None) -> Source:
    """The samples of a split as it lies: beside `main.json` if they are there, else where its link leads."""
    origin = origin_of(collection)
    catalog = origin.catalogs[split]
    wanted = wanted or Wanted(view=view_of(collection), time_column=collection.annotations.time_column)
    types = collection.annotations.types or {}
    wanted = replace(wanted, task=tuple(collection.task), types=types, lists=origin.lists)
    shards = collection.annotations.shards
    looked = []
    if shards is not None:
        looked.append(f"{origin.store.url.rstrip('/')}/{METADATA}/")
        rows = open_shards(split, origin.store, shards, wanted.view)
        if rows is not None:
            return rows
    for folder in _FOLDERS.get(split, (split,)):
        looked.append(f"{origin.store.url.rstrip('/')}/{folder}/")
        found = _beside(origin.store, folder, catalog, wanted)
        if found is not None:
            return found
    if catalog.data_files:
        return linked_containers(catalog, origin.store, origin.access, wanted, looked)
    if catalog.n_items == 0:
        return SampleFolder(split=split, store=origin.store, prefix=f"{split}/", names=[], task=wanted.task)
    if catalog.link:  # opened, and judged, only now that it is needed
        try:
            store = open_link(catalog.link, origin.store, origin.access)
            looked.append(store.url)
            found = _samples_in(store, "", catalog, wanted)
        except (LinkRefusedError, StoreError) as error:
            raise type(error)(f"no samples of split {split!r} found in {' or '.join(looked)}, and {error}") from None
        if found is not None:
            return found
    raise CollectionNotFoundError(
        f"no samples of split {split!r} found: looked in {' and '.join(looked)} for files such as "
        f"{encode_name(0)}{SUFFIXES[0]}. main.json claims {catalog.n_items}."
    )


def _beside(store: Store, folder: str, catalog: Catalog, wanted: Wanted) -> Source | None:
    """The samples of a split in a folder beside `main.json`, in either layout."""
    if not catalog.data_files:
        found = _samples_in(store, f"{folder}/", catalog, wanted)
        if found is not None:
            return found
    return find_containers(store, folder, catalog, wanted)


def _samples_in(store: Store, prefix: str, catalog: Catalog, wanted: Wanted) -> SampleFolder | None:
    if not wanted.lists and catalog.n_items is not None and not isinstance(store, LocalStore):
        return _numbered(store, prefix, catalog, wanted)
    try:
        entries = store.list(prefix.rstrip("/"))
    except FileNotFoundError:
        return None
    if entries is not None:
        return list_samples(
            catalog.name,
            store,
            prefix,
            entries,
            task=wanted.task,
            view=wanted.view,
            types=wanted.types,
            claimed=catalog.misstated or catalog.n_items,
        )
    return _numbered(store, prefix, catalog, wanted)


def _numbered(store: Store, prefix: str, catalog: Catalog, wanted: Wanted) -> SampleFolder | None:
    """The samples of a folder that is not listed: as many as `main.json` claims, if any is there."""
    count = catalog.n_items or 1
    for index, suffix in itertools.product(sorted({0, min(1, count - 1), count - 1}), SUFFIXES):
        try:
            entry = store.stat(f"{prefix}{encode_name(index)}{suffix}")
        except FileNotFoundError:
            continue
        if catalog.n_items is None:
            raise InvalidCollectionError(
                f"{store.url}{prefix} cannot be listed, so main.json must say how many samples there are: expected "
                f"n_items of split {catalog.name!r} to be a count, found {catalog.misstated or 'none'}. "
                "Download the folder, or mend main.json."
            )
        names = NumberedNames(catalog.n_items, suffix)
        return SampleFolder(
            split=catalog.name,
            store=store,
            prefix=prefix,
            names=names,
            task=wanted.task,
            view=wanted.view,
            types=wanted.types,
            typical_nbytes=entry.nbytes,
        )
    return None

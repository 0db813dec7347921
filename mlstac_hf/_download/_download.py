"""`download()`: a collection, or a selection of it, as files of this disk.

Owns: the call, and what is refused before anything is fetched. Leaves to others: which files a split is made of
(`_samples`, `_containers`, `_shards`), what becomes of them (`_work`).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

from mlstac_hf._download._containers import ContainersPlan
from mlstac_hf._download._planned import SplitPlan
from mlstac_hf._download._result import DownloadResult
from mlstac_hf._download._samples import SamplesPlan
from mlstac_hf._download._shards import ShardsPlan
from mlstac_hf._download._staging import Staging
from mlstac_hf._download._work import Work
from mlstac_hf._reading import (
    Address,
    OnError,
    Selection,
    SelectionArguments,
    Source,
    check_folder,
    check_on_error,
    names_of_splits,
    open_collection,
    origin_of,
    passing,
    select,
    selection_of,
)
from mlstac_hf._reading._containers import ContainerFolder
from mlstac_hf._reading._folder import SampleFolder
from mlstac_hf._reading._present import those_present
from mlstac_hf._reading._selected import Selected
from mlstac_hf._reading._shards import ShardFolder
from mlstac_hf._spec import Collection
from mlstac_hf._stores import LocalStore
from mlstac_hf._stores._links import scheme_of

_OF_VALUES = ("bands", "target", "scale", "crop", "normalize")


def download(
    address: Address,
    destination: str | os.PathLike[str],
    *,
    split: str | Sequence[str] | None = None,
    on_error: OnError = "raise",
    dry_run: bool = False,
    trust_links: bool = False,
    revision: str | None = None,
    token: str | None = None,
    storage_options: dict[str, Any] | None = None,
    cache_dir: str | None = None,
    **selection: Unpack[SelectionArguments],
) -> DownloadResult:
    """Copy a collection, some of its splits, or a selection of their samples, to a folder of this disk.

    `load`, `load_dataset` and `validate` then find in the folder what they find at `address` with the same selection:
    the same samples in the same order, with the same ids and metadata. Files are copied as they are published, and a
    payload of a container never changes. The same call again goes on where it was broken off.

    Args:
        address: see `load`.
        destination: a folder that is empty or not there yet, or one that the same call began.
        split: one name, or several. Default: all that are there.
        on_error: `raise` the error of a sample that is missing or damaged, or `skip` it, with a warning that names it.
        dry_run: only say how much would come.
        trust_links: follow links of the collection that are otherwise refused.
        revision: branch, tag or commit of a Hub repository.
        token: for private http and Hub addresses.
        storage_options: for the fsspec filesystem of the address.
        cache_dir: where indexes of metadata are kept, in place of the platform's cache folder of the user.
        **selection: which samples, as in `load`: `filter`, `bbox`, `intersects`, `datetime`, `limit`, `types`. What
            changes the values of samples, such as `bands`, is for `load`.

    Returns:
        What lies there, and what came; `print` it.

    Raises:
        ValueError: an argument that means nothing here, or the folder of the collection itself as destination.
        FileExistsError: the destination holds other files, or a download of something else.
        StoreError: the disk has too little room, or the network or disk failed. What came stays for the next call.
        CorruptSampleError, MissingSampleError: a bad sample, by name.
        UnknownNameError: no such split, or a selection by what is not known of the samples.
        CollectionNotFoundError, InvalidCollectionError, LinkRefusedError, MissingExtraError: see `load`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     result = download(demo, folder, split="train", limit=3)
        ...     result.samples, len(load(folder, "numpy"))
        ({'train': 3}, 3)
    """
    check_on_error(on_error)
    check_folder(cache_dir, "cache_dir")
    root = _root(destination)
    chosen = _checked(selection)
    names = names_of_splits(split)
    opened = open_collection(
        address, revision=revision, token=token, storage_options=storage_options, trust_links=trust_links
    )
    _check_apart(opened, root)
    collection, skip = passing(opened), on_error == "skip"
    sources = those_present(
        collection,
        collection.splits if names is None else names,
        lambda name: select(collection, name, chosen, skip=skip, cache_dir=cache_dir),
        named=names is not None,
    )
    plans = [_plan(collection, source) for source in sources.values()]
    work = Work(collection, plans, Staging(root, _call(collection, plans, chosen)), skip=skip)
    return work.would() if dry_run else work.run()


def _root(destination: object) -> Path:
    if not isinstance(destination, str | os.PathLike):
        raise TypeError(f"expected destination to be a path, got {destination!r}")
    text = os.fspath(destination)
    if scheme_of(text) or not text.strip():
        raise ValueError(f"destination: expected a folder of this disk, got {text!r}")
    return Path(os.path.abspath(os.path.expanduser(text)))


def _checked(given: SelectionArguments) -> Selection:
    chosen, plain = selection_of(given, "download"), Selection()
    for name in _OF_VALUES:
        if getattr(chosen, name) != getattr(plain, name):
            raise ValueError(
                f"{name}= changes what is read of a sample, and download copies samples as they are published. Give "
                "it to load"
            )
    return chosen


def _check_apart(collection: Collection, root: Path) -> None:
    origin = origin_of(collection)
    if origin.files is not None:
        raise ValueError("this collection was opened with splits=, and download copies splits as they are published")
    store = origin.store
    if isinstance(store, LocalStore) and root.exists() and os.path.samefile(root, store.root):
        raise ValueError(f"{root} is the folder of the collection itself, expected another one as destination")


def _plan(collection: Collection, source: Source) -> SplitPlan:
    """What a split is made of, in the layout it lies in."""
    origin = origin_of(collection)
    catalog, checksums = origin.catalogs[source.split], collection.annotations.checksums or {}
    base, indices = _unwrapped(source)
    if isinstance(base, SampleFolder):
        return SamplesPlan(base, indices, catalog, checksums, origin.digest)
    if isinstance(base, ContainerFolder):
        return ContainersPlan(base, indices, catalog, checksums)
    assert isinstance(base, ShardFolder)
    return ShardsPlan(base, indices, catalog, checksums)


def _unwrapped(source: Source) -> tuple[Source, Sequence[int]]:
    """The split as it lies, and which of its samples these are."""
    if not isinstance(source, Selected):
        return source, range(len(source))
    base, inner = _unwrapped(source.source)
    if isinstance(source.source, Selected):
        return base, [inner[index] for index in source.indices]
    return base, source.indices


def _call(collection: Collection, plans: Sequence[SplitPlan], chosen: Selection) -> dict[str, Any]:
    """What tells one download from another, but for what is done about bad samples."""
    state = [origin_of(collection).digest, *(f"{plan.split}\0{plan.state}" for plan in plans)]
    return {
        "collection": collection.id,
        "split": [plan.split for plan in plans],
        **json.loads(chosen.text()),
        "state": hashlib.sha256("\0".join(state).encode()).hexdigest(),
    }

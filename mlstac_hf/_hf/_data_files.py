"""Which collection, and which of its samples, the data files that `datasets` found belong to.

Owns: telling our files from others. Leaves to others: opening the collection and its samples (`reading`).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from mlstac_hf._errors import CollectionNotFoundError, CollectionWarning, MLSTACError
from mlstac_hf._hf._plan import digest
from mlstac_hf._reading import SplitFile, open_collection, open_split, origin_of
from mlstac_hf._spec import SUFFIXES, Catalog, Collection, decode_name, split_suffix
from mlstac_hf._stores import MAIN, hub_address

CONTAINER = ".mlstac"
EXTENSIONS = (CONTAINER, SUFFIXES[0])
"""What files of samples end in, besides that of their compression."""
_MOST_PARENTS = 3  # main.json lies above train/mls/
_FOLDERS = {"val": "validation"}


def is_ours(data_files: Mapping[str, Sequence[str]], token: Any) -> bool:
    """Whether data files are those of a collection: samples, or a `main.json` that declares splits."""
    names = [file for files in data_files.values() for file in files]
    if any(_is_sample(name) for name in names):
        return True
    return any(is_collection(name, token) for name in names if _split(name)[1] == MAIN)


def is_collection(address: str, token: Any) -> bool:
    """Whether the `main.json` at an address declares splits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollectionWarning)
        try:
            return bool(open_collection(address, token=token if isinstance(token, str) else None).splits)
        except (MLSTACError, ValueError):  # of what cannot be sent
            return False


def address_of(data_files: Mapping[str, Sequence[str]], root: str | None, opens: partial[Collection]) -> Collection:
    """The collection that data files belong to.

    Args:
        data_files: by split, as `datasets` resolved them.
        root: the folder or repository that was asked for, if any was.
        opens: `open_collection`, but for the address.

    Raises:
        CollectionNotFoundError: no `main.json` among the files, in their folder, or above it.
    """
    files = [file for named in data_files.values() for file in named]
    mains = sorted({file for file in files if _split(file)[1] == MAIN}, key=lambda file: (file.count("/"), file))
    if mains and (root is None or len(files) == 1):
        return opens(mains[0])
    if root is not None:
        return opens(root)
    tried = []
    folder = next((_split(file)[0] for file in files if _is_sample(file)), None)
    for _ in range(_MOST_PARENTS if folder else 0):
        try:
            return opens(folder)
        except CollectionNotFoundError:
            tried.append(folder)
            folder = _split(folder or "")[0]
    where = f"looked for {MAIN} in {', '.join(map(str, tried))}" if tried else f"none of {files[:3]} is a sample"
    raise CollectionNotFoundError(
        f"the data files are of no ML-STAC collection: {where}. Pass data_dir=, the folder that holds {MAIN}, or "
        f"data_files=, its path."
    )


def named_samples(collection: Collection, data_files: Mapping[str, Sequence[str]]) -> Collection:
    """The collection, its splits those of data files where these name some of its samples and not others.

    Args:
        collection: an open one.
        data_files: by split; what is no sample of the collection is passed over.

    Returns:
        The collection itself where they name no sample, or all of them.
    """
    home = _plain(origin_of(collection).store.url.rstrip("/"))
    listed = {str(split): _by_folder(files, home, collection) for split, files in data_files.items()}
    listed = {split: folders for split, folders in listed.items() if folders}
    samples: dict[str, dict[str, list[str]]] = {}
    is_all = True
    for split, folders in listed.items():
        samples[split] = {}
        for folder, names in folders.items():
            source = open_split(collection, folder)
            every = [source.name(index) for index in range(len(source))]
            found = [name for name in every if name.partition("/")[0] in names]
            samples[split][folder] = found
            is_all = is_all and split == folder and len(found) == len(every)
    empty = {name for name, catalog in collection.splits.items() if catalog.n_items == 0}
    if is_all and (not samples or {*samples, *empty} == {*collection.splits}):
        return collection
    files = {
        split: SplitFile(split=split, collection=collection.id, samples=folders, made={})
        for split, folders in samples.items()
    }
    counts = {split: sum(map(len, folders.values())) for split, folders in samples.items()}
    origin = origin_of(collection)
    named = digest(origin.digest, repr(sorted((split, sorted(folders.items())) for split, folders in samples.items())))
    collection = collection.model_copy(
        update={"splits": {split: Catalog(name=split, n_items=count) for split, count in counts.items()}}
    )
    collection._origin = replace(origin, files=files, digest=named)  # noqa: SLF001 - kept privately by a Collection
    return collection


def _by_folder(files: Iterable[str], home: str, collection: Collection) -> dict[str, set[str]]:
    """Names of samples and containers by the split of the collection that they lie in."""
    found: dict[str, set[str]] = {}
    for file in map(_plain, files):
        folder, name = _split(file)
        if not _is_sample(name) or not folder.startswith(f"{home}/"):
            continue
        top = folder.removeprefix(f"{home}/").partition("/")[0]
        split = _FOLDERS.get(top, top)
        if split in collection.splits:
            parts = split_suffix(name)
            found.setdefault(split, set()).add(parts[0] if parts else name)
    return found


def _is_sample(name: str) -> bool:
    base = _split(name)[1]
    parts = split_suffix(base)
    # `weights` and `adapter` are numbers too, of no sample that anybody has: 50 thousand million begin with 0
    is_number = parts is not None and parts[0].startswith("0") and decode_name(parts[0]) is not None
    return base.endswith(CONTAINER) or is_number


def _plain(address: str) -> str:
    """One spelling of a place on the Hub."""
    found = hub_address(address)
    return address.replace("\\", "/") if found is None else found.url


def _split(path: str) -> tuple[str, str]:
    folder, _, name = path.replace("\\", "/").rpartition("/")
    return folder, name

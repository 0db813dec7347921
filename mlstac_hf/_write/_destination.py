"""Where a collection is written: which store, whether its disk tells `A` from `a`, what broken-off writes left behind.

Owns: what may be written over, and what is cleared away. Leaves to others: putting files (`_stores`), the journal.
"""

from __future__ import annotations

import os
from collections.abc import Collection as Container
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from mlstac_hf._spec import decode_name, split_suffix
from mlstac_hf._stores import PART, FsspecStore, LocalStore, WritableStore
from mlstac_hf._stores._links import scheme_of

JOURNALS = ".mlstac-hf"
"""Folder of what is only there while a collection is being written."""
DISTINCT = 35
"""Samples whose names differ in more than case; the 36th is `000000a`, the 10th `000000A`."""


def open_destination(address: str | os.PathLike[str], storage_options: dict[str, Any] | None) -> WritableStore:
    """The store of a folder that need not be there yet.

    Raises:
        ValueError: an address that nothing can be written to as files.
        FileExistsError: it is a file.
        MissingExtraError: it needs a package that is not installed.
    """
    text = os.fspath(address)
    if not text.strip():
        raise ValueError(f"destination: expected a folder or a URL, found {text!r}; '.' is the folder you are in")
    match scheme_of(text):
        case "":
            return _on_disk(Path(text).expanduser())
        case "file":
            return _on_disk(Path(url2pathname(urlsplit(text).path)))
        case "http" | "https" | "hf":
            raise ValueError(
                f"destination: expected a folder or a URL such as s3://bucket/folder, found {text!r}. Write to a "
                "folder first; push() brings it to the Hub"
            )
        case _:
            return FsspecStore(text, storage_options)


def _on_disk(folder: Path) -> LocalStore:
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"destination: expected a folder, new or not, found a file at {str(folder)!r}")
    return LocalStore(folder)


def names_of(store: WritableStore, folder: str) -> set[str]:
    """The files of a folder; none where there is no such folder."""
    try:
        if isinstance(store, LocalStore):
            return store.names(folder)
        return {entry.name for entry in store.list(folder) or ()}
    except FileNotFoundError:
        return set()


def remove(store: WritableStore, path: str) -> None:
    """Remove a file if it is there."""
    with suppress(FileNotFoundError):
        store.remove(path)


def remove_parts(store: WritableStore, *folders: str) -> None:
    """Remove what a write that was killed had begun."""
    if isinstance(store, LocalStore):
        for folder in folders:
            for name in names_of(store, folder):
                if name.startswith(".") and name.endswith(PART):
                    remove(store, f"{folder}/{name}" if folder else name)


def remove_strays(store: WritableStore, split: str, keep: Container[str]) -> None:
    """Remove samples that are not part of a split: written before a kill, and given no more afterwards."""
    for name in names_of(store, split):
        parts = split_suffix(name)
        ours = (parts is not None and decode_name(parts[0]) is not None) or name.endswith(".mlstac")
        if ours and name not in keep:
            remove(store, f"{split}/{name}")


def remove_folder(store: WritableStore, folder: str) -> None:
    """Remove a folder of this disk if nothing is in it."""
    if isinstance(store, LocalStore):
        with suppress(OSError):
            (Path(store.root) / folder).rmdir()


def tells_case_apart(store: WritableStore) -> bool:
    """Whether names that differ in case are two files. Only disks are asked; buckets always do."""
    if not isinstance(store, LocalStore):
        return True
    names = f"{JOURNALS}/case-a", f"{JOURNALS}/case-A"
    try:
        for name in names:
            store.put(name, name.encode())
        return store.read(names[0]) == names[0].encode()
    finally:
        for name in names:
            remove(store, name)
        remove_folder(store, JOURNALS)


def check_case(store: WritableStore, count: int | None, remedy: str) -> None:
    """Refuse names that a disk does not tell apart, before anything is written.

    Args:
        store: where sample files are to lie.
        count: how many; None where nobody knows.
        remedy: what to do instead.

    Raises:
        ValueError: there are too many of them.
    """
    if (count is None or count > DISTINCT) and not tells_case_apart(store):
        amount = "an unknown number of" if count is None else str(count)
        raise ValueError(
            f"{store.url}: this disk takes names that differ in case for one ('000000A' and '000000a'), so the "
            f"sample layout can hold {DISTINCT} samples there, and {amount} are to be written. {remedy}"
        )

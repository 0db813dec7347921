"""Splits as files: `<folder>/<split>.json` lists the samples of a split by name, and copies none.

Owns: what such a file says, and that a folder of them is whole: of one collection, no sample in two splits. Leaves to
others: which sample goes where (`mlstac_hf._resplit`), finding samples by name (`_open`).
"""

from __future__ import annotations

import json
import os
import re
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlstac_hf._errors import CollectionNotFoundError, InvalidCollectionError, StoreError
from mlstac_hf._spec._dialect_splits import PLAIN_NAME, STANDARD
from mlstac_hf._stores import LocalStore

VERSION = 1
_KEY = "mlhf:split"
_SUFFIX = ".json"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/", re.ASCII)
"""How an address begins once pathlib took one of its slashes; a drive has one letter."""
_LARGEST = 256 * 1024 * 1024
"""Bytes of a file worth parsing: 25 million names of the sample layout."""


@dataclass(frozen=True, kw_only=True)
class SplitFile:
    """One split: which samples it has, in which order.

    Raises:
        ValueError: a value that no such file may hold; the message says what was expected.
    """

    split: str
    """Its name: letters, digits, `-` and `_`, as in `main.json`."""
    collection: str
    """The id of the collection that the samples belong to."""
    samples: Mapping[str, Sequence[str]]
    """Names (`Source.name`) by the split they lie in: samples come in this order."""
    made: Mapping[str, Any]
    """How the split came to be: JSON, for people."""

    def __post_init__(self) -> None:
        check_split_name(self.split)
        _check(isinstance(self.collection, str), "collection to be the id of one", self.collection)
        _check(isinstance(self.made, Mapping), "made to be an object", self.made)
        _check(isinstance(self.samples, Mapping), "samples to be an object", self.samples)
        for source, names in self.samples.items():
            check_split_name(source)
            is_list = isinstance(names, Sequence) and not isinstance(names, str)
            _check(is_list and all(type(name) is str for name in names), f"names in samples[{source!r}]", names)
            _check(len(set(names)) == len(names), f"each name once in samples[{source!r}]", names)


def check_split_name(name: object) -> None:
    """Refuse what is no plain name of a split.

    Raises:
        ValueError: it is none.
    """
    is_plain = isinstance(name, str) and PLAIN_NAME.fullmatch(name) is not None
    _check(is_plain, "the name of a split to be up to 64 letters, digits, - and _", name)


def check_on_disk(folder: object) -> None:
    """Refuse what is no folder of this disk.

    Raises:
        TypeError: it is no path.
        ValueError: it is an address.
    """
    if not isinstance(folder, str | os.PathLike):
        raise TypeError(f"expected the folder of split files to be a path, got {folder!r}")
    text = os.fspath(folder)
    if "://" in text or _ADDRESS.match(text):
        raise ValueError(
            f"split files are kept in a folder of this disk, got the address {text!r}. Name a folder, such as "
            '"splits-a".'
        )


def in_order(names: Iterable[str]) -> list[str]:
    """Names of splits as they are shown: train, validation, test, then others by name."""
    return sorted(names, key=lambda name: (STANDARD.index(name) if name in STANDARD else len(STANDARD), name))


def read_split_files(folder: str | os.PathLike[str]) -> dict[str, SplitFile]:
    """The splits that a folder of this disk lists.

    JSON objects without the key `mlhf:split` are passed over.

    Args:
        folder: one that `write_split_files` wrote.

    Returns:
        By name: train, validation and test first, then others by name.

    Raises:
        ValueError, TypeError: see `check_on_disk`.
        CollectionNotFoundError: the folder is not there, or holds no such file.
        InvalidCollectionError: a file that says no such thing, files of different collections, or a sample in two
            splits.
        StoreError: the disk failed.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> fold = SplitFile(split="fold-1", collection="ponds", samples={"train": ["0000001"]}, made={})
        >>> with TemporaryDirectory() as folder:
        ...     write_split_files(folder, [fold])
        ...     read_split_files(folder)["fold-1"].samples
        {'train': ['0000001']}
    """
    store = _store(folder)
    files = [file for _, file in _files(store) if file is not None]
    if not files:
        raise CollectionNotFoundError(
            f"no splits in {store.url}: expected files such as train{_SUFFIX} that hold {_KEY!r}, and there are none. "
            "Write them with resplit()."
        )
    _check_together(files, store.url)
    found = {file.split: file for file in files}
    return {name: found[name] for name in in_order(found)}


def write_split_files(folder: str | os.PathLike[str], files: Iterable[SplitFile]) -> None:
    """Write splits to a folder of this disk, in place of those of the same collection that it holds.

    Args:
        folder: made with its parents.
        files: one a split.

    Raises:
        ValueError, TypeError: see `check_on_disk`.
        FileExistsError: see `check_destination`.
        InvalidCollectionError: the folder holds a damaged file, or `files` are of different collections, or share a
            sample or a name.
        StoreError: the disk failed.
    """
    store, files = _store(folder), list(files)
    _check_together(files, store.url)
    new = {f"{file.split}{_SUFFIX}": file for file in files}
    for name in check_destination(folder, files[0].collection if files else "", [file.split for file in files]):
        if name not in new:  # a split of before, which may share samples with those of now
            _remove(store, name)
    for name, file in new.items():
        store.put(name, _to_json(file))


def check_destination(folder: str | os.PathLike[str], collection: str, splits: Iterable[str]) -> list[str]:
    """Refuse a folder that holds something else than splits of the collection that are about to be replaced.

    Returns:
        The names of the files that hold those.

    Raises:
        ValueError, TypeError: see `check_on_disk`.
        FileExistsError: it holds splits of another collection, or another file under a name that is needed. Nothing
            was changed.
        InvalidCollectionError: it holds a damaged file.
    """
    store = _store(folder)
    new, held = {f"{split}{_SUFFIX}" for split in splits}, _files(store)
    for name, file in held:
        if (file is None and name in new) or (file is not None and file.collection != collection):
            what = "another kind" if file is None else f"collection {file.collection!r}"
            raise FileExistsError(
                f"{store.url} holds {name} of {what}, expected a folder that is new, or holds splits of "
                f"{collection!r}. Nothing was changed; choose another folder."
            )
    return [name for name, file in held if file is not None]


def _store(folder: str | os.PathLike[str]) -> LocalStore:
    check_on_disk(folder)
    return LocalStore(Path(folder).expanduser())


def _remove(store: LocalStore, name: str) -> None:
    try:
        os.unlink(os.path.join(store.root, name))
    except OSError as error:
        raise StoreError(f"could not remove {store.url}/{name}: {error.strerror}") from error


def _files(store: LocalStore) -> list[tuple[str, SplitFile | None]]:
    """The JSON files of a folder, by name; None for those that are about something else."""
    try:
        entries = store.list("")
    except FileNotFoundError:
        return []
    found = []
    for entry in sorted(entries, key=lambda entry: entry.name):
        if entry.name.endswith(_SUFFIX) and not entry.name.startswith("."):
            place = f"{store.url.rstrip('/')}/{entry.name}"
            if entry.nbytes is None or entry.nbytes > _LARGEST:
                raise InvalidCollectionError(f"{place}: expected at most {_LARGEST:,} bytes, found {entry.nbytes:,}")
            found.append((entry.name, _from_json(store.read(entry.name), place)))
    return found


def _from_json(data: bytes, place: str) -> SplitFile | None:
    """The split that a file lists; None where it is about something else."""
    remedy = "Write it anew with resplit(), or remove it."
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InvalidCollectionError(f"{place}: expected JSON, but it cannot be read: {error}. {remedy}") from None
    if not isinstance(document, dict) or _KEY not in document:
        return None
    try:
        version = document[_KEY]
        _check(version == VERSION and version is not True, f"{_KEY} to be {VERSION}, which this version reads", version)
        keys = ("collection", "split", "made", "samples")
        lacking = [key for key in keys if key not in document]
        _check(not lacking, f"the keys {', '.join(keys)}", sorted(document))
        file = SplitFile(**{key: document[key] for key in keys})
        _check(place.endswith(f"/{file.split}{_SUFFIX}"), "split to be the name of the file", file.split)
    except ValueError as error:
        raise InvalidCollectionError(f"{place}: {error}. {remedy}") from None
    return file


def _to_json(file: SplitFile) -> bytes:
    document = {
        _KEY: VERSION,
        "collection": file.collection,
        "split": file.split,
        "made": dict(file.made),
        "samples": {source: list(names) for source, names in file.samples.items()},
    }
    return f"{json.dumps(document)}\n".encode()


def _check(is_fine: object, expected: str, found: object) -> None:
    if not is_fine:
        raise ValueError(f"expected {expected}, found {reprlib.repr(found)}")


def _check_together(files: Sequence[SplitFile], where: str) -> None:
    """Refuse splits that are no splits of one collection."""
    collections = sorted({file.collection for file in files})
    if len(collections) > 1:
        raise InvalidCollectionError(
            f"{where}: expected splits of one collection, found {', '.join(map(repr, collections[:5]))}"
        )
    names = [file.split for file in files]
    if len(set(names)) < len(names):
        raise InvalidCollectionError(f"{where}: expected each split once, found {', '.join(names)}")
    homes: dict[tuple[str, str], str] = {}
    for file in files:
        for source, listed in file.samples.items():
            for sample in listed:
                other = homes.setdefault((source, sample), file.split)
                if other != file.split:
                    raise InvalidCollectionError(
                        f"{where}: expected each sample in one split, found {source}/{sample} in {other!r} and "
                        f"{file.split!r}. Split the collection again with resplit()."
                    )

"""The sample layout: one split as a folder of numbered files.

Owns: which files are samples and in what order, and from index to sample. Leaves to others: bytes
(`_file`), batches (`_batch`), which folder it is (`_open`).
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from mlstac_hf._errors import CollectionWarning, CorruptSampleError, MissingSampleError, StoreError
from mlstac_hf._formats import Array, Header, HeaderError
from mlstac_hf._reading._file import OpenFile, Targets, open_bytes, open_local
from mlstac_hf._spec import (
    PLAIN,
    SUFFIXES,
    TENSOR_NAMES,
    decode_name,
    encode_name,
    split_suffix,
    text_columns,
    typed_metadata,
)
from mlstac_hf._stores import Entry, Store

_SHOWN = 5
_CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class SampleHeader:
    """What is known of a sample before a tensor is read."""

    header: Header
    texts: dict[str, str]
    """Texts that take a tensor's place, by column."""
    columns: tuple[str, ...]
    """Tensors and texts the sample has: `input`, `target`, `extra`, then others as they lie in the file."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample as stored."""

    values: dict[str, Array | str]
    """Tensors by name in their stored dtype; text where it takes a tensor's place."""
    head: SampleHeader


class Names(Protocol):
    """File names in order, in memory or made up."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> str: ...


class NumberedNames:
    """Sample names 0 to `count` - 1, made when asked for: a server's word costs no memory."""

    def __init__(self, count: int, suffix: str) -> None:
        self._count, self._suffix = count, suffix

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int, /) -> str:
        if not 0 <= index < self._count:
            raise IndexError(index)
        return encode_name(index) + self._suffix


@dataclass(frozen=True, kw_only=True)
class SampleFolder:
    """The samples of one split, by index.

    Attributes:
        split: its name.
        store: where the files are.
        prefix: the folder in the store, empty or with a slash at its end.
        names: file names in order.
        task: the collection's tasks, which say where text stands for a tensor.
        versions: by file name, where the store could list them.
    """

    split: str
    store: Store
    prefix: str
    names: Names
    task: tuple[str, ...] = ()
    versions: dict[str, Entry] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.names)

    def place(self, index: int) -> str:
        """What to call a sample in a message."""
        return f"{self.split}/{self.names[index]} (sample {index})"

    def stem(self, index: int) -> str:
        """The file's name without its suffix: the id of samples that carry none."""
        return self.names[index].partition(".")[0]

    def nbytes(self, index: int) -> int | None:
        """Size of the file, where the store could list it."""
        entry = self.versions.get(self.names[index])
        return entry.nbytes if entry else None

    def head(self, index: int) -> SampleHeader:
        """The checked header of a sample. Of a remote or compressed one, the whole file is fetched.

        Raises:
            MissingSampleError, CorruptSampleError, LinkRefusedError, StoreError: see `read`.
        """
        with self._open(index) as file:
            return self._describe(file.header)

    def read(self, index: int, columns: Sequence[str] | None = None, into: Targets | None = None) -> Sample:
        """Read a sample.

        Args:
            index: 0 to `len(self)` - 1.
            columns: tensors and texts to read; default all. What the sample does not have is left out.
            into: arrays to fill, by name, where their dtype and shape fit.

        Raises:
            MissingSampleError: the file is not there.
            CorruptSampleError: the file is not what it claims to be.
            LinkRefusedError: the file is a symbolic link out of the collection.
            StoreError: the network or disk failed.
        """
        with self._open(index) as file:
            head = self._describe(file.header)
            shown = [name for name in head.columns if columns is None or name in columns]
            arrays = file.read([name for name in shown if name not in head.texts], into or {})
        values = {name: head.texts[name] if name in head.texts else arrays[name] for name in shown}
        return Sample(values, head)

    def metadata(self, index: int, head: SampleHeader) -> dict[str, object]:
        """The typed metadata of a sample whose header is at hand; see `typed_metadata`."""
        return typed_metadata(head.header.metadata, head.texts, self.stem(index))

    def fingerprint(self) -> str:
        """Changes when a file is added, removed or changed. Asks a server about each file, reads none."""
        if self.versions:
            names = map(self.names.__getitem__, range(len(self)))
            return _digest((name, self.versions[name].version) for name in names)
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            return _digest(pool.map(self._stat, range(len(self))))

    def fetch(self, index: int) -> tuple[str, bytes | None]:
        """The name and the bytes of a sample's file, whatever is in them; None where it is not there."""
        for name in self._candidates(index):
            try:
                return name, self.store.read(self.prefix + name)
            except FileNotFoundError:
                continue
        return self.names[index], None

    def _stat(self, index: int) -> tuple[str, str]:
        for name in self._candidates(index):
            try:
                return name, self.store.stat(self.prefix + name).version
            except FileNotFoundError:
                continue
        return self.names[index], "missing"

    def _describe(self, header: Header) -> SampleHeader:
        sizes = {name: tensor.size for name, tensor in header.tensors.items()}
        texts = text_columns(header.metadata, sizes, self.task)
        known = [name for name in TENSOR_NAMES if name in sizes or name in texts]
        others = [name for name in sizes if name not in TENSOR_NAMES]
        return SampleHeader(header, texts, (*known, *others))

    def _candidates(self, index: int) -> list[str]:
        """The file's name; where it was made up, with the other suffix too."""
        name = self.names[index]
        if self.versions:
            return [name]
        return sorted((self.stem(index) + suffix for suffix in SUFFIXES), key=lambda other: other != name)

    @contextmanager
    def _open(self, index: int) -> Iterator[OpenFile]:
        """The opened file; faults of its bytes carry its name from here on."""
        try:
            for name in self._candidates(index):
                try:
                    local = self.store.local_path(self.prefix + name)
                    if local is not None:
                        with open_local(local, compressed=name.endswith(".gz")) as file:
                            yield file
                    else:
                        data = self.store.read(self.prefix + name)
                        yield open_bytes(data, compressed=name.endswith(".gz"))
                    return
                except FileNotFoundError:
                    continue
        except HeaderError as error:
            raise CorruptSampleError(
                f"{self.place(index)}: {error}. Replace the file from {self.store.url}, or leave it out with "
                'on_error="skip".'
            ) from None
        except OSError as error:
            if isinstance(error, StoreError | PermissionError) and type(error).__module__.startswith("mlstac_hf"):
                raise
            raise StoreError(f"{self.place(index)}: could not be read: {error.strerror or error}") from error
        raise MissingSampleError(
            f"{self.place(index)}: expected at {self.store.url.rstrip('/')}/{self.prefix}, but it is not there. "
            f"The collection claims {len(self)} samples in this split."
        )


def list_samples(
    split: str, store: Store, prefix: str, entries: Sequence[Entry], *, task: tuple[str, ...], claimed: int | None
) -> SampleFolder | None:
    """The samples among the files of a folder, in order; None where there are none.

    Stray files are passed over. A gap, two files for one sample, and a count other than `claimed` are
    warned of, once each.
    """
    found: dict[int, Entry] = {}
    strays, doubles = [], []
    for entry in entries:
        parts = split_suffix(entry.name)
        index = decode_name(parts[0]) if parts else None
        if index is None:
            strays += [entry.name] if parts else []
        elif index in found:  # plain beside compressed: the plain one is quicker
            doubles.append(encode_name(index))
            found[index] = min(entry, found[index], key=lambda item: not item.name.endswith(PLAIN))
        else:
            found[index] = entry
    if not found:
        return None
    folder = f"{store.url.rstrip('/')}/{prefix}"
    if strays:
        _warn(f"{folder}: {_some(strays)} left out, as no sample is named so (expected names such as 0000001{PLAIN}).")
    if doubles:
        _warn(f"{folder}: {_some(doubles)} exist both plain and compressed; the plain files are read.")
    gap = max(found) + 1 - len(found)
    if gap:
        missing = [encode_name(i) for i in range(min(max(found), len(found) + _SHOWN)) if i not in found]
        _warn(f"{folder}: {gap} samples are missing: {_some(missing, gap)}. The others keep their ids.")
    if claimed is not None and claimed != len(found):
        _warn(f"{folder}: main.json claims {claimed} samples, the folder holds {len(found)}; the folder decides.")
    ordered = [found[index] for index in sorted(found)]
    return SampleFolder(
        split=split,
        store=store,
        prefix=prefix,
        names=[entry.name for entry in ordered],
        task=task,
        versions={entry.name: entry for entry in ordered},
    )


def _some(names: Sequence[str], total: int | None = None) -> str:
    total = total or len(names)
    shown = ", ".join(sorted(names)[:_SHOWN])
    return shown if total <= _SHOWN else f"{shown} and {total - _SHOWN} more"


def _warn(message: str) -> None:
    warnings.warn(message, CollectionWarning, stacklevel=5)


def _digest(pairs: Iterable[tuple[str, str]]) -> str:
    digest = hashlib.sha256()
    for name, version in pairs:
        digest.update(f"{name}\0{version}\0".encode())
    return digest.hexdigest()

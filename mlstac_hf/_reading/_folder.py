"""The sample layout: one split as a folder of numbered files.

Owns: which files are samples and in what order, and from index to sample. Leaves to others: bytes
(`_file`), batches (`_batch`), which folder it is (`_open`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, Self, TypeVar

from tqdm.auto import tqdm

from mlstac_hf._errors import (
    CorruptSampleError,
    InvalidCollectionError,
    MissingSampleError,
    StoreError,
    warn,
)
from mlstac_hf._formats import Header, HeaderError
from mlstac_hf._reading._file import OpenFile, open_bytes, open_descriptor
from mlstac_hf._reading._source import Sample, SampleHead, Targets
from mlstac_hf._spec import (
    PLAIN,
    SUFFIXES,
    TENSOR_NAMES,
    decode_name,
    encode_name,
    split_suffix,
    text_columns,
    typed_metadata,
    user_keys,
)
from mlstac_hf._stores import Entry, LocalStore, Store

Result = TypeVar("Result")
Answer = TypeVar("Answer")

_SHOWN = 5
_CONNECTIONS = 16
_WINDOW = 256
"""Samples asked for at once; as many missing in a row are taken for the end."""


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

    def head(self, index: int) -> SampleHead:
        """The checked header of a sample. Of a remote or compressed one, the whole file is fetched.

        Raises:
            MissingSampleError, CorruptSampleError, LinkRefusedError, StoreError: see `read`.
        """
        return self._with_file(index, lambda file: self._describe(file.header))

    def read(self, index: int, columns: Sequence[str] | None = None, into: Targets | None = None) -> Sample:
        """Read a sample; see `Source.read`."""

        def values(file: OpenFile) -> Sample:
            head = self._describe(file.header)
            shown = [name for name in head.columns if columns is None or name in columns]
            arrays = file.read([name for name in shown if name not in head.texts], into or {})
            return Sample({name: head.texts[name] if name in head.texts else arrays[name] for name in shown}, head)

        return self._with_file(index, values)

    def metadata(self, index: int, head: SampleHead) -> dict[str, object]:
        """The typed metadata of a sample whose header is at hand; see `typed_metadata`."""
        return typed_metadata(head.raw, head.texts, self.stem(index))

    def keys(self, head: SampleHead) -> dict[str, str]:
        """See `Source.keys`; in this layout all are text."""
        return dict.fromkeys(user_keys(head.raw, head.texts), "string")

    def fingerprint(self) -> str:
        """Changes when a file is added, removed or changed. Asks a server about each file, reads none."""
        if self.versions:
            names = map(self.names.__getitem__, range(len(self)))
            return _digest((name, self.versions[name].version) for name in names)
        return _digest((name, version or "missing") for name, version in self.each(self._stat, range(len(self))))

    def each(
        self, ask: Callable[[int], tuple[str, Answer | None]], indices: range
    ) -> Iterator[tuple[str, Answer | None]]:
        """What the store answers for each sample, many asked at once, in order.

        Raises:
            InvalidCollectionError: a long run of samples is not there, so their number is not what
                `main.json` claims; asking on could take forever.
        """
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            for start in range(0, len(indices), _WINDOW):
                window = indices[start : start + _WINDOW]
                answers = list(pool.map(ask, window))
                if len(answers) == _WINDOW and not any(answer for _, answer in answers):
                    raise InvalidCollectionError(
                        f"main.json claims {len(self)} samples of split {self.split!r}, but of "
                        f"{self.names[window[0]]} to {self.names[window[-1]]} none is at {self.store.url}{self.prefix}"
                    )
                yield from answers

    @property
    def is_local(self) -> bool:
        """Whether the files lie on this disk."""
        return isinstance(self.store, LocalStore)

    def brought(self, folder: Path, count: int) -> Self:
        """See `Source.brought`. A sample that is not there stays away, for the reader to name."""
        fetched = self.each(lambda index: self._fetch(index, folder), range(count))
        bar = tqdm(fetched, f"{self.split}: fetching", count, unit=" samples", disable=None, delay=2, leave=False)
        names = [name for name, _ in bar]
        store = LocalStore(folder, shown=f"{self.store.url.rstrip('/')}/{self.prefix}".rstrip("/"))
        return replace(
            self, store=store, prefix="", names=names, versions={entry.name: entry for entry in store.list("")}
        )

    def _fetch(self, index: int, folder: Path) -> tuple[str, Path | None]:
        for name in self._candidates(index):
            try:
                (folder / name).write_bytes(self.store.read(self.prefix + name))
            except FileNotFoundError:
                continue
            return name, folder / name
        return self.names[index], None

    def _stat(self, index: int) -> tuple[str, str | None]:
        for name in self._candidates(index):
            try:
                return name, self.store.stat(self.prefix + name).version
            except FileNotFoundError:
                continue
        return self.names[index], None

    def _describe(self, header: Header) -> SampleHead:
        tensors = header.tensors
        texts = text_columns(header.metadata, {name: tensor.nbytes for name, tensor in tensors.items()}, self.task)
        known = [name for name in TENSOR_NAMES if name in tensors or name in texts]
        others = [name for name in tensors if name not in TENSOR_NAMES]
        return SampleHead(tensors, texts, (*known, *others), header.metadata)

    def _candidates(self, index: int) -> list[str]:
        """The file's name; where it was made up, with the other suffix too."""
        name = self.names[index]
        if self.versions:
            return [name]
        return sorted((self.stem(index) + suffix for suffix in SUFFIXES), key=lambda other: other != name)

    def _with_file(self, index: int, use: Callable[[OpenFile], Result]) -> Result:
        """What `use` makes of the opened file; faults of its bytes carry its name from here on."""
        try:
            for name in self._candidates(index):
                try:
                    return self._use_file(name, use)
                except FileNotFoundError:
                    continue
        except HeaderError as error:
            path = f"{self.store.url.rstrip('/')}/{self.prefix}{self.names[index]}"
            raise CorruptSampleError(
                f'{self.place(index)}: {error}. Fetch {path} anew, or leave it out with on_error="skip".'
            ) from None
        raise MissingSampleError(
            f"{self.place(index)}: expected at {self.store.url.rstrip('/')}/{self.prefix}, but it is not there. "
            f"The collection claims {len(self)} samples in this split."
        )

    def _use_file(self, name: str, use: Callable[[OpenFile], Result]) -> Result:
        path, compressed = self.prefix + name, name.endswith(".gz")
        descriptor = self.store.open_local(path)
        if descriptor is None:
            return use(open_bytes(self.store.read(path), compressed=compressed))
        try:
            return use(open_descriptor(descriptor, compressed=compressed))
        except OSError as error:
            raise StoreError(f"could not read {self.store.url}/{path}: {error.strerror or error}") from error
        finally:
            os.close(descriptor)


def list_samples(
    split: str, store: Store, prefix: str, entries: Sequence[Entry], *, task: tuple[str, ...], claimed: int | str | None
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
        warn(f"{folder}: {_some(strays)} left out, as no sample is named so (expected names such as 0000001{PLAIN}).")
    if doubles:
        warn(f"{folder}: {_some(doubles)} exist both plain and compressed; the plain files are read.")
    gap = max(found) + 1 - len(found)
    if gap:
        missing = [encode_name(i) for i in range(min(max(found), len(found) + _SHOWN)) if i not in found]
        warn(f"{folder}: {gap} samples are missing: {_some(missing, gap)}. The others keep their ids.")
    if claimed is not None and claimed != len(found):
        warn(f"{folder}: main.json claims {claimed} samples, the folder holds {len(found)}; the folder decides.")
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


def _digest(pairs: Iterable[tuple[str, str]]) -> str:
    digest = hashlib.sha256()
    for name, version in pairs:
        digest.update(f"{name}\0{version}\0".encode())
    return digest.hexdigest()

"""The sample layout: one split as a folder of numbered files.

Owns: from index to sample. Leaves to others: which files are samples (`_listing`), bytes (`_file`), batches
(`_batch`), which folder it is (`_open`).
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tqdm.auto import tqdm

from mlstac_hf._errors import (
    CorruptSampleError,
    InvalidCollectionError,
    MissingSampleError,
    SchemaMismatchError,
    StoreError,
)
from mlstac_hf._formats import Header, HeaderError, TensorSlice
from mlstac_hf._reading._asking import WINDOW, in_windows
from mlstac_hf._reading._file import OpenFile, open_bytes, open_descriptor, read_columns
from mlstac_hf._reading._ranges import RangedFile, remote_header
from mlstac_hf._reading._source import Location, Sample, SampleHead, Targets, column_names
from mlstac_hf._reading._view import UNPADDED, WHOLE, Piece, View, ViewError, moved
from mlstac_hf._spec import (
    SUFFIXES,
    declared_keys,
    decode_name,
    text_columns,
    typed_metadata,
)
from mlstac_hf._stores import Entry, LocalStore, Store

Result = TypeVar("Result")
Answer = TypeVar("Answer")

_KINDS = {"int64": "int64", "double": "float64", "bool": "bool", "null": "null"}
"""The kind of a column by the Arrow type that a collection declares."""


class Names(Protocol):
    """File names in order, in memory or made up."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> str: ...


@dataclass(frozen=True, kw_only=True)
class SampleFolder:
    """The samples of one split, by index.

    Attributes:
        split: its name.
        store: where the files are.
        prefix: the folder in the store, empty or with a slash at its end.
        names: file names in order.
        task: the collection's tasks, which say where text stands for a tensor.
        view: what of each sample is handed out.
        types: of the publisher's own keys, as the collection declares them; names of Arrow types.
        versions: by file name, where the store could list them.
        typical_nbytes: size of one of the files, where the store could only be asked.
    """

    split: str
    store: Store
    prefix: str
    names: Names
    task: tuple[str, ...] = ()
    view: View = WHOLE
    types: Mapping[str, str] = field(default_factory=dict)
    versions: dict[str, Entry] = field(default_factory=dict, repr=False)
    typical_nbytes: int | None = None

    def __len__(self) -> int:
        return len(self.names)

    def place(self, index: int) -> str:
        """What to call a sample in a message."""
        return f"{self.split}/{self.names[index]} (sample {index})"

    def name(self, index: int) -> str:
        """The file's name without its suffix: also the id of samples that carry none."""
        return self.names[index].partition(".")[0]

    def location(self, index: int) -> Location:
        """See `Source.location`."""
        return Location(self.store.url, self.prefix + self.names[index], nbytes=self.nbytes(index))

    def find(self, names: Iterable[str]) -> dict[str, int]:
        """See `Source.find`."""
        if self.versions:
            places = {self.name(index): index for index in range(len(self))}
            return {name: places[name] for name in names if name in places}
        numbers = ((name, decode_name(name)) for name in names)
        return {name: number for name, number in numbers if number is not None and number < len(self)}

    def nbytes(self, index: int) -> int | None:
        """Size of the file, where the store could list it."""
        entry = self.versions.get(self.names[index])
        return entry.nbytes if entry else None

    def head(self, index: int) -> SampleHead:
        """The checked header of a sample; of a remote one, only its first bytes are fetched where they will do.

        Raises:
            MissingSampleError, CorruptSampleError, LinkRefusedError, StoreError: see `read`.
        """
        return self._with_file(index, self._head_of)

    def read(self, index: int, columns: Sequence[str] | None = None, into: Targets | None = None) -> Sample:
        """Read a sample; see `Source.read`."""
        in_parts = columns is not None or self.view.bands is not None
        return self._with_file(index, lambda name: self._sample_of(name, columns, into or {}, in_parts=in_parts))

    def metadata(self, index: int, head: SampleHead) -> dict[str, object]:
        """The typed metadata of a sample whose header is at hand; see `typed_metadata`."""
        facts: dict[str, Any] = typed_metadata(head.raw, head.texts, self.name(index), self.types)
        facts["geotransform"] = moved(facts["geotransform"], head.origin)
        return facts

    def keys(self, head: SampleHead) -> dict[str, str]:
        """See `Source.keys`; in this layout all are text but those that the collection declares otherwise."""
        keys = declared_keys(head.raw, head.texts, self.types)
        return {key: _KINDS.get(self.types.get(key, ""), "string") for key in keys}

    def fingerprint(self) -> str:
        """Changes when a file is added, removed or changed. Asks a server about each file, reads none."""
        if self.versions:
            names = map(self.names.__getitem__, range(len(self)))
            typed = sorted(self.types.items())
            return _digest((*typed, *((name, self.versions[name].version) for name in names)))
        return self.fingerprint_of(range(len(self)))

    def fingerprint_of(self, indices: Sequence[int]) -> str:
        """Changes when one of these files does. Asks a server about each."""
        return _digest((name, version or "missing") for name, version in self.each(self._stat, indices))

    def each(
        self, ask: Callable[[int], tuple[str, Answer | None]], indices: Sequence[int]
    ) -> Iterator[tuple[str, Answer | None]]:
        """What the store answers for each sample, many asked at once, in order.

        Raises:
            InvalidCollectionError: a long run of samples is not there, so their number is not what
                `main.json` claims; asking on could take forever.
        """
        for window, answers in in_windows(ask, indices):
            if len(answers) == WINDOW and not any(answer for _, answer in answers):
                raise InvalidCollectionError(
                    f"main.json claims {len(self)} samples of split {self.split!r}, but of "
                    f"{self.names[window[0]]} to {self.names[window[-1]]} none is at {self.store.url}{self.prefix}"
                )
            yield from answers

    @property
    def is_local(self) -> bool:
        """Whether the files lie on this disk."""
        return isinstance(self.store, LocalStore)

    def apart(self, at: Location | None, parts: Sequence[range] = ()) -> SampleFolder:  # noqa: ARG002 - part of the seam
        """See `Source.apart`: nothing is kept, and no file holds two samples."""
        return self

    def brought(self, folder: Path, indices: Sequence[int]) -> SampleFolder:
        """See `Source.brought`. A sample that is not there stays away, for the reader to name."""
        fetched = self.each(lambda index: self._fetch(index, folder), indices)
        total = len(indices)
        bar = tqdm(fetched, f"{self.split}: fetching", total, unit=" samples", disable=None, delay=2, leave=False)
        names = [name for name, _ in bar]
        store = LocalStore(folder, shown=f"{self.store.url.rstrip('/')}/{self.prefix}".rstrip("/"))
        return replace(
            self, store=store, prefix="", names=names, versions={entry.name: entry for entry in store.list("")}
        )

    def _fetch(self, index: int, folder: Path) -> tuple[str, Path | None]:
        for name in self.candidates(index):
            try:
                (folder / name).write_bytes(self.store.read(self.prefix + name))
            except FileNotFoundError:
                continue
            return name, folder / name
        return self.names[index], None

    def _stat(self, index: int) -> tuple[str, str | None]:
        for name in self.candidates(index):
            try:
                return name, self.store.stat(self.prefix + name).version
            except FileNotFoundError:
                continue
        return self.names[index], None

    def _describe(self, header: Header) -> SampleHead:
        tensors: Mapping[str, TensorSlice] = header.tensors
        texts = text_columns(header.metadata, {name: tensor.nbytes for name, tensor in tensors.items()}, self.task)
        pieces = {}
        if self.view != WHOLE:
            forms = {name: tensor for name, tensor in tensors.items() if name not in texts}
            found = self.view.pieces(forms, header.metadata.get(UNPADDED), texts)
            pieces = {name: piece for name, piece in found.items() if piece.stored != name or not piece.is_whole}
            cut = {name: _cut(tensors[piece.stored], piece) for name, piece in pieces.items()}
            tensors = {name: cut[name] if name in cut else tensors[name] for name in found}
        return SampleHead(tensors, texts, column_names(tensors, texts), header.metadata, pieces)

    def candidates(self, index: int) -> list[str]:
        """The file's name; where it was made up, with the other suffix too."""
        name = self.names[index]
        if self.versions:
            return [name]
        stem = name.partition(".")[0]
        return [name, *(other for suffix in SUFFIXES if (other := stem + suffix) != name)]

    def _with_file(self, index: int, use: Callable[[str], Result]) -> Result:
        """What `use` makes of the file's name; faults of its bytes carry its place from here on."""
        try:
            for name in self.candidates(index):
                try:
                    return use(name)
                except FileNotFoundError:
                    continue
        except HeaderError as error:
            path = f"{self.store.url.rstrip('/')}/{self.prefix}{self.names[index]}"
            raise CorruptSampleError(
                f'{self.place(index)}: {error}. Fetch {path} anew, or leave it out with on_error="skip".'
            ) from None
        except ViewError as error:
            raise SchemaMismatchError(f"{self.place(index)}: {error}.") from None
        raise MissingSampleError(
            f"{self.place(index)}: expected at {self.store.url.rstrip('/')}/{self.prefix}, but it is not there. "
            f"The collection claims {len(self)} samples in this split."
        )

    def _head_of(self, name: str) -> SampleHead:
        if not self.is_local:
            path = self.prefix + name
            header = remote_header(partial(self.store.read_range, path), compressed=name.endswith(".gz"))
            if header is not None:
                return self._describe(header)
        with self._opened(name, in_parts=False) as file:
            return self._describe(file.header)

    def _sample_of(self, name: str, columns: Sequence[str] | None, into: Targets, *, in_parts: bool) -> Sample:
        with self._opened(name, in_parts=in_parts) as file:
            head = self._describe(file.header)
            shown = [name for name in head.columns if columns is None or name in columns]
            pieces = {name: head.pieces.get(name) for name in shown if name not in head.texts}
            arrays = read_columns(file, pieces, into)
            return Sample({name: head.texts[name] if name in head.texts else arrays[name] for name in shown}, head)

    @contextmanager
    def _opened(self, name: str, *, in_parts: bool) -> Iterator[OpenFile | RangedFile]:
        """A file, its header checked. One that lies elsewhere is fetched whole, or in the parts that are asked for."""
        path, compressed = self.prefix + name, name.endswith(".gz")
        descriptor = self.store.open_local(path)
        if descriptor is None:
            if in_parts and not compressed:
                yield RangedFile(partial(self.store.read_range, path))
            else:
                # only what is not inflated can stay where it lies
                data = self.store.read(path) if compressed else self.store.fetch(path)
                yield open_bytes(data, compressed=compressed)
            return
        try:
            yield open_descriptor(descriptor, compressed=compressed)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StoreError(f"could not read {self.store.url}/{path}: {error.strerror or error}") from error
        finally:
            os.close(descriptor)


def _cut(tensor: TensorSlice, piece: Piece) -> TensorSlice:
    """Dtype and shape of a column that is a piece of a tensor."""
    return TensorSlice(tensor.dtype, piece.shape, 0, math.prod(piece.shape) * tensor.dtype.itemsize)


def _digest(pairs: Iterable[tuple[str, str]]) -> str:
    digest = hashlib.sha256()
    for name, version in pairs:
        digest.update(f"{name}\0{version}\0".encode())
    return digest.hexdigest()

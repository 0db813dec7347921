"""Published tables: one split as rows of Parquet or Arrow shards.

Owns: from index to sample. Leaves to others: the files (`_shard_files`), the table that says which row lies where
(`_metadata_table`), planes and windows (`_view`).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from mlstac_hf._errors import CorruptSampleError, InvalidCollectionError, MissingSampleError, SchemaMismatchError
from mlstac_hf._formats import Array, HeaderError, TensorForm, dtype_of
from mlstac_hf._reading._asking import CONNECTIONS, in_windows
from mlstac_hf._reading._metadata_table import PLACES_IN_SHARDS, SHAPE, MetadataTable
from mlstac_hf._reading._ranges import target_of
from mlstac_hf._reading._shard_files import ShardFile, ShardFormat, array_of
from mlstac_hf._reading._source import Location, Sample, SampleHead, Targets, column_names, slice_of
from mlstac_hf._reading._table_rows import TableError
from mlstac_hf._reading._view import UNPADDED, View, ViewError, moved
from mlstac_hf._spec import TENSOR_NAMES, Shards, TensorSchema, parse_crs, parse_datetime, parse_geotransform
from mlstac_hf._stores import LocalStore, Store

_HIDDEN = ("id", "crs", "geotransform", "start_datetime", "end_datetime", "geometry", "bbox")
_MOST_GROUPS = 4
_SHAPE = re.compile(r"\[\s*(\d{1,12}(\s*,\s*\d{1,12})*)?\s*\]", re.ASCII)
_AXIS = re.compile(r"\d+", re.ASCII)
_LONGEST = 1000
_BROUGHT = "rows.arrow"
METADATA = "metadata"
"""The folder of the tables beside shards, one a split."""


@dataclass(frozen=True, kw_only=True)
class ShardFolder:
    """The samples of one split, by index.

    Attributes:
        split: its name.
        store: where the files are.
        table: one row a sample.
        tensors: dtype and shape by column.
        sizes: bytes by shard, where they are known.
        form: of the shards.
        view: what of each sample is handed out.
        version: of the files, for `fingerprint`.
    """

    split: str
    store: Store
    table: MetadataTable
    tensors: Mapping[str, TensorSchema]
    sizes: Mapping[str, int | None]
    form: ShardFormat
    view: View
    version: str
    places: Sequence[tuple[str, int, int]] = ()
    """File, group and row in the group, by index."""
    rows: Sequence[int] = ()
    """Row of `table`, by index."""
    _files: dict[str, ShardFile] = field(default_factory=dict, init=False, repr=False, compare=False)
    _groups: OrderedDict[Any, Any] = field(default_factory=OrderedDict, init=False, repr=False, compare=False)
    """Those read last, since neighbours lie in the same."""

    def __len__(self) -> int:
        return len(self.rows)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_files": {}, "_groups": OrderedDict()}

    @property
    def is_local(self) -> bool:
        """Whether the files lie on this disk."""
        return isinstance(self.store, LocalStore)

    def place(self, index: int) -> str:
        """What to call a sample in a message."""
        file, group, row = self.places[index]
        return f"{file}: row {row} of group {group} (sample {index})"

    def name(self, index: int) -> str:
        """See `Source.name`."""
        file, group, row = self.places[index]
        return f"{file.rpartition('/')[2]}/{group}/{row}"

    def location(self, index: int) -> Location:
        """See `Source.location`: the shard, which holds the sample as one of its rows."""
        file, group, _ = self.places[index]
        return Location(self.store.url, file, group=group)

    def find(self, names: Iterable[str]) -> dict[str, int]:
        """See `Source.find`."""
        places = {self.name(index): index for index in range(len(self))}
        return {name: places[name] for name in names if name in places}

    def nbytes(self, index: int) -> int | None:
        """About the size of a row as stored: its share of the shard."""
        size = self.sizes.get(self.places[index][0])
        return None if size is None else size // self._shares[self.places[index][0]]

    @cached_property
    def _shares(self) -> Counter[str]:
        return Counter(file for file, _, _ in self.places)

    def table_rows(self) -> Sequence[int]:
        """By index, the row of `table` that belongs to a sample."""
        return self.rows

    def head(self, index: int) -> SampleHead:
        """See `Source.head`. Nothing is fetched: the table knows."""
        values = self.table.values(self.rows[index])
        texts = {
            name: str(values[name])
            for name in TENSOR_NAMES
            if name not in self.tensors and values.get(name) is not None
        }
        stored = {key: str(value) for key, value in values.items() if value is not None}
        try:
            pieces = self.view.pieces(self._forms(index, values), stored.get(UNPADDED), texts)
        except ViewError as error:
            raise SchemaMismatchError(f"{self.place(index)}: {error}.") from None
        tensors = {
            name: slice_of(dtype_of(self.tensors[piece.stored].dtype), piece.shape) for name, piece in pieces.items()
        }
        return SampleHead(tensors, texts, column_names(tensors, texts), stored, pieces)

    def _forms(self, index: int, values: Mapping[str, Any]) -> dict[str, TensorForm]:
        """Dtype and shape of the row's tensors as they are stored."""
        forms = {}
        for name, schema in self.tensors.items():
            shape: tuple[int, ...] | None = tuple(axis for axis in schema.shape if axis is not None)
            if None in schema.shape:
                shape = _parse_shape(values.get(f"{SHAPE}{name}"))
            if shape is None or len(shape) != len(schema.shape):
                raise self._corrupt(index, f"the table beside it does not say the shape of {name!r}")
            forms[name] = TensorForm(dtype_of(schema.dtype), shape)
        return forms

    def read(self, index: int, columns: Sequence[str] | None = None, into: Targets | None = None) -> Sample:
        """See `Source.read`; the row's whole group is read, and kept for its neighbours."""
        head = self.head(index)
        forms = self._forms(index, self.table.values(self.rows[index]))
        wanted = [name for name in head.columns if columns is None or name in columns]
        stored = dict.fromkeys(head.pieces[name].stored for name in wanted if name not in head.texts)
        file, group, row = self.places[index]
        try:
            table = self._group(file, group) if stored else None
            arrays = {name: array_of(table, name, row, *forms[name]) for name in stored}
        except HeaderError as error:
            raise self._corrupt(index, str(error)) from None
        except FileNotFoundError:
            raise MissingSampleError(
                f"{self.place(index)}: the file is not in {self.store.url}. It may have been published anew: open the "
                "collection again, or pin its revision"
            ) from None
        values: dict[str, Array | str] = {}
        for name in wanted:
            if name in head.texts:
                values[name] = head.texts[name]
            else:
                piece = head.pieces[name]
                array = arrays[piece.stored]
                values[name] = piece.copy(array, target_of(piece.shape, array.dtype, (into or {}).get(name)))
        return Sample(values, head)

    def metadata(self, index: int, head: SampleHead) -> dict[str, object]:
        """See `Source.metadata`."""
        values = self.table.values(self.rows[index])
        return {
            "id": str(values["id"]),
            "crs": parse_crs(values.get("crs")),
            "geotransform": moved(parse_geotransform(values.get("geotransform")), head.origin),
            "start_datetime": parse_datetime(values.get("start_datetime")),
            "end_datetime": parse_datetime(values.get("end_datetime")),
            **{key: values.get(key) for key in self.keys(head)},
        }

    def keys(self, head: SampleHead) -> dict[str, str]:
        """See `Source.keys`: the columns of the table, of one type for all samples."""
        return {key: kind for key, kind in self.table.keys.items() if key not in _HIDDEN and key not in head.texts}

    def fingerprint(self) -> str:
        """See `Source.fingerprint`."""
        return hashlib.sha256(f"{self.version}{list(self.rows)}".encode()).hexdigest()

    def apart(self, at: Location | None, parts: Sequence[range] = ()) -> ShardFolder:  # noqa: ARG002 - part of the seam
        """See `Source.apart`: it reads groups of its own; the shards that were opened are everybody's."""
        own = replace(self)
        object.__setattr__(own, "_files", self._files)
        return own

    def brought(self, folder: Path, indices: Sequence[int]) -> ShardFolder:
        """See `Source.brought`: the groups that hold them, in one file; several shards at once."""
        import pyarrow as pa

        groups = list(dict.fromkeys(self.places[index][:2] for index in indices))
        number = {group: position for position, group in enumerate(groups)}
        with (
            ExitStack() as stack,
            tqdm(desc=f"{self.split}: fetching", total=len(groups), unit=" parts", disable=None, delay=2) as bar,
        ):
            writer = None
            # few at once, for they are held in memory
            for _, tables in in_windows(lambda at: self._fetched(*groups[at]), range(len(groups)), size=CONNECTIONS):
                for table in tables:
                    writer = writer or stack.enter_context(pa.ipc.new_file(str(folder / _BROUGHT), table.schema))
                    writer.write_batch(table.to_batches()[0])
                    bar.update()
        places = [(_BROUGHT, number[self.places[index][:2]], self.places[index][2]) for index in indices]
        return replace(
            self,
            store=LocalStore(folder, shown=self.store.url),
            form="arrow",
            sizes={},
            places=places,
            rows=[self.rows[index] for index in indices],
        )

    def _group(self, file: str, group: int) -> Any:
        """The tensors of a row group; the last few are kept."""
        found = self._groups.get((file, group))
        if found is None:
            found = self._fetched(file, group)
            self._groups[file, group] = found
            if len(self._groups) > _MOST_GROUPS:
                with suppress(KeyError):  # another thread was quicker
                    self._groups.popitem(last=False)
        return found

    def _fetched(self, file: str, group: int) -> Any:
        shard = self._files.get(file)
        if shard is None:
            shard = self._files.setdefault(file, ShardFile(self.store, file, self.sizes.get(file), self.form))
        return shard.read(group, list(self.tensors))

    def _corrupt(self, index: int, reason: str) -> CorruptSampleError:
        return CorruptSampleError(
            f"{self.place(index)}: {reason}. Fetch the file from {self.store.url} anew, or leave the sample out with "
            'on_error="skip".'
        )


def open_shards(split: str, store: Store, shards: Shards, view: View) -> ShardFolder | None:
    """The rows of one split; None where the table beside the shards is not there.

    Raises:
        InvalidCollectionError: the table is none such.
    """
    path = f"{METADATA}/{split}.parquet"
    try:
        data = store.read(path)
    except FileNotFoundError:
        return None
    try:
        table = MetadataTable(data, "start_datetime", id_column="id", plumbing=PLACES_IN_SHARDS)
        places = _places(table)
    except TableError as error:
        raise InvalidCollectionError(f"{store.url.rstrip('/')}/{path}: {error}") from None
    sizes = {file.href: file.nbytes for file in shards.files.get(split, ())}
    return ShardFolder(
        split=split,
        store=store,
        table=table,
        tensors=shards.tensors,
        sizes=sizes,
        form=shards.format,
        view=view,
        version=f"{hashlib.sha256(data).hexdigest()} {sorted(sizes.items())}",
        places=places,
        rows=range(len(table)),
    )


def _parse_shape(value: object) -> tuple[int, ...] | None:
    """The lengths of a tensor's axes from a JSON list; None for what is none."""
    text = str(value)
    found = _SHAPE.fullmatch(text) if len(text) <= _LONGEST else None
    return None if found is None else tuple(map(int, _AXIS.findall(text)))


def _places(table: MetadataTable) -> list[tuple[str, int, int]]:
    try:
        columns = [table.column(name) for name in PLACES_IN_SHARDS]
    except KeyError as error:
        raise TableError(f"expected the columns {', '.join(PLACES_IN_SHARDS)}, found no {error}") from None
    places = list(zip(*columns, strict=True))
    for row, (file, group, number) in enumerate(places):
        if not isinstance(file, str) or not isinstance(group, int) or not isinstance(number, int):
            raise TableError(f"row {row}: expected a file, a group and a row, found {file!r}, {group!r}, {number!r}")
    return places

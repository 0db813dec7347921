"""The container layout: one split as datapoints in `.mlstac` files.

Owns: from index to sample. Leaves to others: which datapoints there are (`_container_headers`), payloads (`formats`),
the table beside them (`_metadata_table`), planes and windows (`_view`), where files lie (`_open`).
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from mlstac_hf._errors import CorruptSampleError, SchemaMismatchError
from mlstac_hf._formats import (
    RASTER,
    HeaderError,
    Payload,
    TensorForm,
    TensorSlice,
    added_decoders,
    open_payload,
    register_decoder,
)
from mlstac_hf._reading._asking import CONNECTIONS, in_windows
from mlstac_hf._reading._merged import Fetched
from mlstac_hf._reading._metadata_table import MetadataTable
from mlstac_hf._reading._payload_columns import read_columns
from mlstac_hf._reading._source import Location, Sample, SampleHead, Targets, column_names, slice_of
from mlstac_hf._reading._table_rows import TableError
from mlstac_hf._reading._view import UNPADDED, Piece, View, ViewError, moved
from mlstac_hf._spec import parse_crs, parse_datetime, parse_geotransform, text_columns
from mlstac_hf._stores import LocalStore, Store

_MOST_HEADS = 4096


@dataclass(frozen=True, slots=True)
class Row:
    """One datapoint, by file and place in it."""

    file: str
    name: str
    start: int
    nbytes: int
    base: int
    """Where the file's first payload begins; offsets in headers and tables count from there."""
    fault: str | None = None
    """Why it cannot be read, where the header already shows it."""


@dataclass(frozen=True, kw_only=True)
class ContainerFolder:
    """The datapoints of one split, by index.

    Attributes:
        split: its name.
        store: where the files are.
        rows: the datapoints.
        table: `metadata.parquet`, where there is one.
        view: what of each sample is handed out.
        task: the collection's tasks, which say where text stands for a tensor.
        version: of the files, for `fingerprint`.
        files: those that were opened, in order, with their sizes in bytes.
    """

    split: str
    store: Store
    rows: Sequence[Row]
    view: View
    table: MetadataTable | None = None
    task: tuple[str, ...] = ()
    version: str = ""
    files: Mapping[str, int] = field(default_factory=dict, repr=False)
    whole: tuple[int, int | None] | None = None
    """Datapoints and bytes of the split, where not all of its containers were opened."""
    gathered: str = ""
    """The one file that all payloads were brought to, if they were."""
    fetched: Fetched | None = None
    """Bytes of one of the files that are fetched at once."""
    _heads: OrderedDict[int, SampleHead] = field(default_factory=OrderedDict, init=False, repr=False, compare=False)
    """Those asked for last, since each costs a payload; with the very last one's payload."""
    _last: dict[int, Payload] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.rows)

    def __getstate__(self) -> dict[str, Any]:
        """With the decoders that the user added, which another process does not know."""
        return {**self.__dict__, "_heads": OrderedDict(), "_last": {}, "added": added_decoders()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, decoder in state.pop("added").items():
            register_decoder(name, decoder.matches, decoder.open)
        self.__dict__.update(state)

    @property
    def is_local(self) -> bool:
        """Whether the files lie on this disk."""
        return isinstance(self.store, LocalStore)

    def place(self, index: int) -> str:
        """What to call a datapoint in a message."""
        row = self.rows[index]
        return f"{row.file}: datapoint {row.name!r}, bytes {row.start} to {row.start + row.nbytes} (sample {index})"

    def name(self, index: int) -> str:
        """See `Source.name`: the container and the id in it, for two may hold the same id."""
        row = self.rows[index]
        return f"{row.file.rpartition('/')[2]}/{row.name}"

    def location(self, index: int) -> Location:
        """See `Source.location`: the payload in its container, counted from the container's first byte."""
        row = self.rows[index]
        return Location(self.store.url, row.file, row.start, row.nbytes)

    def find(self, names: Iterable[str]) -> dict[str, int]:
        """See `Source.find`."""
        places = {self.name(index): index for index in range(len(self))}
        return {name: places[name] for name in names if name in places}

    def nbytes(self, index: int) -> int | None:
        """Size of a payload as stored; None before the headers of the containers were read."""
        return self.rows[index].nbytes if isinstance(self.rows, list) else None

    def head(self, index: int) -> SampleHead:
        """See `Source.head`. The payload is fetched, and no pixel of it is decoded."""
        head = self._heads.get(index)
        if head is not None:
            return head
        payload = self._payload(index)
        if not self.is_local:
            self._last.clear()
            self._last[index] = payload
        return self._described(index, payload)

    def read(self, index: int, columns: Sequence[str] | None = None, into: Targets | None = None) -> Sample:
        """See `Source.read`; of a raster only the planes and the window asked for are decoded."""
        payload = self._last.pop(index, None) or self._payload(index)
        head = self._described(index, payload)
        wanted = [name for name in head.columns if columns is None or name in columns]
        shown = {name: head.pieces[name] for name in wanted if name not in head.texts}
        try:
            arrays = read_columns(payload, shown, into or {})
            return Sample({name: head.texts[name] if name in head.texts else arrays[name] for name in wanted}, head)
        except HeaderError as error:
            raise self._corrupt(index, error) from None

    def metadata(self, index: int, head: SampleHead) -> dict[str, object]:
        """See `Source.metadata`. Place comes from the raster, time from a column known to hold it."""
        values = self._values(index)
        time = None if self.table is None or self.table.time_column is None else values.get(self.table.time_column)
        return {
            "id": self.rows[index].name,
            "crs": parse_crs(head.raw.get("crs")),
            "geotransform": moved(parse_geotransform(head.raw.get("geotransform")), head.origin),
            "start_datetime": parse_datetime(time),
            "end_datetime": parse_datetime(values.get("end_datetime")),
            **{key: values.get(key) for key in self.keys(head)},
        }

    def keys(self, head: SampleHead) -> dict[str, str]:  # noqa: ARG002 - part of the seam
        """See `Source.keys`: the columns of the table, of one type for all samples."""
        hidden = ("id", "crs", "geotransform", "start_datetime", "end_datetime")
        return {} if self.table is None else {k: kind for k, kind in self.table.keys.items() if k not in hidden}

    def fingerprint(self) -> str:
        """See `Source.fingerprint`."""
        return hashlib.sha256((self.version or getattr(self.rows, "version", "")).encode()).hexdigest()

    def apart(self, at: Location | None, parts: Sequence[range] = ()) -> ContainerFolder:
        """See `Source.apart`."""
        own = at is not None and at.folder == self.store.url
        return replace(self, fetched=Fetched(self.store, at, parts) if own and at is not None else None)

    def brought(self, folder: Path, indices: Sequence[int]) -> ContainerFolder:
        """See `Source.brought`: the payloads one after another in one file."""
        rows, start = [], 0
        with (folder / "payloads").open("wb") as file:
            total = sum(self.rows[index].nbytes for index in indices)
            with tqdm(
                desc=f"{self.split}: fetching", total=total, unit="B", unit_scale=True, disable=None, delay=2
            ) as bar:
                # few at once, for payloads are held in memory
                for window, payloads in in_windows(self._bytes, indices, size=CONNECTIONS):
                    for index, data in zip(window, payloads, strict=True):
                        file.write(data)
                        rows.append(replace(self.rows[index], start=start))
                        start += len(data)
                        bar.update(len(data))
        return replace(self, store=LocalStore(folder, shown=self.store.url), rows=rows, gathered="payloads")

    def table_rows(self) -> list[int | None]:
        """By index, the row of `table` that belongs to a datapoint; None where it has none."""
        return [None if self.table is None else self.table.row_of(_file_name(row), row.name) for row in self.rows]

    def _values(self, index: int) -> dict[str, Any]:
        if self.table is None:
            return {}
        row = self.rows[index]
        try:
            at = self.table.row_of(_file_name(row), row.name, index)
            return {} if at is None else self.table.values(at)
        except TableError as error:
            raise self._corrupt(index, HeaderError(f"metadata.parquet: {error}")) from None

    def _bytes(self, index: int) -> bytes | memoryview:
        row = self.rows[index]
        if row.fault:
            return b""
        place = (self.gathered or row.file, row.start, row.start + row.nbytes)
        held = None if self.fetched is None else self.fetched.view(*place)
        return self.store.read_range(*place) if held is None else held

    def _payload(self, index: int) -> Payload:
        row = self.rows[index]
        if row.fault:
            raise self._corrupt(index, HeaderError(row.fault))
        data = self._bytes(index)
        if len(data) < row.nbytes:
            raise self._corrupt(index, HeaderError(f"only {len(data)} bytes are there; the file is cut short"))
        try:
            return open_payload(data)
        except HeaderError as error:
            raise self._corrupt(index, error) from None

    def _corrupt(self, index: int, error: HeaderError) -> CorruptSampleError:
        return CorruptSampleError(
            f"{self.place(index)}: {error}. Replace the file from {self.store.url}, or leave the datapoint out with "
            'on_error="skip".'
        )

    def _described(self, index: int, payload: Payload) -> SampleHead:
        head = self._describe(index, payload)
        if not self.is_local:
            self._heads[index] = head
            if len(self._heads) > _MOST_HEADS:
                with suppress(KeyError):  # another thread was quicker
                    self._heads.popitem(last=False)
        return head

    def _describe(self, index: int, payload: Payload) -> SampleHead:
        transform = payload.geotransform and " ,".join(map(repr, payload.geotransform))
        own = {"crs": payload.crs, "geotransform": transform, "id": self.rows[index].name}
        layers = (payload.metadata, self._values(index), own)  # what a later one knows wins
        stored = {key: str(value) for layer in layers for key, value in layer.items() if value is not None}
        sizes = {name: math.prod(form.shape) for name, form in payload.tensors.items()}
        texts = {} if RASTER in sizes else text_columns(payload.metadata, sizes, self.task)
        forms = tuple(item for item in payload.tensors.items() if item[0] not in texts)
        try:
            tensors, columns, pieces = _laid_out(self.view, forms, stored.get(UNPADDED), tuple(texts))
        except ViewError as error:
            raise SchemaMismatchError(f"{self.place(index)}: {error}.") from None
        return SampleHead(tensors, texts, columns, stored, pieces)


def _file_name(row: Row) -> str:
    return row.file.rpartition("/")[2]


@lru_cache(maxsize=64)
def _laid_out(
    view: View, forms: tuple[tuple[str, TensorForm], ...], unpadded: str | None, texts: tuple[str, ...]
) -> tuple[Mapping[str, TensorSlice], tuple[str, ...], Mapping[str, Piece]]:
    """What is handed out of payloads of one form, as most of a split are: dtypes and shapes, columns, pieces."""
    stored = dict(forms)
    pieces = view.pieces(stored, unpadded, texts)
    tensors = {name: slice_of(stored[piece.stored].dtype, piece.shape) for name, piece in pieces.items()}
    return tensors, column_names(tensors, texts), pieces

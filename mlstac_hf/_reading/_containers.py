"""The container layout: one split as datapoints in `.mlstac` files.

Owns: which datapoints there are and in what order, and from index to sample. Leaves to others: headers and
payloads (`formats`), the table beside them (`_metadata_table`), planes (`_planes`), where files lie (`_open`).
The container's own header is the authority: what `metadata.parquet` says of offsets is compared, never used.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from tqdm.auto import tqdm

from mlstac_hf._errors import CorruptSampleError, SchemaMismatchError, StoreError, warn
from mlstac_hf._formats import (
    CONTAINER_PREFIX,
    RASTER,
    Array,
    HeaderError,
    Payload,
    TensorSlice,
    container_header_length,
    open_payload,
    parse_container_header,
)
from mlstac_hf._reading._metadata_table import TIME_COLUMNS, MetadataTable
from mlstac_hf._reading._planes import Planes
from mlstac_hf._reading._source import Sample, SampleHead, Targets
from mlstac_hf._spec import TENSOR_NAMES, parse_crs, parse_datetime, parse_geotransform
from mlstac_hf._stores import LocalStore, Store

_FIRST_READ = 64 << 10  # bytes; headers of a few hundred datapoints fit
_CONNECTIONS = 16


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
    """The datapoints of one split, by index: files as the collection lists them, then as each header does.

    Attributes:
        split: its name.
        store: where the files are.
        rows: the datapoints.
        table: `metadata.parquet`, where there is one.
        planes: which planes of a raster are input and target.
        version: of the files, for `fingerprint`.
    """

    split: str
    store: Store
    rows: Sequence[Row]
    planes: Planes
    table: MetadataTable | None = None
    version: str = ""
    gathered: str = ""
    """The one file that all payloads were brought to, if they were."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def is_local(self) -> bool:
        """Whether the files lie on this disk."""
        return isinstance(self.store, LocalStore)

    def place(self, index: int) -> str:
        """What to call a datapoint in a message."""
        row = self.rows[index]
        return f"{row.file}: datapoint {row.name!r}, bytes {row.start} to {row.start + row.nbytes} (sample {index})"

    def nbytes(self, index: int) -> int | None:
        """Size of a payload as stored."""
        return self.rows[index].nbytes

    def head(self, index: int) -> SampleHead:
        """See `Source.head`. The payload is fetched, and no pixel of it is decoded."""
        return self._describe(index, self._payload(index))

    def read(self, index: int, columns: Sequence[str] | None = None, into: Targets | None = None) -> Sample:
        """See `Source.read`; of a raster only the planes asked for are decoded."""
        payload = self._payload(index)
        head = self._describe(index, payload)
        shown = [name for name in head.columns if columns is None or name in columns]
        planes = self._planes(index, payload)
        values: dict[str, Array | str] = {}
        try:
            for name in shown:
                stored = RASTER if planes else name
                values[name] = payload.read(stored, planes=planes.get(name), out=(into or {}).get(name))
        except HeaderError as error:
            raise self._corrupt(index, error) from None
        return Sample(values, head)

    def metadata(self, index: int, head: SampleHead) -> dict[str, object]:
        """See `Source.metadata`. Place comes from the raster, time from a column known to hold it."""
        values = self._values(index)
        times = [parse_datetime(values[name]) for name in TIME_COLUMNS if values.get(name)]
        return {
            "id": self.rows[index].name,
            "crs": parse_crs(head.raw.get("crs")),
            "geotransform": parse_geotransform(head.raw.get("geotransform")),
            "start_datetime": times[0] if times else None,
            "end_datetime": parse_datetime(values.get("end_datetime")),
            **{key: values.get(key) for key in self.keys(head)},
        }

    def keys(self, head: SampleHead) -> dict[str, str]:  # noqa: ARG002 - part of the seam
        """See `Source.keys`: the columns of the table, of one type for all samples."""
        hidden = ("id", "crs", "geotransform", "start_datetime", "end_datetime")
        return {} if self.table is None else {k: kind for k, kind in self.table.keys.items() if k not in hidden}

    def fingerprint(self) -> str:
        """See `Source.fingerprint`."""
        return hashlib.sha256(f"{self.version}\0{self.planes}".encode()).hexdigest()

    def brought(self, folder: Path, count: int) -> Self:
        """See `Source.brought`: the payloads one after another in one file."""
        rows, start = [], 0
        with (folder / "payloads").open("wb") as file, ThreadPoolExecutor(_CONNECTIONS) as pool:
            total = sum(row.nbytes for row in self.rows[:count])
            with tqdm(
                desc=f"{self.split}: fetching", total=total, unit="B", unit_scale=True, disable=None, delay=2
            ) as bar:
                for first in range(0, count, _CONNECTIONS):
                    window = range(first, min(first + _CONNECTIONS, count))
                    for index, data in zip(window, pool.map(self._bytes, window), strict=True):
                        file.write(data)
                        rows.append(replace(self.rows[index], start=start))
                        start += len(data)
                        bar.update(len(data))
        return replace(self, store=LocalStore(folder, shown=self.store.url), rows=rows, gathered="payloads")

    def _values(self, index: int) -> dict[str, Any]:
        row = self.rows[index]
        if self.table is None:
            return {}
        at = self.table.row_of(row.file.rpartition("/")[2], row.name)
        return {} if at is None else self.table.values(at)

    def _bytes(self, index: int) -> bytes:
        row = self.rows[index]
        return b"" if row.fault else self.store.read_range(self.gathered or row.file, row.start, row.start + row.nbytes)

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

    def _planes(self, index: int, payload: Payload) -> dict[str, tuple[int, ...]]:
        """The planes of a raster by column; nothing for other payloads."""
        if RASTER not in payload.tensors:
            return {}
        try:
            bands, target = self.planes.of(payload.tensors[RASTER].shape[0])
        except IndexError as error:
            raise SchemaMismatchError(f"{self.place(index)}: {error}; choose others with bands= and target=") from None
        return {name: planes for name, planes in (("input", bands), ("target", target)) if planes}

    def _describe(self, index: int, payload: Payload) -> SampleHead:
        tensors = {name: _slice(form.dtype, form.shape) for name, form in payload.tensors.items()}
        planes = self._planes(index, payload)
        if planes:
            raster = tensors.pop(RASTER)
            tensors |= {name: _slice(raster.dtype, (len(chosen), *raster.shape[1:])) for name, chosen in planes.items()}
        transform = payload.geotransform and " ,".join(map(repr, payload.geotransform))
        own = {"crs": payload.crs, "geotransform": transform, "id": self.rows[index].name}
        layers = (payload.metadata, self._values(index), own)  # what a later one knows wins
        stored = {key: str(value) for layer in layers for key, value in layer.items() if value is not None}
        known = [name for name in TENSOR_NAMES if name in tensors]
        columns = (*known, *(name for name in tensors if name not in TENSOR_NAMES))
        return SampleHead(tensors, {}, columns, stored)


def _slice(dtype: np.dtype[Any], shape: tuple[int, ...]) -> TensorSlice:
    """Dtype and shape as the seam has them; a payload has no place of its own for each tensor."""
    return TensorSlice(dtype, shape, 0, math.prod(shape) * dtype.itemsize)


def open_containers(
    split: str,
    store: Store,
    files: Sequence[str],
    *,
    table: MetadataTable | None,
    planes: Planes,
    sizes: Mapping[str, int],
) -> ContainerFolder:
    """The datapoints of containers, in order.

    Args:
        split: its name.
        store: where the files are.
        files: their paths in it, in the order of the collection.
        table: `metadata.parquet`, where there is one.
        planes: which planes of a raster are input and target.
        sizes: by file name, the size the collection claims; a difference is warned of.

    Raises:
        CorruptSampleError: a container whose header cannot be read.
        StoreError: a file is gone meanwhile, or the network or disk failed.
    """
    rows: list[Row] = []
    versions = []
    for file in files:
        try:
            entry = store.stat(file)
            found = _read_header(store, file, entry.nbytes)
        except FileNotFoundError:
            raise StoreError(f"{store.url.rstrip('/')}/{file} is gone") from None
        except HeaderError as error:
            raise CorruptSampleError(f"{store.url.rstrip('/')}/{file}: {error}") from None
        versions.append(f"{file}\0{entry.version}")
        claimed = sizes.get(file.rpartition("/")[2])
        if claimed is not None and entry.nbytes is not None and claimed != entry.nbytes:
            warn(f"{file} has {entry.nbytes} bytes, main.json claims {claimed}; it may have been uploaded anew.")
        rows += found
    if table is not None:
        _compare(split, rows, table)
    return ContainerFolder(split=split, store=store, rows=rows, table=table, planes=planes, version="\0".join(versions))


def _read_header(store: Store, file: str, nbytes: int | None) -> list[Row]:
    if nbytes is None:
        raise StoreError(f"{store.url.rstrip('/')}/{file}: the server does not say how large it is")
    first = store.read_range(file, 0, _FIRST_READ)
    end = CONTAINER_PREFIX + container_header_length(first, nbytes)
    if end > len(first):
        first += store.read_range(file, len(first), end)
    container = parse_container_header(first[CONTAINER_PREFIX:end], nbytes)
    return [Row(file, point.id, point.start, point.nbytes, end, point.fault) for point in container.entries.values()]


def _compare(split: str, rows: Sequence[Row], table: MetadataTable) -> None:
    """Tell where the table and the containers do not agree."""
    names = {(row.file.rpartition("/")[2], row.name) for row in rows}
    lacking = [name for file, name in names if table.row_of(file, name) is None]
    if lacking:
        warn(f"{split}/metadata.parquet lacks {len(lacking)} of {len(rows)} datapoints, such as {min(lacking)!r}.")
    placed = {
        (row.file.rpartition("/")[2], row.name): (row.start - row.base, row.nbytes) for row in rows if not row.fault
    }
    wrong = table.disagreements(placed)
    if wrong:
        warn(
            f"{split}/metadata.parquet places {len(wrong)} datapoints elsewhere than their containers, such as "
            f"{min(wrong)!r}; the containers decide."
        )

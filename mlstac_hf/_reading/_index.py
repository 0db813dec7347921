"""What is known of every sample of a split before a tensor is read: one row a sample.

Owns: the table that conditions are checked on, and where it finds place and time, in both layouts; its cache.
Leaves to others: conditions (`_filter`, `_place`, `_time`), what follows from them (`_selection`).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mlstac_hf._conditions._filter import Types, cast_columns, check_types
from mlstac_hf._conditions._footprints import footprints
from mlstac_hf._conditions._geometries import points, shapes
from mlstac_hf._conditions._wgs84 import unknown
from mlstac_hf._errors import MissingExtraError, UnknownNameError, warn_skipped
from mlstac_hf._reading._containers import ContainerFolder
from mlstac_hf._reading._folder import SampleFolder
from mlstac_hf._reading._heads import heads
from mlstac_hf._reading._metadata_table import FOOTPRINT, MetadataTable
from mlstac_hf._reading._notes import Notes
from mlstac_hf._reading._sample_table import PLACE, table_beside
from mlstac_hf._reading._shards import ShardFolder
from mlstac_hf._reading._source import SampleHead, Source
from mlstac_hf._spec import TENSOR_NAMES
from mlstac_hf._version import __version__

FOOTPRINTS = (FOOTPRINT, "geometry", "footprint", "bbox")
"""Columns of `metadata.parquet` known to hold footprints, in WGS84; of those that know a sample the first wins."""
CENTRES = ("proj_centroid", "centroid", "stac:centroid")
"""Columns known to hold centres, as WKT in WGS84."""

_PLACES = (*FOOTPRINTS, *CENTRES)

_PROBES = 16
_SIZE = ("mlhf:rows", "mlhf:columns")
_NOTHING: dict[str, Any] = dict.fromkeys(_SIZE, 0)
_HIDDEN = (*_SIZE, "geotransform")


class Index(Protocol):
    """A row a sample."""

    @property
    def table(self) -> Any:
        """The Arrow table that `filter=` sees."""

    @property
    def where(self) -> str:
        """What to call it in messages."""

    def geometries(self) -> np.ndarray[Any, Any]:
        """Where each sample is, as shapely geometries in longitude and latitude; None where that is not known.

        Raises:
            UnknownNameError: there is nothing that could tell.
        """

    def times(self, types: Types | None) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """First and last moment of each sample, as `datetime64[us]` in UTC; NaT where that is not known.

        Raises:
            UnknownNameError: there is nothing that could tell.
        """


@dataclass(frozen=True)
class TableIndex:
    """Rows of `metadata.parquet`."""

    table: Any
    where: str
    time_column: str | None

    def geometries(self) -> np.ndarray[Any, Any]:
        """See `Index`; a sample without a footprint lies at its centre."""
        there = [name for name in _PLACES if name in self.table.column_names]
        found = stated_places({name: self.table.column(name).to_pylist() for name in there}, self.table.num_rows)
        if not there or (len(found) and unknown(found).all()):
            raise self._lacks("place", ", ".join((*FOOTPRINTS, *CENTRES)), "leave out bbox= and intersects=")
        return found

    def times(self, types: Types | None) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """See `Index`; a column that `types` declares a time will do where no other is known."""
        column = self.time_column or next(_times_in(types, self.table.column_names), None)
        starts = None if column is None else self._moments(column)
        if column is None or starts is None or (len(starts) and np.isnat(starts).all()):
            remedy = 'name the column that holds it: types={"column": "datetime"}'
            raise self._lacks("time", "start_datetime, datetime or s2_date", remedy)
        has_end = "end_datetime" in self.table.column_names and column != "end_datetime"
        return starts, self._moments("end_datetime") if has_end else starts

    def _moments(self, name: str) -> np.ndarray[Any, Any]:
        column = cast_columns(self.table.select([name]), {name: "datetime"}, self.where).column(name)
        return _moments(column)

    def _lacks(self, what: str, columns: str, remedy: str) -> UnknownNameError:
        return UnknownNameError(
            f"{self.where}: nothing tells the {what} of a sample: expected one of the columns {columns}, with a value "
            f"that can be read; there are {', '.join(self.table.column_names)}. To go on, {remedy}."
        )


@dataclass(frozen=True)
class HeaderIndex:
    """What the headers of the sample layout hold."""

    scanned: Any
    where: str

    @property
    def table(self) -> Any:
        """See `Index`."""
        return self.scanned.drop_columns(list(_HIDDEN))

    def geometries(self) -> np.ndarray[Any, Any]:
        """See `Index`."""
        found = self._places()
        if len(found) and unknown(found).all():
            raise UnknownNameError(f"{self.where}: no sample says where it is; leave out bbox= and intersects=.")
        return found

    def _places(self) -> np.ndarray[Any, Any]:
        """Footprints, from geotransform, CRS and size of the image."""
        crs = self.scanned.column("crs").to_pylist()
        nothing = (np.nan,) * 6
        numbers = [value or nothing for value in self.scanned.column("geotransform").to_pylist()]
        sizes = np.stack([np.asarray(self.scanned.column(name), np.int64) for name in _SIZE], axis=1)
        return footprints(crs, np.array(numbers, np.float64).reshape(-1, 6), sizes)

    def times(self, types: Types | None) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """See `Index`; a key that `types` declares a time will do where no sample has its own."""
        starts, ends = (_moments(self.scanned.column(name)) for name in ("start_datetime", "end_datetime"))
        for name in _times_in(types, self.scanned.column_names):
            if np.isnat(starts).all() and np.isnat(ends).all():
                cast = cast_columns(self.scanned.select([name]), {name: "datetime"}, self.where)
                starts = ends = _moments(cast.column(name))
        if len(starts) and np.isnat(starts).all() and np.isnat(ends).all():
            raise UnknownNameError(
                f"{self.where}: no sample says when it was taken. Leave out datetime=, or name the key that holds it: "
                'types={"key": "datetime"}.'
            )
        return starts, ends


@dataclass(frozen=True)
class SampleTableIndex(HeaderIndex):
    """What a table that lies beside files of samples says of their headers; see `_sample_table`."""

    @property
    def table(self) -> Any:
        """See `Index`."""
        return self.scanned.drop_columns([PLACE, "geotransform"])

    def _places(self) -> np.ndarray[Any, Any]:
        return stated_places({PLACE: self.scanned.column(PLACE).to_pylist()}, self.scanned.num_rows)


def _times_in(types: Types | None, names: Sequence[str]) -> Iterator[str]:
    """The columns that the caller declares to be times."""
    return (name for name, kind in check_types(types or {}).items() if kind == "datetime" and name in names)


def stated_places(columns: Mapping[str, Sequence[object]], count: int) -> np.ndarray[Any, Any]:
    """`(count,)` shapely geometries out of the columns known to hold places, None where none of them says.

    Args:
        columns: by name; those of other names are passed over. A footprint wins over a centre.
        count: of rows.
    """
    found: np.ndarray[Any, Any] = np.full(count, None, dtype=object)
    for name in _PLACES:
        lacking = unknown(found)
        if name in columns and lacking.any():
            values = [columns[name][row] for row in np.flatnonzero(lacking).tolist()]
            found[lacking] = shapes(values) if name in FOOTPRINTS else points(values)
    return found


def table_index(split: str, table: MetadataTable, numbers: Sequence[int | None] | None = None) -> TableIndex:
    """The index that `metadata.parquet` is; see `MetadataTable.rows`."""
    return TableIndex(table.rows(numbers), f"{split}/metadata.parquet", table.time_column)


def index_of(source: Source, digest: str, *, skip: bool, cache_dir: str | Path | None) -> Index:
    """The index of a split.

    Args:
        source: the split, as it lies: nothing selected, nothing cut.
        digest: of `main.json`.
        skip: whether bad samples become rows of nulls, with a warning; else the first one raises.
        cache_dir: where the scan of a folder of samples is kept; default the platform's cache folder of the user.

    Raises:
        SampleError: a header cannot be read.
        UnknownNameError: containers without `metadata.parquet`.
        MissingExtraError: pyarrow is not installed.
    """
    if isinstance(source, ShardFolder):
        return table_index(source.split, source.table, source.table_rows())
    if isinstance(source, ContainerFolder):
        if source.table is None:
            raise UnknownNameError(
                f"{source.split}: expected metadata.parquet beside its containers, and there is none, so nothing is "
                "known of a sample before its pixels are read. Leave out filter=, bbox=, intersects= and datetime=."
            )
        return table_index(source.split, source.table, source.table_rows())
    if isinstance(source, SampleFolder) and not skip:  # of what is in a header that cannot be read, only it tells
        told = table_beside(source)
        if told is not None:
            return SampleTableIndex(told, source.split)
    return HeaderIndex(_scanned(source, digest, cache_dir, skip=skip), source.split)


def _scanned(source: Source, digest: str, cache_dir: str | Path | None, *, skip: bool) -> Any:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError(
            "filter=, bbox=, intersects= and datetime= need pyarrow, which is not installed. Install it with: "
            "pip install 'mlstac-hf[select]'"
        ) from None
    notes, name = Notes(cache_dir), f"indexes/{known_by(source, digest)}.parquet"
    kept = notes.get(name)
    if kept is not None:
        with suppress(pa.ArrowException, OSError, ValueError):  # damaged: look again
            return pq.read_table(io.BytesIO(kept))
    faults: list[str] = []
    types = source.types if isinstance(source, SampleFolder) else {}
    table = _table(list(_rows(source, faults, skip=skip)), types)
    if faults:
        warn_skipped(faults)
        return table
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd")
    notes.put(name, file.getvalue())
    return table


def state_of(source: Source, digest: str) -> str:
    """Changes when the samples do. Where nothing can be listed, only a few of them are asked about.

    Args:
        source: the split, as it lies.
        digest: of `main.json`.
    """
    if isinstance(source, SampleFolder) and not source.versions:
        probes = sorted({len(source) * probe // _PROBES for probe in range(_PROBES)} if len(source) else ())
        known = [digest, source.store.url, source.prefix, str(len(source)), source.fingerprint_of(probes)]
    else:
        known = [source.fingerprint()]
    return hashlib.sha256("\0".join(known).encode()).hexdigest()[:32]


def known_by(source: Source, digest: str) -> str:
    """Names what this version of the package keeps of a split; see `state_of`."""
    return hashlib.sha256("\0".join([state_of(source, digest), __version__]).encode()).hexdigest()[:32]


def _rows(source: Source, faults: list[str], *, skip: bool) -> Iterator[dict[str, Any]]:
    for window in heads(source, faults, skip=skip):
        for index, head in window:
            if head is None:
                yield _NOTHING
            else:
                rows, columns = image_size(head)
                yield {**source.metadata(index, head), _SIZE[0]: rows, _SIZE[1]: columns}


def image_size(head: SampleHead) -> tuple[int, int]:
    """Rows and columns of a sample's image; none where it has no image."""
    for name in TENSOR_NAMES:
        tensor = head.tensors.get(name)
        if tensor is not None and name not in head.texts and len(tensor.shape) >= 2:  # noqa: PLR2004 - rows, columns
            return int(tensor.shape[-2]), int(tensor.shape[-1])
    return 0, 0


def _table(rows: Sequence[dict[str, Any]], types: Mapping[str, str]) -> Any:
    """Metadata of samples as an Arrow table; keys of the publisher's are text where `types` says nothing."""
    import pyarrow as pa

    moment = pa.timestamp("us", "UTC")
    known = {"int64": pa.int64(), "double": pa.float64(), "bool": pa.bool_()}
    kinds = {
        **{key: known[kind] for key, kind in types.items() if kind in known},
        "id": pa.string(),
        "crs": pa.string(),
        "geotransform": pa.list_(pa.float64()),
        "start_datetime": moment,
        "end_datetime": moment,
        _SIZE[0]: pa.int64(),
        _SIZE[1]: pa.int64(),
    }
    names = dict.fromkeys([*kinds, *sorted({key for row in rows for key in row})])
    return pa.table({name: pa.array([row.get(name) for row in rows], kinds.get(name, pa.string())) for name in names})


def _moments(column: Any) -> np.ndarray[Any, Any]:
    """An Arrow column of times as `datetime64[us]` in UTC; what is finer is cut off."""
    import pyarrow as pa

    return np.asarray(column.cast(pa.timestamp("us"), safe=False).to_numpy(zero_copy_only=False), "datetime64[us]")

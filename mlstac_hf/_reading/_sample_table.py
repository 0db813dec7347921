"""The table that a push puts beside files of samples: what their headers say, without opening them.

Owns: whether the table is of the very files that are there. Leaves to others: what its rows are good for (`_index`),
making it (`_push`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from mlstac_hf._errors import MissingExtraError, StoreError
from mlstac_hf._reading._folder import SampleFolder
from mlstac_hf._reading._metadata_table import PLACES_IN_SHARDS, MetadataTable
from mlstac_hf._reading._shards import METADATA
from mlstac_hf._reading._table_rows import TableError

OF_FILES = "mlhf:files"
"""In the metadata of the table's schema: the digest of the files that its rows are of."""
PLACE = "geometry"
"""The column of outlines."""
_TIMES = ("start_datetime", "end_datetime")
_HEADERS = ("id", "crs", "geotransform", PLACE, *_TIMES)


def files_digest(files: Iterable[tuple[str, int | None]]) -> str:
    """What vouches for files of samples: their paths in the collection and their sizes, in order."""
    digest = hashlib.sha256()
    for path, nbytes in files:
        digest.update(f"{path}\0{nbytes}\0".encode())
    return digest.hexdigest()


def table_beside(source: SampleFolder) -> Any:
    """The Arrow table of what the headers say, one row a sample in their order, times as timestamps.

    None where there is no table, or it is of other files: fewer, of other names or sizes, in a store that lists none.
    """
    if source.prefix != f"{source.split}/" or not source.versions:
        return None
    try:
        data = source.store.read(f"{METADATA}/{source.split}.parquet")
        table = MetadataTable(data, id_column="id", plumbing=PLACES_IN_SHARDS)
    except (FileNotFoundError, MissingExtraError, StoreError, TableError):
        return None
    names = map(source.names.__getitem__, range(len(source)))
    known = files_digest((f"{source.prefix}{name}", source.versions[name].nbytes) for name in names)
    rows = table.rows()
    if table.note(OF_FILES) != known or len(table) != len(source) or not set(_HEADERS) <= set(rows.column_names):
        return None
    return _with_times(rows)


def _with_times(rows: Any) -> Any:
    """None where they cannot be read as such."""
    import pyarrow as pa

    moment = pa.timestamp("us", "UTC")
    try:
        for name in _TIMES:
            rows = rows.set_column(rows.column_names.index(name), name, rows.column(name).cast(moment))
    except pa.ArrowException:
        return None
    return rows

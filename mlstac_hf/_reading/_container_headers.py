"""Which datapoints containers hold, and in what order: their headers, read side by side.

Owns: what is said of headers that cannot be read, and of what else claims to know what is in a container. Leaves to
others: what a header may say (`formats`), which files there are (`_find_containers`), samples (`_containers`).
The container's own header is the authority: what `metadata.parquet` says of offsets is compared, never used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from mlstac_hf._errors import CorruptSampleError, StoreError, warn
from mlstac_hf._formats import CONTAINER_PREFIX, HeaderError, container_header_length, parse_container_header
from mlstac_hf._reading._containers import ContainerFolder, Row
from mlstac_hf._reading._metadata_table import MetadataTable
from mlstac_hf._reading._view import View
from mlstac_hf._stores import Entry, Store

_CONNECTIONS = 16


def open_containers(
    split: str,
    store: Store,
    files: Sequence[str],
    *,
    table: MetadataTable | None,
    view: View,
    sizes: Mapping[str, int],
    task: tuple[str, ...] = (),
) -> ContainerFolder:
    """The datapoints of containers, in order.

    Args:
        split: its name.
        store: where the files are.
        files: their paths in it, in the order of the collection.
        table: `metadata.parquet`, where there is one.
        view: what of each sample is handed out.
        sizes: by file name, the size the collection claims; a difference is warned of.
        task: the collection's tasks.

    Raises:
        CorruptSampleError: a container whose header cannot be read.
        StoreError: a file is gone meanwhile, or the network or disk failed.
    """
    rows: list[Row] = []
    versions = []
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        opened = list(pool.map(partial(_read_header, store), files))
    for file, (entry, found) in zip(files, opened, strict=True):
        versions.append(f"{file}\0{entry.version}")
        claimed = sizes.get(file.rpartition("/")[2])
        if claimed is not None and claimed != entry.nbytes:
            warn(f"{file} has {entry.nbytes} bytes, main.json claims {claimed}; it may have been uploaded anew.")
        rows += found
    if table is not None:
        _compare(split, rows, table)
    return ContainerFolder(
        split=split,
        store=store,
        rows=rows,
        table=table,
        view=view,
        task=task,
        version="\0".join(versions),
        files={file: entry.nbytes or 0 for file, (entry, _) in zip(files, opened, strict=True)},
    )


def _read_header(store: Store, file: str) -> tuple[Entry, list[Row]]:
    """What a container holds. No byte is read beyond its header."""
    try:
        entry = store.stat(file)
        if entry.nbytes is None:
            raise StoreError(f"{store.url.rstrip('/')}/{file}: the server does not say how large it is")
        end = CONTAINER_PREFIX + container_header_length(store.read_range(file, 0, CONTAINER_PREFIX), entry.nbytes)
        container = parse_container_header(store.read_range(file, CONTAINER_PREFIX, end), entry.nbytes)
    except FileNotFoundError:
        raise StoreError(f"{store.url.rstrip('/')}/{file} is gone") from None
    except HeaderError as error:
        raise CorruptSampleError(f"{store.url.rstrip('/')}/{file}: {error}") from None
    points = container.entries.values()
    return entry, [Row(file, point.id, point.start, point.nbytes, end, point.fault) for point in points]


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

"""What can be said of a collection without reading it through, JSON-ready.

Owns: which facts these are. Leaves to others: how they are shown (`_cli`, `_terminal`), the collection and its
samples (`reading`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from mlstac_hf._errors import CollectionError, LinkRefusedError, SampleError
from mlstac_hf._formats import RASTER
from mlstac_hf._reading import SampleHead, Selection, Source, nbytes_of, open_split, select, whole_of
from mlstac_hf._reading._containers import ContainerFolder
from mlstac_hf._reading._shards import ShardFolder
from mlstac_hf._spec import Collection, format_datetime

_DESCRIBED = ("id", "title", "description", "license", "task", "sensor", "labels", "band_axis")


def facts_of(collection: Collection, selection: Selection | None = None) -> dict[str, Any]:
    """The facts of an open collection; of its samples only the first is opened.

    Args:
        collection: an open one.
        selection: which samples to count besides; headers are looked at where that takes it.

    Returns:
        `id`, `title`, `description`, `license`, `task`, `sensor`, `labels`, `band_axis`, `bands`; `layout`, how the
        samples lie there: in `samples`, `containers` or `tables`, of which plain `datasets` reads the last; `splits`,
        by name how many samples are `declared` and how many were `found`, and their `nbytes` as stored; `nbytes` of
        all; with a selection, how many samples are `selected` and their `selected_nbytes`; `first_sample` with its
        `split`, `tensors` (dtype and shape; dtype `text` where a text takes a tensor's place), `metadata` and, of a
        raster, its `planes`: their `count` and which are the `target`; `problems`, a message for each split that
        cannot be read. What is not known without asking for every sample is None.

    Raises:
        StoreError: the network or disk failed.
        UnknownNameError, ValueError, SampleError: see `select`.
    """
    splits: dict[str, dict[str, Any]] = {}
    problems: list[str] = []
    first_sample = layout = None
    for name, catalog in collection.splits.items():
        sizes = [file.nbytes for file in catalog.data_files]
        splits[name] = {"declared": catalog.n_items, "found": None, "nbytes": _sum(sizes) if sizes else None}
        try:
            source = open_split(collection, name)
            splits[name] |= _counted(source)
            layout = layout or _layout(source)
            first_sample = first_sample or _first_sample(source)
        except (CollectionError, LinkRefusedError, SampleError) as error:
            problems.append(str(error))
            continue
        if selection is not None:  # what is wrong with that is wrong with the call
            splits[name] |= _selected(select(collection, name, selection))
    return {
        **{name: _plain(getattr(collection, name)) for name in _DESCRIBED},
        "bands": [band.model_dump(mode="json", exclude_none=True) for band in collection.bands],
        "layout": layout,
        "splits": splits,
        "nbytes": _sum([split["nbytes"] for split in splits.values()]),
        "first_sample": first_sample,
        "problems": problems,
    }


def _layout(source: Source) -> str:
    if isinstance(source, ShardFolder):
        return "tables"
    return "containers" if isinstance(source, ContainerFolder) else "samples"


def _counted(source: Source) -> dict[str, int | None]:
    """Number and size of the files, where the folder could be listed."""
    nbytes = nbytes_of(source)
    return {} if nbytes is None else {"found": len(source), "nbytes": nbytes}


def _selected(source: Source) -> dict[str, int | None]:
    count, nbytes = whole_of(source)
    return {"found": count, "nbytes": nbytes, "selected": len(source), "selected_nbytes": nbytes_of(source)}


def _first_sample(source: Source) -> dict[str, Any] | None:
    if not len(source):
        return None
    head = source.head(0)
    tensors: dict[str, dict[str, Any]] = {}
    for name in head.columns:
        if name in head.texts:
            tensors[name] = {"dtype": "text"}
        else:
            tensor = head.tensors[name]
            tensors[name] = {"dtype": tensor.dtype.name, "shape": list(tensor.shape)}
    metadata = {key: _plain(value) for key, value in source.metadata(0, head).items()}
    return {"split": source.split, "tensors": tensors, "metadata": metadata, "planes": _planes(head)}


def _planes(head: SampleHead) -> dict[str, Any] | None:
    """Which planes a raster has, and which of them are the target; None of what is no raster."""
    piece = head.pieces.get("input")
    if piece is None or piece.stored != RASTER:
        return None
    target = head.pieces.get("target")
    own = target is not None and target.stored == RASTER and target.planes
    return {"count": piece.total, "target": list(own or ())}


def _sum(sizes: list[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def _plain(value: object) -> object:
    """A value as JSON knows it: times as text in UTC, tuples as lists."""
    if isinstance(value, datetime):
        return format_datetime(value)
    return list(value) if isinstance(value, tuple) else value

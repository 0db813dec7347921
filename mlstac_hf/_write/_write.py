"""`write()`: samples of any framework as a split of a collection, in either layout, on any storage.

Owns: the call: what is refused before a byte is written, what is declared when all are. Leaves to others: samples
(`_items`, `_sample`), the work (`_run`), `main.json` (`_main`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from mlstac_hf._reading import open_collection
from mlstac_hf._spec import Collection, Layout
from mlstac_hf._stores import LocalStore
from mlstac_hf._write._checks import check_collection, check_joins, published_at
from mlstac_hf._write._container_files import AHEAD, ContainerFiles
from mlstac_hf._write._destination import (
    JOURNALS,
    check_case,
    names_of,
    open_destination,
    remove_parts,
)
from mlstac_hf._write._helpers import Helpers
from mlstac_hf._write._items import count_of, described
from mlstac_hf._write._journal import Journal
from mlstac_hf._write._main import declare, declared, is_there, kinds_of
from mlstac_hf._write._plan import HELD, NEAR, PayloadKind, Plan, Writer
from mlstac_hf._write._run import run
from mlstac_hf._write._sample_files import SampleFiles

_SHARD = 100_000_000
_MOST_WORKERS = 4


def write(
    samples: Iterable[Any],
    destination: str | os.PathLike[str],
    collection: Collection,
    *,
    split: str = "train",
    layout: Layout = "samples",
    compress: bool = False,
    payload: PayloadKind = "safetensors",
    url: str | None = None,
    storage_options: dict[str, Any] | None = None,
    workers: int | None = None,
    shard_nbytes: int = _SHARD,
) -> Collection:
    """Write one split of a collection.

    A collection without `main.json`, or whose `main.json` does not declare the split, is not finished: files are put
    whole, and `main.json` last. The same call again goes on where a broken-off one stopped, with the same result to
    the byte; it iterates over the samples again and passes over those in place. Dtypes are never changed.

    Args:
        samples: any iterable of mappings with the keys of `Sample` and keys of your own, of `Sample`s, or of pairs
            (input, target): a list, a generator, a torch Dataset or DataLoader (batches are taken apart), `tf.data`
            (not batched), a Hugging Face Dataset, what `mlstac_hf.load()` gives. Arrays are of numpy, torch,
            tensorflow, jax or paddle, images `(C, H, W)`, series `(T, C, H, W)`; texts are `str`.
        destination: a folder, or a URL that fsspec knows, such as `s3://bucket/folder`.
        collection: what is known of all samples; splits are added to those that are there, one call each.
        split: `train`, `validation`, `test`, or a name of your own.
        layout: `"samples"`, one safetensors file each, or `"container"`, many in one file and a Parquet table.
        compress: gzip each file; of layout="samples".
        payload: `"safetensors"`, or `"geotiff"`: one raster of the planes of input, then of target; of
            layout="container".
        url: the address of the folder that the collection will be published in, such as
            `https://huggingface.co/datasets/user/demo/resolve/main`. Links to samples become absolute, which the
            mlstac package asks for; nothing is sent there. Default: as the splits that are there have it, else links
            are relative, which this package follows.
        storage_options: for the fsspec filesystem of the destination.
        workers: who writes, the caller's own thread among them; default up to 4, as there are cores. To a folder, the
            others are processes that import neither your script nor any framework, started when there is enough to
            do; elsewhere they are threads.
        shard_nbytes: containers are closed before they hold more than this in payloads.

    Warns:
        CollectionWarning: what could be better about the collection, once, with its first split; the first sample that
            does not have the form of its task.

    Returns:
        The collection, opened at the destination, with the split and what was learned of its samples: schema, counts
        of classes, extent, checksums, and, of `train`, statistics a band.

    Raises:
        ValueError: an option that means nothing, or a collection that cannot be published, such as one without a
            description or licence; the message lists all there is to mend. Nothing was written.
        ValueError, TypeError: a sample that cannot be written; the message names it. Those before it are in place: mend
            it and call again.
        UnsupportedDtypeError: a dtype that no safetensors file or GeoTIFF holds.
        FileExistsError: the split is declared already, a write with other options was broken off, or the folder holds
            something else. Nothing is changed.
        StoreError: the network or disk failed, or another process writes this split.
        MissingExtraError: pyarrow (containers) or rasterio (geotiff) is not installed.

    Example:
        >>> import tempfile, numpy as np
        >>> ponds = Collection(
        ...     id="ponds", title="Ponds", description="Made up.", license="CC-BY-4.0",
        ...     task=["TensorSegmentation"], labels={"water": 1},
        ... )
        >>> samples = ({"input": np.full((2, 8, 8), n, "uint16"), "target": np.eye(8, dtype="uint8")} for n in range(3))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ponds = write(samples, folder, ponds)
        >>> ponds.splits["train"].n_items, ponds.annotations.class_counts
        (3, {'train': {'water': 24}})
    """
    store = open_destination(destination, storage_options)
    plan = Plan(
        store=store,
        collection=described(samples, collection),
        split=split,
        layout=layout,
        compress=compress,
        payload=payload,
        shard_nbytes=shard_nbytes,
        workers=min(_MOST_WORKERS, os.cpu_count() or 1) if workers is None else workers,
        url=url,
    )
    known = declared(store)
    check_joins(plan, known)
    plan = replace(plan, url=url or published_at(known))
    begun = Journal.exists(store, split)
    is_declared = known is not None and split in known.splits and is_there(known.splits[split])
    check_collection(plan, known, is_first=known is None and not begun)
    if not begun:
        _check_free(plan, is_declared=is_declared)
        if layout == "samples":
            check_case(store, count_of(samples), 'Use layout="container", or a disk that tells case apart')
    _write_split(samples, plan, known, is_declared=is_declared)
    return open_collection(destination, storage_options=storage_options)


def _write_split(samples: Iterable[Any], plan: Plan, known: Collection | None, *, is_declared: bool) -> None:
    journal = Journal(plan.store, plan.split, plan.header())
    try:
        remove_parts(plan.store, plan.split, JOURNALS, "")
        if not is_declared:  # else the last call was stopped after its last file
            kinds = kinds_of((known and known.annotations.types) or {}) if plan.layout == "samples" else {}
            with _helpers(plan) as helpers:
                writer = _writer(plan, journal, helpers, known)
                totals = run(samples, plan, writer, helpers, kinds, known.annotations.tensors if known else None)
                outcome = writer.finish(totals)
            known = declared(plan.store)
            check_joins(plan, known)  # which may have been written meanwhile
            declare(plan, known, totals, outcome)
        journal.remove()
    finally:
        journal.close()


def _helpers(plan: Plan) -> Helpers:
    """Of a call that puts files on this machine's disk."""
    together = NEAR if plan.layout == "samples" else plan.shard_nbytes + AHEAD + HELD // 16
    return Helpers(plan.workers - 1 if isinstance(plan.store, LocalStore) else 0, together + HELD, together)


def _writer(plan: Plan, journal: Journal, helpers: Helpers, known: Collection | None) -> Writer:
    if plan.layout == "samples":
        return SampleFiles(plan, journal, helpers)
    target = known.annotations.target_planes if known is not None else None
    planes = (target[0], len(target)) if target and plan.payload == "geotiff" else None
    return ContainerFiles(plan, journal, helpers, planes)


def _check_free(plan: Plan, *, is_declared: bool) -> None:
    """Refuse to write over what is there."""
    where = f"{plan.store.url.rstrip('/')}/{plan.split}"
    if is_declared:
        raise FileExistsError(
            f"{where}: split {plan.split!r} of collection {plan.collection.id!r} is there already, whole. Choose "
            "another split or destination, or remove its folder and its entry in main.json to write it anew"
        )
    found = sorted(names_of(plan.store, plan.split))
    if found:
        raise FileExistsError(
            f"{where}: expected a folder that is new or empty, or a write of this package to go on with, found "
            f"{found[0]!r}. Nothing was changed; choose another destination"
        )

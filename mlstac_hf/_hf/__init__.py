"""Collections in Hugging Face `datasets`: `load_dataset()` and `register()`.

Owns: the two calls and the check that `datasets` is there. It is the only room that imports `datasets`, and it
does so when one of them is called, never before.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlstac_hf._errors import MissingExtraError
from mlstac_hf._reading import (
    Address,
    BBox,
    DatetimeLike,
    Filter,
    Normalize,
    PlaneNames,
    Scale,
    Selection,
    Types,
    check_columns,
    check_folder,
    check_on_error,
)

if TYPE_CHECKING:
    import datasets

__all__ = ["load_dataset", "register"]


def load_dataset(
    address: Address,
    split: str | Sequence[str] | datasets.Split | datasets.ReadInstruction | None = None,
    streaming: bool = False,  # noqa: FBT001, FBT002 - as datasets.load_dataset has it
    *,
    columns: Sequence[str] | None = None,
    bands: PlaneNames | None = None,
    target: PlaneNames | None = None,
    filter: Filter | None = None,  # noqa: A002 - the name STAC API and pystac-client have for it
    bbox: BBox | None = None,
    intersects: Any = None,
    datetime: DatetimeLike | None = None,
    limit: int | None = None,
    types: Types | None = None,
    scale: Scale | None = None,
    crop: bool = False,
    normalize: Normalize | None = None,
    splits: str | os.PathLike[str] | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    trust_links: bool = False,
    revision: str | None = None,
    token: str | None = None,
    storage_options: dict[str, Any] | None = None,
    cache_dir: str | None = None,
    num_proc: int | None = None,
    keep_in_memory: bool = False,
) -> Any:
    """Open a collection as a Hugging Face dataset, Arrow-cached or streamed.

    The cache takes as much disk as the tensors, uncompressed; where that is too much, stream, or use
    `mlstac_hf.load`, which reads the files in place. It is kept per content: a collection that changed is
    built anew.

    Args:
        address: a path of `main.json` or of its folder, an http(s) URL of either, `user/repo` or
            `hf://datasets/user/repo[@revision]` on the Hub, any fsspec URL, or an open Collection.
        split: such as `"train"`, `"train[:10%]"`, `"train+validation"`, `"all"`, a list of these, or a
            `datasets.ReadInstruction`. Default: every split, as a DatasetDict.
        streaming: yield rows as they are read, ahead of you, and cache nothing. Features then come from all headers
            where the samples lie on this disk, and elsewhere from the first sample, with the axes free that
            `mlhf:schema` in `main.json` leaves free.
        columns: tensor and metadata columns to keep, in this order. Default: all.
        bands: bands of `input`, in the order wanted.
        target: planes of a raster that are the target.
        filter: CQL2 text or JSON over the metadata, each split on its own.
        bbox: west, south, east, north in degrees; samples that meet it.
        intersects: a GeoJSON geometry in place of `bbox`.
        datetime: an instant or interval as STAC writes it.
        limit: at most so many samples of each split, the first that meet all conditions.
        types: types in which `filter` compares columns; the dataset's own columns stay as they are.
        scale: `True`, a factor, or a list of one a band: `input` in physical values, as float32.
        crop: cut the padding off images.
        normalize: `"collection"` for `input` minus the mean over the standard deviation. All of these as in `load`.
        splits: a folder that `resplit` wrote, whose splits take the place of the collection's own.
        on_error: `raise` the error of a bad sample, or `skip` it, with a warning that names it.
        trust_links: follow links of the collection that are otherwise refused.
        revision: branch, tag or commit of a Hub repository.
        token: for private http and Hub addresses.
        storage_options: for the fsspec filesystem of the address.
        cache_dir: in place of `HF_DATASETS_CACHE`.
        num_proc: processes that build the cache. Guard your script with `if __name__ == "__main__":`.
        keep_in_memory: read the dataset into memory instead of mapping its file.

    Returns:
        A Dataset, DatasetDict, IterableDataset or IterableDatasetDict. Columns: the tensors, then `id`,
        `crs`, `geotransform` (six float64, GDAL order, NaN when unknown), `start_datetime`, `end_datetime`
        (ISO 8601 in UTC, null when unknown), then the publisher's own keys, sorted: text in the sample layout, in their
        Parquet types in containers. The stored
        dtype stands in each feature's `id`; `.with_format("mlstac_torch")`, `"mlstac_numpy"`,
        `"mlstac_tf"`, `"mlstac_jax"` and `"mlstac_paddle"` give it back.

    Raises:
        CollectionNotFoundError: nothing at `address`, or no samples of the split.
        InvalidCollectionError: `main.json` cannot be read.
        UnknownNameError: no such split, band or column.
        ValueError: an argument that means nothing here; see `load`.
        CorruptSampleError, MissingSampleError: a bad sample, by name.
        SchemaMismatchError: samples differ in dtype or tensors, by name; `columns=` is the way round.
        LinkRefusedError: the samples lie where the collection may not lead.
        MissingExtraError: `datasets` is not installed.
        StoreError: the network or disk failed, or offline without a prepared dataset.

    Example:
        >>> train = load_dataset(demo, split="train")
        >>> train.features["input"].shape, train.features["input"].dtype
        ((4, 64, 64), 'uint16')
        >>> train.with_format("mlstac_numpy")[:8]["input"].dtype
        dtype('uint16')
    """
    check_on_error(on_error)
    names = check_columns(columns)
    check_folder(cache_dir, "cache_dir")
    if num_proc is not None and (not isinstance(num_proc, int) or isinstance(num_proc, bool) or num_proc < 1):
        raise ValueError(f"expected num_proc to be a whole number, 1 or more, got {num_proc!r}")
    selection = Selection(
        bands=bands,
        target=target,
        filter=filter,
        bbox=bbox,
        intersects=intersects,
        datetime=datetime,
        limit=limit,
        types=types,
        scale=scale,
        crop=crop,
        normalize=normalize,
    )
    _check_installed()
    import datasets

    from mlstac_hf._hf import _load_dataset, _plan

    return _load_dataset.load_dataset(
        address,
        split,
        _plan.Options(
            columns=names,
            selection=selection,
            on_error=on_error,
        ),
        {
            "revision": revision,
            "token": token,
            "storage_options": storage_options,
            "trust_links": trust_links,
            "splits": splits,
        },
        _load_dataset.Build(
            cache=Path(cache_dir or datasets.config.HF_DATASETS_CACHE).expanduser(),
            notes=cache_dir,
            streaming=streaming,
            num_proc=num_proc,
            keep_in_memory=keep_in_memory,
        ),
    )


def register() -> None:
    """Make raw ML-STAC collections, and our formats, known to `datasets`.

    From then on `datasets.load_dataset("mlstac", data_dir=folder)`, or `data_files=` with the path of a `main.json`
    or of samples, reads a collection, and so does `datasets.load_dataset("user/demo")` of a repository, and of a
    folder, that holds one. They take `columns=`, `bands=`, `filter=` and what else `load_dataset` of this package takes
    to choose samples. `datasets` has no public way to add a builder, so this changes its tables in place;
    `load_dataset` of this package needs none of it.

    The formats alone are needed before `datasets.load_from_disk` of a dataset that was saved with one of them set, and
    before `.with_format("mlstac_torch")` in a process that did not call our `load_dataset`, which registers them.

    Calling it again changes nothing. Worker processes need no call of their own.

    Raises:
        MissingExtraError: `datasets` is not installed.
        MLSTACError: this version of `datasets` keeps its tables where we do not know; the message names the way round.

    Example:
        >>> import datasets
        >>> register()
        >>> datasets.load_dataset("mlstac", data_dir=demo, split="train", bands=["nir"])[0]["id"]
        '0000001'
    """
    _check_installed()
    from mlstac_hf._hf._formatting import register_formats
    from mlstac_hf._hf._packaged import register_packaged

    register_formats()
    register_packaged()


def _check_installed() -> None:
    try:
        import datasets  # noqa: F401 - only whether it can be imported
    except ImportError:
        raise MissingExtraError(
            "this needs Hugging Face datasets, which is not installed. Install it with: pip install 'mlstac-hf[hf]' "
            "(or use mlstac_hf.load, which needs nothing more)."
        ) from None

"""`load()`: opens a split for people outside any ecosystem.

Owns: its arguments, and those of them that others pass on. Leaves to others: what it gives (`_split`), which samples
these are (`_reading`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from mlstac_hf._frameworks import framework as framework_named
from mlstac_hf._reading import (
    Address,
    BBox,
    DatetimeLike,
    Filter,
    Normalize,
    OnError,
    PlaneNames,
    Scale,
    Selection,
    SelectionArguments,
    Types,
    check_columns,
    check_folder,
    check_on_error,
    open_collection,
    select,
    streaming,
)
from mlstac_hf._split import Split


class LoadArguments(SelectionArguments, total=False):
    """Those arguments of `load` that functions pass on to it: `**arguments: Unpack[LoadArguments]`."""

    columns: Sequence[str] | None
    splits: str | os.PathLike[str] | None
    on_error: OnError
    trust_links: bool
    revision: str | None
    token: str | None
    storage_options: dict[str, Any] | None
    cache_dir: str | None


def load(
    address: Address,
    framework: str = "torch",
    stream: bool = False,  # noqa: FBT001, FBT002 - the signature of upstream, kept for its users
    device: str = "cpu",
    *,
    split: str = "train",
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
    on_error: OnError = "raise",
    trust_links: bool = False,
    revision: str | None = None,
    token: str | None = None,
    storage_options: dict[str, Any] | None = None,
    cache_dir: str | None = None,
) -> Split:
    """Open one split of a collection as a read-only sequence of samples.

    Args:
        address: a path of `main.json` or of its folder, an http(s) URL of either, `user/repo` or
            `hf://datasets/user/repo[@revision]` on the Hub, any fsspec URL, or an open Collection.
        framework: `torch`, `tensorflow` (`tf`), `jax` (`flax`), `paddle` or `numpy`. Imported here and
            nowhere else.
        stream: for what lies elsewhere: nothing is listed or fetched but what is asked for, so that the first sample
            is there in a second whatever the size, and iterating reads ahead on many connections. The number of
            samples is then what `main.json` or the table beside containers says, and one that is not there is an error
            at its turn. Nothing is kept on this disk. Samples are read on demand either way.
        device: where tensors are put: a torch, tensorflow or paddle device string, a jax platform
            (`gpu`, `gpu:1`). numpy knows `cpu` only.
        split: `train`, `validation`, `test`, or another name the collection has.
        columns: the tensors to read, such as `["input"]`. Default: all a sample has.
        bands: bands of `input` in the order wanted, by name, common name or 0-based index: `["red", "nir"]`,
            `[3, 7]`. An index counts the stored planes, before a target is taken from them. Only these are read
            where the files allow it. Default: all.
        target: planes of a raster that are the target, as 0-based indices or band names: `[13]` or `"CM1"`;
            always `(1, H, W)` for one. A sample that has a target of its own keeps it. Default: as the collection
            declares, else none, and a raster is `input`, whole.
        filter: CQL2 text or JSON over the metadata, such as `"label_type = 'high' AND proj_shape = 509"`. Nulls
            count as in SQL. In the sample layout keys are text; see `types`.
        bbox: west, south, east, north in degrees (WGS84); west > east crosses the antimeridian. Samples whose
            footprint, or centre where only that is known, meets it.
        intersects: a GeoJSON geometry (mapping, text, or an object with `__geo_interface__`) in place of `bbox`.
        datetime: an instant or interval as STAC writes it: `"2018"`, `"2018-06-05"`, `"2018-01-01/2020-12-31"`,
            `"2020-01-01/.."`; both ends included, UTC.
        limit: at most so many samples, the first that meet all conditions.
        types: types in which `filter` compares columns, such as `{"forest_fraction": float}`; a column declared
            `"datetime"` also tells the time of a sample where nothing else does.
        scale: `True` for physical values by the collection's scale and offset, a factor, or a list of one a band
            (of those that are read). `input` becomes float32.
        crop: cut the padding off images, by their `proj_shape`; the geotransform moves along.
        normalize: `"collection"` for `input` minus the mean over the standard deviation of each band over the training
            split, in float32: the numbers stored in the collection, or computed once and kept. Not with `scale`.
        splits: a folder that `resplit` wrote; `split` is then one of its splits.
        on_error: `raise` a bad sample's error when it is asked for, or `skip` it in slices, lists and
            iteration, with a warning that names it. Asked for alone, it raises in both cases.
        trust_links: follow links of the collection that are otherwise refused.
        revision: branch, tag or commit of a Hub repository.
        token: for private http and Hub addresses.
        storage_options: for the fsspec filesystem of the address.
        cache_dir: where indexes of metadata and statistics are kept, in place of the platform's cache folder of the
            user. Samples are read in place and never cached.

    Returns:
        Split: `split[i]` is a dict of tensors, arrays as stored (images `(C, H, W)`, series
        `(T, C, H, W)`), dtypes as stored, and text as `str`. `split[2:6]` and `split[[9, 0, 3]]` are batches,
        stacked to `(N, …)` where shapes and dtypes agree and lists where they don't.

    Raises:
        CollectionNotFoundError: nothing at `address`, or no samples of this split.
        InvalidCollectionError: `main.json` cannot be read.
        UnknownNameError: no such split, band or column; the message lists those there are.
        ValueError: an argument that means nothing here: a filter that is no CQL2 or compares text with numbers, a scale
            the collection does not declare, …
        LinkRefusedError: the samples lie where the collection may not lead.
        MissingExtraError: the framework is not installed; the message is the line that installs it.
        StoreError: the network or disk failed.

    Example:
        >>> train = load(demo, framework="numpy")
        >>> train[0]["input"].shape, train[0]["input"].dtype
        ((4, 64, 64), dtype('uint16'))
        >>> train[2:6]["target"].shape, train.metadata[4]["crs"]
        ((4, 1, 64, 64), 'EPSG:32633')
    """
    check_on_error(on_error)
    names = check_columns(columns)
    check_folder(cache_dir, "cache_dir")
    if not isinstance(split, str):
        raise TypeError(f'expected split to be the name of one split, such as "train", got {split!r}')
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
    framework_named(framework)
    collection = open_collection(
        address,
        revision=revision,
        token=token,
        storage_options=storage_options,
        trust_links=trust_links,
        splits=splits,
    )
    if stream:
        collection = streaming(collection)
    source = select(collection, split, selection, skip=on_error == "skip", cache_dir=cache_dir)
    return Split(
        collection,
        source,
        indices=range(len(source)),
        framework=framework,
        device=device,
        columns=names,
        on_error=on_error,
        stream=stream,
    )

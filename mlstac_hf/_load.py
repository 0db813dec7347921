"""`load()`: one split as a read-only sequence of samples, for people outside any ecosystem.

Owns: how a split is indexed, sliced and iterated, and its metadata. Leaves to others: the samples
(`reading`), the tensors of a framework (`_frameworks`).
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mlstac_hf._errors import BAD_SAMPLE, UnknownNameError, warn_skipped
from mlstac_hf._frameworks import FRAMEWORKS
from mlstac_hf._frameworks import framework as framework_named
from mlstac_hf._positions import resolve
from mlstac_hf._reading import (
    AHEAD_NBYTES,
    Address,
    Batch,
    BBox,
    DatetimeLike,
    Filter,
    Normalize,
    OnError,
    PlaneNames,
    Sample,
    Scale,
    Selection,
    SelectionArguments,
    Source,
    Types,
    check_columns,
    check_folder,
    check_on_error,
    input_planes,
    open_collection,
    read_ahead,
    samples_ahead,
    select,
    streaming,
)
from mlstac_hf._spec import TENSOR_NAMES, Collection


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


class Split:
    """A read-only sequence of samples; see `load`. Picklable, and safe in forked and spawned workers."""

    def __init__(
        self,
        collection: Collection,
        source: Source,
        *,
        indices: Sequence[int],
        framework: str,
        device: str,
        columns: Sequence[str] | None,
        on_error: OnError,
        stream: bool = False,
    ) -> None:
        self.collection = collection
        self._source = source
        self._indices = indices
        self._framework = FRAMEWORKS[framework]
        self._device = device
        self._columns = None if columns is None else tuple(columns)
        self._on_error = on_error
        self._stream = stream

    def __repr__(self) -> str:
        return (
            f"Split({self._source.split!r} of {self.collection.id!r}, {len(self)} samples, "
            f"framework={self._framework!r})"
        )

    def __len__(self) -> int:
        return len(self._indices)

    @property
    def metadata(self) -> Metadata:
        """The metadata of the same samples, by the same index."""
        return Metadata(self._source, self._indices)

    def __getitem__(self, key: Any) -> dict[str, Any]:
        """A sample by index, or a batch by slice, list or integer array.

        Raises:
            IndexError: outside of the split.
            CorruptSampleError, MissingSampleError: this sample; the others stay readable.
        """
        where = resolve(key, self._indices)
        if isinstance(where, int):
            sample = self._source.read(where, self._columns)
            self._check_columns(sample.values, where)
            return {name: self._hand_over(value) for name, value in sample.values.items()}
        return self._hand_over_columns(self._batch(where))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """One sample after another; with `stream=True` those that follow are fetched meanwhile."""
        for where, sample in self._samples():
            self._check_columns(sample.values, where)
            yield {name: self._hand_over(value) for name, value in sample.values.items()}

    def _samples(self) -> Iterator[tuple[int, Sample]]:
        connections = None if self._stream else 0
        on_bad = None if self._on_error == "raise" else lambda _, error: warn_skipped([str(error)])
        return samples_ahead(self._source, self._indices, self._columns, connections=connections, on_bad=on_bad)

    def stored(self) -> Iterator[dict[str, Any]]:
        """The samples with their metadata, whatever the framework: numpy arrays as stored, texts, keys and values.

        This is what `write` takes of a split. A key that has the name of a tensor is called `meta_<key>`.

        Raises:
            CorruptSampleError, MissingSampleError: a bad sample, unless on_error="skip".
        """
        for where, sample in self._samples():
            self._check_columns(sample.values, where)
            metadata = self._source.metadata(where, sample.head)
            named = {f"meta_{key}" if key in TENSOR_NAMES else key: value for key, value in metadata.items()}
            yield {**named, **sample.values}

    def planes(self) -> tuple[int, ...] | None:
        """Which planes of the stored `input` the samples have, by the first of them; None where they have all."""
        try:
            return input_planes(self._source, self._indices[0]) if len(self) else None
        except BAD_SAMPLE:
            return None

    def _batch(self, where: Sequence[int]) -> Batch:
        """Samples of the source, together; bad ones as `on_error` says."""
        skipped: list[str] = []
        on_bad = None if self._on_error == "raise" else lambda _, error: skipped.append(str(error))
        (batch,) = read_ahead(self._source, [where], self._columns, start_nbytes=AHEAD_NBYTES, on_bad=on_bad)
        if skipped:
            warn_skipped(skipped)
        if batch.indices:
            self._check_columns(batch.columns, where[0])
        return batch

    def _hand_over_columns(self, batch: Batch) -> dict[str, Any]:
        return {name: self._hand_over(column) for name, column in batch.columns.items()}

    def _check_columns(self, found: dict[str, Any], index: int) -> None:
        lacking = [name for name in self._columns or () if name not in found]
        if lacking:
            raise UnknownNameError(
                f"{self._source.place(index)} has no {' or '.join(map(repr, lacking))}; "
                f"it has {', '.join(self._source.head(index).columns)}"
            )

    def _hand_over(self, value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return framework_named(self._framework).from_numpy(value, self._device)
        return [self._hand_over(item) for item in value] if isinstance(value, list) else value


class Metadata:
    """The metadata of a split's samples, typed; `raw` gives the strings as stored."""

    def __init__(self, source: Source, indices: Sequence[int]) -> None:
        self._source = source
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, key: Any) -> Any:
        """One sample's metadata by index, a list of them by slice or list.

        Returns:
            `id` (str), `crs` (`AUTHORITY:CODE`), `geotransform` (six floats, GDAL order),
            `start_datetime` and `end_datetime` (aware datetimes in UTC), each None where it is missing,
            invented by the writer or unreadable; then the publisher's own keys, sorted: texts in the sample
            layout, in their Parquet types in containers.
        """
        where = resolve(key, self._indices)
        if isinstance(where, int):
            return self._source.metadata(where, self._source.head(where))
        return [self._source.metadata(index, self._source.head(index)) for index in where]

    def raw(self, index: int) -> dict[str, str]:
        """One sample's metadata as it stands in the file, texts by key."""
        where = resolve(operator.index(index), self._indices)
        return dict(self._source.head(where).raw)

"""`load()`: one split as a read-only sequence of samples, for people outside any ecosystem.

Owns: how a split is indexed, sliced and iterated, and its metadata. Leaves to others: the samples
(`reading`), the tensors of a framework (`_frameworks`).
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from mlstac_hf._errors import BAD_SAMPLE, UnknownNameError, warn
from mlstac_hf._frameworks import FRAMEWORKS
from mlstac_hf._frameworks import framework as framework_named
from mlstac_hf._reading import Address, PlaneNames, Source, open_collection, open_split, planes_of, read_batch
from mlstac_hf._spec import Collection

OnError = Literal["raise", "skip"]


def load(
    address: Address,
    framework: str = "torch",
    stream: bool = False,  # noqa: ARG001, FBT001, FBT002 - the signature of upstream, kept for its users
    device: str = "cpu",
    *,
    split: str = "train",
    columns: Sequence[str] | None = None,
    target: PlaneNames | None = None,
    limit: int | None = None,
    on_error: OnError = "raise",
    trust_links: bool = False,
    revision: str | None = None,
    token: str | None = None,
    storage_options: dict[str, Any] | None = None,
    cache_dir: str | None = None,  # noqa: ARG001 - one of the arguments that all entry points share
) -> Split:
    """Open one split of a collection as a read-only sequence of samples.

    Args:
        address: a path of `main.json` or of its folder, an http(s) URL of either, `user/repo` or
            `hf://datasets/user/repo[@revision]` on the Hub, any fsspec URL, or an open Collection.
        framework: `torch`, `tensorflow` (`tf`), `jax` (`flax`), `paddle` or `numpy`. Imported here and
            nowhere else.
        stream: kept for users of upstream. Samples are read on demand either way.
        device: where tensors are put: a torch, tensorflow or paddle device string, a jax platform
            (`gpu`, `gpu:1`). numpy knows `cpu` only.
        split: `train`, `validation`, `test`, or another name the collection has.
        columns: the tensors to read, such as `["input"]`. Default: all a sample has.
        target: planes of a raster that are the target, as 0-based indices or band names: `[13]` or `"CM1"`.
            Default: as the collection declares, else none, and a raster is `input`, whole.
        limit: only the first so many samples.
        on_error: `raise` a bad sample's error when it is asked for, or `skip` it in slices, lists and
            iteration, with a warning that names it. Asked for alone, it raises in both cases.
        trust_links: follow links of the collection that are otherwise refused.
        revision: branch, tag or commit of a Hub repository.
        token: for private http and Hub addresses.
        storage_options: for the fsspec filesystem of the address.
        cache_dir: accepted as everywhere; `load` reads in place and caches nothing.

    Returns:
        Split: `split[i]` is a dict of tensors, arrays as stored (images `(C, H, W)`, series
        `(T, C, H, W)`), dtypes as stored, and text as `str`. `split[2:6]` and `split[[9, 0, 3]]` are batches,
        stacked to `(N, …)` where shapes and dtypes agree and lists where they don't.

    Raises:
        CollectionNotFoundError: nothing at `address`, or no samples of this split.
        InvalidCollectionError: `main.json` cannot be read.
        UnknownNameError: no such split; the message lists those there are.
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
    if on_error not in ("raise", "skip"):
        raise ValueError(f'expected on_error to be "raise" or "skip", got {on_error!r}')
    if limit is not None and (not isinstance(limit, int) or limit < 0):
        raise ValueError(f"expected limit to be a whole number, 0 or more, got {limit!r}")
    if columns is not None and not columns:
        raise ValueError("expected columns to name at least one column, got none")
    framework_named(framework)
    collection = open_collection(
        address, revision=revision, token=token, storage_options=storage_options, trust_links=trust_links
    )
    source = open_split(collection, split, planes_of(collection, None, target))
    count = len(source) if limit is None else min(limit, len(source))
    return Split(
        collection,
        source,
        indices=range(count),
        framework=framework,
        device=device,
        columns=(columns,) if isinstance(columns, str) else columns,
        on_error=on_error,
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
    ) -> None:
        self.collection = collection
        self._source = source
        self._indices = indices
        self._framework = FRAMEWORKS[framework]
        self._device = device
        self._columns = None if columns is None else tuple(columns)
        self._on_error = on_error

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
        skipped: list[str] = []
        on_bad = None if self._on_error == "raise" else lambda _, error: skipped.append(str(error))
        batch = read_batch(self._source, where, self._columns, on_bad)
        if skipped:
            warn_skipped(skipped)
        if batch.indices:
            self._check_columns(batch.columns, where[0])
        return {name: self._hand_over(column) for name, column in batch.columns.items()}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for position in range(len(self)):
            try:
                yield self[position]
            except BAD_SAMPLE as error:
                if self._on_error == "raise":
                    raise
                warn_skipped([str(error)])

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
            invented by the writer or unreadable; then the publisher's own keys, texts, sorted.
        """
        where = resolve(key, self._indices)
        if isinstance(where, int):
            return self._source.metadata(where, self._source.head(where))
        return [self._source.metadata(index, self._source.head(index)) for index in where]

    def raw(self, index: int) -> dict[str, str]:
        """One sample's metadata as it stands in the file, texts by key."""
        where = resolve(operator.index(index), self._indices)
        return dict(self._source.head(where).raw)


def resolve(key: Any, indices: Sequence[int]) -> Any:
    """The samples a user's key means: an int for an int, a list for a slice, list or integer array.

    Raises:
        IndexError: outside of the split.
        TypeError: no integer, slice or list of integers.
    """
    if isinstance(key, slice):
        return indices[key]
    if isinstance(key, str | bytes | dict):
        raise TypeError(f"expected an index, a slice or a list of indices, got {key!r}")
    if hasattr(key, "__len__") and getattr(key, "ndim", 1) == 1:
        return [resolve(item, indices) for item in key]
    if isinstance(key, bool) or str(getattr(key, "dtype", "")).endswith("bool"):
        raise TypeError("expected an index, a slice or a list of indices, got a boolean; use np.flatnonzero(mask)")
    position = operator.index(key)
    if not -len(indices) <= position < len(indices):
        raise IndexError(f"sample {position} of a split of {len(indices)}")
    return indices[position]


def warn_skipped(errors: Sequence[str]) -> None:
    """Tell which samples were left out."""
    shown = "\n  ".join(errors[:10])
    more = f"\n  and {len(errors) - 10} more" if len(errors) > 10 else ""  # noqa: PLR2004
    warn(f"{len(errors)} bad samples left out:\n  {shown}{more}")

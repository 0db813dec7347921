"""`resplit()`: new splits of a collection that do not leak, as files that list samples and copy none.

Owns: the order of things, and what is said where fractions cannot be had. Leaves to others: what arguments may be
(`_asked`), what is known of samples (`_drawn`), which of them stay together (`_units`), which split they go to
(`_shares`), the files (`_split_files`).
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlstac_hf._errors import warn
from mlstac_hf._reading import Address, OnError, PlaneNames, open_collection
from mlstac_hf._reading._origin import origin_of
from mlstac_hf._reading._split_files import SplitFile, check_destination, check_on_disk, write_split_files
from mlstac_hf._reading._view import view_of
from mlstac_hf._resplit._asked import Asked, check_column, check_distance, check_fractions, check_seed, check_splits
from mlstac_hf._resplit._drawn import Drawn, draw
from mlstac_hf._resplit._shares import deal
from mlstac_hf._resplit._units import Units
from mlstac_hf._stores import LocalStore, Store
from mlstac_hf._version import __version__

FRACTIONS: Mapping[str, float] = MappingProxyType({"train": 0.8, "validation": 0.1, "test": 0.1})

_OFF = 0.05  # how far from its fraction a split may be before that is warned of


def resplit(
    address: Address,
    destination: str | os.PathLike[str],
    fractions: Mapping[str, float] = FRACTIONS,
    *,
    splits: Sequence[str] | None = None,
    distance_m: float | None = None,
    group: str | None = None,
    stratify: str | None = None,
    target: PlaneNames | None = None,
    seed: int = 0,
    on_error: OnError = "raise",
    trust_links: bool = False,
    revision: str | None = None,
    token: str | None = None,
    storage_options: dict[str, Any] | None = None,
    cache_dir: str | Path | None = None,
) -> dict[str, int]:
    """Split a collection anew, without leakage between the new splits and without a copy of a sample.

    Every sample goes to one new split. Samples that may not be torn apart go to the same one, and so do those that are
    linked by others: the largest of such units first, each to the split that lacks most. The same arguments give the
    same splits, on every machine.

    Args:
        address: see `load`.
        destination: a folder of this disk for the new splits, one small JSON file each: what `splits=` takes in `load`
            and `load_dataset`. Splits of the same collection that it holds are replaced. Not the folder of the
            collection itself.
        fractions: of the samples, by new split; their sum is 1.
        splits: those to draw samples from. Default: all.
        distance_m: keep samples together that are no further apart than this, in metres from footprint to footprint;
            0 for those that overlap or touch. Samples of different new splits are then farther apart. Where only a
            point is known of a sample, such as `proj_centroid`, distances are from that point, with a warning: add the
            size of a sample.
        group: keep samples together that have the same value in this column of the metadata. Those without a value
            stand alone.
        stratify: share each class in these fractions: a column of the metadata, or `"target"`, whose class is its
            value, or the most frequent one of a mask. Targets are then read, all of them.
        target: for `stratify="target"`, the planes of a raster that are the target, as in `load`: `[13]` or `"CM1"`.
            Default: as the collection declares.
        seed: a whole number, 0 or more; another seed gives other splits.
        on_error: `raise` the error of a bad sample, where headers or targets are looked at, or `skip` it: it is then in
            no new split, and neither is a sample whose place is not known where `distance_m` asks for it.
        trust_links: follow links of the collection that are otherwise refused.
        revision: branch, tag or commit of a Hub repository.
        token: for private http and Hub addresses.
        storage_options: for the fsspec filesystem of the address.
        cache_dir: where indexes of metadata are kept, in place of the platform's cache folder of the user.

    Returns:
        How many samples each new split has. Without `distance_m` and `group` that is less than one off from its
        fraction, for each class too; with them, a warning tells where it is more than 5 percentage points off.

    Raises:
        ValueError: fractions that make no whole, a new split that would have no sample, samples whose place is not
            known, a destination that is an address or the collection's own folder, or another argument that means
            nothing.
        TypeError: an argument of another kind than expected; the message says which.
        FileExistsError: `destination` holds something else, which is left alone.
        UnknownNameError: a split, column or band that the collection does not have, or nothing tells where samples are.
        SampleError: a bad sample, where one is looked at.
        MissingExtraError: pyarrow is not installed, or for `distance_m` shapely and pyproj.
        CollectionNotFoundError, InvalidCollectionError, LinkRefusedError, StoreError: see `load`.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     resplit(demo, folder, {"train": 0.7, "test": 0.3}, stratify="target")
        {'train': 28, 'test': 12}
    """
    check_on_disk(destination)
    shares, seed, splits = check_fractions(fractions), check_seed(seed), check_splits(splits)
    asked = Asked(
        distance_m=check_distance(distance_m),
        group=check_column(group, "group"),
        stratify=check_column(stratify, "stratify"),
        target=target,
        on_error=on_error,
        cache_dir=cache_dir,
    )
    collection = open_collection(
        address, revision=revision, token=token, storage_options=storage_options, trust_links=trust_links
    )
    _check_apart(destination, origin_of(collection).store)
    check_destination(destination, collection.id, shares)
    drawn = draw(collection, splits, asked)
    units = _units(drawn, asked)
    numbers: dict[Hashable, int] = {}
    classes = [numbers.setdefault(value, len(numbers)) for value in drawn.classes]
    homes = deal(units, np.array(classes, np.int64), list(shares.values()), seed)
    _judge(shares, homes, units, drawn)
    made = {
        "fractions": {name: float(fractions[name]) for name in shares},
        "splits": [source.split for source in drawn.sources],
        "distance_m": None if distance_m is None else float(distance_m),
        "measured_from_points": drawn.points,
        "group": group,
        "stratify": stratify,
        "target": None if target is None else list(view_of(collection, target=target).target),
        "seed": seed,
        "mlstac_hf": __version__,
    }
    samples = {name: drawn.names(np.flatnonzero(homes == home)) for home, name in enumerate(shares)}
    files = [
        SplitFile(split=name, collection=collection.id, samples=listed, made=made) for name, listed in samples.items()
    ]
    write_split_files(destination, files)
    return {name: sum(map(len, listed.values())) for name, listed in samples.items()}


def _check_apart(destination: str | os.PathLike[str], store: Store) -> None:
    """Refuse the folder of the collection itself."""
    folder = Path(destination).expanduser()
    if isinstance(store, LocalStore) and os.path.exists(folder) and os.path.samefile(folder, store.root):
        raise ValueError(
            f"{os.fspath(destination)} is the folder of the collection itself, expected one of its own for the new "
            f"splits. Choose another, such as {folder / 'splits-a'}"
        )


def _units(drawn: Drawn, asked: Asked) -> NDArray[np.int64]:
    """The unit of each sample."""
    units = Units(len(drawn.where))
    if asked.group is not None:
        units.join_equal(drawn.groups)
    if asked.distance_m is not None:
        units.join_near(np.array(drawn.shapes, dtype=object), asked.distance_m)
    return units.of(np.arange(len(drawn.where)))


def _judge(shares: Mapping[str, float], homes: NDArray[np.int64], units: NDArray[np.int64], drawn: Drawn) -> None:
    """Refuse a split without samples, and tell where one is far from its fraction."""
    total, sizes = len(units), np.bincount(units)
    counts = dict(zip(shares, np.bincount(homes, minlength=len(shares)).tolist(), strict=True))
    largest = int(sizes.argmax())
    unit = (
        f"the largest of {np.count_nonzero(sizes):,} units that may not be torn apart holds {sizes[largest]:,} of "
        f"{total:,} samples, {drawn.place(largest)} among them, and went to {[*shares][homes[largest]]!r}"
    )
    for name, share in shares.items():
        if share > 0 and not counts[name]:
            raise ValueError(
                f"split {name!r} would have no sample, expected {share:.1%} of {total:,}: {unit}. Try a smaller "
                "distance_m=, another group=, or a larger fraction."
            )
    if any(abs(counts[name] / total - share) > _OFF for name, share in shares.items()):
        got = ", ".join(f"{name} {counts[name] / total:.1%} ({share:.1%})" for name, share in shares.items())
        warn(f"the new splits are not of the sizes asked for (in brackets): {got}; {unit}.")

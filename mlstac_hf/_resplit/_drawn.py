"""The samples that new splits are made of, and what has to be known of them for that.

Owns: which samples are drawn from, their places, groups and classes, and what is said of those it cannot be known of.
Leaves to others: what is known of samples (`_index`), what follows from it (`_units`, `_shares`).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from mlstac_hf._errors import (
    BAD_SAMPLE,
    LinkRefusedError,
    SampleError,
    SchemaMismatchError,
    UnknownNameError,
    warn,
    warn_skipped,
)
from mlstac_hf._reading._asking import in_windows
from mlstac_hf._reading._containers import ContainerFolder
from mlstac_hf._reading._find_containers import Wanted
from mlstac_hf._reading._folder import SampleFolder
from mlstac_hf._reading._index import CENTRES, FOOTPRINTS, HeaderIndex, Index, index_of
from mlstac_hf._reading._open import open_split
from mlstac_hf._reading._origin import origin_of
from mlstac_hf._reading._present import those_present
from mlstac_hf._reading._source import Source
from mlstac_hf._reading._view import WHOLE, view_of
from mlstac_hf._resplit._asked import TARGET, Asked
from mlstac_hf._spec import Collection

_PLANE = 2  # axes of the smallest mask
_POINT = 0  # shapely's number for the type


@dataclass
class Drawn:
    """The samples that are drawn from, split after split."""

    sources: list[Source] = field(default_factory=list)
    where: list[tuple[int, int]] = field(default_factory=list)
    """Of each, the number of its source, and its index there."""
    shapes: list[Any] = field(default_factory=list)
    """Where each is; all None where nobody asks."""
    groups: list[Hashable] = field(default_factory=list)
    classes: list[Hashable] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    """Columns of the metadata."""
    points: int = 0
    """Samples whose place is a point, where places are asked for."""

    def place(self, number: int) -> str:
        """What to call a sample in a message."""
        source, index = self.where[number]
        return self.sources[source].place(index)

    def names(self, numbers: NDArray[np.int64]) -> dict[str, list[str]]:
        """What samples are called, by the split they lie in."""
        found: dict[str, list[str]] = {}
        for source, index in map(self.where.__getitem__, numbers.tolist()):
            found.setdefault(self.sources[source].split, []).append(self.sources[source].name(index))
        return found


def draw(collection: Collection, splits: Sequence[str] | None, asked: Asked) -> Drawn:
    """The samples to draw from, and what is asked of them.

    Args:
        collection: an open one.
        splits: see `mlstac_hf.resplit`.
        asked: likewise.

    Raises:
        ValueError: there are none, or it is not known where some are.
        UnknownNameError: a split, band or column that is not there, or nothing tells where samples are.
        TypeError: a target that names no planes.
        SampleError: one of them is bad.
        CollectionNotFoundError, LinkRefusedError, InvalidCollectionError, StoreError: see `open_split`.
    """
    drawn = Drawn()
    for source in _sources(collection, splits, asked):
        _add(drawn, source, origin_of(collection).digest, asked)
    for argument, name in asked.columns.items():
        if drawn.where and name not in drawn.known:
            raise UnknownNameError(
                f"{argument}={name!r}: expected a column of the metadata, which are {', '.join(sorted(drawn.known))}"
            )
    if asked.distance_m is not None and drawn.where:
        _check_places(drawn, skip=asked.skip)
    if not drawn.where:
        raise ValueError(f"{collection!r} has no sample to draw from")
    return drawn


def _sources(collection: Collection, splits: Sequence[str] | None, asked: Asked) -> list[Source]:
    """The splits to draw from, in the collection's order; unless they are named, those that are there."""
    origin = origin_of(collection)
    if origin.files is not None:
        raise ValueError("expected a collection with its own splits, got one that was opened with splits=")
    view = view_of(collection, target=asked.target)
    wanted = Wanted(view=view, time_column=collection.annotations.time_column)
    named = collection.splits if splits is None else splits
    unknown = [name for name in named if name not in collection.splits]
    ordered = [*unknown, *(name for name in collection.splits if name in named)]
    return list(
        those_present(
            collection, ordered, lambda name: _opened(collection, name, wanted), named=splits is not None
        ).values()
    )


def _opened(collection: Collection, name: str, wanted: Wanted) -> Source:
    source = open_split(collection, name, wanted)
    if len(source) and source.nbytes(len(source) - 1) is None:  # main.json alone says how many there are
        source.head(len(source) - 1)
    return source


def _add(drawn: Drawn, source: Source, digest: str, asked: Asked) -> None:
    """Add the samples of one split."""
    count = len(source)
    nothing = [None] * count
    facts: dict[str, Sequence[Any] | Mapping[int, Any]] = {}
    indices: Sequence[int] = range(count)
    if count and (asked.columns or asked.distance_m is not None):
        index = _index(source, digest, asked)
        table = index.table
        drawn.known.update(table.column_names)
        for argument, name in asked.columns.items():
            if name in table.column_names:
                facts[argument] = [_key(value) for value in table.column(name).to_pylist()]
        if asked.distance_m is not None:
            facts["shapes"] = _shapes(index)
        if isinstance(index, HeaderIndex):  # bad samples are rows of nulls; all others have an id
            indices = np.flatnonzero(table.column("id").is_valid()).tolist()
    if asked.stratify == TARGET:
        classes = _target_classes(source, indices, skip=asked.skip)
        indices, facts["stratify"] = list(classes), classes
    drawn.where += [(len(drawn.sources), index) for index in indices]
    drawn.shapes += map(facts.get("shapes", nothing).__getitem__, indices)
    drawn.groups += map(facts.get("group", nothing).__getitem__, indices)
    drawn.classes += map(facts.get("stratify", nothing).__getitem__, indices)
    drawn.sources.append(source)


def _index(source: Source, digest: str, asked: Asked) -> Index:
    if isinstance(source, ContainerFolder) and source.table is None:
        raise UnknownNameError(
            f"{source.split}: expected metadata.parquet beside its containers, and there is none, so nothing is known "
            'of its samples. Leave out distance_m= and group=; of columns, stratify="target" alone will do.'
        )
    whole = replace(source, view=WHOLE) if isinstance(source, SampleFolder) else source
    return index_of(whole, digest, skip=asked.skip, cache_dir=asked.cache_dir)


def _shapes(index: Index) -> list[Any]:
    try:
        shapes: list[Any] = index.geometries().tolist()
        return shapes
    except UnknownNameError:
        raise UnknownNameError(
            f"{index.where}: distance_m= needs to know where samples are, and nothing tells: expected geotransform and "
            f"crs in their headers, or in metadata.parquet one of the columns {', '.join((*FOOTPRINTS, *CENTRES))}. "
            "Keep samples together by group= instead."
        ) from None


def _key(value: Any) -> Hashable:
    """A value to compare by; None for null and NaN."""
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return None
    return value if isinstance(value, Hashable) else repr(value)


def _target_classes(source: Source, indices: Sequence[int], *, skip: bool) -> dict[int, int]:
    """The class of each sample's target, by index."""

    def read(index: int) -> int | SampleError | LinkRefusedError:
        try:
            return _target_class(source, index)
        except BAD_SAMPLE as error:
            return error

    found: dict[int, int] = {}
    faults = []
    with tqdm(desc=f"{source.split}: targets", total=len(indices), unit=" samples", disable=None, delay=2) as bar:
        for window, answers in in_windows(read, indices, is_local=source.is_local):
            for index, answer in zip(window, answers, strict=True):
                if isinstance(answer, int):
                    found[index] = answer
                elif skip:
                    faults.append(str(answer))
                else:
                    raise answer
            bar.update(len(window))
    if faults:
        warn_skipped(faults)
    return found


def _target_class(source: Source, index: int) -> int:
    target = source.read(index, [TARGET]).values.get(TARGET)
    if isinstance(target, np.ndarray) and target.dtype.kind in "biu" and (target.size == 1 or target.ndim >= _PLANE):
        values, counts = np.unique(target, return_counts=True)
        if len(values):
            return int(values[counts.argmax()])
    found = f"{target.dtype} {target.shape}" if isinstance(target, np.ndarray) else type(target).__name__
    remedy = ""
    if target is None:
        found = "none"
        remedy = " If planes of its raster are the target, name them: target=[4], counted from 0, or by name."
    raise SchemaMismatchError(
        f'{source.place(index)}: stratify="target" needs a target that is the number of a class, or a mask of them, '
        f"found {found}.{remedy}"
    )


def _check_places(drawn: Drawn, *, skip: bool) -> None:
    """Refuse samples whose place is not known, or leave them out; tell of those of which no extent is known."""
    import shapely

    shapes = np.array(drawn.shapes, dtype=object)
    unknown = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    if unknown.any():
        first = drawn.place(int(unknown.argmax()))
        said = f"the place of {unknown.sum():,} of {len(shapes):,} samples is not known, such as {first}"
        if not skip:
            raise ValueError(
                f"{said}, so distance_m= cannot keep them apart from others. Leave them out with "
                'on_error="skip", or keep samples together by group= instead.'
            )
        warn(f"{said}: left out, for distance_m= cannot keep them apart from others.")
        for name in ("where", "shapes", "groups", "classes"):
            setattr(drawn, name, list(compress(getattr(drawn, name), ~unknown)))
    drawn.points = int((shapely.get_type_id(shapes[~unknown]) == _POINT).sum())
    if drawn.points:
        warn(
            f"of {drawn.points:,} of {len(shapes):,} samples a point is known, and no footprint: distance_m= is "
            "measured from it. To keep that distance from border to border, add the size of a sample."
        )

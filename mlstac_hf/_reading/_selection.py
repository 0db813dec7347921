"""Which samples of a split, and what of each: the arguments that all entry points share.

Owns: what they mean together: conditions first, then the limit, then bands, window and arithmetic. Leaves to others:
each of them (`_conditions`, `_view`, `_scale`), the samples (`_open`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypedDict

import numpy as np

from mlstac_hf._conditions import _place, _time
from mlstac_hf._conditions._filter import Filter, Types, check_types, matching, parse_filter
from mlstac_hf._conditions._wgs84 import unknown
from mlstac_hf._errors import warn
from mlstac_hf._reading._arguments import check_names
from mlstac_hf._reading._find_containers import Wanted
from mlstac_hf._reading._folder import SampleFolder
from mlstac_hf._reading._index import Index, index_of, table_index
from mlstac_hf._reading._joined import Joined
from mlstac_hf._reading._metadata_table import MetadataTable
from mlstac_hf._reading._open import open_part
from mlstac_hf._reading._origin import listed_indices, origin_of, parts_of
from mlstac_hf._reading._scale import Scale, Scaled, Step, check_scale, declared_steps
from mlstac_hf._reading._selected import Selected
from mlstac_hf._reading._size import announce
from mlstac_hf._reading._source import Source
from mlstac_hf._reading._statistics import statistics_steps
from mlstac_hf._reading._view import WHOLE, PlaneNames, View, view_of
from mlstac_hf._spec import Collection

Normalize = Literal["collection"]


class SelectionArguments(TypedDict, total=False):
    """The arguments of `Selection`, for functions that pass them on: `**selection: Unpack[SelectionArguments]`."""

    bands: PlaneNames | None
    target: PlaneNames | None
    filter: Filter | None
    bbox: _place.BBox | None
    intersects: Any
    datetime: _time.DatetimeLike | None
    limit: int | None
    types: Types | None
    scale: Scale | None
    crop: bool
    normalize: Normalize | None


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What was asked for; see `mlstac_hf.load` for each. Checked as far as that takes no look at a collection.

    Raises:
        ValueError, TypeError: an argument that can mean nothing, whatever the collection.
    """

    bands: PlaneNames | None = None
    target: PlaneNames | None = None
    filter: Filter | None = None
    bbox: _place.BBox | None = None
    intersects: Any = None
    datetime: Any = None
    limit: int | None = None
    types: Types | None = None
    scale: Scale | None = None
    crop: bool = False
    normalize: Normalize | None = None

    def __post_init__(self) -> None:
        is_count = isinstance(self.limit, int | np.integer) and not isinstance(self.limit, bool) and self.limit >= 0
        if self.limit is not None and not is_count:
            raise ValueError(f"expected limit to be a whole number, 0 or more, got {self.limit!r}")
        if self.normalize not in (None, "collection"):
            raise ValueError(f'expected normalize to be "collection" or None, got {self.normalize!r}')
        if self.crop not in (True, False):
            raise ValueError(f"expected crop to be True or False, got {self.crop!r}")
        if check_scale(self.scale) is not False and self.normalize is not None:
            raise ValueError("give scale= or normalize=, and not both: what is normalised has no unit")
        for name in ("bands", "target"):
            value = getattr(self, name)
            if isinstance(value, Iterator):
                object.__setattr__(self, name, tuple(value))
        if self.types is not None and not isinstance(self.types, Mapping):
            raise TypeError(f'expected types to be a mapping, such as {{"cloud": float}}, got {self.types!r}')
        self._check_conditions()

    def _check_conditions(self) -> None:
        check_types(self.types or {})
        if self.filter is not None:
            parse_filter(self.filter)
        if self.datetime is not None:
            _time.parse_interval(self.datetime)
        if self.bbox is not None or self.intersects is not None:
            _place.area_of(self.bbox, self.intersects)

    @property
    def narrows(self) -> bool:
        """Whether samples are chosen by what is known of them."""
        return any(value is not None for value in (self.filter, self.bbox, self.intersects, self.datetime))

    def text(self) -> str:
        """The same for the same request: for a cache key."""
        return json.dumps(asdict(replace(self, intersects=_shape_text(self.intersects))), sort_keys=True, default=repr)

    def choosing(self) -> Selection:
        """The part of it that says which samples, and not what of each."""
        return replace(self, bands=None, target=None, scale=None, crop=False, normalize=None)

    def matching(self, index: Index) -> np.ndarray[Any, Any]:
        """Which rows of an index meet all conditions: `(N,)` of bool.

        Raises:
            UnknownNameError: a column that is not there, or nothing that tells place or time.
            ValueError: a condition that compares what cannot be compared.
        """
        met = np.ones(index.table.num_rows, bool)
        if self.filter is not None:
            met &= matching(parse_filter(self.filter), index.table, self.types, where=index.where)
        if self.datetime is not None:
            starts, ends = index.times(self.types)
            _tell_unknown(index, np.isnat(starts) & np.isnat(ends), "when they were taken: datetime= leaves")
            met &= _time.within(starts, ends, _time.parse_interval(self.datetime))
        if self.bbox is not None or self.intersects is not None:
            geometries = index.geometries()
            _tell_unknown(index, unknown(geometries), "where they are: bbox= and intersects= leave")
            met &= _place.meets(geometries, _place.area_of(self.bbox, self.intersects))
        return met


def selection_of(given: SelectionArguments, call: str) -> Selection:
    """What a function that passes them on was given.

    Args:
        given: by name.
        call: the name of the function, for messages.

    Raises:
        TypeError: a name that is none of these.
        ValueError: see `Selection`.
    """
    check_names(given, SelectionArguments.__annotations__, call, "Samples are chosen with")
    return Selection(**given)


def select(
    collection: Collection,
    split: str,
    selection: Selection,
    *,
    skip: bool = False,
    cache_dir: str | Path | None = None,
) -> Source:
    """The samples of a split that were asked for, as they were asked for.

    Args:
        collection: an open one.
        split: its canonical name.
        selection: which samples, and what of each.
        skip: leave out samples that cannot be read, with a warning, where headers are looked at or statistics computed.
        cache_dir: where indexes and statistics are kept; default the platform's cache folder of the user.

    Raises:
        UnknownNameError, ValueError: see `Selection.matching`, `view_of`, `declared_steps`.
        SampleError: a header that cannot be read, where headers are looked at.
        CollectionNotFoundError, LinkRefusedError, InvalidCollectionError, StoreError: see `open_split`.
    """
    view = view_of(collection, selection.bands, selection.target, crop=selection.crop)
    files = _Files(selection, split) if selection.narrows else None
    wanted = Wanted(view=view, time_column=collection.annotations.time_column, files=files)
    parts = parts_of(collection, split)
    lists: Mapping[str, Sequence[str] | None] = {split: None} if parts is None else parts
    found: list[Source] = []
    for name, listed in lists.items():
        # a file that lists samples names them all, so all containers are opened
        whole = open_part(collection, name, wanted if listed is None else replace(wanted, files=None))
        indices: Sequence[int] = range(len(whole)) if listed is None else listed_indices(whole, listed)
        if selection.narrows and len(whole):  # one without samples has no columns to name
            plain = replace(whole, view=WHOLE) if isinstance(whole, SampleFolder) else whole
            index = index_of(plain, origin_of(collection).digest, skip=skip, cache_dir=cache_dir)
            met = selection.matching(index)
            indices = [index for index in indices if met[index]]
        found.append(whole if listed is None and len(indices) == len(whole) else Selected(whole, indices))
    chosen = found[0] if parts is None else Joined(split, tuple(found))
    if selection.limit is not None and selection.limit < len(chosen):
        chosen = Selected(chosen, range(selection.limit))
    announce(chosen, f"{collection.id}, as samples are asked for")
    steps, stored, what = _steps(collection, selection, view, skip, cache_dir)
    return Scaled(chosen, steps=steps, view=view, stored=stored, what=what) if steps else chosen


@dataclass(frozen=True)
class _Files:
    """Which containers are worth opening, told by the table beside them."""

    selection: Selection
    split: str

    def __call__(self, table: MetadataTable) -> set[str] | None:
        if None in table.files:
            return None
        met = self.selection.matching(table_index(self.split, table))
        return {str(table.files[row]) for row in np.flatnonzero(met)}


def _steps(
    collection: Collection,
    selection: Selection,
    view: View,
    skip: bool,  # noqa: FBT001 - one caller
    cache_dir: str | Path | None,
) -> tuple[tuple[Step, ...], bool, str]:
    """The arithmetic that was asked for, whether its numbers belong to stored planes, and its name."""
    if selection.normalize is not None:
        return statistics_steps(collection, view, skip=skip, cache_dir=cache_dir), True, "normalize="
    scale = check_scale(selection.scale)
    if scale is True:
        return declared_steps(collection), True, "scale=True"
    return ((Step("multiply", scale),) if scale else ()), False, "scale="


def _tell_unknown(index: Index, lacking: np.ndarray[Any, Any], what: str) -> None:
    if lacking.any():
        warn(f"{index.where}: {lacking.sum()} of {len(lacking)} samples do not say {what} them out.")


def _shape_text(value: Any) -> Any:
    return getattr(value, "__geo_interface__", value)

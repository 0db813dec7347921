"""Where samples lie to each other: ground that two splits share, and how near they come.

Owns: which samples are compared. Leaves to others: one sample's place (`_check_metadata`), making footprints
(`conditions`), comparing them (`_nearness`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np

from mlstac_hf._conditions._footprints import footprints
from mlstac_hf._errors import MissingExtraError, UnknownNameError
from mlstac_hf._reading._index import table_index
from mlstac_hf._validate._check import Check
from mlstac_hf._validate._nearness import compare
from mlstac_hf._validate._scan import Part, Seen

_MOST = 200_000
"""Samples of a split whose place is kept; of those that follow none is."""
_UNKNOWN = (np.nan,) * 6


@dataclass
class _Places:
    """Of the samples of one split."""

    part: Part
    indices: list[int] = field(default_factory=list)
    crs: list[str | None] = field(default_factory=list)
    transforms: list[tuple[float, ...]] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)


class GroundCheck(Check):
    """See the module."""

    name = "ground"

    def __init__(self, survey: Any) -> None:
        super().__init__(survey)
        self._splits: dict[str, _Places] = {}

    def sample(self, part: Part, seen: Seen) -> None:
        """Its place is kept until all are known."""
        places = self._splits.setdefault(part.name, _Places(part))
        if len(places.indices) >= _MOST:
            return
        transform, crs = seen.facts.get("geotransform"), seen.facts.get("crs")
        places.indices.append(seen.index)
        places.crs.append(crs if isinstance(crs, str) else None)
        places.transforms.append(transform if isinstance(transform, tuple) else _UNKNOWN)
        places.sizes.append(seen.size)

    def end(self) -> None:
        """Footprints of all splits, two splits at a time."""
        try:
            known = {name: self._footprints(places) for name, places in self._splits.items()}
        except MissingExtraError:
            self.say("N901", "distances between splits: pyproj and shapely are needed; pip install 'mlstac-hf[select]'")
            return
        for a, b in combinations([name for name, found in known.items() if len(found[0])], 2):
            self._compare(a, b, known[a], known[b])

    def _footprints(self, places: _Places) -> tuple[Any, list[int]]:
        """Footprints that are known, and of which samples."""
        transforms = np.array(places.transforms, np.float64).reshape(-1, 6)
        sizes = np.array(places.sizes, np.int64).reshape(-1, 2)
        found = footprints(places.crs, transforms, sizes)
        usable = [i for i, shape in enumerate(found) if shape is None and self._is_whole(places, i)]
        for i in usable:
            numbers = ", ".join(f"{value:g}" for value in places.transforms[i])
            message = f"{places.crs[i]} with geotransform {numbers} and {places.sizes[i]} pixels is nowhere on Earth"
            self.say("W410", message, places.part.place(places.indices[i]))
        source = places.part.containers
        if source is not None and source.table is not None:
            all_rows = source.table_rows()
            rows = [all_rows[index] for index in places.indices]
            try:
                told = table_index(source.split, source.table, rows).geometries()
            except UnknownNameError:
                told = found
            found = np.array([*(a if a is not None else b for a, b in zip(found, told, strict=True)), None], object)[
                :-1
            ]
        kept = [i for i, shape in enumerate(found) if shape is not None]
        return found[kept], [places.indices[i] for i in kept]

    def _is_whole(self, places: _Places, i: int) -> bool:
        """Whether all that makes a footprint is there and in itself right."""
        _, width, row_rotation, _, column_rotation, height = places.transforms[i]
        crs = places.crs[i]
        spans = width * height - row_rotation * column_rotation
        return crs is not None and bool(np.isfinite(spans) and spans) and all(places.sizes[i]) and _has_ground(crs)

    def _compare(self, a: str, b: str, of_a: tuple[Any, list[int]], of_b: tuple[Any, list[int]]) -> None:
        distance, same = compare(a, b, of_a[0], of_b[0])
        self.survey.distances.append(distance)
        if same is not None:
            part_a, part_b = (self._splits[name].part for name in (a, b))
            index_a, index_b = of_a[1][same[0]], of_b[1][same[1]]
            overlapping, total = distance.overlapping, distance.samples[1]
            message = f"{overlapping:,} of {total:,} samples of {b} show ground that {a} shows too, such as sample "
            place = part_b.place(index_b)
            self.say("W605", f"{message}{index_b} here and {part_a.place(index_a)}", replace(place, span=None))


@lru_cache(maxsize=4096)
def _has_ground(crs: str) -> bool:
    """Whether PROJ knows a CRS, and it counts along the ground."""
    import pyproj

    try:
        known = pyproj.CRS.from_authority(*crs.split(":", 1))
    except pyproj.exceptions.ProjError:
        return False
    return bool(known.is_projected or known.is_geographic)

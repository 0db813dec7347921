"""What all samples of a split have in common, for a description of the collection.

Owns: the one look at every head, and what is said where samples differ. Leaves to others: places and times (`_index`,
`_footprints`), how a description spells it (`_croissant`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlstac_hf._conditions._footprints import footprints
from mlstac_hf._errors import UnknownNameError, warn_skipped
from mlstac_hf._reading import SampleHead, Source
from mlstac_hf._reading._containers import ContainerFolder
from mlstac_hf._reading._heads import heads
from mlstac_hf._reading._index import image_size, table_index
from mlstac_hf._spec import Extent, Geotransform, TensorSchema, format_datetime
from mlstac_hf._write._extent import box_of, join_extents

_UNKNOWN = (np.nan,) * 6
_SQUARE = 1e-6  # of a pixel's side, by which the sides of a square one may differ


@dataclass
class Survey:
    """What is known of a split."""

    tensors: dict[str, TensorSchema | None] = field(default_factory=dict)
    """Dtype and shape by column, None for texts; columns whose dtype or number of axes is not the same are left out."""
    keys: dict[str, str] = field(default_factory=dict)
    """The publisher's keys, sorted, each with the name of its Arrow type."""
    extent: Extent | None = None
    crs: set[str] = field(default_factory=set)
    pixels: set[tuple[str, float | None]] = field(default_factory=set)
    """CRS and side of a pixel, None where pixels are no squares."""
    _mixed: set[str] = field(default_factory=set)

    def add(self, source: Source, rows: Sequence[tuple[int, SampleHead]]) -> None:
        """Take in some samples."""
        facts: list[dict[str, Any]] = [source.metadata(index, head) for index, head in rows]
        for _, head in rows:
            self._add_columns(head)
            self.keys |= {k: kind for k, kind in source.keys(head).items() if self.keys.get(k, "null") == "null"}
        transforms = [fact["geotransform"] for fact in facts]
        for fact in facts:
            if fact["crs"]:
                self.crs.add(fact["crs"])
                if fact["geotransform"]:
                    self.pixels.add((fact["crs"], _side(fact["geotransform"])))
        shapes = footprints(
            [fact["crs"] for fact in facts],
            np.array([transform or _UNKNOWN for transform in transforms], np.float64).reshape(-1, 6),
            np.array([image_size(head) for _, head in rows], np.int64).reshape(-1, 2),
        )
        starts = [fact["start_datetime"] for fact in facts if fact["start_datetime"]]
        ends = [fact["end_datetime"] or fact["start_datetime"] for fact in facts if fact["start_datetime"]]
        interval = (format_datetime(min(starts)), format_datetime(max(ends))) if starts else (None, None)
        self.extent = join_extents(self.extent, box_of(shapes), *interval)

    def _add_columns(self, head: SampleHead) -> None:
        for name in head.columns:
            found = None
            if name not in head.texts:
                tensor = head.tensors[name]
                found = TensorSchema(dtype=tensor.dtype.name, shape=tensor.shape)
            if name in self._mixed:
                continue
            try:
                self.tensors[name] = _common(self.tensors[name], found) if name in self.tensors else found
            except ValueError:
                self._mixed.add(name)
                del self.tensors[name]


def survey(source: Source, *, skip: bool) -> Survey:
    """Look at every head of a split; of containers that lie elsewhere at their table, and at one sample.

    Args:
        source: a split as it lies.
        skip: whether to leave out samples that cannot be read, with a warning.

    Raises:
        SampleError, LinkRefusedError, StoreError: see `heads`.
    """
    found = Survey()
    if isinstance(source, ContainerFolder) and not source.is_local:  # a head there costs a payload
        _survey_table(source, found)
    else:
        faults: list[str] = []
        for window in heads(source, faults, skip=skip):
            rows = [(index, head) for index, head in window if head is not None]
            if rows:
                found.add(source, rows)
        if faults:
            warn_skipped(faults)
    found.keys = dict(sorted(found.keys.items()))
    return found


def _survey_table(source: ContainerFolder, found: Survey) -> None:
    if len(source):
        found.add(source, [(0, source.head(0))])
        found.tensors = {  # of the other samples nobody knows more than that they have as many axes
            name: schema and TensorSchema(dtype=schema.dtype, shape=(None,) * len(schema.shape))
            for name, schema in found.tensors.items()
        }
        found.extent, found.crs, found.pixels = None, set(), set()
    if source.table is None:
        return
    index = table_index(source.split, source.table)
    with suppress(UnknownNameError):
        found.extent = join_extents(None, box_of(index.geometries()), None, None)
    try:
        starts, ends = (np.sort(times[~np.isnat(times)]) for times in index.times(None))
    except UnknownNameError:
        return
    if len(starts) and len(ends):
        first, last = (f"{time.astype('datetime64[s]')}Z" for time in (starts[0], max(starts[-1], ends[-1])))
        found.extent = join_extents(found.extent, None, first, last)


def _common(one: TensorSchema | None, other: TensorSchema | None) -> TensorSchema | None:
    """What two samples have in common of a column; None for texts.

    Raises:
        ValueError: nothing.
    """
    if one is None or other is None:
        if one is not other:
            raise ValueError
        return None
    if one.dtype != other.dtype or len(one.shape) != len(other.shape):
        raise ValueError
    shape = (a if a == b else None for a, b in zip(one.shape, other.shape, strict=True))
    return TensorSchema(dtype=one.dtype, shape=tuple(shape))


def _side(geotransform: Geotransform) -> float | None:
    """The side of a square pixel, in units of the CRS, to six digits."""
    _, width, row_rotation, _, column_rotation, height = geotransform
    sides = float(np.hypot(width, column_rotation)), float(np.hypot(row_rotation, height))
    return float(f"{sides[0]:.6g}") if abs(sides[0] - sides[1]) <= _SQUARE * max(sides) else None

"""What a card tells of all samples together: where they are, when they were taken, what they are called.

Owns: one look at every header. Leaves to others: outlines (`_conditions`), what is drawn or said of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from mlstac_hf._conditions._footprints import footprints
from mlstac_hf._conditions._wgs84 import Geometries, unknown
from mlstac_hf._errors import MissingExtraError, UnknownNameError
from mlstac_hf._reading import SampleHead, Source
from mlstac_hf._reading._containers import ContainerFolder
from mlstac_hf._reading._index import image_size, table_index
from mlstac_hf._spec import encode_name

_WINDOW = 4096
_NOTHING = (np.nan,) * 6


@dataclass(frozen=True, kw_only=True, eq=False)
class SplitSurvey:
    """The samples of one split."""

    ids: Sequence[str | None]
    """None where an id is no more than the number of the sample."""
    places: Geometries
    """Shapely geometries in longitude and latitude; None where unknown, and throughout without shapely and pyproj."""
    start: datetime | None
    end: datetime | None
    """First and last moment of all, in UTC."""

    @property
    def bbox(self) -> tuple[float, float, float, float] | None:
        """West, south, east, north of all that is known."""
        known = self.places[~unknown(self.places)]
        if not len(known):
            return None
        import shapely

        west, south, east, north = shapely.total_bounds(known).tolist()
        return west, south, east, north


def survey(source: Source) -> SplitSurvey:
    """Look at the headers of a split.

    Raises:
        SampleError: one of them cannot be read.
        StoreError: the network or disk failed.
    """
    ids: list[str | None] = []
    places: list[Any] = []
    times: list[datetime] = []
    bar = tqdm(total=len(source), desc=f"{source.split}: places", unit=" samples", disable=None, delay=2, leave=False)
    with bar:
        for start in range(0, len(source), _WINDOW):
            indices = range(start, min(start + _WINDOW, len(source)))
            heads = [source.head(index) for index in indices]
            facts: list[dict[str, Any]] = [source.metadata(i, head) for i, head in zip(indices, heads, strict=True)]
            places += outlines(source, indices, heads, facts).tolist()
            ids += [_id(source, index, fact) for index, fact in zip(indices, facts, strict=True)]
            times += [t for fact in facts for t in (fact["start_datetime"], fact["end_datetime"]) if t is not None]
            times = [min(times), max(times)] if times else []
            bar.update(len(indices))
    return SplitSurvey(
        ids=ids,
        places=np.array([*places, None], dtype=object)[:-1],
        start=times[0] if times else None,
        end=times[1] if times else None,
    )


def outlines(
    source: Source, indices: Sequence[int], heads: Sequence[SampleHead], facts: Sequence[dict[str, Any]]
) -> Geometries:
    """Where samples are, from CRS, geotransform and size, else from the table beside the containers.

    Returns:
        `(N,)` shapely geometries; None where nothing tells, and throughout without shapely and pyproj.
    """
    try:
        found = footprints(
            [fact["crs"] for fact in facts],
            np.array([fact["geotransform"] or _NOTHING for fact in facts], np.float64).reshape(-1, 6),
            np.array([image_size(head) for head in heads], np.int64).reshape(-1, 2),
        )
    except MissingExtraError:
        return np.full(len(indices), None, dtype=object)
    lacking = unknown(found)
    if lacking.any() and isinstance(source, ContainerFolder) and source.table is not None:
        rows = source.table_rows()
        try:
            told = table_index(source.split, source.table, [rows[index] for index in indices]).geometries()
        except UnknownNameError:
            return found
        found[lacking] = told[lacking]
    return found


def _id(source: Source, index: int, facts: dict[str, Any]) -> str | None:
    name = str(facts["id"])
    return None if name in (source.name(index), encode_name(index)) else name

"""What a publisher should mend in what a collection says of its tensors: labels, bands, dimensions.

Owns: those checks. Leaves to others: names, people and splits (`_publishable`), whether the samples are as said
(`validate`).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlstac_hf._spec._parts import MICROMETRES, Band
from mlstac_hf._spec._problems import Problems, error, warning
from mlstac_hf._spec._sensors import find_sensor, near_sensors
from mlstac_hf._spec._tasks import Shape, find_task

if TYPE_CHECKING:
    from mlstac_hf._spec._collection import Collection

_CHANNEL = frozenset({"c", "band", "bands", "channel", "channels"})
_NO_CHANNEL = frozenset({"h", "height", "y", "row", "rows", "w", "width", "x", "column", "columns", "t", "time"})


def check_labels_of(collection: Collection) -> Problems:
    """Names that say something, and one value each unless the description names those that share one."""
    labels = collection.labels
    tasks = [task.name for name in collection.task if (task := find_task(name)) and task.has_classes]
    if tasks and not labels:
        yield warning(
            "labels-missing",
            "labels",
            f"expected the names of the classes of {tasks[0]}, found none. Give labels={{'name': value, …}}, so that "
            "readers can show names for numbers.",
        )
    for name in labels:
        if name != name.strip() or not name.isprintable():
            yield error(
                "label-name",
                f"labels[{name!r}]",
                f"expected a name without blanks around it and without control characters, found {name!r}. Rename it.",
            )
    by_value: dict[int, list[str]] = {}
    for name, value in labels.items():
        by_value.setdefault(value, []).append(name)
    for value, names in by_value.items():
        if len(names) > 1 and not all(
            re.search(rf"(?<!\w){re.escape(name)}(?!\w)", collection.description or "") for name in names
        ):
            yield warning(
                "labels-double",
                "labels",
                f"expected one name a value, found {value} under {', '.join(map(repr, names))}. Give each its own "
                "value, or name them all in the description where they mean the same.",
            )


def check_bands_of(collection: Collection) -> Problems:
    """Unique names and indices, wavelengths with a unit, a sensor that is spelled right."""
    bands, sensor = collection.bands, collection.sensor
    for what, values, is_fatal in (
        ("name", [band.name for band in bands], True),
        ("index", [band.index for band in bands if band.index is not None], True),
        ("common_name", [band.common_name for band in bands if band.common_name], False),
    ):
        double = _doubles(values)
        if double:
            yield (error if is_fatal else warning)(
                f"band-{what.replace('_', '-')}-double",
                "bands",
                f"expected every {what} once, found {', '.join(map(repr, double))} more than once. Readers choose "
                "bands by it, so give each its own.",
            )
    without = [band.name for band in bands if band.index is None]
    if 0 < len(without) < len(bands):
        yield error(
            "band-index",
            "bands",
            f"expected an index for every band or for none, found none for {without[0]!r}. Its index is its 0-based "
            "position along the band axis.",
        )
    for position, band in enumerate(bands):
        yield from _check_band(band, f"bands[{position}]")
    if sensor and find_sensor(sensor) is None and (near := near_sensors(sensor)):
        yield warning(
            "sensor-unknown", "sensor", f"expected a known sensor, found {sensor!r}. Did you mean {' or '.join(near)}?"
        )


def _check_band(band: Band, place: str) -> Problems:
    if not band.name.strip():
        yield error("band-name", f"{place}.name", "expected a name such as 'B04', found an empty one. Name it.")
    if band.index is not None and band.index < 0:
        yield error("band-index", f"{place}.index", f"expected 0 or more, found {band.index}. Count from 0.")
    for field in ("center_wavelength", "full_width_half_max"):
        value = getattr(band, field)
        if value is not None and not 0 < value < math.inf:
            yield error(
                "band-wavelength",
                f"{place}.{field}",
                f"expected more than 0, found {value}. Leave it out where the band has no wavelength.",
            )
    if (band.center_wavelength or band.full_width_half_max) and band.unit not in MICROMETRES:
        yield warning(
            "band-unit",
            f"{place}.unit",
            f"expected the unit of its wavelengths, 'nm' or 'um', found {band.unit!r}. Without it nobody knows them.",
        )


def check_dimensions_of(collection: Collection) -> Problems:
    """Axes 0, 1, 2 … once each, and a band axis that is one of them and fits the tensors' schema."""
    axis = collection.band_axis
    schema = (collection.annotations.tensors or {}).get("input")
    for tensor, dimensions in collection.dimensions.items():
        found = sorted(dimension.axis for dimension in dimensions)
        if found != list(range(len(found))):
            yield error(
                "dimension-axes",
                f"dimensions[{tensor!r}]",
                f"expected the axes 0 to {len(found) - 1}, once each, found {found}. List every axis of {tensor}.",
            )
    names = {dimension.axis: (dimension.name or "").casefold() for dimension in collection.dimensions.get("input", ())}
    if axis is not None and axis < 0:
        yield error("band-axis", "band_axis", f"expected 0 or more, found {axis}. Count axes from the first.")
    elif axis is not None and names:
        said = [number for number, name in names.items() if name in _CHANNEL]
        if axis not in names or names[axis] in _NO_CHANNEL or (said and axis not in said):
            shown = ", ".join(f"{number}: {name or '?'}" for number, name in sorted(names.items()))
            yield error(
                "band-axis",
                "band_axis",
                f"expected the axis of input that the bands lie along, found {axis} where dimensions say {shown}. "
                f"Set band_axis to {said[0] if said else 'one of them'}, or mend the dimensions.",
            )
    if schema is not None:
        yield from _check_schema(collection, schema.shape, len(names))


def _check_schema(collection: Collection, shape: Shape, named: int) -> Problems:
    """The same against what is known of the samples."""
    axis = collection.band_axis
    if named and named != len(shape):
        yield error(
            "dimension-count",
            "dimensions['input']",
            f"expected one entry an axis of input {shape}, found {named}. List them all.",
        )
    if axis is None or axis < 0:
        return
    if axis >= len(shape):
        yield error("band-axis", "band_axis", f"expected an axis of input {shape}, found {axis}. Count axes from 0.")
        return
    length = shape[axis]
    indices = (i if band.index is None else band.index for i, band in enumerate(collection.bands))
    last = max(indices, default=-1)
    if length is not None and last >= length:
        yield error(
            "band-count",
            "bands",
            f"expected bands 0 to {length - 1} along axis {axis} of input {shape}, found one with index {last}. "
            "Describe only the bands that are stored.",
        )


def _doubles(values: Iterable[object]) -> list[object]:
    return [value for value, count in Counter(values).items() if count > 1]

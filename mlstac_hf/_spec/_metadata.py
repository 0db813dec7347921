"""The metadata of one sample: typed values beside the strings as stored.

Owns: what each standard key means in every dialect, and which text takes a tensor's place.
Leaves to others: where the strings come from (`formats`), who shows them (`load`, `hf`).
Missing, invented and unreadable values are all None; nothing stored is ever evaluated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import TypeAlias

from mlstac_hf._spec._tasks import TASKS

Geotransform: TypeAlias = tuple[float, float, float, float, float, float]
"""GDAL order: x of the upper-left corner, pixel width, row rotation, y, column rotation, pixel height."""

STANDARD_KEYS = ("id", "crs", "geotransform", "start_datetime", "end_datetime")
TENSOR_NAMES = ("input", "target", "extra")
TEXT_NAMES = ("input", "target")
"""The tensors whose place a text may take."""

_FLAGS = frozenset({"isText", "isSTAC"})
_CRS = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*:[A-Za-z0-9_.-]+", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_LONGEST = 1000  # characters of a value worth parsing; real ones have under 200

_TEXT_TASKS = {name: task.text for name, task in TASKS.items() if task.text}


def parse_crs(text: object) -> str | None:
    """`"EPSG:32633"` as it stands; None for what is not `AUTHORITY:CODE`."""
    if not isinstance(text, str) or len(text) > _LONGEST:
        return None
    text = text.strip()
    return text if _CRS.fullmatch(text) else None


def parse_geotransform(text: object) -> Geotransform | None:
    """Six finite numbers in GDAL order, with brackets (0.0.23) or without (0.0.12); else None.

    Example:
        >>> parse_geotransform("465181.05 ,10 ,0 ,5080254.6 ,0 ,-10.0")
        (465181.05, 10.0, 0.0, 5080254.6, 0.0, -10.0)
    """
    if not isinstance(text, str) or len(text) > _LONGEST:
        return None
    parts = text.strip().removeprefix("[").removesuffix("]").split(",")
    if len(parts) != 6:  # noqa: PLR2004 - a geotransform has six numbers
        return None
    if not all(_NUMBER.fullmatch(part.strip()) for part in parts):
        return None
    a, b, c, d, e, f = map(float, parts)
    values = (a, b, c, d, e, f)
    return values if all(map(math.isfinite, values)) else None


def parse_datetime(text: object) -> datetime | None:
    """An aware time in UTC from ISO 8601, with or without fraction and offset; else None.

    A time without an offset is UTC, as upstream writes it.
    """
    if not isinstance(text, str) or len(text) > _LONGEST:
        return None
    try:
        time = datetime.fromisoformat(text.strip())
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def format_datetime(time: datetime | None) -> str | None:
    """`"2020-01-02T03:04:05Z"`, with a fraction only where there is one; None stays None."""
    return None if time is None else time.isoformat().replace("+00:00", "Z")


def text_columns(raw: Mapping[str, str], sizes: Mapping[str, int], task: Collection[str] = ()) -> dict[str, str]:
    """The texts that take a tensor's place in one sample.

    A text wins where the task says so, where `isText` says so, or where the tensor is absent or empty.

    Args:
        raw: the sample's metadata as stored.
        sizes: size of each tensor the sample has, in elements or bytes.
        task: the collection's tasks.

    Returns:
        The text by column name; a column that is not in here is a tensor, if anything.
    """
    by_task = {_TEXT_TASKS[name] for name in task if name in _TEXT_TASKS}
    texts = {}
    for name in TEXT_NAMES:
        is_dummy, lacks = sizes.get(name) == 0, not sizes.get(name)
        # where the task names the text, `isText` speaks of no other: a key of the publisher's may be called so
        said = name in by_task if by_task else raw.get("isText") == "1"
        text = raw.get(name)
        if (text and (said or lacks)) or (name in by_task and (is_dummy or (lacks and text is not None))):
            texts[name] = text or ""
    return texts


def user_keys(raw: Mapping[str, str], texts: Collection[str]) -> dict[str, str]:
    """What the publisher added to a sample, without standard keys, flags and the texts shown elsewhere."""
    return {
        key: raw[key]
        for key in sorted(raw)
        if key not in STANDARD_KEYS and key not in _FLAGS and not (key in TEXT_NAMES and (key in texts or not raw[key]))
    }


def declared_keys(raw: Mapping[str, str], texts: Collection[str], types: Mapping[str, str]) -> list[str]:
    """The publisher's own keys of a sample, sorted: those it has, and those that the collection declares."""
    own = [key for key in types if key not in STANDARD_KEYS and key not in _FLAGS and key not in TENSOR_NAMES]
    return sorted({*user_keys(raw, texts), *own})


def free_names(keys: Collection[str], is_taken: Callable[[str], bool]) -> dict[str, str]:
    """What to call each of a publisher's own keys: itself, or `meta_<key>` where the name is taken.

    Example:
        >>> free_names(["cloud", "id", "meta_id"], {"id"}.__contains__)
        {'cloud': 'cloud', 'id': 'meta_meta_id', 'meta_id': 'meta_id'}
    """
    names: dict[str, str] = {}
    for key in keys:
        name = key
        while is_taken(name) or (name != key and name in keys):
            name = f"meta_{name}"
        names[key] = name
    return names


def parse_key(text: str, kind: str) -> object:
    """The value of a publisher's own key that the collection declares to be no text; None where it is none such.

    Args:
        text: as stored.
        kind: name of an Arrow type, `int64`, `double` or `bool`; any other leaves the text.
    """
    if kind == "bool":
        return {"true": True, "false": False}.get(text)
    if kind in _PARSERS:
        try:
            return _PARSERS[kind](text) if len(text) <= _LONGEST else None
        except ValueError:
            return None
    return text


def _int64(text: str) -> int | None:
    value = int(text)
    return value if -(2**63) <= value < 2**63 else None


_PARSERS: dict[str, Callable[[str], object]] = {"int64": _int64, "double": float}


def typed_metadata(
    raw: Mapping[str, str], texts: Collection[str], stem: str, types: Mapping[str, str] | None = None
) -> dict[str, object]:
    """One sample's metadata, typed.

    Args:
        raw: the strings as stored.
        texts: names of the columns whose text is shown in the sample itself.
        stem: the id to fall back on, the file's name.
        types: of the publisher's own keys, where the collection declares them. One that a sample lacks is None.

    Returns:
        `id` (str), `crs` (`AUTHORITY:CODE` or None), `geotransform` (six floats, GDAL order, or None),
        `start_datetime` and `end_datetime` (aware, UTC, or None), then the publisher's own keys, sorted.
    """
    # 0.0.23 invents what is missing and marks the sample; its three values then mean nothing.
    invented = raw.get("isSTAC") == "0"
    kinds = types or {}
    start, end = (parse_datetime(raw.get(key)) for key in ("start_datetime", "end_datetime"))
    if invented:
        start, end = None, (None if end == start else end)
    return {
        "id": raw.get("id") or stem,
        "crs": None if invented else parse_crs(raw.get("crs")),
        "geotransform": None if invented else parse_geotransform(raw.get("geotransform")),
        "start_datetime": start,
        "end_datetime": end,
        **{
            key: parse_key(raw[key], kinds.get(key, "")) if key in raw else None
            for key in declared_keys(raw, texts, kinds)
        },
    }

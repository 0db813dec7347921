"""One sample, as a publisher gives it and as it is written.

Owns: what a sample may hold, and what is said of the rest. Leaves to others: where samples come from (`_items`), place
and time (`_geography`), bytes (`_encode`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np

from mlstac_hf._errors import UnsupportedDtypeError
from mlstac_hf._formats import Array
from mlstac_hf._formats._saving import storable
from mlstac_hf._frameworks import to_numpy
from mlstac_hf._spec import STANDARD_KEYS, TENSOR_NAMES, Geotransform, format_datetime
from mlstac_hf._write._geography import check_interval, read_crs, read_geotransform, read_time

Scalar = str | int | float | bool | datetime | None
"""A value of the publisher's own."""

_TEXTS = ("input", "target")
"""Columns that may be text."""
_FLAGS = ("isText", "isSTAC")
_INT64 = 2**63
_LONGEST_ID = 4096
_MAX_AXES = 32


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One sample to write; a mapping with the same keys does as well.

    Attributes:
        input: an array or tensor of any framework, such as `(C, H, W)`, in the dtype to store; a text; a number.
        target: likewise; a mask, a class, a text.
        extra: likewise, but no text.
        id: unique in its split; default the sample's name, which counts.
        crs: `AUTHORITY:CODE`, such as `"EPSG:32633"`, or a CRS of rasterio or pyproj.
        geotransform: six numbers in GDAL order, in units of the CRS, or an Affine.
        start_datetime: a `datetime` (naive ones are UTC) or ISO 8601 text.
        end_datetime: likewise, not before the start.
        keys: what else is known of it: text, int, float, bool, datetime or None by key.

    Example:
        >>> import numpy as np
        >>> Sample(input=np.zeros((4, 8, 8), "uint16"), target=3, crs="EPSG:32633", keys={"season": "dry"}).target
        3
    """

    input: Any = None
    target: Any = None
    extra: Any = None
    id: str | None = None
    crs: Any = None
    geotransform: Any = None
    start_datetime: Any = None
    end_datetime: Any = None
    keys: Mapping[str, Scalar] = field(default_factory=dict)


_FIELDS = tuple(item.name for item in fields(Sample) if item.name != "keys")


@dataclass(frozen=True, slots=True)
class Checked:
    """A sample that can be written."""

    index: int
    id: str | None
    tensors: dict[str, Array]
    """In their own dtype; they may be the caller's memory."""
    texts: dict[str, str]
    crs: str | None
    geotransform: Geotransform | None
    start: datetime | None
    end: datetime | None
    keys: dict[str, str | int | float | bool | datetime | None]
    """The publisher's own, sorted."""

    @property
    def place(self) -> str:
        """What to call it in a message."""
        return place_of(self.index, self.id)


def place_of(index: int, name: str | None) -> str:
    """What to call a sample in a message."""
    return f"sample {index}" if name is None else f"sample {index} (id {name!r:.80})"


def as_mapping(item: Any, index: int) -> Mapping[str, Any]:
    """A sample by key, whether it comes as a mapping, a Sample or a pair.

    Raises:
        TypeError: it is none of these.
    """
    if isinstance(item, Sample):
        return {**item.keys, **{name: getattr(item, name) for name in _FIELDS}}
    if isinstance(item, Mapping):
        return item
    if isinstance(item, tuple | list) and len(item) == 2:  # noqa: PLR2004 - input and target
        return {"input": item[0], "target": item[1]}
    found = f"a {type(item).__name__}" + (f" of {len(item)}" if isinstance(item, tuple | list) else "")
    raise TypeError(
        f"{place_of(index, None)}: expected a mapping with 'input' and 'target', a Sample or a pair (input, target), "
        f"found {found}"
    )


def id_of(item: Mapping[str, Any], index: int) -> str | None:
    """The id that a sample is given; None where it is not.

    Raises:
        ValueError: it is no id.
    """
    value = item.get("id")
    if value is None:
        return None
    found = _text(_scalar(value))
    if not found or len(found) > _LONGEST_ID or not _is_unicode(found):
        raise ValueError(
            f"{place_of(index, None)}: id: expected a text of 1 to {_LONGEST_ID} characters, found {value!r:.80}"
        )
    return found


def check(item: Any, index: int) -> Checked:
    """A sample as it is written.

    Args:
        item: as the publisher gave it.
        index: its place in the split, for messages.

    Raises:
        ValueError, TypeError: what is wrong with it; the message names the sample.
        UnsupportedDtypeError: a dtype that no safetensors file holds.
    """
    values = as_mapping(item, index)
    name = id_of(values, index)
    try:
        return _checked(values, index, name)
    except UnsupportedDtypeError as error:
        raise UnsupportedDtypeError(f"{place_of(index, name)}: {error}") from None
    except ValueError as error:
        raise ValueError(f"{place_of(index, name)}: {error}") from None
    except TypeError as error:
        raise TypeError(f"{place_of(index, name)}: {error}") from None


def _checked(values: Mapping[str, Any], index: int, name: str | None) -> Checked:
    tensors: dict[str, Array] = {}
    texts: dict[str, str] = {}
    for column in TENSOR_NAMES:
        value = _column(column, values.get(column))
        if isinstance(value, str):
            texts[column] = value
        elif value is not None:
            tensors[column] = value
    if not tensors and not texts:
        raise ValueError(
            f"expected at least one of {', '.join(TENSOR_NAMES)}, found {', '.join(map(repr, values)) or 'nothing'}. "
            "Rename your keys, such as {'input': item['image'], 'target': item['mask']}"
        )
    start, end = (read_time(_scalar(values.get(key)), key) for key in ("start_datetime", "end_datetime"))
    check_interval(start, end)
    crs = values.get("crs")
    return Checked(
        index=index,
        id=name,
        tensors=tensors,
        texts=texts,
        crs=read_crs(crs if hasattr(crs, "to_authority") else _scalar(crs)),
        geotransform=read_geotransform(values.get("geotransform")),
        start=start,
        end=end,
        keys={
            key: _own(key, values[key])
            for key in sorted(map(_key, values))
            if key not in STANDARD_KEYS and key not in TENSOR_NAMES
        },
    )


def _column(name: str, value: Any) -> Array | str | None:
    """An array or a text; None where there is neither."""
    if value is None:
        return None
    text = _text(value)
    array = to_numpy(value) if text is None else None
    if array is not None and array.dtype.kind in "OSU" and not array.ndim:
        text = _text(array.item())
    if text is not None:
        if name not in _TEXTS:
            raise ValueError(f"{name}: expected an array, found a text; only {' and '.join(_TEXTS)} can be text")
        if not _is_unicode(text):
            raise ValueError(f"{name}: expected Unicode text, found half a surrogate pair in {text!r:.80}")
        return text
    assert array is not None
    if not storable(array.dtype):
        raise UnsupportedDtypeError(
            f"{name}: expected numbers or booleans of a dtype that safetensors can hold, found {array.dtype} "
            f"{array.shape} ({type(value).__name__}). Convert it to the dtype that should be stored"
        )
    if array.ndim > _MAX_AXES:
        raise ValueError(f"{name}: expected at most {_MAX_AXES} axes, found {array.ndim}")
    return array


def _text(value: Any) -> str | None:
    """The text of a `str`, or of bytes in UTF-8 as tensorflow has them; None of what is no text."""
    if isinstance(value, str):
        return str(value)
    try:
        return value.decode("utf-8") if isinstance(value, bytes) else None
    except UnicodeDecodeError:
        return None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@lru_cache(maxsize=1024)  # samples have the same ones
def _key(key: Any) -> str:
    if not isinstance(key, str) or not key or not _is_unicode(key):
        raise TypeError(f"expected keys of metadata to be texts, found {key!r:.80}")
    if key in _FLAGS:
        raise ValueError(f"the key {key!r} has a meaning of its own in ML-STAC; call it otherwise")
    return key


def _scalar(value: Any) -> Any:
    """A value out of a 0-D array or tensor, and out of numpy's scalars; anything else as it is."""
    if value is None or type(value) in (str, int, float, bool):
        return value
    if isinstance(value, np.datetime64) or hasattr(value, "isoformat"):
        return value
    text = _text(value)
    if text is not None:
        return text
    if isinstance(value, np.generic) or getattr(value, "shape", None) == ():
        array = to_numpy(value)
        return array[()] if array.dtype.kind in "mM" else _scalar(array.item())
    return value


def _own(key: str, value: Any) -> str | int | float | bool | datetime | None:
    """One value of the publisher's; NaN, NaT and None are unknown."""
    found = _scalar(value)
    if isinstance(found, np.datetime64 | datetime):
        return _time(key, found)
    if found is None or isinstance(found, bool):
        return found
    if isinstance(found, str):
        if not _is_unicode(found):
            raise ValueError(f"{key!r}: expected Unicode text, found half a surrogate pair in {found!r:.80}")
        return found
    if isinstance(found, int):
        if not -_INT64 <= found < _INT64:
            raise ValueError(f"{key!r}: expected an integer of 64 bits, found {found}")
        return found
    if isinstance(found, float):
        return None if math.isnan(found) else found
    raise TypeError(
        f"{key!r}: expected a text, int, float, bool, datetime or None, found {type(value).__name__}. Tensors go under "
        f"{', '.join(TENSOR_NAMES)}"
    )


def _time(key: str, value: np.datetime64 | datetime) -> datetime | None:
    """A time of the publisher's; None of NaT."""
    found = value.astype("datetime64[us]").item() if isinstance(value, np.datetime64) else value
    if found is None or found != found:  # noqa: PLR0124 - NaT is not itself
        return None
    if isinstance(found, datetime):  # numpy makes an integer of what no `datetime` holds
        with suppress(OverflowError):
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    raise ValueError(f"{key!r}: expected a time in the years 1 to 9999 of UTC, found {value}")


def stored_text(value: str | float | bool | datetime) -> str:  # noqa: FBT001 - a value, not a switch
    """How a value of the publisher's stands in a header, from which `_spec.parse_key` reads it back."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return format_datetime(value) or ""
    return value if isinstance(value, str) else repr(value)

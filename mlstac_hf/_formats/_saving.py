"""Tensors to the bytes of a safetensors file, always the same ones.

Owns: what is written, and in which order. Leaves to others: what a header may say (`_safetensors`), where bytes go. The
`safetensors` package writes metadata in an order that changes from call to call and knows no float8 of numpy's; it is
the oracle of our tests. Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from mlstac_hf._formats._dtypes import CODES, Array
from mlstac_hf._formats._safetensors import MAX_HEADER, PREFIX, HeaderError, check_surrogates, short

_CODE_OF = {dtype: code for code, dtype in CODES.items()}
_ALIGNMENT = 8
_encoded = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def storable(dtype: np.dtype[Any]) -> bool:
    """Whether a safetensors file can hold values of this dtype."""
    return dtype.newbyteorder("<") in _CODE_OF


class _Slot(NamedTuple):
    """Where one tensor lies in a file."""

    name: str
    dtype: np.dtype[Any]
    """As stored."""
    shape: tuple[int, ...]
    start: int
    """First byte, counted from the first tensor's."""
    nbytes: int
    entry: str
    """What the header says of it."""


@lru_cache(maxsize=64)
def _slots(forms: tuple[tuple[str, np.dtype[Any], tuple[int, ...]], ...]) -> tuple[_Slot, ...]:
    """How tensors of these names, dtypes and shapes lie: by size of their dtype, then by name."""
    slots: list[_Slot] = []
    end = 0
    for name, dtype, shape in sorted(forms, key=lambda form: (-form[1].itemsize, form[0])):
        stored = dtype.newbyteorder("<")
        code = _CODE_OF.get(stored)
        if code is None:
            raise HeaderError(f"tensor {short(name)}: safetensors has no dtype {dtype.name}")
        start, end = end, end + dtype.itemsize * math.prod(shape)
        entry = _encoded({name: {"dtype": code, "shape": list(shape), "data_offsets": [start, end]}})
        slots.append(_Slot(name, stored, shape, start, end - start, entry[1:-1]))
    return tuple(slots)


def _slots_of(tensors: Mapping[str, Array]) -> tuple[_Slot, ...]:
    return _slots(tuple([(name, array.dtype, array.shape) for name, array in tensors.items()]))


def safetensors_parts(tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> list[bytes | memoryview]:
    """The bytes of a file, in parts that lie one after another; they depend on nothing but the values.

    Parts may be the memory of the tensors.

    Args:
        tensors: by name; they lie by size of their dtype, then by name, as the `safetensors` package lays them.
        metadata: texts by key, in the order wanted.

    Raises:
        HeaderError: a dtype that the format does not have, or texts that are no Unicode or too long for any reader.
    """
    slots = _slots_of(tensors)
    entries = [f'"__metadata__":{_encoded(dict(metadata))}'] if metadata else []
    entries += [slot.entry for slot in slots]
    try:
        text = f"{{{','.join(entries)}}}".encode()
    except UnicodeEncodeError:
        check_surrogates(dict(metadata) | dict.fromkeys(tensors, ""))
        raise
    text += b" " * (-len(text) % _ALIGNMENT)
    if len(text) > MAX_HEADER:
        raise HeaderError(f"its metadata take {len(text)} bytes, more than the {MAX_HEADER} that readers accept")
    parts: list[bytes | memoryview] = [len(text).to_bytes(PREFIX, "little"), text]
    parts += [np.ascontiguousarray(tensors[slot.name], slot.dtype).reshape(-1).view(np.uint8).data for slot in slots]
    return parts


def with_metadata(data: bytes, length: int, more: Mapping[str, str]) -> bytes:
    """The bytes of a file with more metadata; those of its tensors stay as they are.

    Args:
        data: a whole file whose header was checked.
        length: of its header.
        more: texts by key, in place of those it has.
    """
    entries = json.loads(data[PREFIX : PREFIX + length])
    entries["__metadata__"] = {**(entries.get("__metadata__") or {}), **more}
    text = _encoded(entries).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    return b"".join((len(text).to_bytes(PREFIX, "little"), text, memoryview(data)[PREFIX + length :]))


def views_of(data: bytes | memoryview, tensors: Mapping[str, Array]) -> dict[str, Array]:
    """The tensors of a file as it was saved, as views of its bytes.

    Args:
        data: what `safetensors_parts` made of these tensors.
        tensors: by name; only their dtypes and shapes are looked at.
    """
    slots = _slots_of(tensors)
    begin = _begin(0, len(data), slots)
    return {
        slot.name: np.frombuffer(data, slot.dtype, tensors[slot.name].size, begin + slot.start).reshape(slot.shape)
        for slot in slots
    }


def starts_of(begin: int, nbytes: int, tensors: Mapping[str, Array]) -> dict[str, int]:
    """Where each tensor begins.

    Args:
        begin: of the file, in what it lies in.
        nbytes: of the file, at whose end its tensors lie.
        tensors: by name; only their dtypes and shapes are looked at.
    """
    slots = _slots_of(tensors)
    first = _begin(begin, nbytes, slots)
    return {slot.name: first + slot.start for slot in slots}


def _begin(begin: int, nbytes: int, slots: Sequence[_Slot]) -> int:
    """Where the first tensor begins."""
    return begin + nbytes - sum(slot.nbytes for slot in slots)

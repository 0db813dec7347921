"""Tensors to the bytes of a safetensors file, always the same ones.

Owns: what is written, and in which order. Leaves to others: what a header may say (`_safetensors`), where bytes go. The
`safetensors` package writes metadata in an order that changes from call to call and knows no float8 of numpy's; it is
the oracle of our tests. Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlstac_hf._formats._dtypes import CODES, Array
from mlstac_hf._formats._safetensors import MAX_HEADER, PREFIX, HeaderError, check_surrogates, short

_CODE_OF = {dtype: code for code, dtype in CODES.items()}
_ALIGNMENT = 8
_encoded = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def storable(dtype: np.dtype[Any]) -> bool:
    """Whether a safetensors file can hold values of this dtype."""
    return dtype.newbyteorder("<") in _CODE_OF


def safetensors_parts(tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> list[bytes | memoryview]:
    """The bytes of a file, in parts that lie one after another; they depend on nothing but the values.

    Parts may be the memory of the tensors.

    Args:
        tensors: by name; they lie by size of their dtype, then by name, as the `safetensors` package lays them.
        metadata: texts by key, in the order wanted.

    Raises:
        HeaderError: a dtype that the format does not have, or texts that are no Unicode or too long for any reader.
    """
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    ordered = _ordered(tensors)
    end = 0
    for name, array in ordered:
        code = _CODE_OF.get(array.dtype.newbyteorder("<"))
        if code is None:
            raise HeaderError(f"tensor {short(name)}: safetensors has no dtype {array.dtype.name}")
        header[name] = {"dtype": code, "shape": list(array.shape), "data_offsets": [end, end + array.nbytes]}
        end += array.nbytes
    try:
        text = _encoded(header).encode()
    except UnicodeEncodeError:
        check_surrogates(dict(metadata) | dict.fromkeys(tensors, ""))
        raise
    text += b" " * (-len(text) % _ALIGNMENT)
    if len(text) > MAX_HEADER:
        raise HeaderError(f"its metadata take {len(text)} bytes, more than the {MAX_HEADER} that readers accept")
    parts: list[bytes | memoryview] = [len(text).to_bytes(PREFIX, "little"), text]
    parts += [
        np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data
        for _, array in ordered
    ]
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
    views = {}
    for name, start in starts_of(0, len(data), tensors).items():
        array = tensors[name]
        flat = np.frombuffer(data, array.dtype.newbyteorder("<"), array.size, start)
        views[name] = flat.reshape(array.shape)
    return views


def starts_of(begin: int, nbytes: int, tensors: Mapping[str, Array]) -> dict[str, int]:
    """Where each tensor begins.

    Args:
        begin: of the file, in what it lies in.
        nbytes: of the file, at whose end its tensors lie.
        tensors: by name; only their dtypes and shapes are looked at.
    """
    start, starts = begin + nbytes - sum(array.nbytes for array in tensors.values()), {}
    for name, array in _ordered(tensors):
        starts[name] = start
        start += array.nbytes
    return starts


def _ordered(tensors: Mapping[str, Array]) -> list[tuple[str, Array]]:
    return sorted(tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))

"""HDF5 payloads: datasets at the root as tensors, attributes as text; needs h5py.

Owns: what an HDF5 file may hold. Leaves to others: telling payloads apart (`_payloads`), what its texts mean. The
file is an image in memory. What leads out of it (external links and storage, virtual datasets), what unpacks
without bounds, and what is no array is refused before it is read.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from mlstac_hf._errors import MissingExtraError
from mlstac_hf._formats._dtypes import Array
from mlstac_hf._formats._gzip import MAX_RATIO
from mlstac_hf._formats._parts import (
    MAX_DECODED,
    TensorForm,
    Window,
    check_decoded,
    faults,
    requested,
)
from mlstac_hf._formats._safetensors import HeaderError, short

HDF5_MAGIC = b"\x89HDF"

MAX_LINKS = 1000
"""Members of the root, and attributes of each object."""
MAX_CHUNKS = 1 << 20
MAX_TEXT = 1 << 20
"""Bytes of an attribute; longer ones are left out."""

_DEFLATE, _SHUFFLE, _FLETCHER32, _LZF = 1, 2, 3, 32000
_FILTERS = {_DEFLATE: "gzip", _SHUFFLE: "shuffle", _FLETCHER32: "fletcher32", _LZF: "lzf"}
_LZF_RATIO = 90  # three bytes make 264
_HEAP = b"GCOL\1\0\0\0"
_CHECKSUM = 4  # bytes
_PIECE = 1 << 20  # bytes unpacked at once
_LONGEST_ITEM = 8  # bytes; longer floats are no two machines' same


class Hdf5:
    """One HDF5 payload. Each call opens the image anew, so threads may share it.

    Args:
        data: the payload, all of it.
        limit: bytes a dataset may take decoded.

    Raises:
        HeaderError: the bytes are no HDF5 file, or one that holds what is refused.
        MissingExtraError: h5py is not installed.
    """

    kind = "hdf5"
    geotransform = None
    crs = None

    def __init__(self, data: bytes, limit: int = MAX_DECODED) -> None:
        _check_heaps(data)
        self._data = data
        tensors: dict[str, TensorForm] = {}
        with _opened(data) as file:
            if len(file) > MAX_LINKS:
                raise HeaderError(f"the HDF5 file has {len(file)} members, more than the {MAX_LINKS} allowed")
            metadata = _texts(file, "")
            for name in file:
                dataset = _dataset(file, name)
                if dataset is not None:
                    tensors[name] = _form(dataset, name, limit)
                    _check_chunks(dataset, name, tensors[name], limit)
                    metadata |= _texts(dataset, f"{name}.")
        self.tensors: Mapping[str, TensorForm] = tensors
        self.metadata: Mapping[str, str] = metadata

    def read(
        self,
        name: str,
        planes: Sequence[int] | None = None,
        window: Window | None = None,
        out: Array | None = None,
    ) -> Array:
        """See `Payload.read`."""
        part, target = requested(self.tensors, name, planes, window, out)
        if not target.size:
            return target
        planes = part.planes or ()
        ascending = tuple(sorted(set(planes)))
        with _opened(self._data) as file:
            if ascending == planes:
                file[name].read_direct(target, part.selection)
            else:  # HDF5 reads each plane once, in the order they lie
                found = file[name][part._replace(planes=ascending).selection]
                np.take(found, np.searchsorted(ascending, planes), axis=-3, out=target)
        return target


@contextmanager
def _opened(data: bytes) -> Iterator[Any]:
    try:
        import h5py
    except ImportError:
        raise MissingExtraError(
            "HDF5 payloads need h5py, which is not installed. Install it with: pip install 'mlstac-hf[geotiff]'"
        ) from None
    with faults("the HDF5 data is damaged or cut short"), h5py.File(h5py.h5f.open_file_image(data)) as file:
        yield file


def _dataset(file: Any, name: str | bytes) -> Any:
    """A member of the root, if it is a dataset that lies in the file, named by text; a group is left out."""
    import h5py

    if not isinstance(name, str):
        raise HeaderError(f"the HDF5 file has a member whose name {short(name)} is not text")
    link = file.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise HeaderError(f"{short(name)} in the HDF5 file is a {type(link).__name__}, which is not followed")
    if file.get(name, getclass=True) is not h5py.Dataset:
        return None
    dataset = file[name]
    plan = dataset.id.get_create_plist()
    if plan.get_layout() == h5py.h5d.VIRTUAL or plan.get_external_count():
        raise HeaderError(f"dataset {short(name)} keeps its values in other files, which are not opened")
    return dataset


def _form(dataset: Any, name: str, limit: int) -> TensorForm:
    """Dtype and shape, the byte order this machine's: values are converted as they are read."""
    dtype, shape = dataset.dtype, dataset.shape
    item = dtype.itemsize // 2 if dtype.kind == "c" else dtype.itemsize
    if dtype.kind not in "biufc" or item > _LONGEST_ITEM or shape is None:
        raise HeaderError(f"dataset {short(name)} is no array of numbers but of {short(str(dtype))}")
    form = TensorForm(np.dtype(dtype.newbyteorder("=").str), tuple(shape))
    check_decoded(f"dataset {short(name)}", form, limit)
    return form


def _check_chunks(dataset: Any, name: str, form: TensorForm, limit: int) -> None:
    """Refuse chunks that are too many, too large, or unpack to more than they should."""
    if dataset.chunks is None:
        return
    chunk = form._replace(shape=tuple(dataset.chunks))
    check_decoded(f"a chunk of dataset {short(name)}", chunk, limit)
    count = math.prod(-(-size // step) for size, step in zip(form.shape, chunk.shape, strict=True))
    if count > MAX_CHUNKS:
        raise HeaderError(f"dataset {short(name)} has {count} chunks, more than the {MAX_CHUNKS} allowed")
    codes = _filters(dataset, name, max(limit, chunk.nbytes))
    ratio = MAX_RATIO if _DEFLATE in codes else _LZF_RATIO if _LZF in codes else 1
    least = _CHECKSUM + 1 if _FLETCHER32 in codes else 1  # of fewer bytes, HDF5 itself reads beyond the end
    large: list[Any] = []
    wrong: list[Any] = []

    def note(info: Any) -> None:
        if info.size < least:
            wrong.append(info)
        elif info.size * ratio > limit:
            large.append(info)

    if dataset.id.get_num_chunks():
        dataset.id.chunk_iter(note)
    if wrong:
        raise HeaderError(f"a chunk of dataset {short(name)} has {wrong[0].size} bytes, expected {least} at least")
    for info in large:
        _check_unpacked(dataset, name, info, codes, chunk.nbytes)


def _filters(dataset: Any, name: str, limit: int) -> list[int]:
    """The filters its chunks went through, each known to unpack within bounds."""
    plan = dataset.id.get_create_plist()
    filters = [plan.get_filter(place) for place in range(plan.get_nfilters())]
    codes = [code for code, *_ in filters]
    for code, _, values, title in filters:
        if code not in _FILTERS:
            raise HeaderError(
                f"dataset {short(name)} is packed with HDF5 filter {code} ({short(title)}), expected one of "
                f"{', '.join(_FILTERS.values())}"
            )
        if code == _LZF and any(value > limit for value in values[2:3]):
            raise HeaderError(f"dataset {short(name)}: its lzf filter claims {values[2]} bytes a chunk")
    if len(set(codes)) != len(codes) or {_DEFLATE, _LZF} <= set(codes):
        raise HeaderError(f"dataset {short(name)} is packed more than once")
    return codes


def _check_unpacked(dataset: Any, name: str, info: Any, codes: list[int], nbytes: int) -> None:
    """Unpack one large chunk no further than it should reach."""
    packed = _DEFLATE in codes and not info.filter_mask & 1 << codes.index(_DEFLATE)
    if packed:
        stream = zlib.decompressobj()
        room = nbytes + _CHECKSUM  # a checksum may be packed too
        for piece in _pieces(dataset.id.read_direct_chunk(info.chunk_offset)[1]):
            while piece and room >= 0:
                room -= len(stream.decompress(piece, _PIECE))
                piece = stream.unconsumed_tail  # noqa: PLW2901 - what is left of it
        fits = room >= 0
    else:
        fits = info.size <= nbytes + _CHECKSUM
    if not fits:
        raise HeaderError(f"a chunk of dataset {short(name)} unpacks to more than the {nbytes} bytes it should have")


def _pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _PIECE):
        yield data[start : start + _PIECE]


def _check_heaps(data: bytes) -> None:
    """Refuse global heaps, where texts lie, whose sizes do not add up: HDF5 would walk them for ever."""
    sizes = data[13:15] if data[8:9] in (b"\0", b"\1") else data[9:11]
    if sizes != b"\x08\x08":
        raise HeaderError("the HDF5 file does not count in 8 bytes, or is damaged")
    start = data.find(_HEAP)
    while start >= 0:
        size = int.from_bytes(data[start + 8 : start + 16], "little")
        place, end = start + 16, start + size
        if end > len(data):
            raise HeaderError(f"a heap of texts at byte {start} of the HDF5 file claims {size} bytes; it is damaged")
        while end - place >= 16:  # noqa: PLR2004 - index, references, size
            free = not any(data[place : place + 2])
            size = int.from_bytes(data[place + 8 : place + 16], "little")
            size = size if free else 16 + (size + 7) // 8 * 8
            if place + size > end or (free and place + size != end):
                raise HeaderError(f"a text at byte {place} of the HDF5 file claims {size} bytes; its heap is damaged")
            place += size
        start = data.find(_HEAP, start + 8)


def _texts(holder: Any, prefix: str) -> dict[str, str]:
    """Attributes that are one text or number, as text and as they stand; nothing in them is evaluated."""
    import h5py

    texts: dict[str, str] = {}
    if len(holder.attrs) > MAX_LINKS:
        return texts
    for name in holder.attrs:
        if not isinstance(name, str):
            continue
        attribute = h5py.h5a.open(holder.id, name.encode())
        size = int(np.prod(attribute.shape, dtype=object)) if attribute.shape is not None else 0
        if size != 1 or attribute.dtype.itemsize > MAX_TEXT:
            continue
        is_text = h5py.check_string_dtype(attribute.dtype) is not None
        if not is_text and attribute.dtype.kind not in "biuf":
            continue
        value = np.asarray(holder.attrs[name]).reshape(-1)[0]
        try:
            text = bytes(value).decode() if isinstance(value, bytes) else str(value)
            (name + text).encode()
        except UnicodeError:
            continue
        if len(text) <= MAX_TEXT:
            texts[prefix + name] = text
    return texts


def open_hdf5(data: bytes, limit: int) -> Hdf5:
    """An HDF5 file; see `Hdf5`."""
    return Hdf5(data, limit)

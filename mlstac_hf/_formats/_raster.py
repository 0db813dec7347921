"""Rasters: GeoTIFF and JPEG 2000 in memory, decoded by GDAL; needs rasterio.

Owns: which drivers and options GDAL is given, and what is checked before it decodes. Leaves to others: telling
payloads apart (`_payloads`), which planes are the target. GDAL sees one file, in a folder of its own in memory, and
one driver that opens no other: neither sidecar files nor URLs are ever looked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from mlstac_hf._errors import MissingExtraError
from mlstac_hf._formats import _jpeg2000
from mlstac_hf._formats._dtypes import Array
from mlstac_hf._formats._parts import (
    MAX_DECODED,
    TensorForm,
    Window,
    check_decoded,
    faults,
    requested,
)
from mlstac_hf._formats._safetensors import HeaderError
from mlstac_hf._spec import Geotransform

RASTER = "raster"
"""Name of a raster's one tensor."""

TIFF_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""TIFF and BigTIFF, either byte order."""

_NAMES = {"GTiff": "GeoTIFF", "JP2OpenJPEG": "JPEG 2000"}
_OPTIONS: dict[str, dict[str, str]] = {
    "GTiff": {"GEOREF_SOURCES": "INTERNAL", "NUM_THREADS": "1"},
    "JP2OpenJPEG": {
        "GEOREF_SOURCES": "INTERNAL",
        "STRICT": "YES",  # a cut file is an error, not zeros
        "OPEN_REMOTE_GML": "NO",
        "1BIT_ALPHA_PROMOTION": "NO",  # values as stored
    },
}


class Raster:
    """One GeoTIFF or JPEG 2000 payload. Threads may share it; each reads through a dataset of its own.

    Args:
        data: the payload, all of it.
        driver: `"GTiff"` or `"JP2OpenJPEG"`.
        limit: bytes the raster may take decoded.

    Raises:
        HeaderError: the bytes are no such raster, or take more than `limit`.
        MissingExtraError: rasterio is not installed.
    """

    def __init__(self, data: bytes, driver: str, limit: int = MAX_DECODED) -> None:
        self.kind = "geotiff" if driver == "GTiff" else "jpeg2000"
        self._data, self._driver = data, driver
        self._idle: list[Any] = []
        opened = self._open()
        dataset = opened.dataset
        with faults(f"the {_NAMES[driver]} header is damaged"):
            form = TensorForm(_dtype(dataset.dtypes), (dataset.count, dataset.height, dataset.width))
            check_decoded("the raster", form, limit)
            _check_blocks(dataset, form, limit)
            self.tensors: Mapping[str, TensorForm] = {RASTER: form}
            self.metadata: Mapping[str, str] = _tags(dataset)
            self.geotransform: Geotransform | None = _geotransform(dataset)
            self.crs: str | None = _crs(dataset)
        self._idle.append(opened)

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
        opened = self._idle_or_new()
        indexes = range(self.tensors[name].shape[0]) if part.planes is None else part.planes
        rows_and_columns = None if part.window is None else (part.window[:2], part.window[2:])
        with faults(f"the {_NAMES[self._driver]} pixels are damaged or cut short"):
            opened.dataset.read([plane + 1 for plane in indexes], window=rows_and_columns, out=target)
        self._idle.append(opened)  # for the next read, which finds its blocks decoded
        return target

    def _idle_or_new(self) -> Any:
        try:
            return self._idle.pop()
        except IndexError:
            return self._open()

    def _open(self) -> Any:
        opener = _opener()
        with faults(f"the bytes are no {_NAMES[self._driver]}"):
            return opener(self._data, self._driver)


@cache
def _opener() -> Any:
    """A class that opens bytes as a dataset and closes it when nobody uses it any more."""
    try:
        import rasterio
        from rasterio.io import DatasetReader, MemoryFile
        from rasterio.session import DummySession
    except ImportError:
        raise MissingExtraError(
            "rasters need rasterio, which is not installed. Install it with: pip install 'mlstac-hf[geotiff]'"
        ) from None

    class Quiet(DatasetReader):  # type: ignore[misc] # rasterio ships no types
        """Notes that there is no geotransform where rasterio warns of it; its filters belong to all threads."""

        placed = True

        def _has_gcps_or_rpcs(self) -> bool:  # asked only where GDAL has no geotransform
            self.placed = False
            return True

    class Opened:
        """A dataset and the file in memory under it, used by one thread at a time."""

        def __init__(self, data: bytes, driver: str) -> None:
            self._memory = MemoryFile(data, filename="payload")
            try:
                self.dataset = Quiet(self._memory.name, driver=[driver], sharing=False, **_OPTIONS[driver])
            except BaseException:
                self._memory.close()
                raise

        def __del__(self) -> None:
            if hasattr(self, "dataset"):
                self.dataset.close()
                self._memory.close()

    with rasterio.Env(session=DummySession()):  # registers the drivers, once, and looks for no credentials
        return Opened


def _dtype(names: Sequence[str]) -> np.dtype[Any]:
    if len(set(names)) != 1:
        raise HeaderError(f"its planes differ in dtype: {', '.join(sorted(set(names)))}")
    return np.dtype("complex64" if names[0] == "complex_int16" else names[0])


def _check_blocks(dataset: Any, form: TensorForm, limit: int) -> None:
    """Refuse blocks that dwarf the image: GDAL decodes whole ones."""
    for height, width in set(dataset.block_shapes):
        across, down = -(-dataset.width // width), -(-dataset.height // height)
        check_decoded(
            "the raster in whole blocks", form._replace(shape=(dataset.count, down * height, across * width)), limit
        )


def _tags(dataset: Any) -> dict[str, str]:
    try:
        return dict(dataset.tags())
    except UnicodeError:
        return {}


def _geotransform(dataset: Any) -> Geotransform | None:
    """In GDAL order; None where there is none, or the identity, which says nothing."""
    if not dataset.placed:
        return None
    a, b, c, d, e, f = dataset.get_transform()
    values = (a, b, c, d, e, f)
    return values if all(map(math.isfinite, values)) and values != (0, 1, 0, 0, 0, 1) else None


def _crs(dataset: Any) -> str | None:
    from rasterio.errors import CRSError

    try:
        authority = dataset.crs.to_authority() if dataset.crs else None
    except CRSError:
        return None
    return None if authority is None else ":".join(authority)


def open_tiff(data: bytes, limit: int) -> Raster:
    """A GeoTIFF or BigTIFF; see `Raster`."""
    return Raster(data, "GTiff", limit)


def open_jpeg2000(data: bytes, limit: int) -> Raster:
    """A JP2 file or a bare codestream; see `Raster`."""
    _jpeg2000.check_size(data, limit)
    return Raster(data, "JP2OpenJPEG", limit)

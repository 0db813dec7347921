"""A sample as one GeoTIFF: the planes of its input, then those of its target; needs rasterio.

Owns: which samples fit into a raster, and how GDAL is asked to write it. Leaves to others: where payloads go
(`_container_files`), reading them (`_formats._raster`).
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import numpy as np

from mlstac_hf._errors import MissingExtraError, UnsupportedDtypeError
from mlstac_hf._formats import MAX_DECODED, Array
from mlstac_hf._formats._raster import open_tiff
from mlstac_hf._write._sample import Checked

_DTYPES = frozenset({f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)})
_DTYPES |= {"float32", "float64", "complex64"}
_AXES = 3


def stack(sample: Checked) -> Array:
    """`(C, H, W)`: planes of input, then of target; a copy.

    Raises:
        ValueError: the sample does not fit into one raster.
        UnsupportedDtypeError: GeoTIFF has no such dtype.
    """
    found = ", ".join(f"{name} {array.dtype.name} {array.shape}" for name, array in sample.tensors.items())
    if sample.texts or "extra" in sample.tensors or "input" not in sample.tensors:
        held = ", ".join(filter(None, [found, *(f"{name} text" for name in sample.texts)]))
        raise ValueError(
            f'{sample.place}: payload="geotiff" holds an input and, if there is one, a target, both arrays; found '
            f'{held}. Use payload="safetensors"'
        )
    arrays = [sample.tensors[name] for name in ("input", "target") if name in sample.tensors]
    first = arrays[0]
    if any(array.ndim != _AXES or 0 in array.shape for array in arrays) or any(
        array.shape[1:] != first.shape[1:] or array.dtype != first.dtype for array in arrays
    ):
        raise ValueError(
            f'{sample.place}: payload="geotiff" holds arrays (C, H, W) of one dtype and one size; found {found}. Give '
            'them one dtype, add an axis to a mask with mask[None], or use payload="safetensors"'
        )
    if first.dtype.name not in _DTYPES:
        raise UnsupportedDtypeError(
            f'{sample.place}: GeoTIFF has no dtype {first.dtype.name}; use payload="safetensors"'
        )
    return np.concatenate(arrays).astype(first.dtype.newbyteorder("="), copy=False)


def encode_raster(sample: Checked, array: Array) -> bytes:
    """The bytes of a GeoTIFF, deflated, with place and reference system where they are known.

    Raises:
        ValueError: GDAL does not know the reference system, or a GeoTIFF keeps another in its place.
    """
    place: dict[str, Any] = {}
    if sample.crs is not None:
        from rasterio.crs import CRS
        from rasterio.errors import CRSError

        try:
            place["crs"] = CRS.from_user_input(sample.crs)
        except CRSError:
            raise ValueError(
                f'{sample.place}: crs: GDAL does not know {sample.crs!r}; payload="safetensors" keeps it'
            ) from None
        kept = _kept(sample.crs)
        if kept is None or kept.casefold() != sample.crs.casefold():
            raise ValueError(
                f"{sample.place}: crs: a GeoTIFF keeps {kept or 'nothing'} in place of {sample.crs!r}; "
                'payload="safetensors" keeps it'
            )
    if sample.geotransform is not None:
        from rasterio.transform import Affine

        place["transform"] = Affine.from_gdal(*sample.geotransform)
    return bytes(_encoder()(array, place))


@lru_cache(maxsize=256)
def _kept(crs: str) -> str | None:
    """What readers find of a reference system that GDAL knows."""
    from rasterio.crs import CRS

    pixel = np.zeros((1, 1, 1), np.uint8)
    return open_tiff(bytes(_encoder()(pixel, {"crs": CRS.from_user_input(crs)})), MAX_DECODED).crs


@cache
def _encoder() -> Any:
    """A function of an array and its place."""
    try:
        import rasterio
        from rasterio.io import DatasetWriter, MemoryFile
        from rasterio.session import DummySession
    except ImportError:
        raise MissingExtraError(
            'payload="geotiff" needs rasterio, which is not installed. Install it with: '
            "pip install 'mlstac-hf[geotiff]'"
        ) from None

    class Quiet(DatasetWriter):  # type: ignore[misc] # rasterio ships no types
        """Does not warn of an image without a place; filters of warnings belong to all threads."""

        def _has_gcps_or_rpcs(self) -> bool:
            return True

    def encode(array: Array, place: dict[str, Any]) -> bytes:
        count, height, width = array.shape
        with rasterio.Env(session=DummySession()), MemoryFile(filename="payload.tif") as memory:
            with Quiet(
                memory.name,
                "w",
                driver="GTiff",
                count=count,
                height=height,
                width=width,
                dtype=array.dtype.name,
                compress="deflate",
                photometric="minisblack",
                sharing=False,
                **place,
            ) as target:
                target.write(array)
            return bytes(memory.read())

    return encode

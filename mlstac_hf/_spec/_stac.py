"""A collection as a STAC Collection for catalogs and the tools of STAC.

Owns: STAC's own fields, version 1.1.0: there bands and item assets belong to the core, with wavelengths from the EO
extension 2.0 and scales from the raster extension 2.0, and 1.1.0 is what pystac validates without the network.
Leaves to others: the ML-STAC keys, which stay beside them (`_main_json`), putting it anywhere (`write`, `push`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlstac_hf._errors import InvalidCollectionError
from mlstac_hf._spec._main_json import NO_LICENSE, container_splits, core_keys, ml_keys, sample_splits, stac_provider
from mlstac_hf._spec._parts import MICROMETRES, Band, BandStatistics, Document
from mlstac_hf._spec._problems import doi_of
from mlstac_hf._spec._sensors import find_sensor

if TYPE_CHECKING:
    from mlstac_hf._spec._collection import Collection

EO = "https://stac-extensions.github.io/eo/v2.0.0/schema.json"
RASTER = "https://stac-extensions.github.io/raster/v2.0.0/schema.json"
_COMMON_NAMES = frozenset(
    [
        "pan",
        "coastal",
        "blue",
        "green",
        "green05",
        "yellow",
        "red",
        "rededge",
        "rededge071",
        "rededge075",
        "rededge078",
        "nir",
        "nir08",
        "nir09",
        "cirrus",
        "swir16",
        "swir22",
        "lwir",
        "lwir11",
        "lwir12",
    ]
)
_DATA_TYPES = frozenset(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)) | frozenset(
    ("float16", "float32", "float64")
)
_COMPLEX = {"complex64": "cfloat32", "complex128": "cfloat64"}
_LICENSE = re.compile(r"[\w.+-]+")
_NO_SPDX = ("proprietary", "various")
"""Words of STAC 1.0 that 1.1 has given up for `other`."""


def stac_document(collection: Collection) -> Document:
    """The STAC Collection of a collection.

    Raises:
        InvalidCollectionError: it has no id, which STAC asks for.
    """
    if not collection.id:
        raise InvalidCollectionError(
            "expected a collection with an id, found one without: STAC asks for it. Give id='…'."
        )
    bands = [_band(collection, position) for position in range(len(collection.bands))]
    is_container = any(catalog.data_files for catalog in collection.splits.values())
    document = {**core_keys(collection), "stac_extensions": _extensions(bands)}
    if not _LICENSE.fullmatch(document["license"]) or document["license"] in _NO_SPDX:
        document["license"] = NO_LICENSE
    doi = doi_of(collection.paper or "")
    if doi:
        document["links"].append({"rel": "cite-as", "href": f"https://doi.org/{doi}"})
    providers = [stac_provider(provider) for provider in collection.providers if provider.name]
    summaries = _summaries(collection, bands)
    return {
        **document,
        **({"providers": providers} if providers else {}),
        **({"summaries": summaries} if summaries else {}),
        "item_assets": _item_assets(bands, is_container=is_container),
        **ml_keys(collection, "ml_", "ml_target"),
        **({"ml_catalog": container_splits(collection)} if is_container else sample_splits(collection, "ml_")),
        **({"ml_dataset_version": collection.dataset_version} if collection.dataset_version else {}),
    }


def _extensions(bands: Sequence[Document]) -> list[str]:
    used = {key.partition(":")[0] for band in bands for key in band if ":" in key}
    return [address for prefix, address in (("eo", EO), ("raster", RASTER)) if prefix in used]


def _band(collection: Collection, position: int) -> Document:
    band = collection.bands[position]
    index = position if band.index is None else band.index
    own = collection.annotations
    schema = (own.tensors or {}).get("input")
    found: Document = {
        "name": band.name,
        "description": band.description,
        "eo:common_name": band.common_name if band.common_name in _COMMON_NAMES else None,
        "eo:center_wavelength": _micrometres(band, band.center_wavelength),
        "eo:full_width_half_max": _micrometres(band, band.full_width_half_max),
        "data_type": _data_type(schema.dtype) if schema else None,
        "raster:scale": _of_band((own.scale or {}).get("input"), index),
        "raster:offset": _of_band((own.offset or {}).get("input"), index),
        "statistics": _statistics(_of_band((own.statistics or {}).get("input"), index)),
    }
    return {key: value for key, value in found.items() if value is not None}


def _micrometres(band: Band, wavelength: float | None) -> float | None:
    factor = MICROMETRES.get(band.unit or "")
    if wavelength is None or factor is None or not (math.isfinite(wavelength) and wavelength > 0):
        return None
    return round(wavelength * factor, 9)


def _data_type(dtype: str) -> str:
    return dtype if dtype in _DATA_TYPES else _COMPLEX.get(dtype, "other")


def _of_band(values: Sequence[Any] | None, index: int) -> Any:
    """One value for all bands, or one a band."""
    if not values or (len(values) > 1 and not 0 <= index < len(values)):
        return None
    value = values[0 if len(values) == 1 else index]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _statistics(band: BandStatistics | None) -> Document | None:
    if band is None:
        return None
    found = {"minimum": band.minimum, "maximum": band.maximum, "mean": band.mean, "stddev": band.std}
    return {key: value for key, value in found.items() if value is not None and math.isfinite(value)} or None


def _summaries(collection: Collection, bands: list[Document]) -> Document:
    sensor = find_sensor(collection.sensor or "")
    found: Document = {key: words.split() for key, words in sensor.stac.items()} if sensor else {}
    return {**found, "bands": bands} if bands else found


def _item_assets(bands: list[Document], *, is_container: bool) -> Document:
    with_bands = {"bands": bands} if bands else {}
    if not is_container:
        return {
            "data": {
                "title": "Samples, a safetensors file each",
                "type": "application/octet-stream",
                "roles": ["data"],
                **with_bands,
            }
        }
    return {
        "data": {
            "title": "Containers of samples",
            "type": "application/mls; profile=cloud-optimized",
            "roles": ["data"],
            **with_bands,
        },
        "metadata": {
            "title": "One row a sample",
            "type": "application/vnd.apache.parquet",
            "roles": ["metadata"],
        },
    }

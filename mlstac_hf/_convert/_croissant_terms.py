"""What a Croissant says of a collection as a whole: licence, people, dates, place, bands.

Owns: the terms of schema.org, of Croissant 1.1 (https://docs.mlcommons.org/croissant/docs/croissant-spec.html) and of
its geospatial extension GeoCroissant 1.0 (https://docs.mlcommons.org/croissant/docs/croissant-geo-spec.html, prefix
`geocr`). Leaves to others: files and records (`_croissant`, `_croissant_records`).

Only terms of these vocabularies are used, and only for what is known. `geocr:bandNameList` is spelled as in the
specification; the ontology published beside it has `bandNamesList`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from mlstac_hf._conditions._wgs84 import EAST, WEST, four
from mlstac_hf._convert._survey import Survey
from mlstac_hf._spec import Collection, Extent, format_datetime, parse_datetime
from mlstac_hf._spec._licenses import KNOWN_LICENSES
from mlstac_hf._spec._parts import MICROMETRES, Band
from mlstac_hf._spec._problems import doi_of, is_email, is_web_page

Node = dict[str, Any]

_DATES = {"datePublished": "published", "dateCreated": "created", "dateModified": "updated"}
"""By term, the key that STAC has for it."""
_UNITS = {"metre": "m", "degree": "deg"}
"""PROJ's names of units, as they are written."""


def dataset_terms(collection: Collection, url: str | None) -> Node:
    """Everything but files, records and place.

    Args:
        collection: an open one.
        url: of a page or folder of it on the web.
    """
    said: Node = {
        "name": collection.title or collection.id or "unnamed",
        "description": collection.description or collection.title or collection.id or "An ML-STAC collection.",
        "license": _license(collection),
        "url": url,
        "creator": _creators(collection),
        "citeAs": _citation(collection),
        "version": collection.dataset_version,
        "keywords": list(collection.keywords),
        **_dates(collection),
    }
    return {term: value for term, value in said.items() if value}


def _license(collection: Collection) -> str | None:
    if collection.license in KNOWN_LICENSES:
        return f"https://spdx.org/licenses/{collection.license}.html"
    links = [link.href for link in collection.links if link.rel == "license" and is_web_page(link.href)]
    return links[0] if links else collection.license


def _creators(collection: Collection) -> list[Node]:
    """The authors; where none is named, the providers that STAC calls producers."""
    people = [_person(author.model_dump(mode="json")) for author in collection.authors if author.name]
    producers = [provider for provider in collection.providers if provider.name and "producer" in provider.roles]
    return people or [
        {
            "@type": "sc:Organization",
            "name": provider.name,
            **({"url": provider.url} if is_web_page(provider.url) else {}),
        }
        for provider in producers
    ]


def _person(author: Node) -> Node:
    emails = author.get("emails")
    listed = [author.get("email"), *(emails if isinstance(emails, list) else ())]
    found = [item.get("value") if isinstance(item, dict) else item for item in listed]
    email = next(filter(is_email, found), None)
    organization = author.get("organization")
    return {
        "@type": "sc:Person",
        "name": author["name"],
        **({"email": email} if email else {}),
        **({"affiliation": {"@type": "sc:Organization", "name": organization}} if organization else {}),
    }


def _citation(collection: Collection) -> str | None:
    doi = doi_of(collection.paper or "")
    return f"https://doi.org/{doi}" if doi else collection.paper


def _dates(collection: Collection) -> Node:
    document = collection.to_dict()
    return {term: format_datetime(parse_datetime(document.get(key))) for term, key in _DATES.items()}


def geo_terms(collection: Collection, surveys: Iterable[Survey], extent: Extent | None) -> Node:
    """Where and when, and what the bands are.

    Args:
        collection: an open one.
        surveys: of its splits.
        extent: of all their samples; what the collection says of it is not believed.
    """
    seen = list(surveys)
    crs = set().union(*(survey.crs for survey in seen))
    pixels = set().union(*(survey.pixels for survey in seen))
    said: Node = {
        "spatialCoverage": _coverage(extent),
        "temporalCoverage": "/".join(filter(None, extent.interval[0])) if extent and extent.interval else None,
        "geocr:coordinateReferenceSystem": next(iter(crs)) if len(crs) == 1 else None,
        "geocr:spatialResolution": _resolution(*next(iter(pixels))) if len(pixels) == 1 else None,
        **_bands(sorted(enumerate(collection.bands), key=_place)),
    }
    return {term: value for term, value in said.items() if value}


def _coverage(extent: Extent | None) -> list[Node] | Node | None:
    """South, west, north, east, as schema.org orders them; two boxes where it crosses the antimeridian."""
    if extent is None or not extent.bbox:
        return None
    west, south, east, north = four(extent.bbox[0])
    sides = [(west, east)] if west <= east else [(west, EAST), (WEST, east)]
    places = [
        {"@type": "sc:Place", "geo": {"@type": "sc:GeoShape", "box": f"{south} {left} {north} {right}"}}
        for left, right in sides
    ]
    return places[0] if len(places) == 1 else places


def _resolution(crs: str, side: float | None) -> Node | None:
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        unit = CRS.from_authority(*crs.split(":")).axis_info[0].unit_name
    except (CRSError, IndexError):
        return None
    return None if side is None else _quantity(side, _UNITS.get(unit, unit))


def _place(numbered: tuple[int, Band]) -> int:
    position, band = numbered
    return position if band.index is None else band.index


def _bands(bands: Sequence[tuple[int, Band]]) -> Node:
    if not bands:
        return {}
    spectral = [_spectral(band) for _, band in bands]
    return {
        "geocr:bandConfiguration": {
            "@type": "geocr:BandConfiguration",
            "geocr:totalBands": len(bands),
            "geocr:bandNameList": [band.name for _, band in bands],
        },
        "geocr:spectralBandMetadata": [band for band in spectral if band is not None],
    }


def _spectral(band: Band) -> Node | None:
    """A band's wavelengths in nanometres; None where its centre is not known."""
    centre, width = (_nanometres(band, value) for value in (band.center_wavelength, band.full_width_half_max))
    if centre is None:
        return None
    return {
        "@type": "geocr:SpectralBand",
        "name": band.name,
        "geocr:centerWavelength": centre,
        **({"geocr:bandwidth": width} if width else {}),
    }


def _nanometres(band: Band, value: float | None) -> Node | None:
    factor = MICROMETRES.get(band.unit or "")
    if value is None or factor is None or not (math.isfinite(value) and value > 0):
        return None
    return _quantity(round(value * factor * 1000, 6), "nm")


def _quantity(value: float, unit: str) -> Node:
    return {"@type": "sc:QuantitativeValue", "value": value, "unitText": unit}

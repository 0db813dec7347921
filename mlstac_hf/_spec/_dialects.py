"""Every spelling of `main.json` seen in the wild, read into one set of fields.

Owns: which keys mean what, in files of mlstac 0.0.12, 0.0.23, 0.1.x and by hand. Leaves to others: splits
(`_dialect_splits`), the fields themselves (`_parts`), files (`stores`). A part that cannot be read is left out and
named in `problems`; it never hides the rest. Formats: docs/formats.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from mlstac_hf._spec._dialect_splits import SPLIT_KEYS, both, read_splits
from mlstac_hf._spec._parts import (
    ANNOTATION_KEYS,
    Annotations,
    Band,
    Dimension,
    Document,
    Extent,
    Link,
    Person,
    Provider,
    check_labels,
)

SPELLINGS: dict[str, tuple[str, ...]] = {
    "id": ("id",),
    "title": ("title",),
    "description": ("description",),
    "license": ("license",),
    "keywords": ("keywords",),
    "stac_version": ("stac_version",),
    "mlstac_version": ("mlstac_version", *both("version")),
    "task": both("task"),
    "labels": (*both("labels"), *both("target")),
    "bands": (*both("spectral_bands"), *both("spectral")),
    "band_axis": (*both("spectral_bands"), *both("spectral")),
    "sensor": (*both("spectral_bands"), *both("spectral")),
    "dimensions": both("dimensions"),
    "providers": ("providers",),
    "authors": both("authors"),
    "curators": (*both("curators"), *both("curator")),
    "reviewers": both("reviewers"),
    "paper": both("paper"),
    "split_strategy": both("split_strategy"),
    "raw_data_url": both("raw_data_url"),
    "discussion_url": both("discussion_url"),
    "extent": ("extent",),
    "links": ("links",),
    "splits": SPLIT_KEYS,
    "annotations": ANNOTATION_KEYS,
}
"""The keys of the document that each field of a Collection may be spelled with, the preferred first."""


def read_fields(document: Document) -> tuple[dict[str, Any], dict[str, str]]:
    """The fields of a Collection out of any dialect.

    Args:
        document: `main.json` as parsed.

    Returns:
        The fields that could be read, and by key of the document why one could not.
    """
    fields: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for field, spellings in SPELLINGS.items():
        read: Callable[[Any], Any] = _READERS.get(field, _text)
        if field == "annotations":
            fields[field] = _annotations(document, problems)
            continue
        if field == "splits":
            found = [("main.json", document)]
        else:
            found = [(key, document[key]) for key in spellings if document.get(key) is not None]
        for key, value in found:
            try:
                fields[field] = read(value)
            except (ValueError, TypeError, ValidationError, OverflowError) as error:
                problems[key] = _reason(error)
                continue
            if fields[field] or field == "band_axis":
                break
    return {name: value for name, value in fields.items() if value is not None}, problems


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{what}: expected a JSON object, found {type(value).__name__}")
    return value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError(f"expected text, found {type(value).__name__}")


def _texts(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(_text(item) for item in value)


def _inside(value: Any, *wrappers: str) -> Any:
    """The list in `{"providers": […]}`, `{"field": […]}` and their like; anything else as it is."""
    if isinstance(value, Mapping):
        for wrapper in wrappers:
            if wrapper in value:
                return value[wrapper]
    return value


def _entries(value: Any, *wrappers: str) -> Iterator[Mapping[str, Any]]:
    value = _inside(value, *wrappers)
    if isinstance(value, Mapping):  # a single person, as 0.0.12 writes a curator
        value = [value]
    for item in value or ():
        yield _mapping(item, wrappers[0] if wrappers else "entry")


def _some(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without the nulls upstream writes for every optional key."""
    return {str(key): value for key, value in values.items() if value is not None}


def _labels(value: Any) -> dict[str, int]:
    labels = _mapping(_inside(value, "labels") or {}, "labels")
    read = {}
    for name, number in labels.items():
        whole = number.strip().removeprefix("-").isdecimal() if isinstance(number, str) else number == number // 1
        if isinstance(number, bool) or not whole:
            raise TypeError(f"label {name!r}: expected an integer, found {number!r}")
        read[str(name)] = int(number)
    return dict(check_labels(read))


def _bands(value: Any) -> tuple[Band, ...]:
    bands = value.get("bands") or () if isinstance(value, Mapping) else value
    if isinstance(bands, Mapping):  # {name: {"band": {...}}} of 0.0.12
        bands = [
            {**(inner if isinstance(inner, Mapping) else {"description": inner}), "name": name}
            for name, inner in ((name, _inside(entry, "band")) for name, entry in bands.items())
        ]
    return tuple(_band(_some(_mapping(band, "band")), position) for position, band in enumerate(bands))


def _band(band: dict[str, Any], position: int) -> Band:
    limits = band.get("wavelengths")
    if isinstance(limits, list | tuple) and len(limits) == 2:  # noqa: PLR2004 - lower and upper edge
        low, high = float(limits[0]), float(limits[1])
        band.setdefault("center_wavelength", (low + high) / 2)
        band.setdefault("full_width_half_max", high - low)
    band.setdefault("name", band.get("common_name") or f"band {band.get('index', position)}")
    return Band(**band)


def _band_axis(value: Any) -> int | None:
    axis = value.get("axis") if isinstance(value, Mapping) else None
    return axis if isinstance(axis, int) and not isinstance(axis, bool) else None


def _sensor(value: Any) -> str | None:
    sensor = value.get("sensor") if isinstance(value, Mapping) else None
    return sensor if isinstance(sensor, str) else None


def _dimensions(value: Any) -> dict[str, tuple[Dimension, ...]]:
    value = _mapping(value, "dimensions")
    if "dimensions" in value:
        return {"input": _axes(value)}
    return {str(name): axes for name, inner in value.items() if inner and (axes := _axes(inner))}


def _axes(value: Any) -> tuple[Dimension, ...]:
    axes = _inside(value, "dimensions") or ()
    if isinstance(axes, Mapping):
        axes = [{**_mapping(inner, "dimension"), "name": name} for name, inner in axes.items()]
    return tuple(Dimension(**_some(_mapping(axis, "dimension"))) for axis in axes)


def _providers(value: Any) -> tuple[Provider, ...]:
    return tuple(Provider(**_some(item)) for item in _entries(value, "providers", "field"))


def _people(*wrappers: str) -> Callable[[Any], tuple[Person, ...]]:
    def read(value: Any) -> tuple[Person, ...]:
        return tuple(_person(_some(item)) for item in _entries(value, *wrappers))

    return read


def _person(item: dict[str, Any]) -> Person:
    reviewer = item.pop("reviewer", None)  # {"reviewer": {contact}, "score": n} of 0.0.23
    return Person(**{**_some(_mapping(reviewer, "reviewer")), **item} if reviewer else item)


def _links(value: Any) -> tuple[Link, ...]:
    if isinstance(value, str):  # "localhost" of 0.0.12 says nothing
        return () if value == "localhost" else (Link(href=value),)
    return tuple(Link(**_some(item)) for item in _entries(value, "field"))


def _extent(value: Any) -> Extent:
    value = _mapping(value, "extent")
    boxes = _inside(value.get("spatial") or {}, "bbox") or ()
    intervals = _inside(value.get("temporal") or {}, "interval") or ()
    return Extent(bbox=tuple(map(tuple, boxes)), interval=tuple(map(tuple, intervals)))


def _annotations(document: Document, problems: dict[str, str]) -> Annotations:
    """Each key on its own, so that one that cannot be read hides no other."""
    known = {}
    for key in ANNOTATION_KEYS:
        if document.get(key) is None:
            continue
        try:
            Annotations(**{key: document[key]})
        except (ValueError, TypeError, OverflowError) as error:
            problems[key] = _reason(error)
        else:
            known[key] = document[key]
    return Annotations(**known)


_READERS: dict[str, Callable[[Any], Any]] = {
    "keywords": _texts,
    "task": _texts,
    "labels": _labels,
    "bands": _bands,
    "band_axis": _band_axis,
    "sensor": _sensor,
    "dimensions": _dimensions,
    "providers": _providers,
    "authors": _people("authors"),
    "curators": _people("curators"),
    "reviewers": _people("reviewers"),
    "links": _links,
    "extent": _extent,
    "splits": read_splits,
}

"""Croissant: the collection as one JSON-LD document, with the terms of GeoCroissant where it has a place.

Owns: the document, and its files. Leaves to others: what it says of the collection (`_croissant_terms`), of samples
(`_croissant_records`), what they have in common (`_survey`).

File names are relative to `main.json`, so that the document is true wherever the collection is copied or published with
it; of a collection on the web they are whole addresses.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from mlstac_hf._conditions._wgs84 import four
from mlstac_hf._convert._croissant_records import (
    identifier,
    labels_record,
    samples_record,
    splits_record,
    table_record,
)
from mlstac_hf._convert._croissant_terms import dataset_terms, geo_terms
from mlstac_hf._convert._format import Request
from mlstac_hf._convert._survey import Survey, survey
from mlstac_hf._reading import Source
from mlstac_hf._reading._containers import ContainerFolder
from mlstac_hf._reading._folder import SampleFolder
from mlstac_hf._reading._origin import main_location, origin_of
from mlstac_hf._spec import Collection, Extent
from mlstac_hf._stores import LocalStore, Store
from mlstac_hf._write._extent import join_extents

VERSION = "http://mlcommons.org/croissant/1.1"
GEO = "http://mlcommons.org/croissant/geo/1.0"
NAME = "croissant.json"
TABLE = "metadata.parquet"
_PARQUET, _BINARY, _GZIP, _JSON = (
    "application/x-parquet",
    "application/octet-stream",
    "application/gzip",
    "application/json",
)

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "geocr": "http://mlcommons.org/croissant/geo/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{
        term: f"cr:{term}"
        for term in (
            *("arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field", "fileObject"),
            *("fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5"),
            *("parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate"),
            *("separator", "source", "subField", "transform"),
        )
    },
}
"""The context that Croissant 1.1 prescribes, and the prefix of GeoCroissant."""


def write(request: Request) -> list[str]:
    """One document; see `mlstac_hf.convert`."""
    name = request.destination.named(NAME)
    text = json.dumps(document_of(request), indent=2, ensure_ascii=False, allow_nan=False)
    request.destination.store.put(name, f"{text}\n".encode(errors="replace"))
    return [request.destination.shown(name)]


def document_of(request: Request) -> dict[str, Any]:
    """The Croissant of a collection.

    Raises:
        SampleError, LinkRefusedError, StoreError: see `survey`.
    """
    collection, sources = request.collection, request.sources
    surveys = {split: survey(source, skip=request.skip) for split, source in sources.items()}
    geo = geo_terms(collection, surveys.values(), _extent(surveys))
    conforms = [VERSION, GEO] if any(term.startswith("geocr:") for term in geo) else VERSION
    files = [_main(collection)]
    records = [splits_record(list(sources))] if sources else []
    if collection.labels:
        records.append(labels_record(collection.labels))
    for split, source in sources.items():
        samples, table = _samples(split, source, collection), _table(split, source, collection)
        files += [samples, *([table] if table else [])]
        rows = f"{identifier(split)}_metadata" if table else None
        has_labels = bool(collection.labels)
        records.append(samples_record(split, surveys[split], samples["@id"], rows, has_labels=has_labels))
        if table and rows:
            records.append(table_record(rows, table["@id"], surveys[split].keys))
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        **dataset_terms(collection, page_of(origin_of(collection).store.url)),
        "conformsTo": conforms,
        **geo,
        "distribution": files,
        **({"recordSet": records} if records else {}),
    }


def _extent(surveys: Mapping[str, Survey]) -> Extent | None:
    total: Extent | None = None
    for found in surveys.values():
        if found.extent is not None:
            box = four(found.extent.bbox[0]) if found.extent.bbox else None
            interval = found.extent.interval[0] if found.extent.interval else (None, None)
            total = join_extents(total, box, *interval)
    return total


def page_of(url: str) -> str | None:
    """What people can open of the folder that a collection came from; None where that is not on the web.

    Example:
        >>> page_of("hf://datasets/user/demo@main"), page_of("s3://bucket/demo")
        ('https://huggingface.co/datasets/user/demo', None)
    """
    if url.startswith("hf://datasets/"):
        return f"https://huggingface.co/{url.removeprefix('hf://').partition('@')[0]}"
    return url if url.startswith(("http://", "https://")) else None


def _main(collection: Collection) -> dict[str, Any]:
    where, store = main_location(collection), origin_of(collection).store
    return _object(where.path, where.path, _address(store, where.path, collection), store.read(where.path), _JSON)


def _table(split: str, source: Source, collection: Collection) -> dict[str, Any] | None:
    if not isinstance(source, ContainerFolder) or source.table is None or not source.rows:
        return None
    path = f"{source.rows[0].file.rpartition('/')[0]}/{TABLE}".lstrip("/")
    address = _address(source.store, path, collection)
    return _object(f"{identifier(split)}/{TABLE}", TABLE, address, source.store.read(path), _PARQUET)


def _object(name: str, file: str, address: str, data: bytes, kind: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": file,
        "contentUrl": address,
        "contentSize": f"{len(data)} B",
        "encodingFormat": kind,
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _samples(split: str, source: Source, collection: Collection) -> dict[str, Any]:
    """The files that hold the samples of a split, as patterns; Croissant asks for checksums of files it names."""
    if isinstance(source, ContainerFolder):
        patterns = [_address(source.store, file, collection) for file in dict.fromkeys(row.file for row in source.rows)]
        what, kinds = "Containers of samples", [_BINARY]
    else:
        assert isinstance(source, SampleFolder)
        suffixes = sorted({source.names[index][len(source.name(index)) :] for index in range(len(source))})
        patterns = [_address(source.store, f"{source.prefix}*{suffix}", collection) for suffix in suffixes]
        kinds = sorted({_GZIP if suffix.endswith(".gz") else _BINARY for suffix in suffixes})
        what = "A safetensors file a sample"
    return {
        "@type": "cr:FileSet",
        "@id": f"{identifier(split)}-files",
        "name": f"{split}-files",
        "description": f"{what}; read with mlstac_hf",
        "encodingFormat": kinds or [_BINARY],
        "includes": patterns or [f"{split}/*"],
    }


def _address(store: Store, path: str, collection: Collection) -> str:
    """Relative to `main.json` on a disk; whole on the web, and where files lie somewhere else than `main.json`."""
    home = origin_of(collection).store
    if isinstance(store, LocalStore) and isinstance(home, LocalStore) and store.root == home.root:
        return path
    folder = store.url.rstrip("/")
    return f"{folder}/{quote(path, safe='/*') if folder.startswith('http') else path}"

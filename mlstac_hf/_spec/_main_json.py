"""The `main.json` that is written for a collection, in the dialect of its layout.

Owns: the keys that readers of each layout ask for: mlstac 0.0.12 and 0.0.23 for samples (`ml:` keys), 0.1.8 for
containers (`ml_` keys, which it checks against models of its own). Leaves to others: reading (`_dialects`), giving
back what was read (`Collection.to_dict`), what only STAC asks for (`_stac`), the files (`write`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import quote

from mlstac_hf._spec._dialect_splits import ABSENT
from mlstac_hf._spec._dialect_splits import STANDARD as STANDARD_SPLITS
from mlstac_hf._spec._dialects import SPELLINGS
from mlstac_hf._spec._extent import extent_document
from mlstac_hf._spec._parts import Catalog, Document, Part, Person, Provider

if TYPE_CHECKING:
    from mlstac_hf._spec._collection import Collection

Layout: TypeAlias = Literal["samples", "container"]

STAC_VERSION = "1.1.0"
ROLES = ("producer", "licensor", "processor", "host")
"""What STAC lets a provider be."""
SPLIT_STRATEGIES = ("random", "stratified", "systematic", "other")
"""What mlstac 0.0.23 and 0.1 take."""
NO_LICENSE = "other"
"""STAC's word where a collection names none."""
_MLSTAC_VERSION = "0.1.0"
"""Of the format, as every version of mlstac up to 0.1.8 writes it."""
_DATASET_VERSION = "1.0.0"
_OF_OTHER_FILES = frozenset(
    {
        *("item_assets", "path", "size", "ml:size", "ml_size"),
        *(f"{prefix}metadata_{name}" for prefix in ("", "ml:", "ml_") for name in STANDARD_SPLITS),
    }
)
"""Of the layout, the disk of the author or the size of the files that a collection was read with."""


def main_json(collection: Collection, layout: Layout, *, base: str | None = None) -> Document:
    """The document to write, whatever dialect the collection was read in.

    It is a STAC Collection, except that containers have their providers in an object, since mlstac 0.1.8 refuses
    STAC's list. Keys that are unknown here are kept, but for those that speak of the files it was read with.

    Args:
        collection: with its splits; `check_publishable` says what readers will miss.
        layout: of the samples: a file each, or containers.
        base: the URL of the folder that it will be published in, such as
            `https://huggingface.co/datasets/user/demo/resolve/main`. Links and files are made absolute with it, which
            the mlstac package asks for. Without it they stay relative, and only readers that look beside `main.json`
            find the samples.

    Example:
        >>> from mlstac_hf import Catalog, Collection
        >>> ponds = Collection(id="ponds", license="MIT", splits={"train": Catalog(name="train", n_items=3)})
        >>> main_json(ponds, "samples", base="https://example.org/ponds")["ml:train"]
        {'n_items': 3, 'link': 'https://example.org/ponds/train/'}
    """
    read = collection.to_dict()
    spelled = {key for keys in SPELLINGS.values() for key in keys}
    unknown = {key: value for key, value in read.items() if key not in spelled and key not in _OF_OTHER_FILES}
    document = {**_said(unknown), **core_keys(collection, closed=layout == "container")}
    if layout == "container":
        document.update(_providers(collection, as_object=True))
        document["ml_dataset_version"] = collection.dataset_version or _DATASET_VERSION
        document["ml_catalog"] = container_splits(collection, base)
        document.update(ml_keys(collection, "ml_", "ml_target"))
    else:
        document.update(_providers(collection))
        document.update(sample_splits(collection, "ml:", base))
        document.update(ml_keys(collection, "ml:", "ml:labels"))
        if collection.dataset_version:
            document["ml:dataset_version"] = collection.dataset_version
    for key in ("ml_target", "ml:labels", "ml_spectral", "ml:spectral"):
        if key in document:
            document[key] = {**_others(read, key), **document[key]}
    return document


def _said(values: Document) -> Document:
    """Without the nulls that upstream writes for what is not said, and STAC refuses."""
    return {
        key: _said(value) if isinstance(value, dict) else value for key, value in values.items() if value is not None
    }


def _others(read: Document, key: str) -> Document:
    """What the publisher had beside the labels or bands, such as `layers`."""
    field = "bands" if "spectral" in key else "labels"
    inner = {"labels": ("labels",), "bands": ("bands", "axis", "sensor")}[field]
    found = [read[key] for key in SPELLINGS[field] if isinstance(read.get(key), dict) and inner[0] in read[key]]
    return {key: value for key, value in found[0].items() if key not in inner and value is not None} if found else {}


def core_keys(collection: Collection, *, closed: bool = False) -> Document:
    """What STAC asks of every collection, but for its providers.

    Args:
        collection: any.
        closed: no time interval may be open on both sides.
    """
    return {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "id": collection.id,
        **({"title": collection.title} if collection.title else {}),
        "description": collection.description or collection.title or collection.id,
        "license": collection.license or NO_LICENSE,
        **({"keywords": list(collection.keywords)} if collection.keywords else {}),
        "extent": extent_document(collection.extent, closed=closed),
        "links": [{**plain(link), "rel": link.rel or "related"} for link in collection.links if link.href],
        "mlstac_version": collection.mlstac_version or _MLSTAC_VERSION,
        **plain(collection.annotations),
    }


def _providers(collection: Collection, *, as_object: bool = False) -> Document:
    providers = [stac_provider(provider) for provider in collection.providers if provider.name]
    if not providers:
        return {}
    return {"providers": {"field": providers} if as_object else providers}


def stac_provider(provider: Provider) -> Document:
    """A provider without the roles that STAC does not have."""
    roles = [role for role in provider.roles if role in ROLES]
    return {key: value for key, value in {**plain(provider), "roles": roles}.items() if key != "roles" or roles}


def ml_keys(collection: Collection, prefix: str, labels: str) -> Document:
    """What ML-STAC has beside STAC, but for the splits.

    Args:
        collection: any.
        prefix: of the keys, `ml:` or `ml_`.
        labels: the key of the labels.
    """
    keys: Document = {f"{prefix}task": list(collection.task)}
    if collection.labels:
        keys[labels] = {"labels": dict(collection.labels)}
    if collection.bands or collection.sensor or collection.band_axis is not None:
        keys[f"{prefix}spectral"] = {
            "bands": [{"index": None, **_finite(plain(band))} for band in collection.bands],
            "axis": collection.band_axis,
            "sensor": collection.sensor,
        }
    if collection.dimensions:
        keys[f"{prefix}dimensions"] = _dimensions(collection, prefix)
    for field in ("authors", "curators"):
        if people := getattr(collection, field):
            keys[f"{prefix}{field}"] = {field: [_contact(person) for person in people]}
    if collection.reviewers:
        keys[f"{prefix}reviewers"] = {
            "reviewers": [{"reviewer": _contact(person), "score": person.score} for person in collection.reviewers]
        }
    for field in ("paper", "split_strategy", "raw_data_url", "discussion_url"):
        if value := getattr(collection, field):
            keys[f"{prefix}{field}"] = value
    if prefix == "ml_" and collection.split_strategy and collection.split_strategy not in SPLIT_STRATEGIES:
        keys["ml_split_strategy"] = "other"
        keys["ml:split_strategy"] = collection.split_strategy  # ours, for where both are present the colon wins
    return keys


def _finite(band: Document) -> Document:
    """Without wavelengths that JSON has no number for."""
    return {key: value for key, value in band.items() if not isinstance(value, float) or math.isfinite(value)}


def _dimensions(collection: Collection, prefix: str) -> Document:
    """One list for the input alone, as 0.1.8 has it; else one a tensor, which it passes over."""
    axes = {name: [plain(axis) for axis in dimensions] for name, dimensions in collection.dimensions.items()}
    if prefix == "ml_" and list(axes) == ["input"] and all(axis.get("name") for axis in axes["input"]):
        return {"dimensions": axes["input"]}
    return {name: {"dimensions": listed} for name, listed in axes.items()}


def _contact(person: Person) -> Document:
    """A STAC contact; upstream asks for an organization, and for objects where a text would do."""
    contact = {"organization": "", **plain(person)}
    contact.pop("score", None)
    for key, inner, more in (("emails", "value", {}), ("links", "href", {"rel": "about"})):
        if isinstance(contact.get(key), list):
            items = [item if isinstance(item, dict) else {inner: item} for item in contact[key]]
            contact[key] = [{**more, **item} for item in items]
    return contact


def sample_splits(collection: Collection, prefix: str, base: str | None = None) -> Document:
    """One key a split; all three, since mlstac counts all of them before it loads one."""
    splits = collection.splits
    nothing: Document = {"n_items": 0, ABSENT: True}
    standard = {name: splits.get(name) or Catalog(name=name, **nothing) for name in STANDARD_SPLITS}
    document: Document = {f"{prefix}{name}": _sample_split(catalog, base) for name, catalog in standard.items()}
    own = {name: _sample_split(catalog, base) for name, catalog in splits.items() if name not in standard}
    return {**document, f"{prefix}catalog": own} if own else document


def _sample_split(catalog: Catalog, base: str | None) -> Document:
    kept = {key: value for key, value in plain(catalog).items() if key not in ("name", "data_files", "metadata_file")}
    return {**kept, "link": address_in(base, catalog.link or f"{catalog.name}/")}


def container_splits(collection: Collection, base: str | None = None) -> Document:
    """The splits under `ml_catalog`; null for one that is missing."""
    splits = collection.splits
    names = dict.fromkeys((*STANDARD_SPLITS, *splits))
    return {name: _container_split(splits[name], base) if name in splits else None for name in names}


def _container_split(catalog: Catalog, base: str | None) -> Document:
    files = catalog.data_files
    return {
        "metadata_description": f"One row a sample of {catalog.name}",
        "metadata_checksum": None,
        **plain(catalog),
        "data_files": [address_in(base, file.href) for file in files],
        "data_checksum": [file.nbytes for file in files],
        "data_descriptions": [file.description or file.href.rpartition("/")[2] for file in files],
        "metadata_file": address_in(base, catalog.metadata_file or f"{catalog.name}/metadata.parquet"),
    }


def address_in(base: str | None, href: str) -> str:
    """The address of a file of the collection: whole, where it is known which folder it will be published in."""
    if base is None or ":" in href.partition("/")[0]:
        return href
    return f"{base.rstrip('/')}/{quote(href.removeprefix('./'))}"


def plain(part: Part) -> dict[str, Any]:
    """A piece of the collection as JSON, without what it does not say."""
    return part.model_dump(mode="json", by_alias=True, exclude_none=True)

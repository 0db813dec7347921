"""Fields of a Collection back into `main.json`, in the spelling that today's writers use.

Owns: where a changed field goes. Leaves to others: which fields changed (`_collection`), how old files spell them
(`_dialects`).
"""

from __future__ import annotations

from typing import Any

from mlstac_hf._spec._dialect_splits import STANDARD as STANDARD_SPLITS
from mlstac_hf._spec._dialects import SPELLINGS
from mlstac_hf._spec._parts import Document, Part


def write_field(document: Document, name: str, value: Any, wrapper: Document) -> None:
    """Store one changed field.

    Args:
        document: to store it in; every older spelling is gone from it.
        name: the field's.
        value: the field's.
        wrapper: the object it was found in, whose other keys stay.
    """
    value = _plain(value)
    match name:
        case "annotations":
            document.update(value)
        case "splits":
            _write_splits(document, value, wrapper)
        case "labels":
            document["ml:labels"] = {**wrapper, "labels": value}
        case "bands" | "band_axis" | "sensor":
            key = {"band_axis": "axis"}.get(name, name)
            document["ml:spectral"] = {**wrapper, **document.get("ml:spectral", {}), key: value}
        case "extent":
            document["extent"] = value and {
                "spatial": {"bbox": value["bbox"]},
                "temporal": {"interval": value["interval"]},
            }
        case "reviewers":
            document["ml:reviewers"] = {"reviewers": [_reviewer(person) for person in value]}
        case "authors" | "curators":
            document[f"ml:{name}"] = {name: value}
        case _:
            document[SPELLINGS[name][0]] = value


def _plain(value: Any) -> Any:
    """Models and tuples as JSON values."""
    if isinstance(value, Part):
        return value.model_dump(mode="json", by_alias=True, exclude_none=True)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _reviewer(person: dict[str, Any]) -> dict[str, Any]:
    return {"reviewer": {key: item for key, item in person.items() if key != "score"}, "score": person.get("score")}


def _write_splits(document: Document, splits: dict[str, Any], wrapper: Document) -> None:
    """Under `ml:<split>`, or in the container layout under `ml_catalog`, as 0.1 has it."""
    if not any(split.get("data_files") for split in splits.values()):
        for name, split in splits.items():
            entry = {key: item for key, item in split.items() if key not in ("name", "data_files")}
            if name in STANDARD_SPLITS:
                document[f"ml:{name}"] = entry
            else:  # one of the publisher's own is only known for a split within a catalog
                document.setdefault("ml:catalog", {})[name] = entry
        return
    others = {key: item for key, item in wrapper.items() if item is not None and not isinstance(item, dict)}
    document["ml_catalog"] = {**others, **{name: _container_split(split) for name, split in splits.items()}}


def _container_split(split: dict[str, Any]) -> dict[str, Any]:
    files = split.get("data_files", [])
    return {
        **split,
        "data_files": [file["href"] for file in files],
        "data_checksum": [file.get("nbytes") for file in files],
        "data_descriptions": [file.get("description") for file in files],
    }

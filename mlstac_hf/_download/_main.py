"""`main.json` of what was downloaded: as published, but for what is not so here.

Owns: counts, files, checksums. Leaves to others: how fields are spelled (`_spec`), the files themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mlstac_hf._download._planned import Landed
from mlstac_hf._spec import Annotations, Collection, Shards
from mlstac_hf._spec._dialect_splits import ABSENT, STANDARD, read_splits


def main_bytes(collection: Collection, published: bytes, landed: Mapping[str, Landed]) -> bytes:
    """The bytes to write; those that were published, where nothing had to be changed.

    Args:
        collection: as it was opened.
        published: its `main.json`.
        landed: the splits that are in place, by name.
    """
    changed = collection.model_copy(
        update={
            "splits": {name: split.catalog for name, split in landed.items()},
            "annotations": _annotations(collection.annotations, landed),
        }
    )
    document = changed.to_dict()
    if document == collection.to_dict():
        return published
    absent = [name for name in STANDARD if name not in landed]
    catalog = document.get("ml_catalog")
    if any(split.catalog.data_files for split in landed.values()) and isinstance(catalog, dict):
        document["ml_catalog"] = {**catalog, **dict.fromkeys(absent)}
    elif set(landed) != set(read_splits(collection.to_dict())):  # mlstac counts all three before it loads one
        document.update({f"ml:{name}": {"n_items": 0, ABSENT: True} for name in absent})
    for name, field in Annotations.model_fields.items():  # what is left out of a model is not yet out of the document
        if getattr(collection.annotations, name) is not None and getattr(changed.annotations, name) is None:
            document.pop(str(field.alias), None)
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _annotations(given: Annotations, landed: Mapping[str, Landed]) -> Annotations:
    """What was said of splits that are not here, or not all of them, is left out; the rest holds as before."""
    update: dict[str, Any] = {}
    if given.checksums is not None:
        sums = {path: said for split in landed.values() for path, said in split.checksums.items()}
        ordered = {path: sums.pop(path) for path in given.checksums if path in sums} | sums
        update["checksums"] = ordered or None
    if given.class_counts is not None:
        whole = {name for name, split in landed.items() if split.is_whole}
        update["class_counts"] = {n: counts for n, counts in given.class_counts.items() if n in whole} or None
    if given.shards is not None:
        files = {
            name: tuple(file for file in given.shards.files.get(name, ()) if file.href in split.files)
            for name, split in landed.items()
        }
        update["shards"] = Shards(**{**dict(given.shards), "files": files})
    return given.model_copy(update={name: value for name, value in update.items() if value != getattr(given, name)})

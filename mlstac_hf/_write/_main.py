"""`main.json`: what was written, declared once all of it is in place.

Owns: which split is declared where, what earlier calls declared, and the keys this package adds. Leaves to others: how
a Collection is spelled (`_spec`), what is refused before a byte is written (`_checks`), the samples.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mlstac_hf._spec import Annotations, Catalog, Collection, TensorSchema, main_json
from mlstac_hf._spec._extent import plain_boxes
from mlstac_hf._stores import MAIN, WritableStore
from mlstac_hf._write._extent import box_of, footprints, join_extents
from mlstac_hf._write._facts import ARROW, Totals, join_kinds, join_schemas
from mlstac_hf._write._plan import TRAIN, Outcome, Plan

_KIND = {"bool": "bool", "int64": "int", "double": "float", "null": "null"}


def declared(store: WritableStore) -> Collection | None:
    """What earlier calls declared; None where there is no `main.json`.

    Raises:
        InvalidCollectionError: there is one that cannot be read.
    """
    try:
        data = store.read(MAIN)
    except FileNotFoundError:
        return None
    return Collection.from_bytes(data, f"{store.url.rstrip('/')}/{MAIN}")


def is_there(catalog: Catalog) -> bool:
    """Whether a split was written, or only has the entry that other readers ask for."""
    return catalog.n_items != 0 or bool(catalog.data_files)


def declare(plan: Plan, known: Collection | None, totals: Totals, outcome: Outcome) -> None:
    """Put `main.json`, which now has the split."""
    plan.store.put(MAIN, main_bytes(plan, joined(plan, known, totals, outcome)))


def joined(plan: Plan, known: Collection | None, totals: Totals, outcome: Outcome) -> Collection:
    """The collection as the caller describes it, with the splits that are there and the new one."""
    before: dict[str, Catalog] = known.splits if known else {}
    return plan.collection.model_copy(
        update={
            "splits": {**before, plan.split: outcome.catalog},
            "annotations": _annotations(plan, known, totals, outcome),
            "extent": _extent(plan, known, totals),
        }
    )


def _extent(plan: Plan, known: Collection | None, totals: Totals) -> Any:
    """What the caller says, where that can be meant and is not what the last call made of its samples."""
    given, old = plan.collection.extent, known.extent if known else None
    if given is not None and given != old and plain_boxes(given.bbox):
        return given
    return join_extents(old, box_of(footprints(totals.places)), totals.start, totals.end)


def _annotations(plan: Plan, known: Collection | None, totals: Totals, outcome: Outcome) -> Annotations:
    """What is true of these files: of those the collection was read with, nothing is taken over."""
    first = known is None or not any(map(is_there, known.splits.values()))
    old = Annotations() if known is None else known.annotations
    given = plan.collection.annotations
    statistics: dict[str, Any] | None = dict(given.statistics or {}) | dict(old.statistics or {})
    if plan.split == TRAIN and (found := totals.statistics()):
        statistics = {**(statistics or {}), "input": found}
    counts = dict(old.class_counts or {})
    if plan.collection.labels and totals.classes:
        counts[plan.split] = totals.class_counts(plan.collection.labels)
    return given.model_copy(
        update={
            "tensors": _schemas(totals.tensors if first else _common(old.tensors or {}, totals)) or None,
            "statistics": statistics or None,
            "class_counts": counts or None,
            "checksums": {**(old.checksums or {}), **outcome.checksums} or None,
            "types": _types(plan, old.types or {}, totals) or None,
            "target_planes": outcome.target_planes or _target_planes(given, old, totals),
            "time_column": _time_column(plan, old, totals),
        }
    )


def _target_planes(given: Annotations, old: Annotations, totals: Totals) -> Any:
    """As the caller says of images that hold their target; samples with one of their own need none."""
    if not totals.n_items:
        return old.target_planes
    return None if "target" in totals.tensors else given.target_planes


def _time_column(plan: Plan, old: Annotations, totals: Totals) -> str | None:
    """As the caller says, where the samples have no start of their own, which has its own column."""
    name = plan.collection.annotations.time_column
    if not totals.n_items:
        return old.time_column
    return name if plan.layout == "container" and name in totals.kinds and totals.start is None else None


def _common(old: Mapping[str, TensorSchema], totals: Totals) -> dict[str, TensorSchema | None]:
    """What all splits have in common; an empty split says nothing."""
    if not totals.n_items:
        return dict(old)
    return {name: join_schemas(schema, totals.tensors.get(name)) for name, schema in old.items()}


def _schemas(tensors: Mapping[str, TensorSchema | None]) -> dict[str, TensorSchema]:
    return {name: schema for name, schema in tensors.items() if schema is not None}


def _types(plan: Plan, old: Mapping[str, str], totals: Totals) -> dict[str, str]:
    """Types of the publisher's keys in all splits of the sample layout; tables have types of their own."""
    if plan.layout == "container":
        return {}
    kinds = kinds_of(old)
    for key, kind in totals.kinds.items():
        kinds[key] = join_kinds(kinds.get(key, "null"), kind) or "text"
    return {key: ARROW[kind] for key, kind in sorted(kinds.items())}


def kinds_of(types: Mapping[str, str]) -> dict[str, str]:
    """The kinds of keys that a collection declares."""
    return {key: _KIND.get(kind, "text") for key, kind in types.items()}


def main_bytes(plan: Plan, collection: Collection) -> bytes:
    """The bytes of `main.json`.

    Raises:
        ValueError, TypeError: the collection holds what JSON does not.
    """
    document = main_json(collection, plan.layout, base=plan.url)
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()

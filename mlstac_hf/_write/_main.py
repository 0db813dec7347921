"""`main.json`: what was written, declared once all of it is in place.

Owns: which split is declared where, what earlier calls declared, and the keys this package adds. Leaves to others: how
a Collection is spelled (`_spec`), the samples.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mlstac_hf._spec import Annotations, Catalog, Collection, Layout, TensorSchema
from mlstac_hf._stores import MAIN, WritableStore
from mlstac_hf._write._extent import box_of, footprints, join_extents
from mlstac_hf._write._facts import ARROW, Totals, join_kinds, join_schemas
from mlstac_hf._write._plan import TRAIN, Outcome, Plan

_DIALECT: dict[Layout, str] = {"samples": "0.0.23", "container": "0.1.8"}
_STAC = "1.0.0"
_KIND = {"bool": "bool", "int64": "int", "double": "float"}


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


def check_joins(plan: Plan, known: Collection | None) -> None:
    """Refuse a split that does not belong to the collection that is there.

    Raises:
        ValueError: it has another id, or its splits lie in the other layout.
    """
    if known is None:
        return
    where = f"{plan.store.url.rstrip('/')}/{MAIN}"
    if known.id != plan.collection.id:
        raise ValueError(
            f"{where} is collection {known.id!r}; expected {plan.collection.id!r}, the id of the collection to write. "
            "Give both the same id, or choose another destination"
        )
    for name, catalog in known.splits.items():
        found: Layout = "container" if catalog.data_files else "samples"
        if found != plan.layout:
            raise ValueError(
                f'{where}: split {name!r} lies in layout="{found}"; expected the same of {plan.split!r}, '
                f'got layout="{plan.layout}"'
            )


def declare(plan: Plan, totals: Totals, outcome: Outcome) -> None:
    """Put `main.json`, which now has the split."""
    known = declared(plan.store)
    check_joins(plan, known)
    collection = joined(plan, known, totals, outcome)
    plan.store.put(MAIN, main_bytes(collection))


def joined(plan: Plan, known: Collection | None, totals: Totals, outcome: Outcome) -> Collection:
    """The collection as the caller describes it, with the splits that are there and the new one."""
    before: dict[str, Catalog] = known.splits if known else {}
    splits = {**before, plan.split: outcome.catalog}
    given = plan.collection
    extent = given.extent or join_extents(
        known.extent if known else None, box_of(footprints(totals.places)), totals.start, totals.end
    )
    return given.model_copy(
        update={
            "splits": splits,
            "annotations": _annotations(plan, known, totals, outcome),
            "extent": extent,
            "stac_version": given.stac_version or _STAC,
            "mlstac_version": given.mlstac_version or _DIALECT[plan.layout],
        }
    )


def _annotations(plan: Plan, known: Collection | None, totals: Totals, outcome: Outcome) -> Annotations:
    first = known is None or not known.splits
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
            "target_planes": outcome.target_planes or given.target_planes,
        }
    )


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
    return {key: ARROW[kind] for key, kind in sorted(kinds.items()) if kind in ARROW}


def kinds_of(types: Mapping[str, str]) -> dict[str, str]:
    """The kinds of keys that a collection declares."""
    return {key: _KIND.get(kind, "text") for key, kind in types.items()}


def main_bytes(collection: Collection) -> bytes:
    """The bytes of `main.json`."""
    document = {"type": "Collection", **collection.to_dict()}
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()

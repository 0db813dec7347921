"""A collection as its published tables are: what was chosen of its samples, and nothing that is no longer so.

Owns: bands and numbers by band after planes were chosen, links and keys of the layout it had. Leaves to others: the
spelling of `main.json` (`_spec`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from mlstac_hf._reading import Source
from mlstac_hf._spec import Band, Catalog, Collection, TensorSchema

Item = TypeVar("Item")


def described(
    collection: Collection, source: Source, tensors: Mapping[str, TensorSchema], counts: Mapping[str, int]
) -> Collection:
    """The collection to publish.

    Args:
        collection: an open one.
        source: one of its splits, as it is published.
        tensors: dtype and shape of its columns.
        counts: samples by split.
    """
    planes = _planes(source)
    old = collection.annotations
    annotations = old.model_copy(
        update={
            "tensors": dict(tensors),
            "statistics": old.statistics and {k: tuple(_of(v, planes, k)) for k, v in old.statistics.items()},
            "scale": old.scale and {k: tuple(_of(v, planes, k)) for k, v in old.scale.items()},
            "offset": old.offset and {k: tuple(_of(v, planes, k)) for k, v in old.offset.items()},
            "target_planes": None,
            "time_column": None,
            "types": None,
            "checksums": None,
            "shards": None,
        }
    )
    splits = {name: Catalog(name=name, n_items=count, link="data/") for name, count in counts.items()}
    return collection.model_copy(
        update={"annotations": annotations, "splits": splits, "bands": tuple(_bands(collection, planes))}
    )


def _planes(source: Source) -> tuple[int, ...] | None:
    """Which stored planes `input` has; None where it has all, or where there is no sample."""
    piece = source.head(0).pieces.get("input") if len(source) else None
    return None if piece is None else piece.planes


def _bands(collection: Collection, planes: tuple[int, ...] | None) -> list[Band]:
    """The bands that are left, under their new indices."""
    if planes is None:
        return list(collection.bands)
    stored = {position if band.index is None else band.index: band for position, band in enumerate(collection.bands)}
    return [
        stored[plane].model_copy(update={"index": position}) for position, plane in enumerate(planes) if plane in stored
    ]


def _of(values: Sequence[Item], planes: tuple[int, ...] | None, tensor: str) -> Sequence[Item]:
    """What holds of the planes that are left; one value holds of all."""
    if tensor != "input" or planes is None or len(values) <= max(planes, default=0):
        return values
    return [values[plane] for plane in planes]

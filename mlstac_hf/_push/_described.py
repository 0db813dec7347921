"""A collection as its published tables are: what was chosen of its samples, and nothing that is no longer so.

Owns: links and keys of the layout it had. Leaves to others: bands after planes were chosen or scaled, and the spelling
of `main.json` (`_spec`).
"""

from __future__ import annotations

from collections.abc import Mapping

from mlstac_hf._reading import Source, input_planes, is_scaled
from mlstac_hf._spec import Catalog, Collection, TensorSchema, of_other_numbers, of_planes


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
    collection = of_planes(of_other_numbers(collection) if is_scaled(source) else collection, input_planes(source))
    annotations = collection.annotations.model_copy(
        update={
            "tensors": dict(tensors),
            "target_planes": None,
            "time_column": None,
            "types": None,
            "checksums": None,
            "shards": None,
        }
    )
    splits = {name: Catalog(name=name, n_items=count, link="data/") for name, count in counts.items()}
    return collection.model_copy(update={"annotations": annotations, "splits": splits})

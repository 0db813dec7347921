"""Features as every version of `datasets` from 3.6 on reads them, in files and in the card.

Owns: the older spelling of lists, `Sequence`, which 4.0 renamed to `List` and still reads. Leaves to others: which
features there are (`_hf`).
"""

from __future__ import annotations

import json
from typing import Any

import datasets
import pyarrow as pa


def readable_schema(features: datasets.Features) -> pa.Schema:
    """The Arrow schema of a table whose file is to be read by any version."""
    info = {"info": {"features": _older(features.to_dict())}}
    schema: pa.Schema = features.arrow_schema
    return schema.with_metadata({"huggingface": json.dumps(info)})


def _older(feature: Any) -> Any:
    """The `_type` of lists as 3.6 knows it; 4.0 and later read it as their own."""
    if isinstance(feature, list):
        return [_older(item) for item in feature]
    if not isinstance(feature, dict):
        return feature
    spelled = {key: _older(value) for key, value in feature.items()}
    return {**spelled, "_type": "Sequence"} if spelled.get("_type") == "List" else spelled


def card_features(features: datasets.Features) -> list[Any]:
    """The features as the YAML of a dataset card has them."""
    listed = datasets.info.DatasetInfo(features=features)._to_yaml_dict()["features"]  # noqa: SLF001 - no public way
    found: list[Any] = _older_yaml(listed)
    return found


def _older_yaml(item: Any) -> Any:
    if isinstance(item, list):
        return [_older_yaml(one) for one in item]
    if not isinstance(item, dict):
        return item
    return {("sequence" if key == "list" else key): _older_yaml(value) for key, value in item.items()}

"""Rows of a Hugging Face Dataset as samples, read off Arrow's memory.

Owns: columns as our `load_dataset` writes them, and as others do: dtypes by the feature, the stored one where its `id`
says so. Leaves to others: making such columns (`_hf`). Stock formats would change dtypes, so none is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mlstac_hf._formats import Array, dtype_of, narrow
from mlstac_hf._spec import TENSOR_NAMES


def rows_of(dataset: Any) -> Iterator[dict[str, Any]]:
    """Each row as a sample.

    Args:
        dataset: a `datasets.Dataset` or `IterableDataset`.

    Raises:
        ValueError: a streamed dataset that does not know its features.
    """
    features = dataset.features
    if features is None:
        raise ValueError(
            "expected a dataset that knows its features, got a stream without; map it with features=, or load it whole"
        )
    for table in dataset.with_format("arrow"):
        yield {name: _value(name, table.column(name), features[name]) for name in table.column_names}


def _value(name: str, column: Any, feature: Any) -> Any:
    """One value, of a column of one row."""
    if name == "geotransform" or name not in TENSOR_NAMES:
        return column[0].as_py()
    if not column[0].is_valid:
        return None
    if getattr(feature, "dtype", None) in ("string", "large_string"):
        return column[0].as_py()
    stored = _stored(feature)
    if isinstance(feature, Mapping):  # data and shape
        value = column[0]
        array = np.asarray(value["data"].values)
        shape = tuple(value["shape"].as_py())
    else:
        array, shape = _flat(column[0])
    array = array.reshape(shape)
    return array if stored is None else narrow(array, stored)


def _flat(value: Any) -> tuple[Array, tuple[int, ...]]:
    """Numbers and shape of a scalar, or of lists that are as deep as an array has axes."""
    value = getattr(value, "value", value) if hasattr(value.type, "storage_type") else value
    if not hasattr(value, "values"):
        return np.asarray(value.as_py(), value.type.to_pandas_dtype()), ()
    shape: list[int] = []
    values = value.values
    shape.append(len(values))
    count = len(values)
    while hasattr(values, "flatten") and hasattr(values.type, "value_type"):
        values = values.flatten()
        shape.append(len(values) // count if count else 0)
        count = len(values)
    return values.to_numpy(zero_copy_only=False), tuple(shape)


def _stored(feature: Any) -> np.dtype[Any] | None:
    """The dtype that a column had in its file, or the feature's own."""
    if isinstance(feature, Mapping):
        feature = feature["data"]
    while hasattr(feature, "feature"):
        feature = feature.feature
    for name in (getattr(feature, "id", None), getattr(feature, "dtype", None)):
        try:
            if isinstance(name, str):
                return dtype_of(name)
        except TypeError:  # somebody else's id
            continue
    return None

"""Rows of a Hugging Face Dataset as samples, read off Arrow's memory.

Owns: columns as our `load_dataset` writes them, and as others do: dtypes by the feature, the stored one where its `id`
says so. Leaves to others: making such columns (`_hf`). Stock formats would change dtypes, so none is used; the
caller's own transform is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mlstac_hf._formats import Array, dtype_of, narrow
from mlstac_hf._spec import TENSOR_NAMES
from mlstac_hf._write._sample import place_of

_SHOWN = 5
"""Lengths that an error names."""


def rows_of(dataset: Any) -> Iterator[Mapping[str, Any]]:
    """Each row as a sample: what a transform makes of it, else the columns that the dataset's format shows.

    Args:
        dataset: a `datasets.Dataset` or `IterableDataset`.

    Raises:
        ValueError: a streamed dataset that does not know its features; lists that are no array.
        TypeError: a column of something else.
    """
    shown = getattr(dataset, "format", None) or {"type": None}  # streams have none
    if shown["type"] == "custom":
        yield from dataset
        return
    features = dataset.features
    if features is None:
        raise ValueError(
            "expected a dataset that knows its features, got a stream without; map it with features=, or load it whole"
        )
    columns = {} if shown.get("output_all_columns", True) else {"columns": shown["columns"]}
    for index, table in enumerate(dataset.with_format("arrow", **columns)):
        yield {name: _value(name, table.column(name), features[name], index) for name in table.column_names}


def _value(name: str, column: Any, feature: Any, index: int) -> Any:
    """One value, of a column of one row."""
    if name == "geotransform" or name not in TENSOR_NAMES:
        return column[0].as_py()
    if not column[0].is_valid:
        return None
    if getattr(feature, "dtype", None) in ("string", "large_string"):
        return column[0].as_py()
    stored = _stored(feature)
    try:
        if isinstance(feature, Mapping) and feature.keys() >= {"data", "shape"}:
            array = _flat(column[0]["data"])[0].reshape(column[0]["shape"].as_py())
        else:
            array, shape = _flat(column[0])
            array = array.reshape(shape)
    except ValueError as error:
        raise ValueError(f"{place_of(index, None)}: {name}: {error}") from None
    except TypeError as error:
        raise TypeError(f"{place_of(index, None)}: {name}: {error} ({feature})") from None
    return array if stored is None else narrow(array, stored)


def _flat(value: Any) -> tuple[Array, tuple[int, ...]]:
    """Numbers and shape of a scalar, or of lists that are as deep as an array has axes.

    Raises:
        ValueError: lists of one level that differ in length, or nulls among numbers.
        TypeError: something else.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    value = value.value if isinstance(value, pa.ExtensionScalar) else value
    if pa.types.is_nested(value.type) and not isinstance(value, pa.ListScalar):
        raise TypeError(
            f"expected numbers or lists of numbers, found {value.type}. Give arrays (C, H, W) instead, such as by "
            "dataset.with_transform(...)"
        )
    if not isinstance(value, pa.ListScalar):
        return np.asarray(value.as_py(), value.type.to_pandas_dtype()), ()
    values = value.values
    shape = [len(values)]
    while isinstance(values, (pa.ListArray, pa.LargeListArray, pa.FixedSizeListArray)):
        lengths = pc.unique(pc.list_value_length(values)).to_pylist()
        if len(lengths) > 1 or None in lengths:
            found = ", ".join("null" if length is None else str(length) for length in lengths[:_SHOWN])
            raise ValueError(f"expected lists of one length, as an array has, found lengths {found}")
        shape.append(lengths[0] if lengths else 0)
        values = values.flatten()
    if values.null_count:
        raise ValueError(f"expected numbers, found {values.null_count} nulls among {len(values)}")
    return values.to_numpy(zero_copy_only=False), tuple(shape)


def _stored(feature: Any) -> np.dtype[Any] | None:
    """The dtype that a column had in its file, or the feature's own."""
    if isinstance(feature, Mapping):
        feature = feature.get("data")
    while hasattr(feature, "feature"):
        feature = feature.feature
    for name in (getattr(feature, "id", None), getattr(feature, "dtype", None)):
        try:
            if isinstance(name, str):
                return dtype_of(name)
        except TypeError:  # somebody else's id
            continue
    return None

"""Columns as `datasets` spells them.

Owns: which feature stands for which tensor, and where the stored dtype is kept: in the feature's `id`, which
survives map, select, Parquet and the card. Leaves to others: the columns there are (`_schema`), the values (`_tables`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import datasets

from mlstac_hf._formats import dtype_of, plain_dtype
from mlstac_hf._hf._schema import Schema, Tensor

MIN_ARRAY, MAX_ARRAY = 2, 5
"""Axes that `Array2D` … `Array5D` can have."""


def features_of(schema: Schema, labels: Mapping[str, int], columns: Sequence[str] | None) -> datasets.Features:
    """The features of a split.

    Args:
        schema: its columns.
        labels: value by class name; where the values are exactly 0…n-1, a 0-D integer target is a ClassLabel.
        columns: those to keep, in the order wanted; default all, tensors first.
    """
    features: dict[str, Any] = {}
    kinds = {key: "string" if kind == "null" else kind for key, kind in schema.keys.items()}
    names = class_names(labels)
    for name, tensor in schema.columns.items():
        if tensor is None:
            features[name] = datasets.Value("string")
        elif name == "target" and not tensor.shape and names and dtype_of(tensor.dtype).kind in "iu":
            features[name] = datasets.ClassLabel(names=names, id=tensor.dtype)
        else:
            features[name] = tensor_feature(tensor)
    for name, key in schema.metadata_columns().items():
        features[name] = (
            datasets.Sequence(datasets.Value("float64"), length=6)
            if key == "geotransform"
            else datasets.Value(kinds.get(key, "string"))
        )
    return datasets.Features(
        {name: features[name] for name in (features if columns is None else columns) if name in features}
    )


def class_names(labels: Mapping[str, int]) -> list[str] | None:
    """Class names by value; None unless the values are exactly 0…n-1."""
    names = {value: name for name, value in labels.items()}
    if not labels or len(names) != len(labels) or sorted(names) != list(range(len(labels))):
        return None
    return [names[value] for value in sorted(names)]


def stored_shape(tensor: Tensor) -> tuple[int | None, ...]:
    """The shape in the table: complex values have a last axis of 2."""
    return (*tensor.shape, 2) if dtype_of(tensor.dtype).kind == "c" else tensor.shape


def tensor_feature(tensor: Tensor) -> Any:
    """The feature of one tensor column."""
    shape, stored = stored_shape(tensor), tensor.dtype
    plain = plain_dtype(dtype_of(stored)).name
    if not shape:
        return datasets.Value(plain, id=stored)
    if len(shape) == 1:
        value = datasets.Value(plain, id=stored)
        return datasets.Sequence(value, length=shape[0]) if shape[0] else datasets.Sequence(value)
    if is_array(shape):
        array = getattr(datasets, f"Array{len(shape)}D")
        return array(shape=(shape[0] or None, *shape[1:]), dtype=plain, id=stored)
    # the layout of Arrow's variable_shape_tensor, and of the `Tensor` feature proposed for datasets
    return {
        "data": datasets.Sequence(datasets.Value(plain, id=stored)),
        "shape": datasets.Sequence(datasets.Value("int32"), length=len(shape)),
    }


def is_array(shape: Sequence[int | None]) -> bool:
    """Whether `Array{n}D` can hold it: 2 to 5 axes, all but the first of one fixed length."""
    return MIN_ARRAY <= len(shape) <= MAX_ARRAY and all(shape[1:])


def is_ragged(feature: Any) -> bool:
    """Whether a feature is the data and shape struct of `tensor_feature`."""
    return isinstance(feature, Mapping) and set(feature) == {"data", "shape"} and hasattr(feature["data"], "feature")


def stored_dtype(feature: Any) -> Any:
    """The dtype that a column had in its file, if the feature says; None otherwise."""
    if is_ragged(feature):
        feature = feature["data"]
    while hasattr(feature, "feature"):  # lists, also those that a stream made of batches
        feature = feature.feature
    name = getattr(feature, "id", None)
    try:
        return dtype_of(name) if isinstance(name, str) else None
    except TypeError:  # somebody else's id
        return None

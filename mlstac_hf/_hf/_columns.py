"""Columns of an Arrow table as arrays in their stored dtype: views of Arrow's memory wherever a view can be had.

Owns: Arrow's layouts, read. Leaves to others: writing them (`_tables`), which dtype was stored (`_features`),
frameworks (`_formatting`).
"""

from __future__ import annotations

from typing import Any

import datasets
import numpy as np
import pyarrow as pa

from mlstac_hf._formats import Array, is_exotic, narrow, plain_dtype, widen
from mlstac_hf._hf._features import is_ragged, stored_dtype

Rows = Array | list[Any]
"""An `(N, …)` array, or a list of N arrays and, where a row is null, None."""


_ARRAYS = (datasets.Array2D, datasets.Array3D, datasets.Array4D, datasets.Array5D)


class _NoTensorError(Exception):
    """Lists that no array can hold: ragged inside a row, or with nulls."""


def tensors_of(column: pa.ChunkedArray, feature: Any) -> Rows | None:
    """A column of tensors as one `(N, …)` array, or a list of arrays where shapes differ.

    Args:
        column: of an `Array{n}D` type, of numbers, of lists of numbers, or of our data and shape struct.
        feature: the column's feature, where it is known.

    Returns:
        Views of Arrow's memory except where it is packed (bool), widened (bfloat16, float8, complex) or lies in several
        pieces. Rows that are null are None in a list. None for a column that holds no tensors.
    """
    shape, inner = _array_shape(column, feature), getattr(feature, "feature", None)
    try:
        if shape is not None:
            parts = [_array_rows(chunk.storage, shape) for chunk in column.chunks]
        elif isinstance(inner, _ARRAYS):
            parts = [_lists_of_arrays(chunk, tuple(inner.shape)) for chunk in column.chunks]
        elif _is_numeric(column.type, feature):
            parts = [_rows(chunk) for chunk in column.chunks]
        else:
            return None
    except _NoTensorError:
        return None
    return _joined([_restored_rows(part, feature) for part in parts])


def restored(array: Array, feature: Any) -> Array:
    """The stored dtype, unless the column has since become something else under `map` or `cast`."""
    stored = stored_dtype(feature)
    if stored is None:
        return array
    if isinstance(feature, datasets.ClassLabel):
        limits = np.iinfo(stored)
        fits = array.dtype == np.int64 and (not array.size or (limits.min <= array.min() and array.max() <= limits.max))
        return array.astype(stored) if fits else array
    if array.dtype != plain_dtype(stored):
        return array
    narrowed = narrow(array, stored)
    if is_exotic(stored) and not np.array_equal(widen(narrowed), array, equal_nan=True):
        return array
    return narrowed


def _array_shape(column: pa.ChunkedArray, feature: Any) -> tuple[int | None, ...] | None:
    """The shape of an `Array{n}D` column; None for any other."""
    # asking a column for an extension type makes `datasets` parse it anew, so the feature is asked first
    if feature is not None:
        return tuple(feature.shape) if isinstance(feature, _ARRAYS) else None
    kind = column.type
    is_array = isinstance(kind, pa.ExtensionType) and hasattr(kind, "value_type") and hasattr(kind, "shape")
    return tuple(kind.shape) if is_array else None


def _is_numeric(kind: pa.DataType, feature: Any) -> bool:
    if is_ragged(feature) and pa.types.is_struct(kind):
        return True
    while _is_list(kind):
        kind = kind.value_type
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _joined(parts: list[Rows]) -> Rows:
    """The chunks of a column as one."""
    if len(parts) == 1:
        return parts[0]
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    if parts and len(arrays) == len(parts) and len({part.shape[1:] for part in arrays}) == 1:
        return np.concatenate(arrays)
    return [row for part in parts for row in part]


def _rows(array: pa.Array) -> Rows:
    """A chunk of numbers, lists or structs."""
    kind = array.type
    if array.null_count:
        return [_rows(array[i : i + 1])[0] if valid else None for i, valid in enumerate(array.is_valid().to_pylist())]
    if pa.types.is_struct(kind):
        shapes = array.field("shape").flatten().to_numpy().reshape(len(array), -1)
        flat = _array_rows(array.field("data"), (None,))
        return [row.reshape(shape) for row, shape in zip(flat, shapes, strict=True)]
    return _list_rows(array) if _is_list(kind) else _values(array)


def _list_rows(array: pa.Array) -> Rows:
    """A chunk of lists of numbers, or of lists of such: one array where all agree in shape, else one a row."""
    level, shape = array, [len(array)]
    while _is_list(level.type):
        if level.null_count:
            raise _NoTensorError
        if pa.types.is_fixed_size_list(level.type):
            shape.append(level.type.list_size)
        else:
            lengths = np.diff(level.offsets.to_numpy())
            if lengths.size and (lengths != lengths[0]).any():
                if len(array) == 1:
                    raise _NoTensorError
                return [_list_rows(array[i : i + 1])[0] for i in range(len(array))]
            shape.append(int(lengths[0]) if lengths.size else 0)
        level = level.flatten()
    return _values(level).reshape(shape)


def _lists_of_arrays(array: pa.Array, shape: tuple[int | None, ...]) -> Rows:
    """A chunk of lists of `Array{n}D`, as a stream that was batched has it: one array, or one a row."""
    if array.null_count:
        raise _NoTensorError
    rows = _array_rows(array.flatten().storage, shape)
    lengths = np.diff(array.offsets.to_numpy())
    if not isinstance(rows, np.ndarray):
        raise _NoTensorError
    if lengths.size and (lengths == lengths[0]).all():
        return rows.reshape((len(array), int(lengths[0]), *rows.shape[1:]))
    return np.split(rows, np.cumsum(lengths)[:-1])


def _array_rows(array: pa.Array, shape: tuple[int | None, ...]) -> Rows:
    """A chunk of lists of lists, as deep as `shape`: one array, or one a row where dim 0 varies."""
    if array.null_count:
        valid = array.is_valid().to_pylist()
        return [_array_rows(array[i : i + 1], shape)[0] if valid[i] else None for i in range(len(array))]
    count, first = len(array), shape[0]
    inner: tuple[int, ...] = tuple(axis or 0 for axis in shape[1:])
    lengths = np.diff(array.offsets.to_numpy()) if first is None else None
    for _ in shape:
        array = array.flatten()
    values = _values(array)
    if lengths is None:
        return values.reshape((count, first or 0, *inner))
    rows: Array = values.reshape((int(lengths.sum()), *inner))
    if count and (lengths == lengths[0]).all():
        return rows.reshape((count, int(lengths[0]), *inner))
    return np.split(rows, np.cumsum(lengths)[:-1]) if count else []


def _values(array: pa.Array) -> Array:
    if array.null_count:
        raise _NoTensorError
    values: Array = array.to_numpy(zero_copy_only=not pa.types.is_boolean(array.type))
    return values


def _restored_rows(rows: Rows, feature: Any) -> Rows:
    if isinstance(rows, np.ndarray):
        return restored(rows, feature)
    return [row if row is None else restored(np.asarray(row), feature) for row in rows]

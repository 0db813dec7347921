"""Batches of samples as Arrow tables, built from the very buffers the files were read into.

Owns: the Arrow layout of each feature. Leaves to others: the features (`_features`), the batches (`reading`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import datasets
import numpy as np
import pyarrow as pa

from mlstac_hf._errors import CorruptSampleError, SampleError, SchemaMismatchError
from mlstac_hf._formats import Array, dtype_of, widen
from mlstac_hf._hf._features import is_array, stored_shape
from mlstac_hf._hf._schema import Schema, Tensor
from mlstac_hf._reading import Batch, Source
from mlstac_hf._spec import format_datetime


def misfits(batch: Batch, source: Source, schema: Schema, features: datasets.Features) -> dict[int, SampleError]:
    """What keeps samples of a batch out of a table, by index.

    A SchemaMismatchError where a sample is not what its header said when the schema was made, a
    CorruptSampleError where a class value is none of the labels.
    """
    found: dict[int, SampleError] = {}
    for name, tensor in schema.columns.items():
        if name not in features:
            continue
        values = batch.columns.get(name, [None] * len(batch.indices))
        for index, value in zip(batch.indices, values, strict=True):
            fault = _misfit(value, name, tensor, features[name])
            if fault is not None:
                found.setdefault(index, type(fault)(f"{source.place(index)}: {fault}"))
    return found


def strangers(batch: Batch, source: Source, schema: Schema) -> dict[int, SampleError]:
    """Samples of a batch with tensors or texts that a schema of one sample does not know, by index."""
    found: dict[int, SampleError] = {}
    for position, index in enumerate(batch.indices):
        more = [n for n, column in batch.columns.items() if n not in schema.columns and column[position] is not None]
        if more:
            found[index] = SchemaMismatchError(
                f"{source.place(index)}: has {', '.join(map(repr, more))}, which the first sample has not. Choose "
                "columns that all have with columns=[…], or read the collection without streaming, which looks at "
                "every header first."
            )
    return found


def table_of(batch: Batch, source: Source, schema: Schema, features: datasets.Features) -> pa.Table:
    """One table with a row a sample, none of which is a misfit."""
    arrow = features.arrow_schema
    arrays = {}
    for name, tensor in schema.columns.items():
        if name in features:
            arrays[name] = _column(batch.columns.get(name, []), tensor, features[name], arrow.field(name).type)
    metadata = [source.metadata(index, head) for index, head in zip(batch.indices, batch.heads, strict=True)]
    for name, key in schema.metadata_columns().items():
        if name in features:
            arrays[name] = _metadata(metadata, key, arrow.field(name).type)
    return pa.Table.from_arrays([arrays[name] for name in features], schema=arrow)


def _metadata(rows: Sequence[Mapping[str, Any]], key: str, kind: pa.DataType) -> pa.Array:
    values = [row.get(key) for row in rows]
    if key == "geotransform":
        unknown = (math.nan,) * 6
        numbers = np.array([value or unknown for value in values], np.float64).reshape(-1)
        return pa.FixedSizeListArray.from_arrays(pa.array(numbers), type=kind)
    if key in ("start_datetime", "end_datetime"):
        values = [format_datetime(value) for value in values]
    return pa.array(values, kind)


def _column(values: Any, tensor: Tensor | None, feature: Any, kind: pa.DataType) -> pa.Array:
    if tensor is None:
        return pa.array(values, pa.string())
    shape = stored_shape(tensor)
    rows = [widen(value) for value in values] if isinstance(values, list) else widen(values)
    flat = np.concatenate([row.reshape(-1) for row in rows]) if isinstance(rows, list) else rows
    if isinstance(feature, datasets.ClassLabel):
        return pa.array(flat.reshape(-1).astype(np.int64))
    data = _flat(flat)
    if not shape:
        return data
    sizes = [row.shape for row in rows]
    if len(shape) > 1 and not is_array(shape):
        return _ragged(data, sizes, kind)
    if pa.types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(data, type=kind)
    storage = getattr(kind, "storage_type", kind)
    nested = _nested(data, [size[0] for size in sizes], shape[1:], storage)
    return pa.ExtensionArray.from_storage(kind, nested) if isinstance(kind, pa.ExtensionType) else nested


def _misfit(value: Any, name: str, tensor: Tensor | None, feature: Any) -> SampleError | None:
    """Why a row would be accepted here and fail when it is read; None where it would not."""
    if tensor is None:
        found, fits = type(value).__name__, isinstance(value, str)
    elif not isinstance(value, np.ndarray | np.generic):
        found, fits = type(value).__name__, False
    else:
        found = f"{value.dtype.name} {value.shape}"
        fits = (
            value.dtype == dtype_of(tensor.dtype)
            and value.ndim == len(tensor.shape)
            and all(want in (None, have) for want, have in zip(tensor.shape, value.shape, strict=True))
        )
    if not fits:
        expected = "text" if tensor is None else f"{tensor.dtype} {tensor.shape}"
        return SchemaMismatchError(
            f"{name!r} is {found}, expected {expected} as in the first sample. Choose columns that agree with "
            "columns=[…], or read the collection without streaming, which looks at every header first."
        )
    if isinstance(feature, datasets.ClassLabel) and not 0 <= int(value) < feature.num_classes:
        return CorruptSampleError(
            f"{name!r} is class {value}, but the collection has labels 0 to {feature.num_classes - 1}. Mend the labels "
            'in main.json, leave the column out with columns=[…], or such samples with on_error="skip".'
        )
    return None


def _flat(array: Array) -> pa.Array:
    """An Arrow array over the memory of a numpy array; only booleans, packed in Arrow, are copied."""
    flat = np.ascontiguousarray(array).reshape(-1)
    if flat.dtype == bool:
        return pa.array(flat)
    return pa.Array.from_buffers(pa.from_numpy_dtype(flat.dtype), flat.size, [None, pa.py_buffer(flat)])


def _offsets(lengths: Sequence[int]) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int32))


def _nested(data: pa.Array, lengths: Sequence[int], inner: Sequence[int | None], kind: pa.DataType) -> pa.Array:
    """Lists of lists, as deep as `kind`: rows of `lengths` items, each of the fixed shape `inner`."""
    kinds = [kind]
    for _ in inner:
        kinds.append(kinds[-1].value_type)
    values, per_row = data, [axis or 0 for axis in inner]
    for depth in reversed(range(len(inner))):
        size = per_row[depth]
        count = len(values) // size
        offsets = pa.array(np.arange(0, count * size + 1, size, dtype=np.int32))
        values = pa.ListArray.from_arrays(offsets, values, type=kinds[depth + 1])
    return pa.ListArray.from_arrays(_offsets(lengths), values, type=kind)


def _ragged(data: pa.Array, sizes: Sequence[tuple[int, ...]], kind: pa.StructType) -> pa.Array:
    fields = [kind.field("data"), kind.field("shape")]
    lists = pa.ListArray.from_arrays(_offsets([math.prod(size) for size in sizes]), data, type=fields[0].type)
    shapes = np.array(sizes, np.int32).reshape(-1)
    return pa.StructArray.from_arrays(
        [lists, pa.FixedSizeListArray.from_arrays(pa.array(shapes), type=fields[1].type)], fields=fields
    )

"""Our formats for datasets: `mlstac_numpy`, `mlstac_torch`, `mlstac_tf`, `mlstac_jax`, `mlstac_paddle`.

Owns: Arrow columns as tensors in their stored dtype, views of Arrow's memory wherever a view can be had.
Leaves to others: the hand-over (`_frameworks`), which dtype was stored (`_features`). What is no tensor comes
out as in the plain Python format.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import datasets
import numpy as np
import pyarrow as pa
from datasets import formatting
from datasets.formatting.formatting import PythonArrowExtractor, TensorFormatter

from mlstac_hf._errors import MLSTACError, UnsupportedDtypeError
from mlstac_hf._formats import Array, narrow, plain_dtype
from mlstac_hf._frameworks import FRAMEWORKS, framework
from mlstac_hf._hf._features import is_ragged, stored_dtype

NAMES = {
    "mlstac_numpy": "numpy",
    "mlstac_torch": "torch",
    "mlstac_tf": "tensorflow",
    "mlstac_jax": "jax",
    "mlstac_paddle": "paddle",
}
"""Framework by format name."""


class FormatName(str):
    """The name of a format, which brings its registration along.

    A dataset carries the name of its format; unpickled in a spawned worker, this name imports us first.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return registered, (str(self),)


def registered(name: str) -> FormatName:
    """The name of a format that is known from here on."""
    register_formats()
    return FormatName(name)


def register_formats() -> None:
    """Make our formats known to `datasets`. Calling it again changes nothing.

    Raises:
        MLSTACError: this version of `datasets` has no place to register a format.
    """
    register = getattr(formatting, "_register_formatter", None)
    known = getattr(formatting, "_FORMAT_TYPES", None)
    if register is None or known is None:
        raise MLSTACError(
            f"datasets {datasets.__version__} has no way to register formats that we know. Use "
            "mlstac_hf.load(), or datasets 3.6 to 5.2."
        )
    for name, target in NAMES.items():
        if name not in known:
            formatter = type(f"{target.title()}Formatter", (DtypeFormatter,), {"target": target})
            register(formatter, FormatName(name))


class DtypeFormatter(TensorFormatter):
    """Rows, columns and batches as tensors of one framework, in their stored dtypes.

    Args:
        features: of the dataset; they say which dtype was stored.
        token_per_repo_id: passed on to `datasets`.
        device: where tensors are put; see `load`.
        copy: give tensors memory of their own. Without it tensors may be views of the read-only map of the
            cache file: writing to one in place ends the process (numpy refuses instead).
    """

    target: ClassVar[str] = "numpy"

    def __init__(
        self,
        features: datasets.Features | None = None,
        token_per_repo_id: dict[str, Any] | None = None,
        device: str = "cpu",
        copy: bool = False,  # noqa: FBT001, FBT002 - passed by name through with_format
    ) -> None:
        super().__init__(features=features, token_per_repo_id=token_per_repo_id)
        self._framework = framework(FRAMEWORKS[self.target])
        self._device = device
        self._copy = copy

    def format_row(self, pa_table: pa.Table) -> dict[str, Any]:
        """A sample: tensors without a batch axis."""
        columns = self._columns(pa_table).items()
        return {
            name: self._hand_over(name, column[0, ...] if isinstance(column, np.ndarray) else column[0])
            for name, column in columns
        }

    def format_column(self, pa_table: pa.Table) -> Any:
        """One column, stacked to `(N, …)` or a list."""
        return next(iter(self.format_batch(pa_table).values()))

    def format_batch(self, pa_table: pa.Table) -> dict[str, Any]:
        """Columns, each stacked to `(N, …)` or a list."""
        return {name: self._hand_over(name, column) for name, column in self._columns(pa_table).items()}

    def recursive_tensorize(self, data_struct: Mapping[str, Any]) -> dict[str, Any]:
        """A sample that is Python objects already, as a stream gives it after `map`."""
        return {name: self._hand_over(name, self._from_python(name, value)) for name, value in data_struct.items()}

    def _columns(self, table: pa.Table) -> dict[str, Array | list[Any]]:
        found: dict[str, Array | list[Any]] = {}
        plain: list[str] = []
        for name in table.column_names:
            column = tensors_of(table.column(name), self._feature(name))
            if column is None:
                plain.append(name)
            else:
                found[name] = column
        if plain:
            batch = PythonArrowExtractor().extract_batch(table.select(plain))
            found |= self.python_features_decoder.decode_batch(batch)
        return {name: found[name] for name in table.column_names}

    def _hand_over(self, name: str, value: Any) -> Any:
        if isinstance(value, list):
            return [self._hand_over(name, item) for item in value]
        if not isinstance(value, np.ndarray):
            return value
        try:
            return self._framework.from_numpy(value.copy() if self._copy else value, self._device)
        except UnsupportedDtypeError:
            if stored_dtype(self._feature(name)) is not None:
                raise
            return value  # metadata, such as a float64 geotransform under jax: better numpy than nothing

    def _feature(self, name: str) -> Any:
        return self.features.get(name) if self.features else None

    def _from_python(self, name: str, value: Any) -> Any:
        feature = self._feature(name)
        stored = stored_dtype(feature)
        if is_ragged(feature) and isinstance(value, Mapping):
            value = np.asarray(value["data"], plain_dtype(stored)).reshape(value["shape"])
        elif isinstance(value, list) and value and not isinstance(value[0], str | bytes | Mapping):
            value = np.asarray(value, stored and plain_dtype(stored))
        elif stored is not None and isinstance(value, int | float):
            value = np.asarray(value, plain_dtype(stored))
        if not isinstance(value, np.ndarray) or value.dtype == object:
            return value
        return value if stored is None else _restored(value, stored)


def tensors_of(column: pa.ChunkedArray, feature: Any) -> Array | list[Any] | None:
    """A column of tensors as one `(N, …)` array, or a list of arrays where shapes differ.

    Args:
        column: of an `Array{n}D` type, of numbers, of lists of numbers, or of our data and shape struct.
        feature: the column's feature, where it is known.

    Returns:
        Views of Arrow's memory except where it is packed (bool), widened (bfloat16, float8, complex) or lies in several
        pieces. Rows that are null are None in a list. None for a column that holds no tensors.
    """
    if not _is_tensor(column.type, feature):
        return None
    stored = stored_dtype(feature)
    parts = [_restored_rows(_rows(chunk, feature), stored) for chunk in column.chunks]
    if len(parts) == 1:
        return parts[0]
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    if parts and len(arrays) == len(parts) and len({part.shape[1:] for part in arrays}) == 1:
        return np.concatenate(arrays)
    return [row for part in parts for row in part]


def _is_tensor(kind: pa.DataType, feature: Any) -> bool:
    if isinstance(kind, pa.ExtensionType):  # Array2D … Array5D, not a json or uuid
        return hasattr(kind, "value_type") and hasattr(kind, "shape")
    if is_ragged(feature) and pa.types.is_struct(kind):
        return True
    if _is_list(kind):
        kind = kind.value_type
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _rows(array: pa.Array, feature: Any) -> Array | list[Any]:
    """One chunk as an `(N, …)` array or a list of rows."""
    if array.null_count:
        return [None if not one.is_valid else _rows(array[i : i + 1], feature)[0] for i, one in enumerate(array)]
    if isinstance(array.type, pa.ExtensionType):
        return _unnested(array.storage, len(array.type.shape), tuple(array.type.shape))
    if pa.types.is_struct(array.type):
        shapes = array.field("shape").flatten().to_numpy().reshape(len(array), -1)
        flat = _unnested(array.field("data"), 1, (None,))
        return [row.reshape(shape) for row, shape in zip(flat, shapes, strict=True)]
    if pa.types.is_fixed_size_list(array.type):
        return _unnested(array, 1, (array.type.list_size,))
    return _unnested(array, 1, (None,)) if _is_list(array.type) else _values(array)


def _unnested(array: pa.Array, depth: int, shape: tuple[int | None, ...]) -> Array | list[Array]:
    """Lists of lists as arrays: one where every row has `shape`, else one a row, dim 0 by the offsets."""
    count = len(array)
    lengths = None if shape[0] is not None else np.diff(array.offsets.to_numpy())
    for _ in range(depth):
        array = array.flatten()
    flat = _values(array)
    inner = tuple(axis or 0 for axis in shape[1:])
    if lengths is None:
        return flat.reshape((count, shape[0] or 0, *inner))
    rows = flat.reshape((-1, *inner))
    if count and (lengths == lengths[0]).all():
        return rows.reshape((count, int(lengths[0]), *inner))
    return np.split(rows, np.cumsum(lengths)[:-1]) if count else []


def _values(array: pa.Array) -> Array:
    values: Array = array.to_numpy(zero_copy_only=not pa.types.is_boolean(array.type))
    return values


def _restored_rows(rows: Array | list[Any], stored: Any) -> Array | list[Any]:
    if stored is None:
        return rows
    if isinstance(rows, np.ndarray):
        return _restored(rows, stored)
    return [row if row is None else _restored(np.asarray(row), stored) for row in rows]


def _restored(array: Array, stored: np.dtype[Any]) -> Array:
    """The stored dtype, unless the column has since become something else under `map` or `cast`."""
    plain = plain_dtype(stored)
    labels = stored.kind in "iu" and array.dtype == np.int64  # a ClassLabel
    return narrow(array, stored) if array.dtype == plain or labels else array

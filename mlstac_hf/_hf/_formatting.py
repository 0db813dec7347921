"""Our formats for datasets: `mlstac_numpy`, `mlstac_torch`, `mlstac_tf`, `mlstac_jax`, `mlstac_paddle`.

Owns: what `datasets` calls to format rows, columns and batches, and making it known. Leaves to others: Arrow's
memory as arrays (`_columns`), the hand-over (`_frameworks`). What is no tensor comes out as in the plain Python
format.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import datasets
import numpy as np
import pyarrow as pa
from datasets.formatting.formatting import PythonArrowExtractor, TensorFormatter

from mlstac_hf._errors import UnsupportedDtypeError
from mlstac_hf._formats import Array, plain_dtype
from mlstac_hf._frameworks import FRAMEWORKS, framework
from mlstac_hf._hf._columns import restored, tensors_of
from mlstac_hf._hf._features import is_ragged, stored_dtype
from mlstac_hf._hf._private import format_tables

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
    register, known = format_tables()
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
        # numpy's numbers come as its scalars, which `map` writes back as numbers; an array of no axes it would not
        first = 0 if self.target == "numpy" else (0, ...)
        return {
            name: self._hand_over(name, column[first] if isinstance(column, np.ndarray) else column[0])
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
        kinds = table.schema.types  # while these live, Arrow does not parse extension types anew at every touch
        for name in table.column_names:
            column = tensors_of(table.column(name), self._feature(name))
            if column is None:
                plain.append(name)
            else:
                found[name] = column
        if plain:
            batch = PythonArrowExtractor().extract_batch(table.select(plain))
            found |= self.python_features_decoder.decode_batch(batch)
        del kinds
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
        plain = stored and plain_dtype(stored)
        first = value[0] if isinstance(value, list) and value else None
        is_number = stored is not None and isinstance(value, int | float)
        if is_ragged(feature) and isinstance(value, Mapping):
            value = np.asarray(value["data"], plain).reshape(value["shape"])
        elif is_number or isinstance(first, int | float | list | np.ndarray):
            value = np.asarray(value, plain)
        return restored(value, feature) if isinstance(value, np.ndarray) and value.dtype != object else value

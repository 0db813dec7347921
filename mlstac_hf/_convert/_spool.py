"""Record batches on disk until all columns are known: metadata keys of a late sample are columns from the first row on.

Owns: the file, and that rows of all batches come out under one schema. Leaves to others: what the columns are.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import pyarrow as pa


class Spool:
    """Batches whose columns may differ; a column of one name has one type. A context manager, which ends the file."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._fields: dict[str, Any] = {}
        self._known: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, batch: Any) -> None:
        """Keep a batch."""
        for field, column in zip(batch.schema, batch.columns, strict=True):
            self._fields.setdefault(field.name, field)
            if column.null_count < len(column):
                self._known.add(field.name)
        with pa.ipc.new_stream(self._file, batch.schema) as stream:
            stream.write_batch(batch)

    @property
    def schema(self) -> Any:
        """All columns, in the order they were first seen."""
        return pa.schema(list(self._fields.values()))

    @property
    def known(self) -> set[str]:
        """Names of the columns that hold a value."""
        return self._known

    def tables(self, rows: int) -> Iterator[Any]:
        """All rows, as tables of all columns.

        Args:
            rows: of a table, at least; the last one may have fewer.
        """
        end = self._file.tell()
        self._file.seek(0)
        waiting: list[Any] = []
        while self._file.tell() < end:
            with pa.ipc.open_stream(self._file) as stream:
                waiting += [self._completed(batch) for batch in stream]
            if sum(map(len, waiting)) >= rows:
                yield pa.Table.from_batches(waiting)
                waiting = []
        if waiting:
            yield pa.Table.from_batches(waiting)

    def _completed(self, batch: Any) -> Any:
        names = set(batch.schema.names)
        columns = [
            batch.column(name) if name in names else pa.nulls(len(batch), field.type)
            for name, field in self._fields.items()
        ]
        return pa.record_batch(columns, self.schema)

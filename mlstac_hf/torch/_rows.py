"""Samples that were read at once, as torch asks for them: one dict a sample.

Owns: the way between a batch and its samples. Leaves to others: reading it (`_dataset`), batches of other samples
(`_collate`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload


class Rows(Sequence[dict[str, Any]]):
    """The samples of a batch that was read at once; each is made, of views, when it is asked for.

    Args:
        columns: by name an `(N, …)` tensor, or a list of N tensors, texts, and None where a sample has none.
        metadata: one dict a sample, where it was asked for.
        count: N.
    """

    def __init__(self, columns: dict[str, Any], metadata: list[dict[str, Any]] | None, count: int) -> None:
        self.columns = columns
        self.metadata = metadata
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, key: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, key: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, key: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        if isinstance(key, slice):
            return [self[place] for place in range(self._count)[key]]
        place = range(self._count)[key]
        values = ((name, column[place]) for name, column in self.columns.items())
        sample = {name: value for name, value in values if value is not None}
        return sample if self.metadata is None else {**sample, "metadata": self.metadata[place]}

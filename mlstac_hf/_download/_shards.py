"""Published tables: the shards that hold what was asked for, as they are, and the table that says which rows those are.

Owns: which shards, the rows of the table. Leaves to others: fetching (`_fetch`), reading rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from mlstac_hf._download._digests import digest_of
from mlstac_hf._download._planned import Faults, Landed, PlannedFile
from mlstac_hf._download._staging import Staging
from mlstac_hf._download._tables import rows_of
from mlstac_hf._errors import InvalidCollectionError
from mlstac_hf._formats import HeaderError
from mlstac_hf._reading._shards import METADATA, ShardFolder
from mlstac_hf._spec import Catalog
from mlstac_hf._stores import MAIN

_MAGIC = {"parquet": b"PAR1", "arrow": b"ARROW1"}


class ShardsPlan:
    """One split of shards.

    Args:
        source: the split as it lies.
        indices: of the samples that were asked for, in order.
        catalog: what the collection declares of the split.
        checksums: of `main.json`.

    Raises:
        InvalidCollectionError: shards under names that are those of other files.
    """

    def __init__(
        self, source: ShardFolder, indices: Sequence[int], catalog: Catalog, checksums: Mapping[str, str]
    ) -> None:
        self.split, self.count = source.split, len(indices)
        self.state = source.fingerprint()
        self._source, self._indices, self._catalog, self._checksums = source, indices, catalog, checksums
        self._keys: dict[str, list[int]] = {file: [] for file in source.sizes} if self._is_all() else {}
        for key, index in enumerate(indices):
            self._keys.setdefault(source.places[index][0], []).append(key)
        for file in self._keys:
            parts = PurePosixPath(file).parts
            if file == MAIN or parts[:1] == (METADATA,) or any(part.startswith(".") for part in parts):
                raise InvalidCollectionError(
                    f"split {self.split!r}: expected shards in a folder of theirs, found {file!r}"
                )
        self._sizes = {file: self._size(file) for file in self._keys}
        self.n_files = len(self._keys)

    def _is_all(self) -> bool:
        return self.count == len(self._source)

    def _size(self, file: str) -> int | None:
        known = self._source.sizes.get(file)
        return self._source.store.stat(file).nbytes if known is None else known

    @property
    def nbytes(self) -> int | None:
        """See `SplitPlan`."""
        sizes = list(self._sizes.values())
        return None if None in sizes else sum(size or 0 for size in sizes)

    about = nbytes

    def place(self, key: int) -> str:
        """See `SplitPlan`."""
        return self._source.place(self._indices[key])

    def faults(self) -> Faults:
        """See `SplitPlan`: rows are read by those who read samples."""
        return {}

    def files(self, skipped: Mapping[int, str]) -> Iterator[PlannedFile]:
        """See `SplitPlan`."""
        for file, all_keys in self._keys.items():
            keys = [key for key in all_keys if key not in skipped]
            if all_keys and not keys:
                continue
            yield PlannedFile(
                keys=keys,
                place=file,
                store=self._source.store,
                ways=[(file, file)],
                nbytes=self._sizes[file],
                digest=digest_of(self._source.store, file, self._checksums, file),
                check=partial(_check, _MAGIC[self._source.form]),
            )

    def final(self, file: PlannedFile, path: str, *_: object) -> tuple[str, int | None]:
        """See `SplitPlan`: they keep their names."""
        return path, file.nbytes

    def beside(self) -> Sequence[str]:
        """See `SplitPlan`."""
        return (f"{METADATA}/{self.split}.parquet",)

    def land(self, staging: Staging, skipped: Mapping[int, str]) -> Landed:
        """See `SplitPlan`."""
        paths = [planned.ways[0][1] for planned in self.files(skipped)]
        for path in paths:
            staging.move(path, path)
        table = f"{METADATA}/{self.split}.parquet"
        data = self._source.store.read(table)
        is_whole = self._is_all() and not skipped
        left = [index for key, index in enumerate(self._indices) if key not in skipped]
        if not is_whole:
            data = rows_of(data, [self._source.rows[index] for index in left])
        staging.store.put(table, data)
        checksums = {path: self._checksums[path] for path in paths if path in self._checksums}
        if table in self._checksums:
            checksums[table] = f"sha256:{hashlib.sha256(data).hexdigest()}"
        catalog = self._catalog
        if catalog.n_items != len(left):
            catalog = catalog.model_copy(update={"n_items": len(left), "misstated": None})
        return Landed(catalog=catalog, count=len(left), checksums=checksums, files=paths, is_whole=is_whole)


def _check(magic: bytes, path: Path) -> Faults:
    """Whether a shard has both its ends."""
    with path.open("rb") as file:
        first = file.read(len(magic))
        file.seek(max(0, path.stat().st_size - len(magic)))
        if first != magic or file.read() != magic:
            raise HeaderError(f"expected a file that begins and ends with {magic!r}")
    return {}

"""The container layout: containers as they are published, or the payloads that were asked for in containers of ours.

Owns: which bytes of which container, the header before them, the table beside them. Leaves to others: fetching
(`_fetch`), what a table is (`_tables`). A container keeps its name, so that the table's rows stay its own.
"""

from __future__ import annotations

import hashlib
import posixpath
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from mlstac_hf._download._digests import digest_of, sha256_of
from mlstac_hf._download._planned import Faults, Landed, PlannedFile
from mlstac_hf._download._staging import Staging
from mlstac_hf._download._tables import Placed, container_table
from mlstac_hf._errors import CorruptSampleError, InvalidCollectionError, MissingExtraError, MLSTACError
from mlstac_hf._formats import (
    CONTAINER_PREFIX,
    HEAD,
    HeaderError,
    container_header,
    container_header_length,
    open_payload,
    parse_container_header,
    payload_kind,
)
from mlstac_hf._reading._containers import ContainerFolder, Row
from mlstac_hf._spec import Catalog, DataFile, file_in

TABLE = "metadata.parquet"


class ContainersPlan:
    """One split of containers.

    Args:
        source: the split as it lies.
        indices: of the samples that were asked for, in order.
        catalog: what the collection declares of the split.
        checksums: of `main.json`; empty where the split does not lie beside it.

    Raises:
        InvalidCollectionError: containers with names that cannot lie in one folder.
    """

    def __init__(
        self, source: ContainerFolder, indices: Sequence[int], catalog: Catalog, checksums: Mapping[str, str]
    ) -> None:
        self.split, self.count = source.split, len(indices)
        self.state = source.fingerprint()
        self._source, self._indices, self._catalog, self._checksums = source, indices, catalog, checksums
        self._keys: dict[str, list[int]] = {file: [] for file in source.files}
        for key, index in enumerate(indices):
            self._keys[source.rows[index].file].append(key)
        self._rows: dict[str, list[Row]] = {file: [] for file in source.files}
        for row in source.rows:
            self._rows[row.file].append(row)
        if source.whole is not None or self.count < len(source):  # of a selection, only files that hold some of it
            self._keys = {file: keys for file, keys in self._keys.items() if keys}
        self.n_files = len(self._keys)
        self._check_names()

    def _check_names(self) -> None:
        names = [_name(file) for file in self._keys]
        bad = [name for name in names if name in ("", TABLE) or name.startswith(".") or names.count(name) > 1]
        if bad:
            raise InvalidCollectionError(
                f"split {self.split!r}: expected containers with names of their own, found {bad[0]!r}"
            )

    @property
    def nbytes(self) -> int | None:
        """See `SplitPlan`."""
        return sum(self._nbytes(file, keys) for file, keys in self._keys.items())

    about = nbytes

    def place(self, key: int) -> str:
        """See `SplitPlan`."""
        return self._source.place(self._indices[key])

    def faults(self) -> Faults:
        """See `SplitPlan`: what the headers of containers already show."""
        return {key: self._corrupt(key, fault) for key in range(self.count) if (fault := self._row(key).fault)}

    def _row(self, key: int) -> Row:
        return self._source.rows[self._indices[key]]

    def _corrupt(self, key: int, error: object) -> MLSTACError:
        return CorruptSampleError(f'{self.place(key)}: {error}. Leave it out with on_error="skip".')

    def _is_whole(self, file: str, keys: Sequence[int]) -> bool:
        return len(keys) == len(self._rows[file])

    def _nbytes(self, file: str, keys: Sequence[int]) -> int:
        if self._is_whole(file, keys):
            return self._source.files[file]
        return len(self._head(keys)) + sum(self._row(key).nbytes for key in keys)

    def _head(self, keys: Sequence[int]) -> bytes:
        return container_header({self._row(key).name: self._row(key).nbytes for key in keys})

    def files(self, skipped: Mapping[int, str]) -> Iterator[PlannedFile]:
        """See `SplitPlan`."""
        for file, all_keys in self._keys.items():
            keys = [key for key in all_keys if key not in skipped]
            if all_keys and not keys:
                continue
            whole = self._is_whole(file, keys)
            name = f"{self.split}/{_name(file)}"
            yield PlannedFile(
                keys=keys,
                place=file,
                store=self._source.store,
                ways=[(file, name)],
                nbytes=self._nbytes(file, keys),
                digest=digest_of(self._source.store, file, self._checksums, name) if whole else None,
                head=b"" if whole else self._head(keys),
                runs=None if whole else _runs([self._row(key) for key in keys]),
                check=partial(self._check, keys),
                drop=partial(self._drop, keys),
            )

    def _check(self, keys: Sequence[int], path: Path) -> Faults:
        """Whether a container holds what was seen in it, and its payloads have headers that can be read."""
        placed = _placed(path)
        expected = [(self._row(key).name, self._row(key).nbytes) for key in keys]
        if [(name, nbytes) for name, _, nbytes in placed] != expected:
            raise HeaderError("it holds other datapoints than before: it was changed meanwhile")
        faults: dict[int, MLSTACError] = {}
        strange: dict[int, MLSTACError] = {}
        with path.open("rb") as file:
            for key, (_, start, nbytes) in zip(keys, placed, strict=True):
                file.seek(start)
                data = file.read(nbytes)
                try:
                    open_payload(data)
                except HeaderError as error:
                    (faults if payload_kind(data[:HEAD]) else strange)[key] = self._corrupt(key, error)
                except MissingExtraError:  # nobody here can read them, which takes nothing from them
                    break
        # a container full of what nobody here reads may be read by others
        return faults if len(strange) == len(keys) else faults | strange

    def _drop(self, keys: Sequence[int], path: Path, faults: Faults) -> None:
        """Write a container anew without some of its payloads."""
        left = [(key, place) for key, place in zip(keys, _placed(path), strict=True) if key not in faults]
        packed = path.with_name(f"{path.name}.packed")
        with path.open("rb") as old, packed.open("wb") as new:
            new.write(self._head([key for key, _ in left]))
            for _, (_, start, nbytes) in left:
                old.seek(start)
                new.write(old.read(nbytes))
        shutil.move(packed, path)

    def final(self, file: PlannedFile, path: str, *_: object) -> tuple[str, int | None]:
        """See `SplitPlan`: they keep their names."""
        return path, file.nbytes

    def beside(self) -> Sequence[str]:
        """See `SplitPlan`."""
        return () if self._source.table is None or not self._source.files else (f"{self.split}/{TABLE}",)

    def land(self, staging: Staging, skipped: Mapping[int, str]) -> Landed:
        """See `SplitPlan`."""
        files: list[DataFile] = []
        checksums: dict[str, str] = {}
        placed: list[Placed] = []
        is_whole = self.count == len(self._source) and self._source.whole is None and not skipped
        listed = {file_in(file.href): file for file in self._catalog.data_files}
        for planned in self.files(skipped):
            path = planned.ways[0][1]
            target = staging.move(path, path)
            nbytes, name = target.stat().st_size, _name(path)
            if planned.runs is None:
                known = listed.get(name) or DataFile(href=path)
                files.append(known if known.nbytes in (None, nbytes) else known.model_copy(update={"nbytes": nbytes}))
                if path in self._checksums:
                    checksums[path] = self._checksums[path]
            else:
                files.append(DataFile(href=path, nbytes=nbytes, description=f"{len(planned.keys)} samples"))
                if self._checksums:
                    checksums[path] = f"sha256:{sha256_of(target)}"
            placed += [Placed(name, key, *place) for key, place in zip(planned.keys, _located(target), strict=True)]
        table = self._land_table(staging, placed, is_whole=is_whole)
        update: dict[str, object] = {}
        if tuple(files) != self._catalog.data_files:
            update["data_files"] = tuple(files)
        if not is_whole or self._catalog.misstated or self._catalog.n_items not in (None, len(placed)):
            update |= {"n_items": len(placed), "misstated": None}
        if table is not None and not is_whole:
            update["metadata_file"] = f"{self.split}/{TABLE}"
            if self._catalog.model_extra and "metadata_checksum" in self._catalog.model_extra:
                update["metadata_checksum"] = len(table)
        path = f"{self.split}/{TABLE}"
        if table is not None and path in self._checksums:
            checksums[path] = f"sha256:{hashlib.sha256(table).hexdigest()}"
        return Landed(
            catalog=self._catalog.model_copy(update=update) if update else self._catalog,
            count=len(placed),
            checksums=checksums,
            files=[f"{self.split}/{_name(file)}" for file in self._keys],
            is_whole=is_whole,
        )

    def _land_table(self, staging: Staging, placed: Sequence[Placed], *, is_whole: bool) -> bytes | None:
        """The table beside the containers, with the rows of what is in them."""
        source = self._source
        if source.table is None or not source.files:
            return None
        data = source.store.read(posixpath.join(posixpath.dirname(next(iter(source.files))), TABLE))
        if not is_whole:
            rows = [source.table.row_of(one.file, one.name) for one in placed]
            data = container_table(data, rows, placed)
        staging.store.put(f"{self.split}/{TABLE}", data)
        return data


def _name(path: str) -> str:
    return PurePosixPath(path.replace("\\", "/")).name


def _runs(rows: Sequence[Row]) -> list[tuple[int, int]]:
    """Start and stop of payloads; those that lie one behind the other in one."""
    runs: list[tuple[int, int]] = []
    for row in rows:
        if runs and runs[-1][1] == row.start:
            runs[-1] = (runs[-1][0], row.start + row.nbytes)
        else:
            runs.append((row.start, row.start + row.nbytes))
    return runs


def _placed(path: Path) -> list[tuple[str, int, int]]:
    """Id, first byte and bytes of each payload of a container of this disk."""
    with path.open("rb") as file:
        nbytes = path.stat().st_size
        length = container_header_length(file.read(CONTAINER_PREFIX), nbytes)
        container = parse_container_header(file.read(length), nbytes)
    return [(point.id, point.start, point.nbytes) for point in container.entries.values()]


def _located(path: Path) -> list[tuple[str, int, int, int]]:
    """As `metadata.parquet` has it: id, begin, length, and bytes of the header."""
    with path.open("rb") as file:
        length = container_header_length(file.read(CONTAINER_PREFIX), path.stat().st_size)
    base = CONTAINER_PREFIX + length
    return [(name, start - base, nbytes, length) for name, start, nbytes in _placed(path)]

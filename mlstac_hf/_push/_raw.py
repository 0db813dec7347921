"""The ML-STAC files of a collection as they are, as files of a repository.

Owns: which files go up, and that thousands of small ones become a few containers. Leaves to others: writing those
(`write`), the table beside them (`_metadata_config`), `main.json`'s spelling (`_spec`).
"""

from __future__ import annotations

import hashlib
import posixpath
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import datasets

from mlstac_hf._errors import CollectionNotFoundError
from mlstac_hf._hf._features import features_of
from mlstac_hf._hf._job import Job
from mlstac_hf._hf._schema import scan, unify
from mlstac_hf._load import load
from mlstac_hf._push._metadata_config import ROW_NBYTES, metadata_features, write_metadata
from mlstac_hf._push._planned import PlannedFile, document_file
from mlstac_hf._reading import Source, open_collection, open_split, origin_of
from mlstac_hf._reading._containers import ContainerFolder
from mlstac_hf._reading._folder import SampleFolder
from mlstac_hf._reading._sample_table import files_digest
from mlstac_hf._reading._shards import METADATA
from mlstac_hf._spec import Catalog, Collection, DataFile, Layout, main_json
from mlstac_hf._stores import Store
from mlstac_hf._version import __version__
from mlstac_hf._write import write

LOOSE = 1000
"""Sample files that go up as they are; of more, a reader would ask the Hub for each."""
_PIECE = 64 << 20
_TABLE = "metadata.parquet"
_EXTRAS = (_TABLE, "SHA256SUMS")
"""Files beside samples that go up with them."""


@dataclass(frozen=True, kw_only=True)
class RawFiles:
    """A collection as its own files."""

    collection: Collection
    """As it goes up: its splits where they will lie."""
    layout: Layout
    sources: Mapping[str, Source] = field(repr=False)
    """The samples of each split, as they are published."""
    counts: Mapping[str, int]
    """Samples by split."""
    nbytes: Mapping[str, int]
    """Bytes by split, as stored."""
    metadata_features: datasets.Features
    files: tuple[PlannedFile, ...] = field(repr=False)
    """All but the card and `main.json`."""

    def main(self, base: str) -> PlannedFile:
        """`main.json`, whose links lead to where the files will be.

        Args:
            base: URL of the repository's files, at the branch.
        """
        return document_file(main_json(self.collection, self.layout, base=base))


def plan_raw(collection: Collection, names: Sequence[str], work: Path) -> RawFiles:
    """Plan a repository of the files themselves; headers are read, no tensor is.

    Args:
        collection: an open one.
        names: of the splits to publish.
        work: folder on this disk for containers, where thousands of sample files become some.

    Raises:
        SampleError: a sample that cannot be read.
        ValueError: splits that are lists of samples of others.
    """
    if origin_of(collection).files is not None:
        raise ValueError('format="raw" publishes files as they are, and splits= is not as they are; use "parquet"')
    sources = {name: open_split(collection, name) for name in names}
    if any(isinstance(source, SampleFolder) and len(source) > LOOSE for source in sources.values()):
        collection = _packed(collection, names, work)
        sources = {name: open_split(collection, name) for name in names}
    splits = {name: _Split(name, source) for name, source in sources.items()}
    in_containers = any(isinstance(source, ContainerFolder) for source in sources.values())
    jobs = _jobs(collection, sources)
    known = origin_of(collection).digest
    tables = [_metadata_file(split, jobs[name], known) for name, split in splits.items()]
    return RawFiles(
        collection=_described(collection, splits),
        layout="container" if in_containers else "samples",
        sources=sources,
        counts={name: len(split.source) for name, split in splits.items()},
        nbytes={name: sum(file.nbytes for file in split.files) for name, split in splits.items()},
        metadata_features=metadata_features(next(iter(jobs.values()))),
        files=(*(file for split in splits.values() for file in split.files), *tables),
    )


def _packed(collection: Collection, names: Sequence[str], work: Path) -> Collection:
    """The same samples in containers, in a folder of their own; a packing that was broken off goes on."""
    folder = work / f"packed-{origin_of(collection).digest[:16]}"
    described = collection.model_copy(update={"splits": {}})
    for name in names:
        try:
            if name in open_collection(folder).splits:
                continue
        except CollectionNotFoundError:
            pass
        write(load(collection, "numpy", split=name), folder, described, split=name, layout="container")
    return open_collection(folder)


class _Split:
    """The files of one split, where they are and where they will be."""

    def __init__(self, name: str, source: Any) -> None:
        self.name, self.source = name, source
        self._store: Store = source.store
        self.places: list[tuple[str, int | None, int | None]] = []
        """Of each sample: file, nothing, and its place in a container."""
        found: Counter[str] = Counter()
        for index in range(len(source)):
            path = source.location(index).path
            row = found[path] if isinstance(source, ContainerFolder) else None
            self.places.append((self.target(path), None, row))
            found[path] += 1
        self.samples = list(found)
        folder = posixpath.dirname(self.samples[0]) if self.samples else name
        self.others = [path for path in (posixpath.join(folder, extra) for extra in _EXTRAS) if self._has(path)]
        self.sample_files = [self._planned(path) for path in self.samples]
        self.files = [*self.sample_files, *(self._planned(path) for path in self.others)]

    def target(self, path: str) -> str:
        """Where a file will lie."""
        return f"{self.name}/{posixpath.basename(path)}"

    def _has(self, path: str) -> bool:
        try:
            self._store.stat(path)
        except FileNotFoundError:
            return False
        return True

    def _planned(self, path: str) -> PlannedFile:
        entry = self._store.stat(path)
        nbytes = entry.nbytes or 0
        return PlannedFile(
            path=self.target(path),
            key=hashlib.sha256(f"{self._store.url}\0{path}\0{entry.version}".encode()).hexdigest(),
            nbytes=nbytes,
            make=lambda to: _copy(self._store, path, to),
        )

    def catalog(self) -> Catalog:
        """What `main.json` says of it."""
        if not isinstance(self.source, ContainerFolder):
            return Catalog(name=self.name, n_items=len(self.source), link=f"{self.name}/")
        sizes = {file.path: file.nbytes for file in self.files}
        containers = tuple(DataFile(href=self.target(path), nbytes=sizes[self.target(path)]) for path in self.samples)
        table = f"{self.name}/{_TABLE}"
        return Catalog(
            name=self.name,
            n_items=len(self.source),
            data_files=containers,
            metadata_file=table if table in sizes else None,
            metadata_checksum=sizes.get(table),  # type: ignore[call-arg] # kept as it is, like all keys of others
        )


def _copy(store: Store, path: str, to: Path) -> None:
    """A file of a store, in pieces."""
    start = 0
    with to.open("wb") as file:
        while piece := store.read_range(path, start, start + _PIECE):
            file.write(piece)
            start += len(piece)


def _jobs(collection: Collection, sources: Mapping[str, Source]) -> dict[str, Job]:
    """What the tables beside the files are made from: metadata, and no tensors."""
    scans = {name: scan(source, range(len(source)), ()) for name, source in sources.items()}
    schema = unify({name: found.schema for name, found in scans.items()})
    features = features_of(schema, collection.labels, None)
    return {
        name: Job(source=source, scan=scans[name], schema=schema, features=features) for name, source in sources.items()
    }


def _metadata_file(split: _Split, job: Job, known: str) -> PlannedFile:
    parts = (known, split.source.fingerprint(), repr(job.features.to_dict()), split.name, __version__)
    # a key that is called as a tensor has another name in the table, so that does not say what headers say
    says_all = all(name == key for name, key in job.schema.metadata_columns().items())
    says_all = says_all and isinstance(split.source, SampleFolder)
    of_files = files_digest((file.path, file.nbytes) for file in split.sample_files) if says_all else None
    return PlannedFile(
        path=f"{METADATA}/{split.name}.parquet",
        key=hashlib.sha256("\0".join(parts).encode()).hexdigest(),
        nbytes=ROW_NBYTES * len(split.places),
        make=partial(write_metadata, job, split.places, "parquet", of_files=of_files),
    )


def _described(collection: Collection, splits: Mapping[str, _Split]) -> Collection:
    """The collection with its files where they will lie, and the checksums of those that are among them."""
    targets = {path: split.target(path) for split in splits.values() for path in (*split.samples, *split.others)}
    sums = {targets[path]: value for path, value in (collection.annotations.checksums or {}).items() if path in targets}
    return collection.model_copy(
        update={
            "splits": {name: split.catalog() for name, split in splits.items()},
            "annotations": collection.annotations.model_copy(update={"checksums": sums or None}),
        }
    )

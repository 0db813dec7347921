"""`load_dataset()`: the splits of a collection as datasets, Arrow-cached or streamed.

Owns: the cache key, one schema for several splits, offline mode. Leaves to others: the grammar of splits
(`_splits`), building (`_builder`), schemas (`_schema`), the samples (`reading`).
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets

from mlstac_hf._errors import CollectionNotFoundError, MLSTACError, SchemaMismatchError, StoreError, warn, warn_skipped
from mlstac_hf._hf._builder import MLSTAC, GenerationError
from mlstac_hf._hf._features import features_of
from mlstac_hf._hf._job import Job
from mlstac_hf._hf._schema import Scan, Schema, scan, unify
from mlstac_hf._hf._splits import choose, is_joined, names_of
from mlstac_hf._hf._staging import staged
from mlstac_hf._reading import Address, Selection, Source, open_collection, origin_of, passing, select
from mlstac_hf._spec import Collection
from mlstac_hf._stores import LocalStore
from mlstac_hf._version import __version__

logger = logging.getLogger(__name__)

NAME = "mlstac"
_OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was asked for besides the address, as far as it changes the rows."""

    selection: Selection
    columns: Sequence[str] | None
    on_error: str

    def text(self) -> str:
        """For a cache key."""
        return json.dumps([self.selection.text(), self.columns, self.on_error])


@dataclass(frozen=True, kw_only=True)
class Build:
    """How datasets are made, which changes no row."""

    cache: Path
    notes: str | None
    """Where indexes and statistics are kept; None is the platform's cache folder."""
    streaming: bool
    num_proc: int | None
    keep_in_memory: bool

    def dataset(self, builder: MLSTAC, part: str) -> Any:
        """A split, or a slice of one, from its builder."""
        if not self.streaming:
            if not any(split.num_examples for split in builder.info.splits.values()):  # which as_dataset refuses
                features = builder.info.features
                return datasets.Dataset.from_dict({name: [] for name in features}, features)
            return builder.as_dataset(split=part, in_memory=self.keep_in_memory)
        if "[" in part:
            raise ValueError(f"a stream has whole splits, got {part!r}; use limit=, or .skip() and .take()")
        return builder.as_streaming_dataset(split=part)


def load_dataset(address: Address, split: Any, options: Options, access: dict[str, Any], build: Build) -> Any:
    """See `mlstac_hf.load_dataset`; `access` goes on to `open_collection`."""
    key = _digest(_known_as(address), str(access["revision"]), str(access["splits"]), options.text())[:16]
    try:
        collection = open_collection(address, **access)
    except StoreError:
        if not _offline() or build.streaming:
            raise
        builders = _prepared(build.cache, key)
        names_of(split, list(builders))
    else:
        request = _Request(passing(collection) if build.streaming else collection, options, build, key)
        builders = request.builders(names_of(split, list(collection.splits)), split)
    return choose(split, builders, lambda name, part: build.dataset(builders[name], part), streaming=build.streaming)


def _known_as(address: Address) -> str:
    """One name for all spellings of a local folder; others as they are typed."""
    text = origin_of(address).address if isinstance(address, Collection) else os.fspath(address)
    path = os.path.realpath(os.path.expanduser(text))
    if not os.path.exists(path):
        return text
    return path if os.path.isdir(path) else os.path.dirname(path)


@dataclass
class _Part:
    """One split on its way into a dataset."""

    source: Source
    version: str
    """Digest of `main.json`, the files, the options and this package's version."""
    schema: Schema
    scan: Scan | None = None
    """None where the schema was known from before; the rows are then looked up when they are needed."""


class _Request:
    """One call of `load_dataset` on a collection that could be opened."""

    def __init__(self, collection: Collection, options: Options, build: Build, key: str) -> None:
        self._collection = collection
        self._options = options
        self._build = build
        self._key = key
        self._notes = LocalStore(build.cache / NAME / "schemas")

    def builders(self, names: Sequence[str], split: Any) -> dict[str, MLSTAC]:
        """A builder for each split, its dataset prepared unless it is streamed."""
        with ExitStack() as stack:
            parts: list[_Part] = []
            absent: list[MLSTACError] = []
            for name in names:
                try:
                    source = self._select(name)
                except self._absences() as error:
                    absent.append(error)
                    continue
                parts.append(self._part(source, stack))
            if absent and (split is not None or not parts):
                raise absent[0]
            for reason in absent:
                warn(f"left out: {reason}")
            if not parts:
                raise CollectionNotFoundError(f"{self._collection!r} declares no split")
            return {
                part.source.split: self._builder(part, schema, stack)
                for part, schema in zip(parts, _schemas(parts, joined=is_joined(split)), strict=True)
            }

    def _select(self, name: str) -> Source:
        skip = self._options.on_error == "skip"
        return select(self._collection, name, self._options.selection, skip=skip, cache_dir=self._build.notes)

    def _absences(self) -> tuple[type[MLSTACError], ...]:
        """What says that a split is not there, so that the others load without it.

        A folder on this disk is often a copy of some splits, whose links lead to where all were published.
        """
        is_local = isinstance(origin_of(self._collection).store, LocalStore)
        return (CollectionNotFoundError, StoreError) if is_local else (CollectionNotFoundError,)

    def _part(self, source: Source, stack: ExitStack) -> _Part:
        digest = origin_of(self._collection).digest
        if self._build.streaming and not source.is_local:
            # nothing is fetched but the first sample, and later ones must be like it
            count = len(source)
            first = scan(source, range(min(1, count)), self._options.columns)
            rows = Scan(first.schema, range(count), first.nbytes * count, first.elements * count)
            return _Part(source, digest, first.schema, rows)
        version = _digest(digest, source.fingerprint(), self._options.text(), __version__)
        schema = None if self._build.streaming else self._noted(version)
        part = _Part(source, version, schema or Schema())
        if schema is None:
            self._scan(part, stack)
        return part

    def _noted(self, version: str) -> Schema | None:
        """The schema that was found before, so that a prepared dataset opens without a look at its samples."""
        try:
            return Schema.from_json(self._notes.read(f"{version[:32]}.json"))
        except (FileNotFoundError, ValueError):
            return None

    def _scan(self, part: _Part, stack: ExitStack) -> Scan:
        part.source = stack.enter_context(staged(part.source, self._build.cache))
        skip = self._options.on_error == "skip"
        found = scan(part.source, range(len(part.source)), self._options.columns, skip=skip)
        if found.skipped:
            warn_skipped(found.skipped)
        elif not self._build.streaming:
            self._notes.put(f"{part.version[:32]}.json", found.schema.to_json().encode())
        part.schema, part.scan = found.schema, found
        return found

    def _builder(self, part: _Part, schema: Schema, stack: ExitStack) -> MLSTAC:
        features = features_of(schema, self._collection.labels, self._options.columns)
        slug = re.sub(r"[^A-Za-z0-9]+", "_", self._collection.id)[:40].strip("_") or "collection"
        builder = MLSTAC(
            cache_dir=str(self._build.cache),
            dataset_name=NAME,
            config_name=f"{slug}-{part.source.split}-{self._key}",
            hash=_digest(part.version, repr(features.to_dict()))[:32],
        )
        is_prepared = (Path(builder.cache_dir) / datasets.config.DATASET_INFO_FILENAME).exists()
        if self._build.streaming or not is_prepared:
            builder.job = Job(
                source=part.source,
                scan=part.scan or self._scan(part, stack),
                schema=schema,
                features=features,
                info={"description": self._collection.description or "", "license": self._collection.license or ""},
                skip=self._options.on_error == "skip",
                bar=not self._build.streaming and self._build.num_proc in (None, 1),
            )
        if not self._build.streaming:
            try:
                with _without_their_bar(unless=self._build.num_proc not in (None, 1)):
                    builder.download_and_prepare(num_proc=self._build.num_proc)
            except GenerationError as error:
                raise error.error from None
            builder.job = None
        return builder


def _schemas(parts: Sequence[_Part], *, joined: bool) -> list[Schema]:
    """One schema for all parts where they agree; else each its own, unless they are to be one dataset."""
    try:
        return [unify({part.source.split: part.schema for part in parts})] * len(parts)
    except SchemaMismatchError as error:
        if joined:
            raise
        logger.warning("The splits differ, so each gets features of its own. %s", error)
        return [part.schema for part in parts]


@contextmanager
def _without_their_bar(*, unless: bool) -> Iterator[None]:
    """No bar of `datasets`, which counts rows where ours counts bytes, and knows no terminal."""
    if datasets.are_progress_bars_disabled() or (unless and sys.stderr.isatty()):
        yield
        return
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.enable_progress_bars()


def _prepared(cache: Path, key: str) -> dict[str, MLSTAC]:
    """Without a network: what was prepared last for this address and these options, by split."""
    builders = {}
    for folder in sorted((cache / NAME).glob(f"*-{key}")):
        infos = folder.glob(f"*/*/{datasets.config.DATASET_INFO_FILENAME}")
        newest = max(infos, key=lambda path: path.stat().st_mtime, default=None)
        if newest is not None:
            split = folder.name.removesuffix(f"-{key}").partition("-")[2]
            builders[split] = MLSTAC(
                cache_dir=str(cache), dataset_name=NAME, config_name=folder.name, hash=newest.parent.name
            )
    if not builders:
        raise StoreError(
            f"offline, and no dataset of this address and these options is prepared in {cache}. "
            "Load it once with a network, or pass a local copy."
        )
    order = [split for split in ("train", "validation", "test") if split in builders]
    return {split: builders[split] for split in dict.fromkeys([*order, *builders])}


def _offline() -> bool:
    set_here = any(os.environ.get(name, "").upper() in {"1", "ON", "YES", "TRUE"} for name in _OFFLINE)
    return set_here or bool(datasets.config.HF_HUB_OFFLINE)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()

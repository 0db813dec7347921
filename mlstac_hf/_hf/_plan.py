"""The splits of an open collection on their way into datasets: opened, named by what is in them, described.

Owns: one schema for several splits, what is noted of schemas, splits that are not there. Leaves to others: the cache
and the call (`_load_dataset`, `_packaged`), building (`_builder`), schemas (`_schema`), the samples (`reading`).
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import datasets

from mlstac_hf._errors import CollectionNotFoundError, MLSTACError, SchemaMismatchError, StoreError, warn, warn_skipped
from mlstac_hf._hf._features import features_of
from mlstac_hf._hf._job import Job
from mlstac_hf._hf._schema import Scan, Schema, declared, scan, unify
from mlstac_hf._hf._staging import staged
from mlstac_hf._reading import Selection, Source, origin_of, select
from mlstac_hf._spec import Collection
from mlstac_hf._stores import LocalStore
from mlstac_hf._version import __version__

logger = logging.getLogger(__name__)

NAME = "mlstac"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was asked for besides the address, as far as it changes the rows."""

    selection: Selection
    columns: Sequence[str] | None
    on_error: str

    @property
    def skips(self) -> bool:
        """Whether bad samples are left out."""
        return self.on_error == "skip"

    def text(self) -> str:
        """For a cache key."""
        return json.dumps([self.selection.text(), self.columns, self.on_error])


@dataclass
class Part:
    """One split on its way into a dataset."""

    source: Source
    version: str
    """Digest of `main.json`, the files, the options and this package's version."""
    schema: Schema = field(default_factory=Schema)
    scan: Scan | None = None
    """None where the schema was known from before; the rows are then looked up when they are needed."""
    of_one: bool = False
    """Whether the schema was read off one sample, which others may not be like."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be done with a collection."""

    collection: Collection
    options: Options
    notes: str | None
    """Where indexes and statistics are kept; None is the platform's cache folder."""

    def parts(self, names: Sequence[str], *, strict: bool, streaming: bool = False) -> list[Part]:
        """The splits, opened; of a remote stream nothing is asked but where they are.

        Raises:
            CollectionNotFoundError: one is not there, and `strict`; or none is.
        """
        found: list[Part] = []
        absent: list[MLSTACError] = []
        for name in names:
            try:
                source = select(
                    self.collection, name, self.options.selection, skip=self.options.skips, cache_dir=self.notes
                )
            except self._absences() as error:
                absent.append(error)
                continue
            found.append(Part(source, self._version(source, cheaply=streaming and not source.is_local)))
        if absent and (strict or not found):
            raise absent[0]
        for reason in absent:
            warn(f"left out: {reason}")
        if not found:
            raise CollectionNotFoundError(f"{self.collection!r} declares no split")
        return found

    def describe(self, part: Part, cache: Path | None, stack: ExitStack) -> None:
        """Find out what the samples of a split have in common.

        Args:
            part: gets a schema, and what it was read off where it was not noted before.
            cache: where it is noted, and remote samples are brought for as long as `stack` lives; None of a stream.
            stack: of the build.
        """
        if cache is None and not part.source.is_local:
            # nothing is fetched but the first sample, and later ones must be like it, or as main.json says
            count = len(part.source)
            first = scan(part.source, range(min(1, count)), self.options.columns)
            part.scan = Scan(first.schema, range(count), first.nbytes * count, first.elements * count)
            part.schema = declared(first.schema, self.collection.annotations.tensors or {})
            part.of_one = True
            return
        schema = None if cache is None else _noted(cache, part.version)
        if schema is None:
            self._scan(part, cache, stack)
        else:
            part.schema = schema

    def schemas(self, parts: Sequence[Part], *, joined: bool) -> list[Schema]:
        """One schema for all parts where they agree; else each its own, unless they are to be one dataset.

        Raises:
            SchemaMismatchError: they differ, and are to be one.
        """
        try:
            return [unify({part.source.split: part.schema for part in parts})] * len(parts)
        except SchemaMismatchError as error:
            if joined:
                raise
            logger.warning("The splits differ, so each gets features of its own. %s", error)
            return [part.schema for part in parts]

    def features(self, schema: Schema) -> datasets.Features:
        """The columns of a dataset."""
        return features_of(schema, self.collection.labels, self.options.columns)

    def job(self, part: Part, schema: Schema, cache: Path | None, stack: ExitStack, *, bar: bool) -> Job:
        """What there is to build of a split that was described."""
        return Job(
            source=part.source,
            scan=part.scan or self._scan(part, cache, stack),
            schema=schema,
            features=self.features(schema),
            info={"description": self.collection.description or "", "license": self.collection.license or ""},
            skip=self.options.skips,
            of_one=part.of_one,
            bar=bar,
        )

    def _absences(self) -> tuple[type[MLSTACError], ...]:
        """What says that a split is not there, so that the others load without it.

        A folder on this disk is often a copy of some splits, whose links lead to where all were published.
        """
        is_local = isinstance(origin_of(self.collection).store, LocalStore)
        return (CollectionNotFoundError, StoreError) if is_local else (CollectionNotFoundError,)

    def _version(self, source: Source, *, cheaply: bool) -> str:
        known = origin_of(self.collection).digest
        return known if cheaply else digest(known, source.fingerprint(), self.options.text(), __version__)

    def _scan(self, part: Part, cache: Path | None, stack: ExitStack) -> Scan:
        if cache is not None:
            part.source = stack.enter_context(staged(part.source, cache))
        found = scan(part.source, range(len(part.source)), self.options.columns, skip=self.options.skips)
        if found.skipped:
            warn_skipped(found.skipped)
        elif cache is not None:
            _notes(cache).put(_note(part.version), found.schema.to_json().encode())
        part.schema, part.scan = found.schema, found
        return found


def digest(*parts: str) -> str:
    """One name for all of them together."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _noted(cache: Path, version: str) -> Schema | None:
    """The schema that was found before, so that a prepared dataset opens without a look at its samples."""
    try:
        return Schema.from_json(_notes(cache).read(_note(version)))
    except (FileNotFoundError, ValueError):
        return None


def _notes(cache: Path) -> LocalStore:
    return LocalStore(cache / NAME / "schemas")


def _note(version: str) -> str:
    return f"{version[:32]}.json"

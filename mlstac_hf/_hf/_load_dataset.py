"""`load_dataset()`: the splits of a collection as datasets, Arrow-cached or streamed.

Owns: the cache key, offline mode. Leaves to others: the grammar of splits (`_splits`), what there is to build
(`_plan`), building (`_builder`), the samples (`reading`).
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets

from mlstac_hf._errors import StoreError
from mlstac_hf._hf._builder import MLSTAC, GenerationError
from mlstac_hf._hf._plan import NAME, Options, Part, Plan, digest
from mlstac_hf._hf._schema import Schema
from mlstac_hf._hf._splits import choose, is_joined, names_of
from mlstac_hf._reading import Address, open_collection, origin_of, streaming
from mlstac_hf._spec import Collection

_OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")


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
            return builder.as_dataset(split=part, in_memory=self.keep_in_memory)
        if "[" in part:
            raise ValueError(f"a stream has whole splits, got {part!r}; use limit=, or .skip() and .take()")
        return builder.as_streaming_dataset(split=part)


def load_dataset(address: Address, split: Any, options: Options, access: dict[str, Any], build: Build) -> Any:
    """See `mlstac_hf.load_dataset`; `access` goes on to `open_collection`."""
    key = digest(_known_as(address), str(access["revision"]), str(access["splits"]), options.text())[:16]
    try:
        collection = open_collection(address, **access)
    except StoreError:
        if not _offline() or build.streaming:
            raise
        builders = _prepared(build.cache, key)
        names_of(split, list(builders))
    else:
        plan = Plan(
            collection=streaming(collection) if build.streaming else collection, options=options, notes=build.notes
        )
        request = _Request(plan, build, key)
        builders = request.builders(names_of(split, list(collection.splits)), split)
    return choose(split, builders, lambda name, part: build.dataset(builders[name], part), streaming=build.streaming)


def _known_as(address: Address) -> str:
    """One name for all spellings of a local folder; others as they are typed."""
    text = origin_of(address).address if isinstance(address, Collection) else os.fspath(address)
    path = os.path.realpath(os.path.expanduser(text))
    if not os.path.exists(path):
        return text
    return path if os.path.isdir(path) else os.path.dirname(path)


class _Request:
    """One call of `load_dataset` on a collection that could be opened."""

    def __init__(self, plan: Plan, build: Build, key: str) -> None:
        self._plan = plan
        self._build = build
        self._key = key
        self._cache = None if build.streaming else build.cache

    def builders(self, names: Sequence[str], split: Any) -> dict[str, MLSTAC]:
        """A builder for each split, its dataset prepared unless it is streamed."""
        with ExitStack() as stack:
            parts = self._plan.parts(names, strict=split is not None, streaming=self._build.streaming)
            for part in parts:
                self._plan.describe(part, self._cache, stack)
            schemas = self._plan.schemas(parts, joined=is_joined(split))
            return {
                part.source.split: self._builder(part, schema, stack)
                for part, schema in zip(parts, schemas, strict=True)
            }

    def _builder(self, part: Part, schema: Schema, stack: ExitStack) -> MLSTAC:
        slug = re.sub(r"[^A-Za-z0-9]+", "_", self._plan.collection.id)[:40].strip("_") or "collection"
        builder = MLSTAC(
            cache_dir=str(self._build.cache),
            dataset_name=NAME,
            config_name=f"{slug}-{part.source.split}-{self._key}",
            hash=digest(part.version, repr(self._plan.features(schema).to_dict()))[:32],
        )
        is_prepared = (Path(builder.cache_dir) / datasets.config.DATASET_INFO_FILENAME).exists()
        in_one = self._build.num_proc in (None, 1)
        if self._build.streaming or not is_prepared:
            bar = in_one and not self._build.streaming
            builder.jobs = {part.source.split: self._plan.job(part, schema, self._cache, stack, bar=bar)}
        if not self._build.streaming:
            try:
                with _without_their_bar(unless=not in_one):
                    builder.download_and_prepare(num_proc=self._build.num_proc)
            except GenerationError as error:
                raise error.error from None
            builder.jobs = {}
        return builder


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

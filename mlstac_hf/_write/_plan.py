"""What one call of `write` is asked to do, and what the writers of both layouts have in common.

Owns: the options of a call, checked, and the seam between the call and the layouts. Leaves to others: the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

from mlstac_hf._spec import Catalog, Collection, Layout, canonical_split, flags_of, is_url
from mlstac_hf._spec._dialect_splits import PLAIN_NAME
from mlstac_hf._stores import WritableStore
from mlstac_hf._write._facts import Totals
from mlstac_hf._write._measure import Facts, Survey
from mlstac_hf._write._pipeline import Job
from mlstac_hf._write._sample import Checked
from mlstac_hf._write._shared import Space

PayloadKind = Literal["safetensors", "geotiff"]

HELD = 64 << 20
"""Bytes of samples under way."""
NEAR = 4 << 20
"""Bytes of them that are used again and again: few enough for the processor's caches."""
TRAIN = "train"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One call, its options checked.

    Raises:
        ValueError: an option that means nothing, or does not go with another.
    """

    store: WritableStore = field(repr=False)
    collection: Collection = field(repr=False)
    split: str
    layout: Layout
    compress: bool
    payload: PayloadKind
    shard_nbytes: int
    workers: int
    url: str | None = None
    """Of the folder that the collection will be published in; links are relative without."""

    def __post_init__(self) -> None:
        _check_choice("layout", self.layout, ("samples", "container"))
        _check_choice("payload", self.payload, ("safetensors", "geotiff"))
        if not isinstance(self.split, str) or not PLAIN_NAME.fullmatch(self.split):
            raise ValueError(f"expected split to be a plain name such as 'train', got {self.split!r}")
        if canonical_split(self.split) != self.split:
            raise ValueError(
                f"split {self.split!r} is read as {canonical_split(self.split)!r}; pass "
                f"split={canonical_split(self.split)!r}, or another name"
            )
        if self.payload == "geotiff" and self.layout != "container":
            raise ValueError(
                'payload="geotiff" goes with layout="container"; a file of the sample layout is safetensors'
            )
        if self.compress and self.layout == "container":
            raise ValueError('compress=True goes with layout="samples"; GeoTIFF payloads are always compressed')
        if self.shard_nbytes < 1 or self.workers < 1:
            raise ValueError(
                f"expected shard_nbytes and workers to be 1 or more, got {self.shard_nbytes} and {self.workers}"
            )
        if self.url is not None and not is_url(self.url):
            raise ValueError(
                "expected url to be the address of the folder that the collection will be published in, such as "
                f"'https://huggingface.co/datasets/user/demo/resolve/main', got {self.url!r}"
            )

    @property
    def task(self) -> tuple[str, ...]:
        """The collection's tasks."""
        return tuple(self.collection.task)

    @cached_property
    def survey(self) -> Survey:
        """What is asked of each sample."""
        return Survey(
            statistics=self.split == TRAIN,
            band_axis=self.collection.band_axis,
            classes=bool(self.collection.labels),
            flags=flags_of(self.task, self.collection.labels or {}),
        )

    def header(self) -> dict[str, Any]:
        """What must be the same when a broken-off write goes on."""
        own = (
            {"shard_nbytes": self.shard_nbytes, "payload": self.payload, "url": self.url}
            if self.layout == "container"
            else {}
        )
        return {
            "collection": self.collection.id,
            "split": self.split,
            "layout": self.layout,
            "compress": self.compress,
            "task": list(self.task),
            "band_axis": self.collection.band_axis,
            "labelled": bool(self.collection.labels),
            **own,
        }


def _check_choice(name: str, value: object, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"expected {name} to be {' or '.join(map(repr, choices))}, got {value!r}")


@dataclass(frozen=True, slots=True)
class Done:
    """What was made of one sample."""

    id: str
    index: int
    facts: Facts
    file: str
    """Name of the file that was put; empty where its payload waits for a container."""
    nbytes: int
    digest: str
    payload: bytes | Space = b""
    row: dict[str, Any] = field(default_factory=dict)
    """What `metadata.parquet` says of it."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What is written of a split, and is to be declared."""

    catalog: Catalog
    checksums: dict[str, str]
    target_planes: tuple[int, ...] | None = None


class Writer(Protocol):
    """How the samples of a split are laid out."""

    def resume(self, totals: Totals) -> list[str]:
        """Count what the journal lists and is really there; the ids of those samples."""

    def prepare(self, sample: Checked, name: str) -> Job[Done]:
        """In the caller's thread: copy what is needed of a sample, and look at it. The rest may be done elsewhere.

        Raises:
            ValueError: the sample does not fit.
        """

    def settle(self, done: Done) -> None:
        """In the caller's thread, in order: note what is in place."""

    def rest(self) -> None:
        """Wait until nothing is under way, and note what is in place. Nothing more comes, or not for now."""

    def finish(self, totals: Totals) -> Outcome:
        """All samples were settled: write what goes beside them."""

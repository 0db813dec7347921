"""What a card is made from.

Owns: the facts, as whoever publishes knows them. Leaves to others: what is said of them (`_card_keys`, `_card_text`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from mlstac_hf._push._leakage import Leakage
from mlstac_hf._spec import Collection

DEFAULT, METADATA, PREVIEW = "default", "metadata", "preview"
OURS = (DEFAULT, METADATA, PREVIEW)
"""Names of configs that a push writes; others are the user's."""

Form = Literal["parquet", "arrow", "raw"]
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class SplitFacts:
    """One split of a config."""

    name: str
    n_rows: int
    nbytes: int
    """In memory."""


@dataclass(frozen=True, kw_only=True)
class ConfigFacts:
    """One config of the repository."""

    name: str
    splits: Sequence[SplitFacts]
    pattern: str
    """Of its files, with `{split}` for the name of the split and `{shards}` for how many it has."""
    shards: Mapping[str, int] = field(default_factory=dict)
    """Files of each split, named exactly: those of an earlier push, in other numbers, may still be there."""
    stored_nbytes: int = 0
    """Of its files."""
    features: Any = None
    """`datasets.Features`; without them, `datasets` looks at the files."""
    is_default: bool = False
    """Said of a config that is not called default, and is the one that `load_dataset` opens."""

    def path_of(self, split: str) -> str:
        """The files of a split."""
        return self.pattern.format(split=split, shards=self.shards.get(split, 0))

    def holds(self, path: str, split: str) -> bool:
        """Whether a file is one of a split."""
        start, star, end = self.path_of(split).partition("*")
        return path.startswith(start) and path.endswith(end) if star else path == start


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """A collection as it is published.

    Raises:
        ValueError: `repo_id` is no name of a repository.
    """

    collection: Collection
    form: Form
    repo_id: str
    splits: Sequence[SplitFacts]
    """Of the samples, whatever configs there are."""
    stored_nbytes: int
    """Of their files."""
    features: Any = None
    """`datasets.Features` of the samples."""
    configs: Sequence[ConfigFacts] = ()
    pictures: Sequence[str] = ()
    """Paths in the repository, of those that `plan_pictures` gave."""
    leakage: Leakage | None = None
    counts: Mapping[str, Mapping[str, int]] | None = None
    """How often each class occurs, by split."""
    counts_all: bool = True
    """Whether all samples were counted."""
    bbox: tuple[float, float, float, float] | None = None
    """West, south, east, north of all samples whose place is known."""
    start: datetime | None = None
    end: datetime | None = None
    script: str | None = None
    """The branch that holds a script for `datasets` before 4, if there is one."""

    license_by_hand: str | None = None
    """In the YAML of the card that is there, where it is another than the collection's."""

    def __post_init__(self) -> None:
        if not _REPOSITORY.fullmatch(self.repo_id):
            raise ValueError(f'expected the name of a repository, such as "user/demo", got {self.repo_id!r}')

"""All that a repository will hold: samples, the tables beside them, pictures, the card, `main.json`.

Owns: how these belong together. Leaves to others: each of them (`_publication`, `_raw`, `_preview`, `_pictures`,
`_card`), bringing them up (`_upload`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mlstac_hf._push._card import BEGIN, make_card
from mlstac_hf._push._card_facts import DEFAULT, METADATA, PREVIEW, CardFacts, ConfigFacts, Form, SplitFacts
from mlstac_hf._push._leakage import leakage_of
from mlstac_hf._push._pictures import class_counts, plan_pictures
from mlstac_hf._push._planned import PlannedFile, StoredFile, bytes_file
from mlstac_hf._push._preview import Previews, plan_previews
from mlstac_hf._push._publication import DATA, plan
from mlstac_hf._push._raw import plan_raw
from mlstac_hf._push._shards import ShardFormat
from mlstac_hf._push._survey import SplitSurvey, survey
from mlstac_hf._reading import Source, origin_of
from mlstac_hf._spec import Collection

CARD = "README.md"
OWNED = (f"{DATA}/", f"{METADATA}/", f"{PREVIEW}/", "assets/")
"""How the paths begin that are ours in a repository; of raw files the folders of their splits too."""

Stored = Mapping[str, StoredFile]


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What goes up."""

    files: Sequence[PlannedFile]
    owned: Sequence[str]
    collection: Collection
    """As it is published."""
    form: Form
    repo_id: str
    splits: Sequence[SplitFacts]
    samples: str
    """How the paths of the samples begin, with `{split}` for the name of the split."""
    main: Callable[[Stored], PlannedFile] = field(repr=False)
    configs: Sequence[ConfigFacts]
    facts: Mapping[str, Any] = field(repr=False)
    """Of the card, besides these."""

    def describing(self, stored: Stored, card: str | None) -> list[PlannedFile]:
        """The files that describe the others: the card, and `main.json`.

        Args:
            stored: what is up.
            card: the one that is there.

        Raises:
            ValueError: the YAML of that card cannot be read.
        """
        starts = tuple(self.samples.format(split=split.name) for split in self.splits)
        facts = CardFacts(
            collection=self.collection,
            form=self.form,
            repo_id=self.repo_id,
            splits=self.splits,
            stored_nbytes=sum(file.nbytes for path, file in stored.items() if path.startswith(starts)),
            configs=[_with_sizes(config, stored) for config in self.configs],
            **self.facts,
        )
        return [bytes_file(CARD, make_card(facts, card).encode()), self.main(stored)]


def tables(
    collection: Collection,
    sources: Mapping[str, Source],
    form: ShardFormat,
    repo_id: str,
    *,
    preview: bool,
    script: str | None,
) -> Contents:
    """A collection as tables; see `plan`.

    Args:
        collection: an open one.
        sources: its splits.
        form: of the tables.
        repo_id: where to.
        preview: whether to draw previews.
        script: the branch that will hold a script, if there will be one.

    Raises:
        ValueError: there are no samples.
    """
    publication = plan(collection, sources, form)
    splits = [SplitFacts(name=one.name, n_rows=one.n_rows, nbytes=one.nbytes) for one in publication.splits]
    shown = _with_samples(splits)
    beside = _Beside(publication.collection, sources, origin_of(collection).digest, preview=preview, form=form)
    configs = [
        ConfigFacts(
            name=DEFAULT,
            splits=shown,
            pattern=_sharded(DATA, form),
            shards={one.name: len(one.shards) for one in publication.splits},
            features=publication.features,
        ),
        _metadata_config(shown, publication.metadata_features, form),
        *beside.configs(shown),
    ]
    return Contents(
        files=[*publication.files, *beside.files],
        owned=OWNED,
        collection=publication.collection,
        form=form,
        repo_id=repo_id,
        splits=splits,
        samples=f"{DATA}/{{split}}-",
        main=publication.main,
        configs=configs,
        facts={"features": publication.features, "script": script, **beside.facts},
    )


def raw(
    collection: Collection,
    names: Sequence[str],
    repo_id: str,
    base: str,
    work: Path,
    *,
    preview: bool,
    script: str | None,
) -> Contents:
    """A collection as its own files; see `plan_raw`.

    Args:
        collection: an open one.
        names: of its splits.
        repo_id: where to.
        base: URL of the repository's files, at the branch.
        work: a folder on this disk.
        preview: whether to draw previews.
        script: the branch that will hold a script, if there will be one.

    Raises:
        ValueError: there are no samples.
    """
    found = plan_raw(collection, names, work)
    splits = [SplitFacts(name=name, n_rows=count, nbytes=found.nbytes[name]) for name, count in found.counts.items()]
    shown = _with_samples(splits)
    beside = _Beside(found.collection, found.sources, origin_of(collection).digest, preview=preview, form="parquet")
    return Contents(
        files=[*found.files, *beside.files],
        owned=(*OWNED, *(f"{split.name}/" for split in splits)),
        collection=found.collection,
        form="raw",
        repo_id=repo_id,
        splits=splits,
        samples="{split}/",
        main=lambda _: found.main(base),
        configs=[
            replace(_metadata_config(shown, found.metadata_features, "parquet"), is_default=True),
            *beside.configs(shown),
        ],
        facts={"script": script, **beside.facts},
    )


def is_ours(card: str) -> bool:
    """Whether a card is that of a push."""
    return BEGIN in card


class _Beside:
    """What stands beside the samples, whatever their format: pictures, previews, and what the card tells of them."""

    def __init__(
        self, collection: Collection, sources: Mapping[str, Source], digest: str, *, preview: bool, form: ShardFormat
    ) -> None:
        surveys = {name: survey(source) for name, source in sources.items()}
        counts, counts_all = class_counts(collection, sources)
        pictures = plan_pictures(collection, sources, surveys, counts, digest)
        self._form = form
        self._previews: Previews | None = plan_previews(collection, sources, digest, form) if preview else None
        self.files = [*(self._previews.files if self._previews else ()), *pictures]
        self.facts: dict[str, Any] = {
            "pictures": [file.path for file in pictures],
            "leakage": leakage_of(surveys),
            "counts": counts,
            "counts_all": counts_all,
            **_extent(surveys),
        }

    def configs(self, splits: Sequence[SplitFacts]) -> list[ConfigFacts]:
        """The config of the previews, if there are any."""
        if self._previews is None:
            return []
        return [
            ConfigFacts(
                name=PREVIEW,
                splits=splits,
                pattern=_sharded(PREVIEW, self._form),
                shards=self._previews.shards,
                features=self._previews.features,
            )
        ]


def _sharded(folder: str, form: ShardFormat) -> str:
    """The pattern of a config whose splits are shards; see `shards_of`."""
    return f"{folder}/{{split}}-*-of-{{shards:05d}}.{form}"


def _metadata_config(splits: Sequence[SplitFacts], features: Any, form: ShardFormat) -> ConfigFacts:
    return ConfigFacts(name=METADATA, splits=splits, pattern=f"{METADATA}/{{split}}.{form}", features=features)


def _extent(surveys: Mapping[str, SplitSurvey]) -> dict[str, Any]:
    """Where and when all samples are, as far as that is known."""
    boxes = [seen.bbox for seen in surveys.values() if seen.bbox is not None]
    starts = [seen.start for seen in surveys.values() if seen.start is not None]
    ends = [seen.end for seen in surveys.values() if seen.end is not None]
    box = (*map(min, list(zip(*boxes, strict=True))[:2]), *map(max, list(zip(*boxes, strict=True))[2:]))
    return {
        "bbox": box if boxes else None,
        "start": min(starts, default=None),
        "end": max(ends, default=None),
    }


def _with_samples(splits: Sequence[SplitFacts]) -> list[SplitFacts]:
    """The splits that configs name: `datasets` refuses a whole repository for one that is empty."""
    found = [split for split in splits if split.n_rows]
    if not found:
        names = ", ".join(split.name for split in splits) or "none"
        raise ValueError(f"nothing to publish: no samples in any split, or none that was asked for. Splits: {names}")
    return found


def _with_sizes(config: ConfigFacts, stored: Stored) -> ConfigFacts:
    """With the bytes of its files; small tables take about as many in memory."""
    sizes = {
        split.name: sum(file.nbytes for path, file in stored.items() if config.holds(path, split.name))
        for split in config.splits
    }
    splits = config.splits
    if config.name != DEFAULT:
        splits = [replace(split, nbytes=sizes[split.name]) for split in splits]
    return replace(config, splits=splits, stored_nbytes=sum(sizes.values()))

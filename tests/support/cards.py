"""A repository in a folder, with the card, pictures and previews of a collection."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import mlstac_hf
from mlstac_hf._push._card import make_card
from mlstac_hf._push._card_facts import CardFacts, ConfigFacts, SplitFacts
from mlstac_hf._push._leakage import leakage_of
from mlstac_hf._push._pictures import class_counts, plan_pictures
from mlstac_hf._push._preview import plan_previews
from mlstac_hf._push._publication import plan
from mlstac_hf._push._survey import survey
from mlstac_hf._reading import open_split, origin_of

SPLITS = (SplitFacts(name="train", n_rows=1200, nbytes=5_000_000), SplitFacts(name="test", n_rows=30, nbytes=90_000))


def facts_of(**fields):
    """Facts of a collection that is nowhere; `collection` may be given as fields of one."""
    given = fields.pop("collection", {})
    collection = mlstac_hf.Collection(**{"id": "ponds", **given}) if isinstance(given, dict) else given
    config = ConfigFacts(name="default", splits=SPLITS, pattern="data/{split}-*.parquet")
    default = {"form": "parquet", "repo_id": "user/demo", "splits": SPLITS, "stored_nbytes": 7, "configs": [config]}
    return CardFacts(collection=collection, **{**default, **fields})


def opened(address):
    """A collection, the samples of its splits, and the digest of its `main.json`."""
    collection = mlstac_hf.open_collection(address)
    return collection, {name: open_split(collection, name) for name in collection.splits}, origin_of(collection).digest


def make(files, folder: Path):
    """Make planned files in a folder."""
    for file in files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        file.make(path)


def publish(address, folder: Path, form="parquet", existing=None):
    """All of a repository but `main.json` and, of a raw one, the samples; the facts of its card."""
    collection, sources, digest = opened(address)
    planned = plan(collection, sources, "parquet" if form == "raw" else form)
    surveys = {name: survey(source) for name, source in sources.items()}
    counts, counts_all = class_counts(collection, sources)
    pictures = plan_pictures(collection, sources, surveys, counts, digest)
    files = "arrow" if form == "arrow" else "parquet"
    previews = plan_previews(collection, sources, digest, files)
    make([file for file in planned.files if form != "raw" or not file.path.startswith("data/")], folder)
    make([*pictures, *previews.files], folder)
    if files == "arrow":  # datasets reads all configs of a repository as files of one kind
        for path in folder.glob("metadata/*.parquet"):
            table = pq.read_table(path)
            with pa.ipc.new_file(str(path.with_suffix(".arrow")), table.schema) as writer:
                writer.write_table(table)
    samples = [SplitFacts(name=split.name, n_rows=split.n_rows, nbytes=split.nbytes) for split in planned.splits]

    def config(name, pattern, features, **more):
        stored = sum(path.stat().st_size for path in folder.glob(f"{pattern.partition('/')[0]}/*"))
        return ConfigFacts(name=name, splits=samples, pattern=pattern, features=features, stored_nbytes=stored, **more)

    configs = [config("default", f"data/{{split}}-*.{form}", planned.features)] if form != "raw" else []
    configs.append(
        config("metadata", f"metadata/{{split}}.{files}", planned.metadata_features, is_default=form == "raw")
    )
    configs.append(config("preview", f"preview/{{split}}-*.{files}", previews.features))
    facts = CardFacts(
        collection=collection,
        form=form,
        repo_id="user/demo",
        splits=samples,
        stored_nbytes=1_000_000,
        features=planned.features,
        configs=configs,
        pictures=[file.path for file in pictures],
        leakage=leakage_of(surveys),
        counts=counts,
        counts_all=counts_all,
        bbox=next((seen.bbox for seen in surveys.values() if seen.bbox), None),
        start=min((seen.start for seen in surveys.values() if seen.start), default=None),
        end=max((seen.end for seen in surveys.values() if seen.end), default=None),
    )
    (folder / "README.md").write_text(make_card(facts, existing), encoding="utf-8")
    return facts

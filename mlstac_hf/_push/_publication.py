"""What a repository will hold, of a collection published as tables.

Owns: which files there are, and what each is made from. Leaves to others: making them (`_shards`,
`_metadata_config`), the card (`_card`), bringing them up (`_upload`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import datasets

from mlstac_hf._hf._features import features_of
from mlstac_hf._hf._job import Job
from mlstac_hf._hf._schema import scan, unify
from mlstac_hf._push._described import described
from mlstac_hf._push._metadata_config import ROW_NBYTES, metadata_features, write_metadata
from mlstac_hf._push._planned import PlannedFile, StoredFile, document_file
from mlstac_hf._push._shards import SHARD_NBYTES, Shard, ShardFormat, places_of, shards_of, write_shard
from mlstac_hf._reading import Source, origin_of
from mlstac_hf._reading._shards import METADATA
from mlstac_hf._spec import Collection, DataFile, Shards, TensorSchema, main_json
from mlstac_hf._version import __version__

DATA = "data"
"""The folder of the shards."""


@dataclass(frozen=True, kw_only=True)
class PublishedSplit:
    """One split, and the shards it becomes."""

    name: str
    job: Job = field(repr=False)
    shards: Sequence[Shard]

    @property
    def n_rows(self) -> int:
        """Samples in it."""
        return len(self.job.scan.indices)

    @property
    def nbytes(self) -> int:
        """Of its rows in memory."""
        return sum(self.job.scan.nbytes)


@dataclass(frozen=True, kw_only=True)
class Publication:
    """A collection as tables."""

    collection: Collection
    """As it is published: bands and numbers are those of its columns."""
    form: ShardFormat
    splits: Sequence[PublishedSplit]
    features: datasets.Features
    """Of the data, the same in all splits."""
    metadata_features: datasets.Features
    files: Sequence[PlannedFile]
    """All but the card and `main.json`."""

    def main(self, stored: Mapping[str, StoredFile]) -> PlannedFile:
        """`main.json`, which knows the sizes of the shards that are up."""
        files = {
            split.name: tuple(
                DataFile(href=path, nbytes=stored[path].nbytes if path in stored else None)
                for path in (f"{DATA}/{shard.name}" for shard in split.shards)
            )
            for split in self.splits
        }
        shards = Shards(format=self.form, tensors=self.collection.annotations.tensors or {}, files=files)
        annotations = self.collection.annotations.model_copy(update={"shards": shards})
        return document_file(main_json(self.collection.model_copy(update={"annotations": annotations}), "samples"))


def plan(
    collection: Collection, sources: Mapping[str, Source], form: ShardFormat, *, shard_nbytes: int = SHARD_NBYTES
) -> Publication:
    """Plan the tables of a collection; headers are read, no tensor is.

    Args:
        collection: an open one.
        sources: the samples of each split.
        form: of the shards.
        shard_nbytes: of tensors in a shard.

    Raises:
        SampleError: a sample that cannot be read.
        SchemaMismatchError: samples, or splits, differ in dtype or tensors.
    """
    scans = {name: scan(source, range(len(source)), None) for name, source in sources.items()}
    schema = unify({name: found.schema for name, found in scans.items()})
    features = features_of(schema, collection.labels, None)
    splits = [
        PublishedSplit(
            name=name,
            job=Job(source=source, scan=scans[name], schema=schema, features=features),
            shards=shards_of(name, scans[name].nbytes, form, shard_nbytes),
        )
        for name, source in sources.items()
    ]
    tensors = {
        name: TensorSchema(dtype=tensor.dtype, shape=tensor.shape)
        for name, tensor in schema.columns.items()
        if tensor is not None
    }
    return Publication(
        collection=described(collection, splits[0].job.source, tensors, {one.name: one.n_rows for one in splits}),
        form=form,
        splits=splits,
        features=features,
        metadata_features=metadata_features(splits[0].job),
        files=[file for split in splits for file in _files(split, collection, form)],
    )


def _files(split: PublishedSplit, collection: Collection, form: ShardFormat) -> list[PlannedFile]:
    job = split.job
    known = [origin_of(collection).digest, job.source.fingerprint(), repr(job.features.to_dict()), form, __version__]
    files = [_shard_file(job, shard, form, _digest(*known, repr(shard))) for shard in split.shards]
    places = [(f"{DATA}/{name}", group, row) for name, group, row in places_of(job, split.shards)]
    # `datasets` reads all configs of a repository as files of one kind; GeoParquet is there in any case
    tables = [
        PlannedFile(
            path=f"{METADATA}/{split.name}.{kind}",
            key=_digest(*known, repr(split.shards), METADATA, kind),
            nbytes=ROW_NBYTES * len(places),
            make=partial(write_metadata, job, places, kind),
        )
        for kind in dict.fromkeys(("parquet", form))
    ]
    return [*files, *tables]


def _shard_file(job: Job, shard: Shard, form: ShardFormat, key: str) -> PlannedFile:
    return PlannedFile(
        path=f"{DATA}/{shard.name}",
        key=key,
        nbytes=sum(job.scan.nbytes[shard.start : shard.stop]),
        make=lambda path: write_shard(job, shard, path, form),
    )


def _digest(*parts: str | bytes) -> str:
    return hashlib.sha256(b"\0".join(part.encode() if isinstance(part, str) else part for part in parts)).hexdigest()

"""Small pictures of all samples, as a table of their own, for people who leaf through a repository.

Owns: which columns it has and how a picture is encoded. Leaves to others: which planes are shown (`_pictures`).

They are a config of their own and no column of the data, because a column of images asks everybody who reads the
arrays for Pillow, costs bytes where nobody looks, and is refused or turned into tensors by some formats of `datasets`.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
from tqdm.auto import tqdm

from mlstac_hf._errors import BAD_SAMPLE
from mlstac_hf._formats import Array
from mlstac_hf._pictures import Stretch, Target, Tones, target_of
from mlstac_hf._pictures._targets import labels_of
from mlstac_hf._push._planned import PlannedFile
from mlstac_hf._push._shards import Shard, ShardFormat, open_writer, shards_of
from mlstac_hf._push._spelling import readable_schema
from mlstac_hf._reading import Source
from mlstac_hf._reading._index import known_by
from mlstac_hf._spec import Collection
from mlstac_hf._version import __version__

PREVIEW = "preview"
"""The config and its folder."""
LONGEST = 256
"""Pixels a side of a picture."""
_SMALL = 64
"""Pixels a side up to which a picture is stored without loss."""
_QUALITY = 85
_NBYTES = 20_000
"""About, of a row."""
_GROUP = 64
"""Rows of a row group."""


@dataclass(frozen=True, kw_only=True)
class Previews:
    """The table: its columns and its files."""

    features: datasets.Features
    files: tuple[PlannedFile, ...]
    """`preview/train-00000-of-00001.parquet` and so on."""
    shards: Mapping[str, int]
    """How many files each split has."""


def plan_previews(
    collection: Collection, sources: Mapping[str, Source], digest: str, form: ShardFormat = "parquet"
) -> Previews:
    """Plan a small picture for every sample.

    `preview` is the image: bands called red, green and blue, else the first three, else the first in grey; one stretch
    for all where the collection has statistics of its bands, else one for each. `target_preview` is a mask in the
    colours of its classes, or another target that is an image; where the input is none, `preview` shows that. Texts and
    classes stand in `text` and `label`.

    Args:
        collection: whose bands are those of the samples.
        sources: the samples of each split; rows are theirs, in their order. One that cannot be read has no picture.
        digest: of `main.json`, as opened.
        form: of the files; that of the data, since `datasets` reads all configs of a repository as files of one kind.
    """
    features = _features(collection, sources)
    files, counts = [], {}
    for name, source in sources.items():
        known = [known_by(source, digest), collection.model_dump_json(), repr(features), __version__]
        shards = shards_of(name, [_NBYTES] * len(source), form)
        counts[name] = len(shards)
        for shard in shards:
            key = hashlib.sha256("\0".join([*known, repr(shard)]).encode("utf-8", "replace")).hexdigest()
            make = partial(_write, collection, source, shard, features, form)
            nbytes = _NBYTES * (shard.stop - shard.start)
            files.append(PlannedFile(path=f"{PREVIEW}/{shard.name}", key=key, nbytes=nbytes, make=make))
    return Previews(features=features, files=tuple(files), shards=counts)


def _features(collection: Collection, sources: Mapping[str, Source]) -> datasets.Features:
    """By the first sample of each split that can be read."""
    columns = {"id": datasets.Value("string")}
    for source in sources.values():
        for index in range(min(1, len(source))):
            try:
                sample = source.read(index).values
            except BAD_SAMPLE:
                continue
            seen = target_of(collection, sample.get("target"), LONGEST)
            has_image = isinstance(sample.get("input"), np.ndarray)
            columns |= {
                "preview": datasets.Image(),
                **({"target_preview": datasets.Image()} if seen.is_picture and has_image else {}),
                **({"text": datasets.Value("string")} if _text(sample, seen) is not None else {}),
                **({"label": datasets.Value("string")} if seen.line is not None else {}),
            }
    order = ("id", "preview", "target_preview", "text", "label")
    return datasets.Features({name: columns[name] for name in order if name in columns})


def _text(sample: Mapping[str, Any], target: Target) -> str | None:
    given = sample.get("input")
    return given if isinstance(given, str) else target.text


def _write(
    collection: Collection, source: Source, shard: Shard, features: datasets.Features, form: ShardFormat, path: Path
) -> None:
    schema = readable_schema(features)
    with open_writer(path, schema, form) as writer:
        rows: list[dict[str, Any]] = []
        for row in _rows(collection, source, shard):
            rows.append({name: row.get(name) for name in features})
            if len(rows) == _GROUP:
                writer.write_table(pa.Table.from_pylist(rows, schema=schema))
                rows = []
        if rows or shard.start == shard.stop:
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))


def _rows(collection: Collection, source: Source, shard: Shard) -> Iterator[dict[str, Any]]:
    tones = Tones(collection)
    labels: dict[str, int] = dict(collection.labels)
    indices = range(shard.start, shard.stop)
    for index in tqdm(indices, f"{source.split}: previews", unit=" samples", disable=None, delay=2, leave=False):
        try:
            sample = source.read(index, ["input", "target"])
        except BAD_SAMPLE:
            yield {"id": source.name(index)}
            continue
        values = sample.values
        target = target_of(collection, values.get("target"), LONGEST)
        row: dict[str, Any] = {
            "id": str(source.metadata(index, sample.head)["id"]),
            "text": _text(values, target),
            "label": target.line,
        }
        image = values.get("input")
        if isinstance(image, np.ndarray) and (picture := _picture(collection, tones, image)) is not None:
            row["preview"] = _encoded(picture)
        if target.is_picture:
            named = labels or dict(labels_of(collection, [target.mask] if target.mask is not None else []))
            shown = target.picture(named)
            name = "target_preview" if isinstance(image, np.ndarray) else "preview"
            row[name] = _encoded(shown, lossless=target.mask is not None)
        yield row


def _picture(collection: Collection, tones: Tones, image: Array) -> Array | None:
    planes = tones.planes(image, LONGEST)
    if planes is None:
        return None
    is_true_colour = tones.is_true_colour(image)
    statistics = (collection.annotations.statistics or {}).get("input")
    stretch = (
        Stretch.of_statistics(statistics, tones.chosen(image.shape), is_true_colour=is_true_colour)
        if statistics
        else None
    )
    if stretch is None or not stretch.suits(planes):
        stretch = Stretch.of([planes], is_true_colour=is_true_colour)
    return stretch.picture(planes)


def _encoded(picture: Array, *, lossless: bool = False) -> dict[str, Any]:
    """As `datasets.Image` stores it."""
    from PIL import Image

    image, file = Image.fromarray(np.ascontiguousarray(picture)), io.BytesIO()
    if lossless or max(picture.shape[:2]) <= _SMALL:
        image.save(file, "PNG", optimize=True)
    else:
        image.save(file, "JPEG", quality=_QUALITY)
    return {"bytes": file.getvalue(), "path": None}

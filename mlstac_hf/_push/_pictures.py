"""The pictures of a card, as files of the repository.

Owns: which there are, what they are called and what they are made from. Leaves to others: drawing (`_pictures`), where
samples are (`_survey`).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from mlstac_hf._conditions._wgs84 import unknown
from mlstac_hf._errors import BAD_SAMPLE
from mlstac_hf._pictures import contact_sheet, draw_classes, draw_map
from mlstac_hf._pictures._sheet import spread
from mlstac_hf._push._planned import PlannedFile
from mlstac_hf._push._survey import SplitSurvey
from mlstac_hf._reading import Source
from mlstac_hf._reading._index import known_by
from mlstac_hf._spec import Collection, applying, find_task, flags_of
from mlstac_hf._split import Split
from mlstac_hf._version import __version__

SHEET, MAP, CLASSES = "assets/samples.png", "assets/map.png", "assets/classes.png"
_NBYTES = 300_000
"""About, each; none is over 1 MB."""
_SAMPLES = 12
_COUNTED = 500
"""Samples of a split whose classes are counted where the collection has no counts."""

logger = logging.getLogger(__name__)

Counts = Mapping[str, Mapping[str, int]]
"""By split, then by class."""


def plan_pictures(
    collection: Collection,
    sources: Mapping[str, Source],
    surveys: Mapping[str, SplitSurvey],
    counts: Counts | None,
    digest: str,
) -> list[PlannedFile]:
    """The pictures that can be drawn of a collection: samples, a map, classes.

    Args:
        collection: whose bands are those of the samples.
        sources: the samples of each split.
        surveys: likewise; a map is drawn of those whose place is known.
        counts: see `class_counts`.
        digest: of `main.json`, as opened.

    Returns:
        PNG files of `assets/`; none, with a line in the log, where matplotlib is not installed.
    """
    if not _can_draw():
        return []
    known = [digest, collection.model_dump_json(), __version__]
    files = []
    first = next((source for source in sources.values() if len(source)), None)
    if first is not None:
        files.append(_file(SHEET, [*known, known_by(first, digest)], lambda path: _sheet(collection, first, path)))
    places = {name: seen.places for name, seen in surveys.items()}
    if any(not unknown(shapes).all() for shapes in places.values()):
        wheres = [f"{name} {len(seen.places)} {_places_key(seen)}" for name, seen in surveys.items()]
        files.append(_file(MAP, [*known, *wheres], lambda path: draw_map(places, path)))
    if counts and any(any(found.values()) for found in counts.values()):
        unit = "pixels" if counts_pixels(collection) else "samples"
        files.append(
            _file(
                CLASSES,
                [*known, repr({k: dict(v) for k, v in counts.items()})],
                lambda path: draw_classes(counts, path, unit),
            )
        )
    return files


def _can_draw() -> bool:
    try:
        import matplotlib.figure  # noqa: F401 - whether it is there
    except ImportError:
        logger.warning("The card has no pictures: matplotlib is not installed. pip install 'mlstac-hf[plot]' has it.")
        return False
    return True


def _file(path: str, known: list[str], make: object) -> PlannedFile:
    assert callable(make)
    key = hashlib.sha256("\0".join([path, *known]).encode("utf-8", "replace")).hexdigest()
    return PlannedFile(path=path, key=key, nbytes=_NBYTES, make=make)


def _places_key(seen: SplitSurvey) -> str:
    import shapely

    digest = hashlib.sha256()
    for data in shapely.to_wkb(seen.places):
        digest.update(data or b"-")
    return digest.hexdigest()


def _split(collection: Collection, source: Source) -> Split:
    return Split(
        collection,
        source,
        indices=range(len(source)),
        framework="numpy",
        device="cpu",
        columns=None,
        on_error="raise",
    )


def _sheet(collection: Collection, source: Source, path: Path) -> None:
    contact_sheet(_split(collection, source), path, _SAMPLES, indices=spread(len(source), _SAMPLES))


def counts_pixels(collection: Collection) -> bool:
    """Whether classes are those of pixels, not of samples."""
    tasks = [task for name in collection.task if (task := find_task(name))]
    return any(set(task.target) & {"mask", "masks"} for task in tasks)


def class_counts(collection: Collection, sources: Mapping[str, Source]) -> tuple[Counts | None, bool]:
    """How often each class occurs: as the collection says, else counted in some samples of each split.

    Returns:
        By split, then by class; None where there are no classes. And whether all samples were counted.

    Raises:
        StoreError: the network or disk failed.
    """
    stated = collection.annotations.class_counts
    if stated:
        return {name: stated[name] for name in sources if name in stated}, True
    if not collection.labels or "TextToTensor" in collection.task:
        return None, True
    counts = {name: _counted(collection, source) for name, source in sources.items()}
    if not any(any(found.values()) for found in counts.values()):
        return None, True
    return counts, all(len(source) <= _COUNTED for source in sources.values())


def _counted(collection: Collection, source: Source) -> dict[str, int]:
    counts, flags = dict.fromkeys(collection.labels, 0), flags_of(collection.task, collection.labels)
    indices = spread(len(source), _COUNTED)
    for index in tqdm(indices, f"{source.split}: classes", unit=" samples", disable=None, delay=2, leave=False):
        try:
            target = source.read(index, ["target"]).values.get("target")
        except BAD_SAMPLE:
            continue
        if not isinstance(target, np.ndarray) or target.dtype.kind not in "iub":
            continue
        applied = applying(target, flags)
        values, found = np.unique(target if applied is None else np.array(applied, np.int64), return_counts=True)
        number_of = dict(zip(values.tolist(), found.tolist(), strict=True))
        for name, value in collection.labels.items():
            counts[name] += number_of.get(value, 0)
    return counts

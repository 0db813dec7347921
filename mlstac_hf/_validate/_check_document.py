"""main.json against the model: fields that cannot be read, that are missing, or that cannot be true.

Owns: what is seen in the document alone. Leaves to others: whether its splits and files are there (`_check_files`).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from mlstac_hf._reading import origin_of
from mlstac_hf._validate._check import Check
from mlstac_hf._validate._report import Place

TASKS = frozenset(
    {
        *("TensorClassification", "TensorRegression", "TensorSegmentation", "TensorToTensor", "TensorToText"),
        *("TextToTensor", "ObjectDetection", "TensorObjectDetection"),
        *("image-classification", "image-segmentation", "object-detection", "image-to-image", "image-to-text"),
        *("image-text-to-text", "image-feature-extraction", "image-captioning", "image-to-video", "text-to-image"),
        *("text-to-video", "video-classification", "video-text-to-text", "video-to-text", "depth-estimation"),
        *("mask-generation", "keypoint-detection", "zero-shot-image-classification", "zero-shot-object-detection"),
        *("unconditional-image-generation", "visual-question-answering", "visual-document-retrieval"),
        *("tabular-classification", "tabular-regression", "time-series-forecasting", "any-to-any", "other"),
    }
)
"""ML-STAC's own, and those of Hugging Face that go with tensors, images, text and video."""

_NEEDED = ("id", "description", "license", "task")
_STANDARD = ("train", "validation", "test")
_CATALOGS = ("ml:catalog", "ml_catalog", "catalog")
_OF_A_SPLIT = {"n_items", "n_samples", "link", "data_files"}
_OTHER_NAMES = {"val": "validation", "valid": "validation"}
_SAFE_ID = re.compile(r"[^\x00-\x1f/\\:*?\"<>|]{1,200}")
_MAIN = Place(file="main.json")


class DocumentCheck(Check):
    """See the module."""

    name = "main.json"

    def begin(self) -> None:
        """All of it: main.json is read once."""
        collection, document = self.collection, self.collection._document
        self.say("N106", _dialect(document, collection.mlstac_version), _MAIN)
        for key, reason in collection._problems.items():
            self.say("E107", f"{key!r}: {reason}", _MAIN)
        lacking = [name for name in _NEEDED if not getattr(collection, name)]
        if lacking:
            self.say("W108", f"expected {', '.join(_NEEDED)}; {', '.join(lacking)} is missing or empty", _MAIN)
        if collection.id and (collection.id.startswith(".") or not _SAFE_ID.fullmatch(collection.id)):
            self.say("W109", f"expected an id that can name a folder, found {collection.id!r}", _MAIN)
        for task in collection.task:
            if task not in TASKS:
                self.say("W110", f"expected a task such as TensorSegmentation, found {task!r}", _MAIN)
        for box in () if collection.extent is None else collection.extent.bbox:
            if not _is_in_degrees(box):
                self.say("W111", f"expected west, south, east, north in degrees, found {box}", _MAIN)
        self._names()
        self._splits(document)

    def _names(self) -> None:
        for what in ("name", "index"):
            values = Counter(getattr(band, what) for band in self.collection.bands)
            twice = [str(value) for value, count in values.items() if count > 1 and value is not None]
            if twice:
                self.say("W113", f"{len(twice)} bands share a {what}, such as {twice[0]!r}", _MAIN)
        numbers = Counter(self.collection.labels.values())
        for number, count in numbers.items():
            if count > 1:
                names = [name for name, value in self.collection.labels.items() if value == number]
                self.say("W114", f"{', '.join(names)} all mean {number}", _MAIN)

    def _splits(self, document: Mapping[str, Any]) -> None:
        declared = origin_of(self.collection).catalogs
        if not declared:
            self.say("E201", "main.json declares no split that can be read", _MAIN)
        elif absent := [name for name in _STANDARD if name not in declared]:
            self.say("N202", f"{', '.join(absent)} {'is' if len(absent) == 1 else 'are'} not declared", _MAIN)
        for key, name, entry in _entries(document):
            if name not in declared:
                self.say("W112", f"{key!r} looks like a split, and no split can have that name", _MAIN)
                continue
            for fault in _faults(name, entry):
                self.say("E213", f"{key!r}: {fault}", Place(file="main.json", split=name))


def _dialect(document: Mapping[str, Any], version: str | None) -> str:
    """In words: how keys are spelled, and which layout that goes with."""
    keys = set(document)
    if keys & {"ml_catalog", "ml:catalog"}:
        found = "ml_catalog of mlstac 0.1 (container layout)"
    elif any(key.startswith("ml:") for key in keys):
        found = "ml: keys of mlstac 0.0 (sample layout)"
    elif any(key.startswith("ml_") for key in keys):
        found = "ml_ keys of mlstac 0.0 (sample layout)"
    else:
        found = "plain keys, written by hand or by other tools"
    if "catalog" in keys:
        found += ", splits under catalog"
    added = sum(key.startswith("mlhf:") for key in keys)
    said = f", mlstac_version {version!r}" if version else ""
    return f"{found}{said}{f', {added} mlhf: keys' if added else ''}"


def _is_in_degrees(box: tuple[float, ...]) -> bool:
    if len(box) not in (4, 6) or not all(map(math.isfinite, box)):
        return False
    half = len(box) // 2
    (west, south), (east, north) = box[:2], box[half : half + 2]
    inside = all(abs(x) <= 180 for x in (west, east)) and all(abs(y) <= 90 for y in (south, north))  # noqa: PLR2004
    return inside and south <= north


def _entries(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """What looks like a split: the key it is found under, the split it would be, and the entry."""
    for key, entry in document.items():
        if key in _CATALOGS and isinstance(entry, Mapping):
            for inner, value in entry.items():
                if isinstance(value, Mapping):
                    yield f"{key}.{inner}", _canonical(str(inner)), value
        elif key[:3] in ("ml:", "ml_") and isinstance(entry, Mapping) and _OF_A_SPLIT & set(entry):
            yield key, _canonical(key), entry


def _canonical(key: str) -> str:
    name = key.removeprefix("ml:").removeprefix("ml_")
    return _OTHER_NAMES.get(name, name)


def _faults(name: str, entry: Mapping[str, Any]) -> Iterator[str]:
    own, files, sizes = (entry.get(key) for key in ("name", "data_files", "data_checksum"))
    if isinstance(own, str) and own and _canonical(own) != name:
        yield f"the entry of {name!r} calls itself {own!r}"
    if files is None:
        return
    if not isinstance(files, list):
        yield f"data_files: expected a list, found {type(files).__name__}"
        return
    if not all(isinstance(file, str) for file in files):
        yield "data_files: expected a list of texts"
    if sizes is not None and (not isinstance(sizes, list) or len(sizes) != len(files)):
        found = len(sizes) if isinstance(sizes, list) else type(sizes).__name__
        yield f"data_checksum: expected {len(files)} sizes, one a file, found {found}"

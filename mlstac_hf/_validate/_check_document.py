"""main.json against the model: fields that cannot be read, and what `check_publishable` finds in the others.

Owns: what is seen in the document alone, and the code that each problem of a publisher has here, where none is an
error. Leaves to others: what keeps a collection from being published (`_spec`), whether its splits and files are there
(`_check_files`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mlstac_hf._reading import origin_of
from mlstac_hf._spec import Catalog, canonical_split, check_publishable, is_relative
from mlstac_hf._spec._dialect_splits import ABSENT
from mlstac_hf._validate._check import Check
from mlstac_hf._validate._report import Place

_CATALOGS = ("ml:catalog", "ml_catalog", "catalog")
_OF_A_SPLIT = {"n_items", "n_samples", "link", "data_files"}
_MAIN = Place(file="main.json")
_CODE_OF: Mapping[str, str | None] = {
    **dict.fromkeys(("id-missing", "description-missing", "license-missing", "task-missing"), "W108"),
    **dict.fromkeys(("id-unsafe", "id-long"), "W109"),
    "task-unknown": "W110",
    "extent-bbox": "W111",
    **dict.fromkeys(("band-name-double", "band-index-double"), "W113"),
    "labels-double": "W114",
    "split-missing": "N202",
    "split-count": None,  # E203 and W209, which know what is there
}
"""By the code of a problem, that of a finding; the others are W115."""


class DocumentCheck(Check):
    """See the module."""

    name = "main.json"

    def begin(self) -> None:
        """All of it: main.json is read once."""
        collection, document = self.collection, self.collection._document
        self.say("N106", _dialect(document, collection.mlstac_version), _MAIN)
        for key, reason in collection._problems.items():
            self.say("E107", f"{key!r}: {reason}", _MAIN)
        for problem in check_publishable(collection):
            code = _CODE_OF.get(problem.code, "W115")
            if code is not None:
                self.say(code, str(problem), _MAIN)
        self._splits(document)

    def _splits(self, document: Mapping[str, Any]) -> None:
        declared = origin_of(self.collection).catalogs
        if not declared:
            self.say("E201", "main.json declares no split that can be read", _MAIN)
        for key, name, entry in _entries(document):
            if entry.get(ABSENT) is True:
                continue
            if name not in declared:
                self.say("W112", f"{key!r} looks like a split, and no split can have that name", _MAIN)
                continue
            for fault in _faults(name, entry):
                self.say("E213", f"{key!r}: {fault}", Place(file="main.json", split=name))
        relative = [name for name, catalog in declared.items() if any(map(is_relative, _links(catalog)))]
        if relative:
            self.say("N116", f"those of {', '.join(relative)} lead to files beside main.json", _MAIN)


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


def _entries(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """What looks like a split: the key it is found under, the split it would be, and the entry."""
    for key, entry in document.items():
        if key in _CATALOGS and isinstance(entry, Mapping):
            for inner, value in entry.items():
                if isinstance(value, Mapping):
                    yield f"{key}.{inner}", canonical_split(str(inner)), value
        elif key[:3] in ("ml:", "ml_") and isinstance(entry, Mapping) and _OF_A_SPLIT & set(entry):
            yield key, canonical_split(key), entry


def _links(catalog: Catalog) -> list[str]:
    return [file.href for file in catalog.data_files] or ([catalog.link] if catalog.link else [])


def _faults(name: str, entry: Mapping[str, Any]) -> Iterator[str]:
    own, files, sizes = (entry.get(key) for key in ("name", "data_files", "data_checksum"))
    if isinstance(own, str) and own and canonical_split(own) != name:
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

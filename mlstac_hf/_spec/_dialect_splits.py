"""Splits in every spelling of `main.json`: under keys of their own, in a catalog, or as a bare link.

Owns: the names a split goes by, and which count, link and files an entry means. Leaves to others: every other field
(`_dialects`), the Catalog itself (`_parts`), whether the samples are there (`reading`). What is null or cannot be
read is not there; it never hides the other splits.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlstac_hf._spec._names import MAX_SAMPLES
from mlstac_hf._spec._parts import Catalog, DataFile

STANDARD = ("train", "validation", "test")
"""The splits that have keys of their own, in canonical order."""
_SPLIT_NAMES = {"val": "validation", "valid": "validation"}
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", re.ASCII)
"""What a split may be called."""
_CATALOG_KEYS = frozenset(
    {
        *("name", "n_items", "n_samples", "misstated", "link", "url", "metadata_file"),
        *("data_files", "data_checksum", "data_descriptions"),
    }
)
"""Of an entry, those that are or become fields of a Catalog; the others are kept as they are."""
_LONGEST_COUNT = 19
"""Characters of a count that is spelled as text; what is longer is no count, and costs no time to parse."""


def both(name: str) -> tuple[str, str]:
    """The two spellings of an ML-STAC key; where both are present the colon wins."""
    return f"ml:{name}", f"ml_{name}"


def canonical_split(key: str) -> str:
    """The split that a key of `main.json` names: `ml:val` is `validation`."""
    name = key.removeprefix("ml:").removeprefix("ml_")
    return _SPLIT_NAMES.get(name, name)


SPLIT_KEYS = (
    *(key for split in (*STANDARD, "val") for key in (*both(split), split)),
    "catalog",
    *both("catalog"),
)
"""The keys of the document that may hold splits."""


ABSENT = "mlhf:absent"
"""True in the entry of a split that is not there, and is declared because mlstac reads no collection without it."""


def read_splits(document: Any) -> dict[str, Catalog]:
    """Splits in canonical order, under canonical names; what is null or unreadable is not there."""
    found: dict[str, Catalog] = {}
    for name, entry in _declared(document):
        if isinstance(entry, str) and "/" in entry and name in STANDARD:  # nothing but the link
            entry = {"link": entry}  # noqa: PLW2901 - the same entry, spelled out
        if isinstance(entry, Mapping) and entry.get(ABSENT) is True:
            continue
        if isinstance(entry, Mapping) and name not in found and PLAIN_NAME.fullmatch(name):
            found[name] = _catalog(name, entry)
    known = [name for name in STANDARD if name in found]
    return {name: found[name] for name in [*known, *(name for name in found if name not in known)]}


def _declared(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    catalogs = [document.get(key) for key in (*both("catalog"), "catalog")]
    for split in (*STANDARD, "val"):
        name = _SPLIT_NAMES.get(split, split)
        for key in (*both(split), split):
            yield name, document.get(key)
    for catalog in catalogs:
        if isinstance(catalog, Mapping):
            for key, entry in catalog.items():
                yield canonical_split(str(key)), entry


def _catalog(name: str, entry: Mapping[str, Any]) -> Catalog:
    links = (entry.get("link"), entry.get("url"))
    claims = [claim for claim in (entry.get("n_items"), entry.get("n_samples")) if claim is not None]
    count = next((count for count in map(read_count, claims) if count is not None), None)
    files = entry.get("data_files")
    files = [files] if isinstance(files, str) else files if isinstance(files, list) else []
    sizes, notes = (_column(entry.get(key)) for key in ("data_checksum", "data_descriptions"))
    return Catalog(
        name=name,
        n_items=count,
        misstated=_claim(claims[0]) if claims and count is None else None,
        link=next((link for link in links if isinstance(link, str) and link.strip()), None),
        data_files=tuple(
            DataFile(
                href=href,
                nbytes=read_count(sizes.get(i)),
                description=note if isinstance(note := notes.get(i), str) else None,
            )
            for i, href in enumerate(files)
            if isinstance(href, str)
        ),
        metadata_file=path if isinstance(path := entry.get("metadata_file"), str) else None,
        **{key: value for key, value in entry.items() if key not in _CATALOG_KEYS},
    )


def read_count(value: Any) -> int | None:
    """A sample count that can be meant; None for what cannot, such as -1, NaN, "many" or 10^400."""
    if isinstance(value, str) and value.strip().isdecimal() and len(value) <= _LONGEST_COUNT:
        value = int(value)
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MAX_SAMPLES else None


def _claim(value: Any) -> str:
    """A claim for a message, whatever its length."""
    try:
        text = str(value)
    except ValueError:  # an integer of more digits than Python prints
        text = f"an integer of {value.bit_length()} bits"
    return text if len(text) <= 40 else f"{text[:20]}… ({len(text)} characters)"  # noqa: PLR2004 - a line


def _column(values: Any) -> dict[int, Any]:
    return dict(enumerate(values)) if isinstance(values, list) else {}

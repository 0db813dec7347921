"""Sample-layout collections on disk, written with safetensors' own writer and the json module.

Nothing of mlstac_hf is used here, so what the tests expect comes from nobody's reader.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

DIGITS = "123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
NAMES = {0: "0000001", 8: "0000009", 9: "000000A", 34: "000000Z", 35: "000000a", 60: "000000z", 61: "0000021"}
"""Names as upstream wrote them, against which `name_of` is checked when this module is loaded."""
FIRST_DAY = datetime(2020, 5, 3, 10, 15, 30, tzinfo=UTC)

Value = np.ndarray | str
Pack = Callable[[bytes], bytes]


@dataclass
class MadeSample:
    """One sample: what lies in its file, and what a reader must make of it."""

    name: str
    stored: dict[str, np.ndarray]
    """The tensors in the file, dummies included."""
    shown: dict[str, Value]
    """What `load()[i]` must be in numpy: tensors under their names, text where it takes a tensor's place."""
    raw: dict[str, str]
    """`__metadata__` of the file."""
    typed: dict[str, Any]
    """What `metadata[i]` must be: the standard keys typed, then the user's own, sorted."""


@dataclass
class Made:
    """A collection that was written, with everything a reader must find in it."""

    folder: Path
    splits: dict[str, list[MadeSample]]
    """The samples that can be read, in order. A split that is missing here must be missing for a reader."""
    document: dict[str, Any]
    labels: dict[str, int] = field(default_factory=dict)
    warns: str | None = None
    """A pattern that the CollectionWarning of opening each split matches; None: opening is silent."""
    refused: bool = False
    """Its links are only followed with `trust_links=True`."""
    stack: ExitStack = field(default_factory=ExitStack)

    @property
    def address(self) -> str:
        return str(self.folder)

    def close(self) -> None:
        """Stop the server a link may lead to."""
        self.stack.close()


def name_of(index: int) -> str:
    """The base61 name of a sample, written apart from the package's own."""
    digits = ""
    while index or not digits:
        digits = DIGITS[index % 61] + digits
        index //= 61
    return "0" * (7 - len(digits)) + digits


assert {index: name_of(index) for index in NAMES} == NAMES


def join_geotransform(values: tuple[float, ...], *, brackets: bool) -> str:
    """As upstream writes it: `a ,b ,c`, in brackets from 0.0.23 on."""
    text = " ,".join(map(str, values))
    return f"[{text}]" if brackets else text


def sample(
    index: int,
    tensors: Mapping[str, np.ndarray],
    *,
    dialect: str = "0.0.12",
    texts: Mapping[str, str] | None = None,
    user: Mapping[str, str] | None = None,
    located: bool = True,
    ends: bool = False,
) -> MadeSample:
    """A sample as upstream's 0.0.12 or 0.0.23 writes it.

    Args:
        index: its position, which gives the name and the place on Earth.
        tensors: what goes into the file, dummies for texts included.
        dialect: `0.0.12` or `0.0.23`.
        texts: the texts that take a tensor's place.
        user: the publisher's own keys, merged in last; may shadow the standard ones.
        located: whether the publisher gave crs, geotransform and start; if not, 0.0.12 leaves them out
            and 0.0.23 invents them.
        ends: whether the publisher gave an end.
    """
    texts, user, later = dict(texts or {}), dict(user or {}), dialect == "0.0.23"
    transform = (399960.0 + 640 * index, 10.0, 0.0, 5000040.5, 0.0, -10.0)
    start = FIRST_DAY + timedelta(days=index)
    end = start + timedelta(hours=1) if ends else None
    raw = {"id": name_of(index)}
    if located:
        raw |= {
            "crs": "EPSG:32633",
            "geotransform": join_geotransform(transform, brackets=later),
            "start_datetime": start.replace(tzinfo=None).isoformat(),
        }
        if ends or later:
            raw["end_datetime"] = (end or start).replace(tzinfo=None).isoformat()
    elif later:
        raw |= {"crs": "EPSG:4326", "geotransform": "[0 ,1 ,0 ,0 ,0 ,1]", "isSTAC": "0"}
        raw |= dict.fromkeys(("start_datetime", "end_datetime"), "1970-01-01T00:00:00")
    if later:
        raw |= {"input": texts.get("input", ""), "target": texts.get("target", "")}
        raw |= {"isText": "1"} if texts else {}
    else:
        raw |= texts
    raw |= user
    typed = {
        "id": raw["id"],
        "crs": "EPSG:32633" if located else None,
        "geotransform": transform if located else None,
        "start_datetime": start if located else None,
        "end_datetime": (end or (start if later else None)) if located else None,
    }
    typed |= {key: user[key] for key in sorted(user) if key not in typed}
    shown = {name: array for name, array in tensors.items() if name not in texts} | texts
    order = ("input", "target", "extra")
    shown = {name: shown[name] for name in sorted(shown, key=lambda name: (name not in order, order.index(name)))}
    return MadeSample(name_of(index), dict(tensors), shown, raw, typed)


def pack_single(data: bytes) -> bytes:
    """One member, as upstream writes it."""
    return gzip.compress(data, 1, mtime=0)


def pack_members(data: bytes) -> bytes:
    """Several members, cut inside the header and inside the tensors."""
    cuts = sorted((0, min(5, len(data)), len(data) // 3, len(data)))
    return b"".join(pack_single(data[a:b]) for a, b in pairwise(cuts))


def pack_padded(data: bytes) -> bytes:
    """One member and the zeros of a tape block."""
    return pack_single(data) + bytes(512)


def to_bytes(made: MadeSample) -> bytes:
    """The file of a sample, as safetensors writes it."""
    return save({name: np.ascontiguousarray(a).reshape(a.shape) for name, a in made.stored.items()}, made.raw)


def write_samples(folder: Path, samples: list[MadeSample], pack: Pack | None = None) -> None:
    """The files of a split."""
    folder.mkdir(parents=True, exist_ok=True)
    for made in samples:
        data = to_bytes(made)
        (folder / f"{made.name}.safetensors{'.gz' if pack else ''}").write_bytes(pack(data) if pack else data)


def main_json(
    splits: Mapping[str, int],
    *,
    task: str | list[str] = "TensorSegmentation",
    labels: Mapping[str, int] | None = None,
    prefix: str = "ml:",
    links: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A `main.json` of 0.0.12 or 0.0.23, with links to where nothing is."""
    document: dict[str, Any] = {
        "id": "made for a test",
        "title": "made for a test",
        "description": "Numbers in the shape of Earth observations.",
        "license": "CC-BY-4.0",
        "links": "localhost",
        "extent": None,
        "providers": {"providers": [{"name": "nobody", "roles": ["producer"], "url": None}]},
        f"{prefix}task": task,
    }
    if labels is not None:
        document[f"{prefix}labels"] = {"labels": dict(labels)}
    for split, count in splits.items():
        link = (links or {}).get(split, f"https://example.invalid/made/{split}/")
        document[f"{prefix}{split}"] = {"n_items": count, "link": link}
    return document


def write_main(folder: Path, document: Mapping[str, Any]) -> None:
    """`main.json`, indented as upstream does."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "main.json").write_text(json.dumps(document, indent=4, ensure_ascii=False), encoding="utf-8")


def numbered(count: int, build: Callable[[int], MadeSample]) -> list[MadeSample]:
    """Samples 0 to `count` - 1."""
    return [build(index) for index in range(count)]


def every(made: Made) -> Iterator[tuple[str, int, MadeSample]]:
    """Split, index and sample of each sample."""
    for split, samples in made.splits.items():
        for index, one in enumerate(samples):
            yield split, index, one

"""A sound collection in each layout, and for each code of `validate` one that differs from it in just that fault."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from containers import make_containers
from writing import MadeSample, join_geotransform, main_json, name_of, sample, to_bytes, write_main

LAND = {"water": 0, "field": 1, "forest": 2}
COUNTS = {"train": 4, "validation": 2, "test": 2}
Change = Callable[[str, int, MadeSample], None]
Rows = list[dict[str, Any]]


def unchanged(split: str, index: int, made: MadeSample) -> None:
    """Samples as they are."""


def only(split: str, index: int, change: Callable[[MadeSample], None]) -> Change:
    """A change of one sample."""

    def apply(of: str, at: int, made: MadeSample) -> None:
        if (of, at) == (split, index):
            change(made)

    return apply


def sound(
    folder: Path, change: Change = unchanged, counts: dict[str, int] | None = None, **document: Any
) -> dict[str, Any]:
    """Images of 4 bands with masks, splits far from each other; `validate` finds no fault."""
    counts = counts or COUNTS
    for number, (split, count) in enumerate(counts.items()):
        (folder / split).mkdir(parents=True)
        for index in range(count):
            rng = np.random.default_rng(1000 * number + index)
            image = rng.integers(0, 9000, (4, 8, 8)).astype(np.uint16)
            mask = np.arange(64, dtype=np.uint8).reshape(1, 8, 8) % 3
            made = sample(index, {"input": image, "target": mask})
            made.raw["geotransform"] = geotransform(500_000 + 60_000 * number + 640 * index)
            change(split, index, made)
            (folder / split / f"{made.name}.safetensors").write_bytes(to_bytes(made))
    main = main_json(counts, labels=LAND) | {"id": "made-for-a-test"}
    main["ml:spectral"] = {"bands": [{"name": name, "index": i} for i, name in enumerate("BGRN")], "axis": 0}
    main |= document
    write_main(folder, main)
    return main


def geotransform(x: float = 500_000.0, width: float = 10.0, y: float = 5_000_040.0, height: float = -10.0) -> str:
    return join_geotransform((x, width, 0.0, y, 0.0, height), brackets=False)


def boxed(folder: Path, *, table: bool = True, **more: Any) -> dict[str, Any]:
    """Containers of safetensors, which core can read; with `table`, needs pyarrow."""
    facts = {"title": "Boxes", "description": "boxes", "license": "CC0-1.0", "ml_target": {"labels": {}}}
    return make_containers(
        folder, plain=True, table=table, document=facts | {"ml_task": ["TensorToTensor"]}, **more
    ).document


@dataclass(frozen=True)
class Case:
    """How a fault is made, and where it must be found."""

    build: Callable[[Path], Any]
    """Writes the collection; what it returns is the address, where it is a text."""
    place: dict[str, Any] = field(default_factory=dict)
    """Fields that the place of a finding of the code has."""
    deep: bool = False
    needs: tuple[str, ...] = ()
    without: str | None = None
    """A package that is hidden meanwhile."""
    served: bool = False
    """Read over http."""


def edited(folder: Path, **changes: Any) -> None:
    """`main.json` with other values; None takes a key away."""
    path = folder / "main.json"
    document = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in document.items() if value is not None}))


def documented(**changes: Any) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        sound(folder)
        edited(folder, **changes)

    return build


def sampled(split: str, index: int, change: Callable[[MadeSample], None], **document: Any) -> Callable[[Path], None]:
    return lambda folder: sound(folder, only(split, index, change), **document) and None


def raw(**values: str) -> Callable[[MadeSample], None]:
    return lambda made: made.raw.update(values)


def stored(**tensors: np.ndarray) -> Callable[[MadeSample], None]:
    return lambda made: made.stored.update(tensors)


def afterwards(change: Callable[[Path], Any], make: Callable[[Path], Any] = sound) -> Callable[[Path], None]:
    """A collection whose files are changed when they are written."""

    def build(folder: Path) -> None:
        make(folder)
        change(folder)

    return build


def tabled(change: Callable[[Rows], Rows | None], split: str = "train") -> Callable[[Path], None]:
    """Containers whose table says something else."""

    def build(folder: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        boxed(folder)
        path = folder / split / "metadata.parquet"
        rows = pq.read_table(path).to_pylist()
        pq.write_table(pa.Table.from_pylist(change(rows) or rows), path)

    return build


def rastered(**facts: Any) -> Callable[[Path], None]:
    """Containers of rasters, whose table says `facts` of each."""

    def build(folder: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        make_containers(folder, document={"description": "boxes", "license": "CC0-1.0"})
        path = folder / "train" / "metadata.parquet"
        pq.write_table(pa.Table.from_pylist([row | facts for row in pq.read_table(path).to_pylist()]), path)

    return build


def checksums(folder: Path) -> dict[str, str]:
    files = sorted(folder.glob("*/*.safetensors"))
    return {
        path.relative_to(folder).as_posix(): f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in files
    }


def _checked(folder: Path, change: Callable[[dict[str, str]], Any]) -> None:
    sound(folder)
    found = checksums(folder)
    change(found)
    edited(folder, **{"mlhf:checksums": found})


def _bare(folder: Path) -> None:
    folder.mkdir(parents=True)


def _text(content: str) -> Callable[[Path], None]:
    return afterwards(lambda folder: (folder / "main.json").write_text(content), _bare)


def _no_link(folder: Path) -> None:
    sound(folder, counts={"train": 2})
    edited(folder, **{"ml:validation": {"n_items": 3}})


def _linked(folder: Path) -> None:
    sound(folder, counts={"train": 2})
    edited(folder, **{"ml:test": {"n_items": 3, "link": "../../../../etc/"}})


def _twice(folder: Path) -> None:
    path = folder / "train" / "0000002.safetensors"
    path.with_name("0000002.safetensors.gz").write_bytes(gzip.compress(path.read_bytes()))


def _unlisted(folder: Path) -> None:
    main = boxed(folder, table=False)
    train = main["ml_catalog"]["train"]
    entry = {**train, "data_files": train["data_files"][:1], "data_checksum": train["data_checksum"][:1]}
    edited(folder, ml_catalog={**main["ml_catalog"], "train": entry})


def _catalog(**changes: Any) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        catalog = boxed(folder, table=False)["ml_catalog"]
        edited(folder, ml_catalog={**catalog, "train": {**catalog["train"], **changes}})

    return build


def _cut(folder: Path) -> None:
    path = folder / "train" / "0000003.safetensors"
    path.write_bytes(path.read_bytes()[:-7])


def _same(split: str, index: int) -> Change:
    """One more sample with the input of sample 0 of train."""
    kept: list[np.ndarray] = []

    def apply(of: str, at: int, made: MadeSample) -> None:
        if (of, at) == ("train", 0):
            kept.append(made.stored["input"])
        if (of, at) == (split, index):
            made.stored["input"] = kept[0]

    return apply


def _stale(rows: Rows) -> Rows:
    return [*rows, rows[0] | {"datapoint_id": "gone"}]


def each(**values: Any) -> Callable[[Rows], Rows]:
    return lambda rows: [row | values for row in rows]


def _missing_over_http(folder: Path) -> None:
    sound(folder)
    (folder / "train" / "0000002.safetensors").unlink()


def _drop(made: MadeSample) -> None:
    made.stored.pop("target")


def _unplaced(made: MadeSample) -> None:
    made.raw.pop("crs")


def _float_mask(split: str, index: int, made: MadeSample) -> None:
    made.stored["target"] = made.stored["target"].astype(np.float32)


def _holed(split: str, index: int, made: MadeSample) -> None:
    """Elevation, with a hole in one sample."""
    made.stored["extra"] = np.full((1, 8, 8), np.nan if (split, index) == ("train", 2) else 1, np.float32)


def _n_items(value: Any) -> Callable[[Path], None]:
    entry = {"link": "https://example.invalid/"}
    return documented(**{"ml:train": entry if value is None else {"n_items": value, **entry}})


def _drifting_validation(split: str, index: int, made: MadeSample) -> None:
    if split == "validation":
        made.stored["input"] = made.stored["input"].astype(np.int32)


def tiny(split: str, index: int, made: MadeSample) -> None:
    made.stored = {"input": np.full((4, 1, 1), index, np.uint16), "target": np.zeros((1, 1, 1), np.uint8)}


def bands(*names: str) -> dict[str, Any]:
    return {"bands": [{"name": name} for name in names], "axis": 0}


WRONG = np.full((1, 8, 8), 7, np.uint8)
THIRD = {"file": "train/0000003.safetensors", "split": "train", "sample": 2}
SECOND = {"file": "train/0000002.safetensors", "split": "train", "sample": 1}
MAIN = {"file": "main.json"}
TRAIN = {"split": "train"}
TABLE = {"file": "train/metadata.parquet", "split": "train"}
GEO = ("pyproj", "shapely")

CASES: dict[str, Case] = {
    "E101": Case(_bare),
    "E102": Case(_text("[]")),
    "E103": Case(lambda folder: (folder / "main.json").mkdir(parents=True)),
    "E104": Case(boxed, TRAIN, needs=("pyarrow",), without="pyarrow"),
    "E105": Case(_linked, {"split": "test"}),
    "N106": Case(sound, MAIN),
    "N116": Case(partial(sound, **{"ml:test": {"n_items": 2, "link": "test/"}}), MAIN),
    "E107": Case(documented(**{"ml:labels": {"labels": {"water": "much"}}}), MAIN),
    "W108": Case(documented(license=None), MAIN),
    "W109": Case(documented(id="../../evil"), MAIN),
    "W110": Case(documented(**{"ml:task": ["Segmentation!"]}), MAIN),
    "W111": Case(documented(extent={"spatial": {"bbox": [[500_000, 0, 600_000, 5_000_000]]}}), MAIN),
    "W112": Case(documented(**{"ml:../../etc": {"n_items": 1, "link": "./"}}), MAIN),
    "W113": Case(documented(**{"ml:spectral": bands("B", "G", "R", "R")}), MAIN),
    "W114": Case(documented(**{"ml:labels": {"labels": {**LAND, "wood": 2}}}), MAIN),
    "W115": Case(documented(license="ask the author!"), MAIN),
    "E201": Case(_no_link, {"split": "validation"}),
    "N202": Case(documented(**{"ml:test": None}), MAIN),
    "E203": Case(_n_items("many"), {**MAIN, **TRAIN}),
    "E204": Case(_n_items(9), {**MAIN, **TRAIN}),
    "E205": Case(
        afterwards(lambda folder: (folder / "train" / "0000002.safetensors").unlink()),
        {"file": "train/0000002", "split": "train"},
    ),
    "W206": Case(
        afterwards(lambda folder: (folder / "train" / "notes.safetensors").write_bytes(b"")),
        {"file": "train/notes.safetensors"},
    ),
    "W207": Case(afterwards(_twice), {"file": "train/0000002"}),
    "W208": Case(lambda folder: sound(folder, tiny, {"train": 36, "validation": 1, "test": 1}), TRAIN),
    "W209": Case(_n_items(None), TRAIN),
    "E210": Case(
        afterwards(
            lambda folder: (folder / "train" / "train_1.mlstac").unlink(), lambda folder: boxed(folder, table=False)
        ),
        {"file": "train/train_1.mlstac", "split": "train"},
    ),
    "W211": Case(_unlisted, {"file": "train/train_1.mlstac", "split": "train"}),
    "W212": Case(_catalog(data_checksum=[1, 2]), {"file": "train/train_2.mlstac", "split": "train"}),
    "E213": Case(_catalog(data_files="train_1.mlstac"), {**MAIN, **TRAIN}),
    "E301": Case(afterwards(_cut), THIRD),
    "E302": Case(_missing_over_http, SECOND, served=True),
    "E303": Case(
        lambda folder: _checked(folder, lambda sums: sums.update({"test/0000001.safetensors": "sha256:0"})),
        {"file": "test/0000001.safetensors", "split": "test"},
        deep=True,
    ),
    "E304": Case(
        lambda folder: _checked(folder, lambda sums: sums.update({"test/gone.safetensors": "sha256:0"})),
        {"file": "test/gone.safetensors", "split": "test"},
    ),
    "W305": Case(lambda folder: _checked(folder, lambda sums: sums.pop("train/0000002.safetensors")), SECOND),
    "E310": Case(sampled("train", 2, stored(input=np.ones((4, 8, 8), np.float64))), THIRD),
    "E311": Case(sampled("train", 2, _drop), THIRD),
    "W312": Case(sampled("train", 2, stored(target=np.zeros((8, 8), np.uint8))), THIRD),
    "N313": Case(
        sampled("train", 2, stored(input=np.ones((4, 9, 9), np.uint16), target=np.zeros((1, 9, 9), np.uint8))), TRAIN
    ),
    "W314": Case(lambda folder: sound(folder, _drifting_validation)),
    "E315": Case(
        documented(**{"mlhf:schema": {"target": {"dtype": "uint8", "shape": [1, None, 9]}}}), {"sample": 0, **TRAIN}
    ),
    "W316": Case(documented(**{"ml:spectral": bands("B", "G", "R")}), {"sample": 0, **TRAIN}),
    "W401": Case(sampled("train", 2, raw(crs="__import__('os')")), THIRD),
    "W402": Case(sampled("train", 2, raw(crs="EPSG:999999")), THIRD, needs=("pyproj",)),
    "W403": Case(sampled("train", 2, raw(geotransform="1 ,2 ,3 ,here")), THIRD),
    "W404": Case(sampled("train", 2, raw(geotransform=geotransform(height=0))), THIRD),
    "W405": Case(sampled("train", 2, raw(geotransform=geotransform(height=10))), THIRD),
    "W406": Case(sampled("train", 2, raw(isSTAC="0")), THIRD),
    "W407": Case(sampled("train", 2, raw(start_datetime="yesterday")), THIRD),
    "W408": Case(sampled("train", 2, raw(end_datetime="2001-01-01")), THIRD),
    "W409": Case(sampled("train", 2, raw(start_datetime="2999-01-01")), THIRD),
    "W410": Case(sampled("train", 2, raw(geotransform=geotransform(x=1e12))), THIRD, needs=GEO),
    "N411": Case(sampled("train", 2, _unplaced), TRAIN),
    "W501": Case(sampled("train", 2, stored(target=np.zeros((1, 4, 4), np.uint8))), THIRD),
    "N502": Case(rastered(), TRAIN, deep=True, needs=("pyarrow", "rasterio")),
    "E503": Case(sampled("train", 2, stored(target=WRONG)), THIRD, deep=True),
    "W504": Case(lambda folder: sound(folder, _float_mask), {"sample": 0, **TRAIN}, deep=True),
    "W505": Case(lambda folder: sound(folder, _holed), THIRD, deep=True),
    "N506": Case(documented(**{"ml:labels": {"labels": {**LAND, "city": 3}}}), deep=True),
    "W507": Case(documented(**{"mlhf:class_counts": {"test": {"water": 1}}}), {**MAIN, "split": "test"}, deep=True),
    "W601": Case(sampled("train", 2, raw(id=name_of(1))), THIRD),
    "W602": Case(
        lambda folder: sound(folder, lambda split, index, made: made.raw.update(id=f"scene {index}")),
        {"file": "validation/0000001.safetensors", "split": "validation", "sample": 0},
    ),
    "W603": Case(lambda folder: sound(folder, _same("train", 2)), THIRD, deep=True),
    "W604": Case(
        lambda folder: sound(folder, _same("test", 1)),
        {"file": "test/0000002.safetensors", "split": "test", "sample": 1},
        deep=True,
    ),
    "W605": Case(
        sampled("test", 1, raw(geotransform=geotransform(x=500_030))), {"split": "test", "sample": 1}, needs=GEO
    ),
    "E701": Case(
        afterwards(lambda folder: (folder / "train" / "metadata.parquet").unlink(), boxed), TABLE, needs=("pyarrow",)
    ),
    "E702": Case(
        afterwards(lambda folder: (folder / "train" / "metadata.parquet").write_bytes(b"PAR1"), boxed),
        TABLE,
        needs=("pyarrow",),
    ),
    "E703": Case(tabled(lambda rows: rows[:-1]), {"sample": 0, **TRAIN}, needs=("pyarrow",)),
    "E704": Case(tabled(each(begin=-1)), {"sample": 0, **TRAIN}, needs=("pyarrow",)),
    "W705": Case(tabled(_stale), TABLE, needs=("pyarrow",)),
    "W706": Case(tabled(each(metadata_length=3)), {"sample": 0, **TRAIN}, needs=("pyarrow",)),
    "W707": Case(tabled(each(split="test")), {"sample": 0, **TRAIN}, needs=("pyarrow",)),
    "W708": Case(rastered(proj_epsg=32719.0), {"sample": 0, **TRAIN}, deep=True, needs=("pyarrow", "rasterio")),
    "W709": Case(rastered(proj_shape=17), {"sample": 0, **TRAIN}, deep=True, needs=("pyarrow", "rasterio")),
    "E710": Case(
        afterwards(
            lambda folder: (folder / "train" / "train_1.mlstac").write_bytes(b"PK\3\4" * 9),
            lambda folder: boxed(folder, table=False),
        ),
        {"file": "train/train_1.mlstac", "split": "train"},
    ),
    "N901": Case(sound, needs=("pyproj",), without="pyproj"),
}
"""By code; E999 is a fault of ours, and has a test of its own."""

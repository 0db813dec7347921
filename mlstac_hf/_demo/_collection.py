"""The demo's collection: scenes, their geography and dates, as files in the sample layout.

Owns: regions, dates, metadata and `main.json`, and that a folder is never half a collection. Leaves to
others: what a scene looks like (`_scene`).
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from mlstac_hf._demo._ground import BANDS, LABELS, sun_elevation
from mlstac_hf._demo._scene import PIXEL_M, Scene, make_scene
from mlstac_hf._spec import PLAIN, Catalog, Collection, encode_name, format_datetime, main_json
from mlstac_hf._version import __version__

COLLECTION_ID = "mlstac-hf-demo"
CRS = "EPSG:32633"
SPLITS = ("train", "validation", "test")
SHEET = "contact-sheet.png"
"""The one file beside the collection that is the demo's own too."""
MIN_SIZE = 16
"""Pixels a side; in less there is no room for a landscape."""

_SEASONS = (110, 166, 217, 283)
"""Days of the year around which scenes were taken: one in each season with something to see."""
_SPACING_M = 2560


@dataclass(frozen=True)
class Region:
    """A farming region in UTM zone 33 north. The places are real, the land is made up."""

    name: str
    longitude: float
    latitude: float
    easting: int
    northing: int


REGIONS = (
    Region("Marchfeld", 16.75, 48.25, 629910, 5345570),
    Region("Haná", 17.25, 49.42, 663180, 5476580),
    Region("Oderbruch", 14.20, 52.70, 445940, 5839200),
    Region("Prekmurje", 16.15, 46.68, 587950, 5170250),
    Region("Gäuboden", 12.65, 48.85, 327610, 5413440),
    Region("Uckermark", 13.90, 53.25, 426610, 5900650),
    Region("Tullnerfeld", 15.95, 48.33, 570410, 5353420),
    Region("Žatecko", 13.55, 50.33, 396800, 5576330),
    Region("Dravsko polje", 15.75, 46.43, 557620, 5142100),
    Region("Znojemsko", 16.15, 48.86, 584350, 5412530),
)


def make_collection(
    folder: str | os.PathLike[str], samples: Sequence[int] = (24, 8, 8), size: int = 64, seed: int = 0
) -> Path:
    """Write a small, realistic collection: Sentinel-2-like images of farmland and their land cover.

    `input` is uint16 `(4, size, size)`, reflectance x 10,000 in blue, green, red and near infrared;
    `target` is uint8 `(1, size, size)`, one of six classes. Four samples on end share a region, one for each
    season, so that with the default numbers no region is in two splits. The same arguments give the same
    tensors and metadata. A collection that this function wrote before with the same arguments is kept as
    it is; another one of its own is replaced. `folder` is a whole collection or is not touched.

    Args:
        folder: where to write; made with its parents.
        samples: how many in train, validation and test.
        size: pixels of 10 m a side, 16 or more.
        seed: another seed is another country.

    Returns:
        `folder`, an address to open.

    Raises:
        ValueError: `size` or a number of `samples` makes no sense.
        FileExistsError: `folder` holds something else, which is left alone.
        OSError: the disk is full or may not be written to.
    """
    if size < MIN_SIZE:
        raise ValueError(f"expected size to be {MIN_SIZE} pixels or more, got {size}")
    if len(samples) != len(SPLITS) or min(samples) < 0:
        raise ValueError(f"expected samples to be three numbers, 0 or more, for {', '.join(SPLITS)}, got {samples!r}")
    folder = Path(folder).absolute()
    main = _main_json(samples, size, seed)
    if _is_whole(folder, main, samples):
        return folder
    _check_ours(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
        new, old = Path(temporary, "new"), Path(temporary, "old")
        _write(new, main, samples, size, seed)
        if folder.exists():
            os.replace(folder, old)
        os.replace(new, folder)
    return folder


def _write(folder: Path, main: str, samples: Sequence[int], size: int, seed: int) -> None:
    first = 0
    for split, count in zip(SPLITS, samples, strict=True):
        (folder / split).mkdir(parents=True)
        for index in range(count):
            data = make_sample(first + index, encode_name(index), size, seed)
            (folder / split / f"{encode_name(index)}{PLAIN}").write_bytes(data)
        first += count
    (folder / "main.json").write_text(main, encoding="utf-8")


def make_sample(number: int, name: str, size: int, seed: int) -> bytes:
    """The file of one sample; `number` counts through all splits, `name` within one."""
    rng = np.random.default_rng([seed, number])
    region = REGIONS[number // len(_SEASONS) % len(REGIONS)]
    season = _SEASONS[number % len(_SEASONS)]
    start = datetime(2021, 1, 1, 9, 50, tzinfo=UTC) + timedelta(
        days=365 * int(rng.integers(3)) + season - 1 + int(rng.integers(-9, 10)), seconds=int(rng.integers(1500))
    )
    day = start.timetuple().tm_yday
    cloud_cover = rng.choice([0.0, 0.06, 0.16, 0.32], p=[0.5, 0.2, 0.18, 0.12])
    scene = make_scene(rng, size, day, region.latitude, cloud_cover)
    # a grid of tiles around the region's centre, so that no two samples overlap
    row, column = divmod(number % len(_SEASONS) + len(_SEASONS) * (number // (len(_SEASONS) * len(REGIONS))), 2)
    spacing = max(_SPACING_M, int(size * PIXEL_M))
    west, north = region.easting + column * spacing, region.northing - row * spacing
    return _file(scene, name, (west, PIXEL_M, 0.0, north, 0.0, -PIXEL_M), start, region)


def _file(scene: Scene, name: str, geotransform: Sequence[float], start: datetime, region: Region) -> bytes:
    time = (format_datetime(start) or "").removesuffix("Z")
    numbers = (f"{value:.1f}" if position in (0, 3) else f"{value:g}" for position, value in enumerate(geotransform))
    data: bytes = save(
        {"input": scene.image, "target": scene.classes},
        metadata={
            "id": name,
            "crs": CRS,
            "geotransform": f"[{' ,'.join(numbers)}]",
            "start_datetime": time,
            "end_datetime": time,
            "isText": "0",
            "isSTAC": "1",
            "input": "",
            "target": "",
            "cloud_fraction": f"{scene.cloud_fraction:.4f}",
            "region": region.name,
            "sun_elevation_deg": f"{sun_elevation(start.timetuple().tm_yday, region.latitude):.1f}",
        },
    )
    return data


def _main_json(samples: Sequence[int], size: int, seed: int) -> str:
    collection = Collection.model_validate(
        {
            "id": COLLECTION_ID,
            "title": "Farmland in four seasons (synthetic)",
            "description": (
                "Computer-drawn scenes in the manner of Sentinel-2 and their land cover, for trying things out. "
                f"The places are real, the land is not. Tiles of {size} x {size} pixels of 10 m, seed {seed}, "
                f"mlstac-hf {__version__}."
            ),
            "license": "CC0-1.0",
            "keywords": ["sentinel-2", "land cover", "synthetic", "demo"],
            "task": ["TensorSegmentation"],
            "labels": LABELS,
            "bands": BANDS,
            "band_axis": 0,
            "sensor": "Sentinel-2 MSI (simulated)",
            "dimensions": {"input": _axes("bands"), "target": _axes("one plane of classes")},
            "splits": {
                split: Catalog(name=split, n_items=count, link=f"{split}/")
                for split, count in zip(SPLITS, samples, strict=True)
            },
            "annotations": {"scale": {"input": [1e-4]}},
            "providers": [{"name": "mlstac-hf", "roles": ["producer"], "description": "Drawn by `mlstac-hf demo`."}],
            "split_strategy": "by region",
        }
    )
    return json.dumps(main_json(collection, "samples"), indent=2, ensure_ascii=False) + "\n"


def _axes(first: str) -> list[dict[str, object]]:
    texts = {"C": first, "H": "rows, north to south", "W": "columns, west to east"}
    return [{"axis": axis, "name": name, "description": text} for axis, (name, text) in enumerate(texts.items())]


def _is_whole(folder: Path, main: str, samples: Sequence[int]) -> bool:
    try:
        if (folder / "main.json").read_text(encoding="utf-8") != main:
            return False
    except OSError:
        return False
    names = {
        split: {f"{encode_name(i)}{PLAIN}" for i in range(count)} for split, count in zip(SPLITS, samples, strict=True)
    }
    return all((folder / split).is_dir() and names[split] == set(os.listdir(folder / split)) for split in SPLITS)


def _check_ours(folder: Path) -> None:
    """Only an empty folder, or one with nothing but an earlier demo in it, may be replaced."""
    if not folder.exists() or (folder.is_dir() and not os.listdir(folder)):
        return
    strange: list[str] = []
    if folder.is_dir():
        strange = sorted(set(os.listdir(folder)) - {"main.json", SHEET, *SPLITS})
        if not strange and _id(folder / "main.json") == COLLECTION_ID:
            return
    raise FileExistsError(
        f"expected {folder} to be new, empty or an earlier demo, found {strange[0] if strange else 'something else'} "
        "there. Nothing was changed; choose another folder."
    )


def _id(path: Path) -> object:
    try:
        return json.loads(path.read_bytes()).get("id")
    except (OSError, ValueError, AttributeError):
        return None

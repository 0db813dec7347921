"""Collections in the container layout, made at run time: rasterio and safetensors write the payloads."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save


@dataclass
class MadeContainers:
    """What was written, and what a reader must find."""

    folder: Path
    rasters: dict[str, list[np.ndarray]] = field(default_factory=dict)
    """Whole rasters by split, in order."""
    names: dict[str, list[str]] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)


def raster(seed: int, planes: int = 5, size: int = 16, dtype: str = "uint16") -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 200, (planes, size, size)).astype(dtype)


def encode(array: np.ndarray, driver: str = "GTiff", **profile: Any) -> bytes:
    """A raster as the bytes of a file."""
    from rasterio.io import MemoryFile
    from rasterio.transform import Affine

    planes, height, width = array.shape
    place = {"crs": "EPSG:32633", "transform": Affine(10, 0, 465180, 0, -10, 5080250)}
    jpeg2000 = {"QUALITY": "100", "REVERSIBLE": "YES", "CODEC": "JP2"}
    lossless = jpeg2000 if driver == "JP2OpenJPEG" else {"compress": "deflate"}
    with MemoryFile() as memory:
        with memory.open(
            driver=driver,
            count=planes,
            height=height,
            width=width,
            dtype=array.dtype.name,
            **place | lossless | profile,
        ) as target:
            target.write(array)
        return bytes(memory.read())


def pack(payloads: dict[str, bytes], *, compact: bool = False, padding: int = 0) -> bytes:
    """A container of payloads."""
    places, begin = {}, 0
    for name, data in payloads.items():
        places[name] = [begin, len(data)]
        begin += len(data)
    separators = (",", ":") if compact else None
    header = json.dumps(places, separators=separators).encode() + b" " * padding
    return b"#y" + len(header).to_bytes(8, "little") + header + b"".join(payloads.values())


def make_containers(
    folder: Path,
    *,
    layout: str = "",
    table: bool = True,
    counts: dict[str, tuple[int, ...]] | None = None,
    document: dict[str, Any] | None = None,
    plain: bool = False,
    places: bool = False,
    rename: dict[str, str] | None = None,
    **packing: Any,
) -> MadeContainers:
    """Rasters of 5 planes, GeoTIFF and JPEG 2000 in turn; `counts` are datapoints by file, by split.

    With `plain`, safetensors that hold the first 4 planes as `input` and the last as `target`. With `places`, the
    table has centres too. `rename` gives columns of the table another name.
    """
    made, catalog, seed = MadeContainers(folder), {}, 0
    for split, files in (counts or {"train": (3, 2), "test": (2,)}).items():
        place = folder / split / layout
        place.mkdir(parents=True)
        made.rasters[split], made.names[split], rows, hrefs = [], [], [], []
        for number, count in enumerate(files):
            payloads, begin = {}, 0
            # not in the order of their names: the collection's order counts
            name = f"{split}_{len(files) - number}.mlstac"
            for _ in range(count):
                array, key = raster(seed), f"ROI_{seed:03d}"
                if plain:
                    payloads[key] = save({"input": array[:4], "target": array[4:]}, {"crs": "EPSG:32633"})
                else:
                    payloads[key] = encode(array, "JP2OpenJPEG" if seed % 2 else "GTiff")
                made.rasters[split].append(array)
                made.names[split].append(key)
                rows.append(
                    {
                        "datapoint_id": key,
                        "begin": begin,
                        "length": len(payloads[key]),
                        "url": f"https://example.invalid/{split}/{name}",
                        "split": split,
                        "label_type": "high" if seed % 2 else "scribble",
                        "cloud": None if seed % 3 == 0 else seed / 8,
                        "s2_date": f"2020-06-{seed % 28 + 1:02d} 10:00:31",
                        "file": number,
                    }
                    | ({"proj_centroid": "POINT (14.55 45.87)"} if places else {})
                )
                begin += len(payloads[key])
                seed += 1
            (place / name).write_bytes(pack(payloads, **packing))
            hrefs.append(f"https://example.invalid/{split}/{name}")
        if table:
            import pyarrow as pa
            import pyarrow.parquet as pq

            named = [{(rename or {}).get(key, key): value for key, value in row.items()} for row in rows[::-1]]
            pq.write_table(pa.Table.from_pylist(named), place / "metadata.parquet")
        sizes = [(place / href.rpartition("/")[2]).stat().st_size for href in hrefs]
        catalog[split] = {"name": split, "data_files": hrefs, "data_checksum": sizes}
    made.document = {"id": "boxes", "ml_task": ["image-segmentation"], "ml_catalog": catalog, **(document or {})}
    (folder / "main.json").write_text(json.dumps(made.document))
    return made

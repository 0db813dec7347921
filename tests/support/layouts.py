"""The same samples in both layouts and every kind of payload: what is found must not depend on where it lies."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from containers import encode, pack
from safetensors.numpy import save
from writing import main_json, name_of, pack_single

KINDS = ("plain", "gzip", "safetensors", "raster", "hdf5")
"""Sample layout in two ways, container layout in three; rasters are GeoTIFF and JPEG 2000 in turn."""
NORTH_UP = (465180.0, 10.0, 0.0, 5080250.0, 0.0, -10.0)


@dataclass
class Grid:
    """One sample."""

    tensors: dict[str, np.ndarray]
    """A raster has one, `input`."""
    facts: dict[str, Any] = field(default_factory=dict)
    """The publisher's own metadata: text in headers and attributes, typed in the table beside rasters."""
    transform: tuple[float, ...] = NORTH_UP


def images(count: int, shape: tuple[int, ...], dtype: Any = np.uint16, first: int = 0, **facts: Any) -> list[Grid]:
    """Samples of one `input`, no two alike."""
    return [
        Grid({"input": np.random.default_rng(first + seed).integers(0, 200, shape).astype(dtype)}, dict(facts))
        for seed in range(count)
    ]


def write_kind(kind: str, folder: Path, splits: Mapping[str, Sequence[Grid]], **document: Any) -> Path:
    """A collection of one of `KINDS`; its folder. Skips the test where a library is not installed.

    Args:
        kind: one of `KINDS`.
        folder: where to.
        splits: samples by split.
        document: keys of `main.json`, written as they are.
    """
    for library in {"raster": ("rasterio", "pyarrow"), "hdf5": ("h5py",)}.get(kind, ()):
        pytest.importorskip(library)
    folder.mkdir(parents=True, exist_ok=True)
    write = _samples if kind in ("plain", "gzip") else _containers
    (folder / "main.json").write_text(json.dumps({**write(kind, folder, splits), **document}))
    return folder


def payload_of(folder: Path, split: str, index: int) -> bytes:
    """The bytes of one datapoint, cut out of its container."""
    data = (folder / split / f"{split}.mlstac").read_bytes()
    length = int.from_bytes(data[2:10], "little")
    begin, size = list(json.loads(data[10 : 10 + length]).values())[index]
    return data[10 + length + begin :][:size]


def _texts(grid: Grid) -> dict[str, str]:
    facts = {key: str(value) for key, value in grid.facts.items() if value is not None}
    return {"crs": "EPSG:32633", "geotransform": " ,".join(map(repr, grid.transform))} | facts


def _plain(grid: Grid) -> bytes:
    return save({name: np.ascontiguousarray(a).reshape(a.shape) for name, a in grid.tensors.items()}, _texts(grid))


def _samples(kind: str, folder: Path, splits: Mapping[str, Sequence[Grid]]) -> dict[str, Any]:
    for split, grids in splits.items():
        (folder / split).mkdir()
        for index, grid in enumerate(grids):
            name, data = f"{name_of(index)}.safetensors", _plain(grid)
            path = folder / split / (f"{name}.gz" if kind == "gzip" else name)
            path.write_bytes(pack_single(data) if kind == "gzip" else data)
    return main_json({split: len(grids) for split, grids in splits.items()})


def _containers(kind: str, folder: Path, splits: Mapping[str, Sequence[Grid]]) -> dict[str, Any]:
    catalog = {}
    for split, grids in splits.items():
        (folder / split).mkdir()
        encoded = {f"{split}_{i}": _payload(kind, grid, i) for i, grid in enumerate(grids)}
        path = folder / split / f"{split}.mlstac"
        path.write_bytes(pack(encoded))
        if kind == "raster":
            import pyarrow as pa
            import pyarrow.parquet as pq

            rows = [{"datapoint_id": key, **grid.facts} for key, grid in zip(encoded, grids, strict=True)]
            pq.write_table(pa.Table.from_pylist(rows), folder / split / "metadata.parquet")
        catalog[split] = {"name": split, "data_files": [path.name], "data_checksum": [path.stat().st_size]}
    return {"id": "made for a test", "ml_task": ["image-segmentation"], "ml_catalog": catalog}


def _payload(kind: str, grid: Grid, index: int) -> bytes:
    if kind == "safetensors":
        return _plain(grid)
    if kind == "raster":
        from rasterio.transform import Affine

        (array,) = grid.tensors.values()
        driver = "JP2OpenJPEG" if index % 2 and array.dtype.kind in "iu" and array.itemsize <= 2 else "GTiff"
        return encode(array, driver, transform=Affine.from_gdal(*grid.transform))
    import h5py

    file = io.BytesIO()
    with h5py.File(file, "w") as target:
        for name, array in grid.tensors.items():
            target[name] = array
        target.attrs.update(_texts(grid))
    return file.getvalue()

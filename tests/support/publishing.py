"""Samples to publish, and what a folder holds afterwards. Nothing of mlstac_hf is used here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

DESCRIBED: dict[str, Any] = {
    "title": "Made for a test",
    "description": "Numbers in the shape of Earth observations.",
    "license": "CC0-1.0",
    "task": ["TensorToTensor"],
}
"""What every collection has to say before it is published; without labels, bands or place."""
LOOSE = "ignore:sample .*(expects (input|target) to be|samples before it):mlstac_hf.CollectionWarning"
"""For samples that are no task's: the filter of the warning that says so."""


def sample(index: int, size: int = 12, dtype: Any = np.uint16) -> dict[str, Any]:
    """One sample; the same for the same index."""
    rng = np.random.default_rng(index)
    return {
        "input": rng.integers(0, 4000, (3, size, size)).astype(dtype),
        "target": rng.integers(0, 3, (1, size, size)).astype(np.uint8),
        "id": f"tile-{index:03d}",
        "crs": "EPSG:32633",
        "geotransform": (465180.0 + index * 120, 10.0, 0.0, 5080250.0, 0.0, -10.0),
        "start_datetime": datetime(2020, 1, 1, 10, 30, tzinfo=UTC) + timedelta(days=index),
        "cloud": index / 7,
        "orbit": index,
        "night": index % 3 == 0,
        "note": f"wolkenlos, größer als {index} %",
    }


def samples(count: int, **options: Any) -> Iterator[dict[str, Any]]:
    """Samples 0 to `count` - 1."""
    return (sample(index, **options) for index in range(count))


def tree(folder: Path) -> dict[str, str]:
    """Digest by path of every file below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

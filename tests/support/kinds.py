"""One small collection for every kind of thing that a card shows: `KINDS[name](folder)` writes it."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta

import numpy as np

import mlstac_hf

NAMES = ("Annual Crop", "Forest", "Highway", "River")
COUNTS = {"train": 7, "validation": 3, "test": 2}


def texture(seed, *shape, low=500, high=2500):
    """Numbers with shapes in them."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[-2], : shape[-1]] / shape[-1]
    waves = [np.sin(rng.normal() * 9 * rows + rng.normal() * 9 * columns + plane) for plane in range(shape[0])]
    return low + (high - low) * (np.stack(waves) + 1) / 2


def write_kind(folder, sample, *, located=True, counts=COUNTS, **collection):
    """A collection whose samples are made by `sample(number)`."""
    described = mlstac_hf.Collection(
        **{
            "id": folder.name,
            "title": folder.name.title(),
            "description": "Made for a test.",
            "license": "CC-BY-4.0",
            "task": ["TensorRegression"],
            **collection,
        }
    )
    number = 0
    for split, count in counts.items():
        rows = []
        for _ in range(count):
            place = {
                "crs": "EPSG:32633",
                "geotransform": (400_000.0 + 20_000 * number, 10.0, 0.0, 5_000_000.0 - 7000 * number, 0.0, -10.0),
                "start_datetime": datetime(2020, 5, 1, tzinfo=UTC) + timedelta(days=number),
            }
            rows.append({"id": f"sample-{number}", **(place if located else {}), **sample(number)})
            number += 1
        with warnings.catch_warnings():  # samples without a target, classes without names: that is the point
            warnings.simplefilter("ignore", mlstac_hf.CollectionWarning)
            mlstac_hf.write(rows, folder, described, split=split)
    return folder


def segmentation(folder):
    def sample(i):
        mask = (texture(i + 50, 1, 40, 48) > 1500).astype(np.uint8) + (texture(i + 70, 1, 40, 48) > 2000)
        return {"input": texture(i, 4, 40, 48).astype(np.uint16), "target": mask.astype(np.uint8)}

    labels = {"water": 0, "forest": 1, "a | b": 2}
    bands = ["B02", "B03", "B04", "B08"]
    return write_kind(folder, sample, task=["TensorSegmentation"], labels=labels, sensor="Sentinel-2", bands=bands)


def classification(folder):
    labels = {name: number for number, name in enumerate(NAMES)}
    return write_kind(
        folder,
        lambda i: {"input": texture(i, 3, 32, 32).astype(np.uint16), "target": np.int64(i % 4)},
        task=["TensorClassification"],
        labels=labels,
    )


def radar(folder):
    """One plane of decibels with holes, and a number to tell."""

    def sample(i):
        image = texture(i, 1, 64, 64, low=-25, high=-5).astype(np.float32)
        image[0, :8, :8] = np.nan
        return {"input": image, "target": np.float32(i / 3)}

    return write_kind(folder, sample, task=["TensorRegression"])


def captions(folder):
    text = "A river winds through fields; <b>two</b> villages lie on its $northern$ bank."
    return write_kind(
        folder,
        lambda i: {"input": texture(i, 3, 300, 400).astype(np.uint16), "target": text * (1 + i)},
        located=False,
        task=["TensorToText"],
    )


def prompts(folder):
    return write_kind(
        folder,
        lambda i: {"input": f"Ein See im Wald, 湖 {i}", "target": texture(i, 3, 32, 32).astype(np.uint16)},
        located=False,
        task=["TextToTensor"],
    )


def series(folder):
    return write_kind(
        folder,
        lambda i: {
            "input": np.stack([texture(100 * i + t, 4, 32, 32) for t in range(3)]).astype(np.uint16),
            "target": texture(i, 1, 32, 32).astype(np.float32),
        },
        task=["TensorToTensor"],
        band_axis=1,
    )


def boxes(folder):
    return write_kind(
        folder,
        lambda i: {
            "input": texture(i, 3, 90, 60, high=255, low=0).astype(np.uint8),
            "target": np.zeros((i, 5), np.float32),
        },
        task=["ObjectDetection"],
    )


def bare(folder):
    """Vectors without a target, a task or a place."""
    return write_kind(
        folder, lambda i: {"input": np.arange(9, dtype=np.float64) * i}, located=False, task=["TensorRegression"]
    )


KINDS = {kind.__name__: kind for kind in (segmentation, classification, radar, captions, prompts, series, boxes, bare)}

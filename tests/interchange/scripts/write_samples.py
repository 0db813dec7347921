"""Runs beside mlstac 0.0.12 or 0.0.23: collections in the sample layout by its own writers.

Arguments: a file that says what to write by folder, a file of all arrays.
"""

import json
import pathlib
import sys
from datetime import datetime

import mlstac
import numpy as np


def tensor(array, dtype):
    """An array; of a dtype that numpy has not, the torch tensor of its bits."""
    if dtype is None:
        return array
    import torch

    return torch.from_numpy(array).view(getattr(torch, dtype))


def save(sample, arrays, folder, *, compress):
    """One sample."""
    geography = {key: sample[key] for key in ("geotransform", "crs") if key in sample}
    times = {key: datetime.fromisoformat(sample[key]) for key in ("start_datetime", "end_datetime") if key in sample}
    named = {name: tensor(arrays[key], dtype) for name, (key, dtype) in sample["tensors"].items()}
    mlstac.Sample(
        tensor=mlstac.SampleTensor(**named),
        # without `extra` saving fails
        metadata=mlstac.SampleMetadata(
            id=sample["number"], extra=sample["extra"], **sample["texts"], **geography, **times
        ),
    ).save(folder, compress=compress)


def declare(wanted, folder):
    """`main.json`, as each version saves it."""
    splits = {f"ml_{name}": {"n_items": count, "link": link} for name, (count, link) in wanted["splits"].items()}
    given = {"title": wanted["id"], "description": "Made for a test", "license": "CC-BY-4.0", **splits}
    if hasattr(mlstac, "Providers"):  # 0.0.12
        collection = mlstac.Collection(
            **given,
            path=str(folder),
            providers={"providers": [{"name": "nobody", "roles": ["producer"]}]},
            ml_task=wanted["task"],
        )
        collection.add_labels(wanted["labels"])
        collection.add_spectral_information(
            bands={name: {"index": index} for index, name in enumerate(wanted["bands"])}, axis=0, sensor="sentinel-2"
        )
        collection.save(folder)
        return
    collection = mlstac.Collection(**given, id=wanted["id"], ml_task=[wanted["task"]])
    collection.add_labels(labels=wanted["labels"])
    for index, name in enumerate(wanted["bands"]):
        collection.add_spectral_band(name=name, index=index)
    collection.create_link()
    collection.create_jsonfile(folder)


def write(wanted, arrays, folder):
    """One collection."""
    for split in wanted["splits"]:
        (folder / split).mkdir(parents=True)
    for sample in wanted["samples"]:
        save(sample, arrays, folder / sample["split"], compress=wanted["compress"])
    declare(wanted, folder)


def main():
    """All collections."""
    said, stored = map(pathlib.Path, sys.argv[1:])
    arrays = np.load(stored)
    for folder, wanted in json.loads(said.read_text()).items():
        write(wanted, arrays, pathlib.Path(folder))


main()

"""Batches of 32 out of plain files: `load()` against a loop over safetensors, and against copying memory."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from _bench import NBYTES, SAMPLES, compare, make_collection, report
from safetensors.torch import load_file

import mlstac_hf

BATCH = 32


def main(folder):
    collection = folder / "collection"
    if not collection.exists():
        make_collection(collection)
    train = mlstac_hf.load(collection, "torch")
    files = sorted(map(str, (collection / "train").iterdir()))
    in_order = np.arange(SAMPLES)
    shuffled = np.random.default_rng(0).permutation(SAMPLES)
    memory = np.memmap(folder / "memory", np.uint8, "w+", shape=(SAMPLES, NBYTES))
    memory[:] = 1
    row = np.empty((BATCH, NBYTES), np.uint8)

    def batches(order):
        return [order[start : start + BATCH] for start in range(0, SAMPLES, BATCH)]

    def ours(order):
        for batch in batches(order):
            train[batch]

    def safetensors_loop(order):
        for batch in batches(order):
            samples = [load_file(files[index]) for index in batch]
            {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}

    def copying(order):
        for batch in batches(order):
            np.take(memory, batch, axis=0, out=row[: len(batch)])

    results = {}
    for name, order in (("in order", in_order), ("shuffled", shuffled)):
        speeds = compare(
            {
                "copying memory": lambda order=order: copying(order),
                "safetensors loop": lambda order=order: safetensors_loop(order),
                "load()": lambda order=order: ours(order),
            },
            NBYTES * SAMPLES,
        )
        results[name] = {
            "MB/s": speeds,
            "load() / safetensors loop": round(speeds["load()"] / speeds["safetensors loop"], 2),
            "load() / copying memory": round(speeds["load()"] / speeds["copying memory"], 2),
        }
    (folder / "memory").unlink()
    report("read", results)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

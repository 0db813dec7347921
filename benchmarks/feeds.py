"""Shuffled batches of 32: `to_tf` and `to_jax` against `to_tf_dataset`, and against copying memory."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from _bench import NBYTES, SAMPLES, compare, make_collection, report

import mlstac_hf

BATCH = 32


def main(folder):
    collection = folder / "collection"
    if not collection.exists():
        make_collection(collection)
    memory = np.memmap(folder / "memory", np.uint8, "w+", shape=(SAMPLES, NBYTES))
    memory[:] = 1
    row = np.empty((BATCH, NBYTES), np.uint8)
    shuffled = np.random.default_rng(0).permutation(SAMPLES)
    stock = mlstac_hf.load_dataset(collection, split="train", cache_dir=str(folder / "cache"))
    for_tf, for_jax = (make(collection, batch_size=BATCH) for make in (mlstac_hf.to_tf, mlstac_hf.to_jax))
    by_stock = stock.to_tf_dataset(columns=["input", "target"], batch_size=BATCH, shuffle=True)

    def copying():
        for start in range(0, SAMPLES, BATCH):
            order = shuffled[start : start + BATCH]
            np.take(memory, order, axis=0, out=row[: len(order)])

    def to_jax():
        for batch in for_jax:
            batch["input"].block_until_ready()

    speeds = compare(
        {
            "copying memory": copying,
            "to_tf_dataset": lambda: sum(1 for _ in by_stock),
            "to_tf": lambda: sum(1 for _ in for_tf),
            "to_jax": to_jax,
        },
        NBYTES * SAMPLES,
    )
    (folder / "memory").unlink()
    report(
        "feeds",
        {
            "MB/s": speeds,
            "to_tf / to_tf_dataset": round(speeds["to_tf"] / speeds["to_tf_dataset"], 1),
            "to_tf / copying memory": round(speeds["to_tf"] / speeds["copying memory"], 2),
            "to_jax / copying memory": round(speeds["to_jax"] / speeds["copying memory"], 2),
        },
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))

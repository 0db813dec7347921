"""Plain files into the Arrow cache, and batches of 32 back out of it, against the stock ways.

Each conversion runs in a process of its own, which also says how much memory it took above `import datasets`.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

from _bench import NBYTES, SAMPLES, compare, make_collection, report
from _once import memory, once, tell

BATCH = 32
ROUNDS = 6  # the disk's mood changes from one to the next


def rows(collection):
    """What a user of `datasets` would write; imports stand inside because `datasets` pickles it."""
    from pathlib import Path

    from safetensors.numpy import load_file

    for path in sorted((Path(collection) / "train").iterdir()):
        yield load_file(path)


def convert(how, collection, cache):
    """One conversion; prints its seconds and peak memory."""
    import datasets

    datasets.disable_progress_bars()
    before = memory("VmRSS")
    import mlstac_hf._hf._load_dataset

    start = time.perf_counter()
    if how == "load_dataset":
        mlstac_hf.load_dataset(collection, split="train", cache_dir=cache)
    else:
        features = datasets.Features(
            {
                "input": datasets.Array3D((13, 128, 128), "uint16"),
                "target": datasets.Array3D((1, 128, 128), "uint8"),
            }
        )
        datasets.Dataset.from_generator(rows, features=features, cache_dir=cache, gen_kwargs={"collection": collection})
    tell(time.perf_counter() - start, before)


def conversion(how, folder):
    """A conversion in its own process, into an empty cache."""
    cache = folder / f"cache-{how}"
    shutil.rmtree(cache, ignore_errors=True)
    os.sync()
    return once(__file__, how, folder / "collection", cache)


def writing(folder):
    """Seconds to write the same bytes to one file and bring them to disk."""
    os.sync()
    chunk = bytes(NBYTES * 50)
    start = time.perf_counter()
    with open(folder / "plain", "wb") as file:
        file.writelines(chunk for _ in range(SAMPLES // 50))
        file.flush()
        os.fsync(file.fileno())
    seconds = time.perf_counter() - start
    (folder / "plain").unlink()
    return seconds


def main(folder, name="convert"):
    collection = folder / "collection"
    if not collection.exists():
        make_collection(collection)
    ours, stock, plain = [], [], []
    for _ in range(ROUNDS):
        stock.append(conversion("from_generator", folder))
        ours.append(conversion("load_dataset", folder))
        plain.append(writing(folder))
    total = NBYTES * SAMPLES / 1e6
    speed = {
        "writing the bytes, with fsync": round(total / min(plain), 1),
        "from_generator with Array3D": round(total / min(run["seconds"] for run in stock), 1),
        "load_dataset": round(total / min(run["seconds"] for run in ours), 1),
    }
    peak = {
        "from_generator": round(min(run["peak"] for run in stock) / 2**20),
        "load_dataset": round(max(run["peak"] for run in ours) / 2**20),
    }
    report(
        name,
        {
            "MB/s": speed,
            "load_dataset / writing": round(speed["load_dataset"] / speed["writing the bytes, with fsync"], 2),
            "load_dataset / from_generator": round(speed["load_dataset"] / speed["from_generator with Array3D"], 2),
            "peak MiB above import datasets": peak,
        },
    )
    read_back(folder, f"{name}, read back")


def read_back(folder, name):
    import datasets

    import mlstac_hf

    datasets.disable_progress_bars()
    train = mlstac_hf.load_dataset(folder / "collection", split="train", cache_dir=folder / "cache-load_dataset")
    count = 320

    def batches(style):
        dataset = train.with_format(style)

        def run():
            for start in range(0, count, BATCH):
                image = dataset[start : start + BATCH]["input"]
                image.clone() if "torch" in style else image.copy()  # a view costs nothing until it is read

        return run

    styles = ("torch", "numpy", "mlstac_torch", "mlstac_numpy")
    speed = compare({style: batches(style) for style in styles}, NBYTES * count)
    report(
        name,
        {
            "MB/s": speed,
            "mlstac_torch / torch": round(speed["mlstac_torch"] / speed["torch"], 2),
            "mlstac_numpy / numpy": round(speed["mlstac_numpy"] / speed["numpy"], 2),
        },
    )


if __name__ == "__main__":
    if len(sys.argv) <= 3:
        main(Path(sys.argv[1]), *sys.argv[2:])
    else:
        convert(*sys.argv[1:])

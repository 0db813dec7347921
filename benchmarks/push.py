"""The shards that `push()` makes, against those of `Dataset.to_parquet`: written, and read by plain `datasets`.

All sides write the same rows, ours from the sample files and stock from a dataset that is prepared already. Reading is
`datasets.load_dataset` of the files, which makes its Arrow cache, and a stream over all rows as Arrow tables, which
decodes the files and makes no Python lists. The pixels are noise of 13 to 14 bits: real images compress better.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import datasets
from _bench import NBYTES, compare, make_collection, report

import mlstac_hf
from mlstac_hf._push._publication import plan
from mlstac_hf._reading import Selection, select

SAMPLES = 300
ROUNDS = 3


def publish(collection, form, folder):
    """The shards alone, as they would go up."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    sources = {"train": select(collection, "train", Selection())}
    for file in plan(collection, sources, form).files:
        if file.path.startswith("data/"):
            file.make(folder / Path(file.path).name)


def prepare(folder, form, cache):
    shutil.rmtree(cache, ignore_errors=True)
    files = sorted(str(path) for path in folder.glob(f"*.{form}"))
    found = datasets.load_dataset(form, data_files=files, split="train", cache_dir=str(cache))
    assert len(found) == SAMPLES


def stream(folder, form):
    files = sorted(str(path) for path in folder.glob(f"*.{form}"))
    rows = datasets.load_dataset(form, data_files=files, split="train", streaming=True)
    assert sum(table.num_rows for table in rows.with_format("arrow").iter(batch_size=32)) == SAMPLES


def main(folder):
    datasets.disable_progress_bars()
    collection = mlstac_hf.open_collection(make_collection(folder / "made", SAMPLES))
    stock = mlstac_hf.load_dataset(collection, split="train", cache_dir=str(folder / "cache"))
    (folder / "stock").mkdir()
    nbytes = SAMPLES * NBYTES
    forms = {"parquet": "parquet", "arrow": "arrow", "stock": "parquet"}
    written = compare(
        {
            "parquet": lambda: publish(collection, "parquet", folder / "parquet"),
            "arrow": lambda: publish(collection, "arrow", folder / "arrow"),
            "stock": lambda: stock.to_parquet(folder / "stock" / "train.parquet"),
        },
        nbytes,
        ROUNDS,
    )
    sizes = {side: sum(path.stat().st_size for path in (folder / side).iterdir()) for side in forms}
    prepared = {side: lambda s=side: prepare(folder / s, forms[s], folder / "read") for side in forms}
    streamed = {side: lambda s=side: stream(folder / s, forms[s]) for side in forms}
    report(
        "push",
        {
            "tensors, MB": round(nbytes / 1e6),
            "size, of that of the tensors": {side: round(size / nbytes, 2) for side, size in sizes.items()},
            "written, MB/s": written,
            "load_dataset, MB/s": compare(prepared, nbytes, ROUNDS),
            "streamed, MB/s": compare(streamed, nbytes, ROUNDS),
        },
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))

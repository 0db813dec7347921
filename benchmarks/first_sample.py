"""The first sample of a stream of containers over http at 20 ms a request: of 100 samples, and of a million.

Samples are small, in containers of 10,000 laid out as `write` lays them, with a place, a time and a key each. Each run
is a process of its own, which has imported what it needs; memory is what it takes above that. The least there can be
is `main.json`, a header and a sample, one after another: three times 20 ms.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from _once import memory, once, tell

COUNTS = (100, 100_000, 1_000_000)
MOST, ROUNDS, FIRST = 10_000, 3, 100  # samples of a container


def make(folder, count):
    import numpy as np
    from over_http import container_bytes
    from safetensors.numpy import save

    from mlstac_hf._write._container_files import table_bytes
    from mlstac_hf._write._facts import Totals

    payload = save({"input": np.zeros((1, 4, 4), np.uint16), "target": np.zeros((1, 4, 4), np.uint8)})
    (folder / "train").mkdir(parents=True)
    rng, totals, rows = np.random.default_rng(0), Totals(kinds={"cloud": "int"}), []
    names, sizes, held = [], [], []
    for start in range(0, count, MOST):
        ids = [f"{index:07d}" for index in range(start, min(count, start + MOST))]
        names.append(f"train_{len(names):04d}.mlstac")
        data = container_bytes(dict.fromkeys(ids, payload))
        (folder / "train" / names[-1]).write_bytes(data)
        sizes.append(len(data))
        held.append(f"{len(ids)} samples")
        for number, (name, east, north, cloud) in enumerate(
            zip(
                ids,
                *rng.uniform([[2e5], [4e6]], [[8e5], [6e6]], (2, len(ids))).tolist(),
                rng.integers(0, 100, len(ids)).tolist(),
                strict=True,
            )
        ):
            transform = (east, 10.0, 0.0, north, 0.0, -10.0)
            totals.places.append(["EPSG:32633", *transform, 4, 4])
            rows.append(
                {
                    "datapoint_id": name,
                    "begin": number * len(payload),
                    "length": len(payload),
                    "metadata_length": len(data) - len(ids) * len(payload) - 10,
                    "url": f"train/{names[-1]}",
                    "split": "train",
                    "crs": "EPSG:32633",
                    "geotransform": transform,
                    "start_datetime": "2020-06-01T10:00:31Z",
                    "end_datetime": None,
                    "keys": {"cloud": cloud},
                }
            )
    table = table_bytes(rows, totals)
    (folder / "train" / "metadata.parquet").write_bytes(table)
    split = {"name": "train", "n_items": count, "data_files": [f"train/{name}" for name in names]}
    split |= {"data_checksum": sizes, "data_descriptions": held}
    split |= {"metadata_file": "train/metadata.parquet", "metadata_checksum": len(table)}
    document = {"id": "many", "ml_task": ["image-segmentation"], "ml_catalog": {"train": split}}
    (folder / "main.json").write_text(json.dumps(document))


def first(address):
    import pyarrow.compute
    import pyarrow.parquet  # noqa: F401 - imported before the clock runs

    import mlstac_hf

    before, start = memory("VmRSS"), time.perf_counter()
    samples = iter(mlstac_hf.load(address, stream=True, framework="numpy"))
    next(samples)
    seconds = time.perf_counter() - start
    for _ in range(FIRST - 1):
        next(samples)
    tell(seconds, before, hundred=time.perf_counter() - start)


def main(folder):
    from _bench import report
    from over_http import server

    results = {}
    for count in COUNTS:
        if not (folder / str(count)).exists():
            make(folder / str(count), count)
    with server(folder) as host:
        for count in COUNTS:
            runs = [once(__file__, "first", f"http://{host}/{count}/main.json") for _ in range(ROUNDS)]
            results[f"{count:,} samples"] = {
                "s to the first": round(min(run["seconds"] for run in runs), 2),
                f"s to {FIRST}": round(min(run["hundred"] for run in runs), 2),
                "MiB": round(max(run["peak"] for run in runs) / 2**20),
                "MiB of metadata.parquet": round(
                    (folder / str(count) / "train/metadata.parquet").stat().st_size / 2**20, 2
                ),
            }
    report("first sample", results)


if __name__ == "__main__":
    if sys.argv[1] == "first":
        first(sys.argv[2])
    else:
        main(Path(sys.argv[1]))

"""What the benchmarks share: the data, the clock, the stamp of the machine.

Speeds are MB/s of tensors as stored, the best of several rounds taken in turn, so that a slow minute of the
machine hits all sides alike. Only the ratios are worth comparing between machines.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import time
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from mlstac_hf._spec import encode_name

SAMPLES = 1500
IMAGE, MASK = (13, 128, 128), (1, 128, 128)
NBYTES = int(np.prod(IMAGE)) * 2 + int(np.prod(MASK))  # of one sample's tensors
PACKAGES = ("datasets", "numpy", "pyarrow", "safetensors", "torch", "mlstac-hf")


def make_collection(folder: Path, samples: int = SAMPLES) -> Path:
    """Samples of uint16 (13, 128, 128) and uint8 (1, 128, 128), plain sample layout."""
    (folder / "train").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 10_000, IMAGE, dtype=np.uint16)
    for index in range(samples):
        image = np.roll(noise, index * 17) + np.uint16(index)
        metadata = {
            "id": encode_name(index),
            "crs": "EPSG:32633",
            "geotransform": f"{465180 + 1280 * index} ,10 ,0 ,5080250 ,0 ,-10.0",
            "start_datetime": "2020-06-01T10:00:31",
            "scene": str(index % 7),
        }
        data = save({"input": image, "target": (image[:1] % 5).astype(np.uint8)}, metadata)
        (folder / "train" / f"{encode_name(index)}.safetensors").write_bytes(data)
    main = {"id": "bench", "ml:task": "TensorSegmentation", "ml:train": {"n_items": samples, "link": ""}}
    (folder / "main.json").write_text(json.dumps(main))
    os.sync()
    return folder


def compare(sides, nbytes, rounds=5):
    """Best MB/s of each side, taken in turn: `{name: function}` to `{name: MB/s}`."""
    best = dict.fromkeys(sides, float("inf"))
    for _ in range(rounds):
        for name, run in sides.items():
            start = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - start)
    return {name: round(nbytes / seconds / 1e6, 1) for name, seconds in best.items()}


def stamp():
    """The machine and the versions a result was taken on."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit.stdout.strip(),
        "machine": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
    }


def report(name, results):
    """Print results and keep them in `benchmarks/results/<name>.json`."""
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    (folder / f"{name.replace(',', '').replace(' ', '-')}.json").write_text(
        json.dumps({"stamp": stamp(), **results}, indent=1) + "\n"
    )
    print(name)
    for key, value in results.items():
        print(f"  {key}: {json.dumps(value)}")

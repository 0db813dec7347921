"""`write()` with all it does by default, against the same bytes in plain files, and in one big file.

Each side runs in a process of its own, on the same iterator, whose making counts on all sides, and ends when the disk
has what was written: after one `os.sync`, or after `os.fsync` of each file where the side says so. Peak memory is the
most a process held, less what the bare interpreter held before it imported numpy or mlstac_hf, and what processes that
it started hold at the end. CPU is that of all of them.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path

from _once import memory, memory_of_children, once, tell

SAMPLES = 2000
IMAGE, MASK = (13, 128, 128), (1, 128, 128)
SHARD = 100_000_000  # bytes of a container, as write() makes them
ROUNDS = 6  # the disk's mood changes from one to the next
FSYNC = ", fsync"
SIDES = (
    "one file",
    "plain files",
    "write, samples",
    f"plain files{FSYNC}",
    f"write, samples{FSYNC}",
    "plain containers",
    "write, container",
)


def samples(count):
    """The same ones each time, cheap to make."""
    import numpy as np

    noise = np.random.default_rng(0).integers(0, 10_000, IMAGE, dtype=np.uint16)
    masks = [(noise[band : band + 1] % 5).astype(np.uint8) for band in range(len(noise))]
    for index in range(count):
        yield {
            "input": noise + np.uint16(index),
            "target": masks[index % len(masks)],
            "crs": "EPSG:32633",
            "geotransform": (465180.0 + 1280 * index, 10.0, 0.0, 5080250.0, 0.0, -10.0),
            "start_datetime": "2020-06-01T10:00:31",
            "scene": str(index % 7),
        }


def plain(folder, sizes):
    """The same bytes as they are, so many samples a file: one open, one close, and one write a sample."""
    head = bytes(536)  # what the header of a sample takes
    made = samples(SAMPLES)
    (folder / "train").mkdir(parents=True)
    for number, size in enumerate(sizes):
        handle = os.open(folder / "train" / f"{number:07d}.safetensors", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        for _, sample in zip(range(size), made, strict=False):
            os.writev(handle, [head, sample["input"].reshape(-1), sample["target"].reshape(-1)])
        os.close(handle)


def publish(folder, layout, count):
    """Write, and say what other processes hold at the end."""
    import mlstac_hf

    held = []

    def looked_at():
        yield from samples(count)
        held.append(memory_of_children())

    collection = mlstac_hf.Collection(
        id="bench",
        title="Bench",
        description="Noise.",
        license="CC0-1.0",
        task=["TensorSegmentation"],
        labels={"land": 0, "water": 1, "ice": 2, "cloud": 3, "shadow": 4},
    )
    mlstac_hf.write(looked_at(), folder, collection, layout=layout)
    return held[0]


def to_disk(folder, *, each):
    """Have the disk take what was written, all at once, or file after file."""
    if not each:
        os.sync()
        return
    for path in (*folder.rglob("*"), folder):
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def run(side, folder):
    """One side in this process."""
    before = memory("VmRSS")
    import numpy as np

    nbytes = sum(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in ((IMAGE, "u2"), (MASK, "u1"))) + 536
    layouts = {"write, samples": "samples", "write, container": "container"}
    what = side.removesuffix(FSYNC)
    if what in layouts:
        publish(folder / "warm", layouts[what], 2)  # what is imported at first use is imported
        shutil.rmtree(folder / "warm")
    os.sync()
    start, busy, children = time.perf_counter(), sum(os.times()[:4]), 0
    if what in layouts:
        children = publish(folder / "out", layouts[what], SAMPLES)
    else:
        size = {"one file": SAMPLES, "plain files": 1, "plain containers": SHARD // nbytes}[what]
        plain(folder / "out", [size] * -(-SAMPLES // size))
    to_disk(folder / "out", each=what != side)
    tell(time.perf_counter() - start, before, children, cpu=sum(os.times()[:4]) - busy)


def put_aside(out):
    """Make room, but remove no file: ext4 takes long to find an inode for the next ones among those just removed."""
    for path in out.rglob("*"):
        if path.is_file():
            os.truncate(path, 0)
    out.rename(out.with_name(f"out-{time.monotonic_ns()}"))


def main(folder, name="write"):
    from _bench import NBYTES, report

    taken = {side: [] for side in SIDES}
    for _ in range(ROUNDS):
        for side in SIDES:
            taken[side].append(once(__file__, side, folder))
            put_aside(folder / "out")
    total = NBYTES * SAMPLES / 1e6
    speed = {side: round(total / min(run["seconds"] for run in runs), 1) for side, runs in taken.items()}
    report(
        name,
        {
            "MB/s": speed,
            "write, samples / plain files": round(speed["write, samples"] / speed["plain files"], 2),
            "write, samples, fsync / plain files, fsync": round(
                speed[f"write, samples{FSYNC}"] / speed[f"plain files{FSYNC}"], 2
            ),
            "write, container / plain containers": round(speed["write, container"] / speed["plain containers"], 2),
            "write, samples / one file": round(speed["write, samples"] / speed["one file"], 2),
            "write, container / one file": round(speed["write, container"] / speed["one file"], 2),
            "CPU seconds": {side: round(min(run["cpu"] for run in runs), 2) for side, runs in taken.items()},
            "peak MiB above the interpreter": {
                side: round(max(run["peak"] for run in runs) / 2**20) for side, runs in taken.items()
            },
        },
    )


if __name__ == "__main__":
    if sys.argv[1] in SIDES:
        run(sys.argv[1], Path(sys.argv[2]))
    else:
        main(Path(sys.argv[1]), *sys.argv[2:])

"""Samples over http at 20 ms a request: reading ahead, against bare keep-alive GETs on as many connections.

The server shares the cores. What is bare asks for known URLs and decodes as we do, and does nothing else: no checks, no
retries, no order. Of containers it only fetches, 8 MB at a time.
"""

from __future__ import annotations

import gzip
import http.client
import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from _bench import make_collection, report

from mlstac_hf._reading import open_collection, open_split
from mlstac_hf._reading._ahead import CONNECTIONS, samples_ahead
from mlstac_hf._reading._file import open_bytes

SAMPLES, PER_CONTAINER, ROUNDS = 750, 250, 4
PIECE = 8 << 20
EPOCHS = {"plain": 2, "gz": 1, "containers": 5}
"""So that each run takes more than a second."""


@contextmanager
def server(folder):
    script = str(Path(__file__).parent / "_slow_server.py")
    command = [sys.executable, script, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        yield f"127.0.0.1:{int(running.stdout.readline())}"
        running.stdin.close()


def make_layouts(folder):
    """The same samples plain, compressed, and in containers of safetensors without a table beside them."""
    plain = make_collection(folder / "plain", SAMPLES)
    files = sorted((plain / "train").iterdir())
    (folder / "gz" / "train").mkdir(parents=True)
    (folder / "gz" / "main.json").write_bytes((plain / "main.json").read_bytes())
    for file in files:
        packed = gzip.compress(file.read_bytes(), 1, mtime=0)
        (folder / "gz" / "train" / f"{file.name}.gz").write_bytes(packed)
    (folder / "containers" / "train").mkdir(parents=True)
    containers = []
    for start in range(0, SAMPLES, PER_CONTAINER):
        places, begin = {}, 0
        for file in files[start : start + PER_CONTAINER]:
            places[file.name.partition(".")[0]] = [begin, file.stat().st_size]
            begin += file.stat().st_size
        header = json.dumps(places).encode()
        name = f"train_{start // PER_CONTAINER:04d}.mlstac"
        with (folder / "containers" / "train" / name).open("wb") as target:
            target.write(b"#y" + len(header).to_bytes(8, "little") + header)
            for file in files[start : start + PER_CONTAINER]:
                target.write(file.read_bytes())
        containers.append(folder / "containers" / "train" / name)
    split = {"name": "train", "data_files": [f"train/{path.name}" for path in containers]}
    split |= {"data_checksum": [path.stat().st_size for path in containers]}
    (folder / "containers" / "main.json").write_text(
        json.dumps({"id": "bench", "ml_task": ["image-segmentation"], "ml_catalog": {"train": split}})
    )


def bare(host, requests, use):
    """As few words to the server as possible, on as many connections as we have; what `use` makes of the bodies."""
    local = threading.local()

    def ask(request):
        path, headers = request
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection(host)
        local.connection.request("GET", path, headers=headers)
        use(path, local.connection.getresponse().read())

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for _ in pool.map(ask, requests):
            pass


def decode(path, data):
    file = open_bytes(data, compressed=path.endswith(".gz"))
    file.read(file.header.tensors, {})


def ours(split, epochs):
    count = sum(1 for _ in samples_ahead(split, [*range(len(split))] * epochs))
    assert count == SAMPLES * epochs


def main(folder):
    if not (folder / "containers").exists():
        make_layouts(folder)
    files = {name: sorted((folder / name / "train").iterdir()) for name in ("plain", "gz", "containers")}
    requests = {name: [(f"/{name}/train/{path.name}", {}) for path in files[name]] for name in ("plain", "gz")}
    requests["containers"] = [
        (f"/containers/train/{path.name}", {"Range": f"bytes={start}-{start + PIECE - 1}"})
        for path in files["containers"]
        for start in range(0, path.stat().st_size, PIECE)
    ]
    uses = {"plain": decode, "gz": decode, "containers": lambda *_: None}
    results = {}
    with server(folder) as host:
        for name, asked in requests.items():
            split = open_split(open_collection(f"http://{host}/{name}/main.json"), "train")
            epochs = EPOCHS[name]
            sides = {
                "bare GETs": lambda n=name, a=asked * epochs: bare(host, a, uses[n]),
                "read ahead": lambda s=split, e=epochs: ours(s, e),
            }
            best = dict.fromkeys(sides, float("inf"))
            for _ in range(ROUNDS):
                for side, run in sides.items():
                    start = time.perf_counter()
                    run()
                    best[side] = min(best[side], time.perf_counter() - start)
            speeds = {side: round(SAMPLES * epochs / seconds) for side, seconds in best.items()}
            ratio = round(speeds["read ahead"] / speeds["bare GETs"], 2)
            results[name] = {"samples/s": speeds, "read ahead / bare GETs": ratio}
    report("http", results)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Samples over http at 20 ms a request: reading ahead, against bare keep-alive GETs on as many connections.

The server shares the cores. What is bare asks for known URLs and decodes as we do, and does nothing else: no checks, no
retries, no order. Of containers it fetches ranges of 8 MB, once without decoding anything.
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
from functools import partial
from itertools import accumulate
from pathlib import Path

from _bench import make_collection, report

from mlstac_hf._formats import open_payload
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


def container_bytes(payloads):
    """A container of these payloads by id."""
    begins = accumulate(map(len, payloads.values()), initial=0)
    places = {name: [begin, len(data)] for (name, data), begin in zip(payloads.items(), begins, strict=False)}
    header = json.dumps(places).encode()
    return b"".join([b"#y", len(header).to_bytes(8, "little"), header, *payloads.values()])


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
        name = f"train_{start // PER_CONTAINER:04d}.mlstac"
        own = {file.name.partition(".")[0]: file.read_bytes() for file in files[start : start + PER_CONTAINER]}
        (folder / "containers" / "train" / name).write_bytes(container_bytes(own))
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
        use(path, local.connection.getresponse().read(), headers)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for _ in pool.map(ask, requests):
            pass


def decode(path, data, _):
    file = open_bytes(data, compressed=path.endswith(".gz"))
    file.read(file.header.tensors, {})


def payloads_of(folder):
    """The places of payloads by container, in pieces of at most 8 MB, each with the request that brings it."""
    pieces = {}
    for file in sorted((folder / "containers" / "train").iterdir()):
        data = file.read_bytes()
        length = int.from_bytes(data[2:10], "little")
        for begin, size in json.loads(data[10 : 10 + length]).values():
            start = 10 + length + begin
            path = f"/containers/train/{file.name}"
            first = next(reversed(pieces.values()), None)
            if first is None or first[0] != path or start + size - first[1] > PIECE:
                pieces[path, start] = first = [path, start, []]
            first[2].append((start - first[1], size))
    return list(pieces.values())


def ours(split, epochs):
    count = sum(1 for _ in samples_ahead(split, [*range(len(split))] * epochs))
    assert count == SAMPLES * epochs


def main(folder):
    if not (folder / "containers").exists():
        make_layouts(folder)
    files = {name: sorted((folder / name / "train").iterdir()) for name in ("plain", "gz", "containers")}
    requests = {name: [(f"/{name}/train/{path.name}", {}) for path in files[name]] for name in ("plain", "gz")}
    pieces = payloads_of(folder)
    requests["containers"] = [
        (path, {"Range": f"bytes={start}-{start + sum(places[-1]) - 1}"}) for path, start, places in pieces
    ]
    places = {
        headers["Range"] + path: piece[2] for (path, headers), piece in zip(requests["containers"], pieces, strict=True)
    }

    def decode_payloads(path, data, headers):
        for start, size in places[headers["Range"] + path]:
            payload = open_payload(memoryview(data)[start : start + size])
            for name in payload.tensors:
                payload.read(name)

    uses = {"plain": decode, "gz": decode, "containers": decode_payloads}
    results = {}
    with server(folder) as host:
        for name, asked in requests.items():
            split, epochs = open_split(open_collection(f"http://{host}/{name}/main.json"), "train"), EPOCHS[name]
            sides = {
                "bare GETs": partial(bare, host, asked * epochs, uses[name]),
                "read ahead": partial(ours, split, epochs),
            }
            if name == "containers":
                sides["bare GETs, nothing decoded"] = partial(bare, host, asked * epochs, lambda *_: None)
            best = dict.fromkeys(sides, float("inf"))
            for _ in range(ROUNDS):
                for side, run in sides.items():
                    start = time.perf_counter()
                    run()
                    best[side] = min(best[side], time.perf_counter() - start)
            speeds = {side: round(SAMPLES * epochs / seconds) for side, seconds in best.items()}
            ratios = {
                f"read ahead / {side}": round(speeds["read ahead"] / speed, 2)
                for side, speed in speeds.items()
                if side != "read ahead"
            }
            results[name] = {"samples/s": speeds, **ratios}
    report("http", results)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

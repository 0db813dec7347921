"""Processes that put files: the same bytes, no file lost when one dies, and none left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from helped import Watch, is_alive
from publishing import DESCRIBED, samples, tree

import mlstac_hf
from mlstac_hf import Collection, StoreError
from mlstac_hf._write import _helpers, _shared

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs processes that share memory")

PONDS = Collection(id="ponds", **DESCRIBED, labels={"land": 0, "water": 1, "ice": 2})
LAYOUTS = {
    "samples": {"layout": "samples"},
    "gzip": {"layout": "samples", "compress": True},
    "container": {"layout": "container", "shard_nbytes": 9000},
}
WAIT_S = 60
"""Longer than anything here takes."""


@pytest.fixture(params=LAYOUTS)
def options(request):
    if request.param == "container":
        pytest.importorskip("pyarrow")
    return LAYOUTS[request.param]


@pytest.fixture
def watch(monkeypatch):
    return Watch(monkeypatch)


@pytest.fixture
def whole(tmp_path, options):
    """What this process writes alone."""
    mlstac_hf.write(samples(60), tmp_path / "whole", PONDS, workers=1, **options)
    return tree(tmp_path / "whole")


@pytest.mark.parametrize("workers", [2, 3])
def test_helpers_put_the_same_bytes(tmp_path, options, whole, watch, workers):
    mlstac_hf.write(samples(60), tmp_path / "helped", PONDS, workers=workers, **options)
    assert watch.sent > 0
    assert tree(tmp_path / "helped") == whole


@pytest.mark.parametrize("unwritten", [True, False])
def test_helpers_leave_no_bytecode_where_this_process_leaves_none(monkeypatch, unwritten):
    monkeypatch.setattr(sys, "dont_write_bytecode", unwritten)
    helper = _helpers._Helper(_shared.Shared(4096))
    try:
        assert ("-B" in helper._process.args) == unwritten
    finally:
        helper.end()


def test_one_thread_alone_has_no_helper(tmp_path, watch):
    mlstac_hf.write(samples(20), tmp_path, PONDS, workers=1)
    assert watch.pids == []


def test_little_is_written_without_helpers(tmp_path, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", None)
    mlstac_hf.write(samples(20), tmp_path, PONDS, workers=2)
    assert len(mlstac_hf.load(tmp_path, "numpy")) == 20


def killing(watch, count, at):
    """Samples, of which one kills the helpers when it is asked for."""
    for index, one in enumerate(samples(count)):
        if index == at:
            os.kill(watch.pids[-1], signal.SIGKILL)
        yield one


@pytest.mark.parametrize("at", [1, 20, 59])
def test_what_a_helper_that_dies_had_to_do_is_done(tmp_path, watch, at):
    for options in (LAYOUTS["samples"], LAYOUTS["gzip"]):
        name = str(len(options))
        mlstac_hf.write(samples(60), tmp_path / f"whole-{name}", PONDS, workers=1, **options)
        mlstac_hf.write(killing(watch, 60, at), tmp_path / name, PONDS, workers=2, **options)
        assert watch.pids
        assert tree(tmp_path / name) == tree(tmp_path / f"whole-{name}")


def test_a_container_whose_helper_dies_ends_the_write_and_can_be_mended(tmp_path, watch):
    """Its payloads may be gone from memory."""
    pytest.importorskip("pyarrow")
    options = LAYOUTS["container"]
    mlstac_hf.write(samples(60), tmp_path / "whole", PONDS, workers=1, **options)

    def stop():
        """Stop the helper before it has the container, and end it a little later."""
        os.kill(watch.pids[-1], signal.SIGSTOP)
        threading.Timer(0.3, os.kill, (watch.pids[-1], signal.SIGKILL)).start()
        watch.before_container = lambda: None

    watch.before_container = stop
    with pytest.raises(StoreError, match=r"could not write .*mlstac: the process that was to write it ended with -9"):
        mlstac_hf.write(samples(60), tmp_path / "mended", PONDS, workers=2, **options)
    assert not (tmp_path / "mended/main.json").exists()
    mlstac_hf.write(samples(60), tmp_path / "mended", PONDS, workers=2, **options)
    assert tree(tmp_path / "mended") == tree(tmp_path / "whole")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_that_cannot_be_put_is_the_same_error(tmp_path, options, whole, watch, workers):
    last = sorted(path for path in whole if path.startswith("train/") and "metadata" not in path and "SUMS" not in path)
    in_the_way = tmp_path / "mended" / last[-1]
    in_the_way.mkdir(parents=True)
    with pytest.raises(StoreError, match=f"could not write .*{in_the_way.name}: Is a directory"):
        mlstac_hf.write(samples(60), tmp_path / "mended", PONDS, workers=workers, **options)
    assert (watch.sent > 0) == (workers > 1)
    in_the_way.rmdir()
    mlstac_hf.write(samples(60), tmp_path / "mended", PONDS, workers=workers, **options)
    assert tree(tmp_path / "mended") == whole


@pytest.mark.parametrize("interpreter", ["/nowhere/python", "true", "sleep"])
def test_where_none_can_be_started_threads_do_the_work(tmp_path, options, whole, monkeypatch, interpreter):
    """No program, one that ends at once, one that says nothing: it is not waited for."""
    from mlstac_hf._write import _helpers

    program = tmp_path / "program"
    program.write_text("#!/bin/sh\n" + {"true": "exit 3\n", "sleep": "exec sleep 1000\n"}.get(interpreter, ""))
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", interpreter if interpreter.startswith("/") else str(program))
    monkeypatch.setattr(_helpers, "WORTH", 0)
    mlstac_hf.write(samples(60), tmp_path / "alone", PONDS, workers=3, **options)
    assert tree(tmp_path / "alone") == whole


def open_files():
    return len(os.listdir("/proc/self/fd"))


def children():
    return [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split() if pid]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux")
@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left(tmp_path, options, watch, fails):
    def given():
        yield from samples(40)
        if fails:
            raise KeyboardInterrupt

    mlstac_hf.write(samples(2), tmp_path / "first", PONDS, **options)  # libraries open files of theirs, once
    files, threads, known = open_files(), threading.active_count(), set(children())
    for number in range(3):
        try:
            mlstac_hf.write(given(), tmp_path / str(number), PONDS, workers=3, **options)
        except KeyboardInterrupt:
            assert fails
        assert watch.pids
        assert not any(map(is_alive, watch.pids))
    # there may be less, where what other tests left went meanwhile
    assert open_files() <= files
    assert threading.active_count() <= threads
    assert set(children()) <= known


SCRIPT = """
import os, sys
import numpy as np
import mlstac_hf
from mlstac_hf._write import _helpers

print("begun", flush=True)
start = _helpers._Helper.__init__

def started(self, shared):
    start(self, shared)
    print(self._process.pid, flush=True)

_helpers._Helper.__init__ = started

def samples(count):
    for index in range(count):
        image = np.full((4, 512, 512), index, "uint16")
        yield {"input": image, "target": image[:1], "id": f"tile-{index}"}

def write():
    mlstac_hf.write(
        samples(int(sys.argv[3])),
        sys.argv[1],
        mlstac_hf.Collection(
            id="p", title="P", description="Made.", license="CC0-1.0", task=["TensorToTensor"]
        ),
        layout=sys.argv[2],
        workers=2,
    )
"""


def run_script(*, script, folder, layout="samples", count=20):
    root = str(Path(mlstac_hf.__file__).parents[1])
    path = folder.with_suffix(".py")
    path.write_text(script)
    return subprocess.Popen(
        [sys.executable, "-W", "error", path, folder, layout, str(count)],
        env={**os.environ, "PYTHONPATH": root},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


WAYS = {
    "unguarded script": "write()\n",
    "thread": "import threading\nthread = threading.Thread(target=write)\nthread.start()\nthread.join()\n",
    "daemon by fork": (
        "import multiprocessing\n"
        "child = multiprocessing.get_context('fork').Process(target=write, daemon=True)\n"
        "child.start()\nchild.join()\nsys.exit(child.exitcode)\n"
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_wherever_it_is_called_from(tmp_path, way):
    with run_script(script=SCRIPT + WAYS[way], folder=tmp_path / "out") as process:
        said, errors = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, errors
    assert said.split()[0] == "begun"
    assert len(said.split()) == 2  # one helper, and the script ran once
    found = mlstac_hf.load(tmp_path / "out", "numpy")
    assert len(found) == 20
    np.testing.assert_array_equal(found[19]["input"], np.full((4, 512, 512), 19, "uint16"))


def test_a_worker_of_a_loader_can_write(tmp_path):
    pytest.importorskip("torch")
    loading = """
import torch.utils.data

class Written(torch.utils.data.Dataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        write()
        return index

if __name__ == "__main__":
    list(torch.utils.data.DataLoader(Written(), num_workers=1))
"""
    with run_script(script=SCRIPT + loading, folder=tmp_path / "out") as process:
        said, errors = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, errors
    assert len(said.split()) == 2
    assert len(mlstac_hf.load(tmp_path / "out", "numpy")) == 20


@pytest.mark.parametrize("layout", ["samples", "container"])
def test_a_caller_that_is_killed_leaves_no_helper(tmp_path, layout):
    if layout == "container":
        pytest.importorskip("pyarrow")
    with run_script(script=SCRIPT + "write()\n", folder=tmp_path / "out", layout=layout, count=10_000) as process:
        process.stdout.readline()
        helper = int(process.stdout.readline())
        assert is_alive(helper)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=WAIT_S)
    until = time.monotonic() + WAIT_S
    while is_alive(helper):
        assert time.monotonic() < until, "the helper is still there"
        time.sleep(0.01)


def test_ctrl_c_is_for_the_caller(tmp_path):
    # what a shell runs behind it ignores the signal
    heed = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    script = SCRIPT + heed + "try:\n    write()\nexcept KeyboardInterrupt:\n    print('stopped')\n"
    with run_script(script=script, folder=tmp_path / "out", count=10_000) as process:
        process.stdout.readline()
        helper = int(process.stdout.readline())
        assert os.getpgid(helper) != os.getpgid(process.pid)
        until = time.monotonic() + WAIT_S
        while len(list((tmp_path / "out").glob("train/*"))) < 30:
            assert time.monotonic() < until
        process.send_signal(signal.SIGINT)
        said, errors = process.communicate(timeout=WAIT_S)
    assert (said, process.returncode) == ("stopped\n", 0), errors
    assert not is_alive(helper)
    entries = list(map(json.loads, (tmp_path / "out/.mlstac-hf/train.jsonl").read_text().splitlines()))[1:]
    assert entries
    assert all((tmp_path / "out/train" / entry["file"]).stat().st_size == entry["nbytes"] for entry in entries)

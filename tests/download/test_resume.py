"""A download that is killed, or broken off, goes on where it stopped, to the same bytes, and asks for nothing twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from containers import make_containers
from downloads import files
from misbehaving import Answers, Late, MisbehavingServer, after
from publishing import DESCRIBED, samples

import mlstac_hf
from mlstac_hf import Collection, StoreError, download
from mlstac_hf._download import _fetch
from mlstac_hf._download._staging import FOLDER
from mlstac_hf._stores import _http_client

KILLS = int(os.environ.get("MLSTAC_HF_KILLS", "12"))
"""How often the kill test kills, over all layouts."""
PART = 1000
LAYOUTS = ("samples", "whole containers", "chosen payloads")

DOWNLOADING = """
import sys
import mlstac_hf
from mlstac_hf._download import _fetch
from mlstac_hf._reading import _container_headers
_container_headers._FIRST_FETCH = 10
_fetch.PART = int(sys.argv[4])
print("begun", flush=True)
mlstac_hf.download(sys.argv[1], sys.argv[2], limit=int(sys.argv[3]) or None)
"""


@pytest.fixture(params=LAYOUTS)
def asked(request, tmp_path):
    """A folder, and how many samples are asked for."""
    if request.param == "samples":
        ponds = Collection(id="ponds", **DESCRIBED, labels={"land": 0, "water": 1, "ice": 2})
        mlstac_hf.write(samples(60, dtype="uint8"), tmp_path / "made", ponds)
        return tmp_path / "made", 50
    for package in ("pyarrow", "rasterio"):
        pytest.importorskip(package)
    make_containers(tmp_path / "made", counts={"train": (12, 9, 4), "test": (2,)}, plain=True)
    return tmp_path / "made", 0 if request.param == "whole containers" else 17


def start(address, folder, limit):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", DOWNLOADING, address, str(folder), str(limit), str(PART)],
        env={**os.environ, "PYTHONPATH": str(Path(mlstac_hf.__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def complete(folder):
    """What need not be asked for again: files that were brought, and parts of large ones, by path and first byte."""
    whole = {
        str(p.relative_to(folder / FOLDER / "whole")) for p in (folder / FOLDER / "whole").rglob("*") if p.is_file()
    }
    parts = {}
    for note in (folder / FOLDER / "parts").rglob("*.done"):
        lines = note.read_text().splitlines(keepends=True)
        parts[str(note.relative_to(folder / FOLDER / "parts")).removesuffix(".done")] = len(lines) - 1
    in_place = {path for path in files(folder) if path.endswith((".safetensors", ".mlstac"))}
    return whole | in_place, parts


def check_not_asked_again(server, folder_of, there, parts):
    """No request for a file that was there, and of a large one no more than for the parts that were not."""
    begun = [request for request in server.requests if request.method == "GET" and request.range]
    for path in there:
        got = [one for one in begun if one.path == f"/made/{path}"]
        assert all(is_header(one) for one in got), (path, got)
    for path, count in parts.items():
        got = [one for one in begun if one.path == f"/made/{path}" and not is_header(one)]
        nbytes = (folder_of / path).stat().st_size
        assert len(got) <= -(-nbytes // PART) + 2 - count or count == 0


def is_header(request):
    """Whether a range is what opening a container asks for: its first ten bytes, then its header."""
    return request.range.startswith(("bytes=0-9", "bytes=10-")) and request.path.endswith(".mlstac")


def test_killed_at_any_moment(tmp_path, asked):
    _, limit = asked
    kills, killed = -(-KILLS // len(LAYOUTS)), 0
    with MisbehavingServer(tmp_path) as server:
        address = f"{server.url}/made/main.json"
        server.add(Late(0.01), "*")
        with start(address, tmp_path / "whole", limit) as process:
            process.stdout.readline()
            begun = time.monotonic()
            _, said = process.communicate()
            assert process.returncode == 0, said.decode()
            lasts = time.monotonic() - begun
        expected = files(tmp_path / "whole")
        moments, number = random.Random(limit), 0
        for _ in range(10 * kills):
            if killed == kills:
                break
            folder = tmp_path / f"killed-{number}"
            there, parts = complete(folder)
            server.reset_counts()
            with start(address, folder, limit) as process:
                assert process.stdout.readline() == b"begun\n"
                time.sleep(moments.random() * lasts)
                process.send_signal(signal.SIGKILL)
                process.communicate()
                killed += process.returncode == -signal.SIGKILL
            check_not_asked_again(server, tmp_path / "whole", there, parts)
            if (folder / "main.json").exists():  # the last file, so all others are there
                assert files(folder) == expected
                number += 1
        assert killed == kills
        folder = tmp_path / f"killed-{number}"
        there, parts = complete(folder)
        server.reset_counts()
        with start(address, folder, limit) as process:
            _, said = process.communicate()
            assert process.returncode == 0, said.decode()
        check_not_asked_again(server, tmp_path / "whole", there, parts)
        assert files(folder) == expected


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(_fetch, "PART", PART)
    monkeypatch.setattr(_http_client, "RETRY", _http_client.RETRY.new(total=0, backoff_factor=0, backoff_jitter=0))


def test_parts_that_came_are_not_asked_for_again(tmp_path, asked, small_parts):
    made, limit = asked
    download(made, tmp_path / "whole", limit=limit or None)
    with MisbehavingServer(tmp_path) as server:
        address = f"{server.url}/made/main.json"
        server.add(Answers(503), "*.mlstac", after(6), "GET")
        server.add(Answers(503), "*/000000[G-Z].safetensors", method="GET")
        with pytest.raises(StoreError, match="503"):
            download(address, tmp_path / "out", limit=limit or None)
        assert not (tmp_path / "out" / "main.json").exists()
        there, parts = complete(tmp_path / "out")
        assert there or any(parts.values())
        server.behave()
        server.reset_counts()
        download(address, tmp_path / "out", limit=limit or None)
        check_not_asked_again(server, tmp_path / "whole", there, parts)
    assert files(tmp_path / "out") == files(tmp_path / "whole")


def test_torn_notes_of_parts_never_happened(tmp_path, small_parts):
    made = make_containers(tmp_path / "made", counts={"train": (12,)}, plain=True, table=False)
    with MisbehavingServer(tmp_path) as server:
        address = f"{server.url}/made/main.json"
        server.add(Answers(503), "*.mlstac", after(6), "GET")
        with pytest.raises(StoreError):
            download(address, tmp_path / "out")
        server.behave()
        (note,) = (tmp_path / "out" / FOLDER / "parts").rglob("*.done")
        data = note.read_bytes()
        for cut in (data[:-1], data[:3], b"", b"1 2 3\n0\n"):
            note.write_bytes(cut)
            server.add(Answers(503), "*.mlstac", after(3), "GET")
            with pytest.raises(StoreError):
                download(address, tmp_path / "out")
            server.behave()
        download(address, tmp_path / "out")
    assert files(tmp_path / "out") == files(made.folder)


def test_stopped_between_the_last_file_and_main_json(tmp_path, asked, monkeypatch):
    """Whatever was put in place stays there, and the rest follows."""
    made, limit = asked
    download(made, tmp_path / "whole", limit=limit or None)
    from mlstac_hf._download._staging import Staging

    move, moved = Staging.move, []

    class StoppedError(Exception):
        pass

    def stopping(self, path, final):
        if len(moved) == 2:
            raise StoppedError
        moved.append(path)
        return move(self, path, final)

    with monkeypatch.context() as patched:
        patched.setattr(Staging, "move", stopping)
        with pytest.raises(StoppedError):
            download(made, tmp_path / "out", limit=limit or None)
    assert not (tmp_path / "out" / "main.json").exists()
    assert download(made, tmp_path / "out", limit=limit or None).fetched == 0
    assert files(tmp_path / "out") == files(tmp_path / "whole")

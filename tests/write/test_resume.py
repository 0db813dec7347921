"""A write that is killed, or broken off, goes on where it stopped, to the same bytes."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from publishing import DESCRIBED, samples, tree

import mlstac_hf
from mlstac_hf import Collection, StoreError

PONDS = Collection(id="ponds", **DESCRIBED, labels={"land": 0, "water": 1, "ice": 2})
LAYOUTS = {
    "samples": {"layout": "samples"},
    "gzip": {"layout": "samples", "compress": True},
    "container": {"layout": "container", "shard_nbytes": 9000},
}
KILLS = int(os.environ.get("MLSTAC_HF_KILLS", "12"))
"""How often the kill test kills, over all layouts."""

WRITING = """
import json, os, sys
sys.path.insert(0, os.environ["SUPPORT"])
from publishing import DESCRIBED, samples
import mlstac_hf
if "HELPED" in os.environ:
    import pytest
    from helped import Watch
    Watch(pytest.MonkeyPatch())
folder, options, count = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
def told():
    for index, one in enumerate(samples(count, dtype="uint8")):
        if not index:
            print("begun", flush=True)
        yield one
mlstac_hf.write(told(), folder, mlstac_hf.Collection(id="ponds", **DESCRIBED,
    labels={"land": 0, "water": 1, "ice": 2}), **options)
"""


@pytest.fixture(params=LAYOUTS)
def options(request):
    if request.param == "container":
        pytest.importorskip("pyarrow")
    return LAYOUTS[request.param]


def start(folder, options, count, *, helped):
    support = str(Path(__file__).parents[1] / "support")
    root = str(Path(mlstac_hf.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", WRITING, str(folder), json.dumps(options), str(count)],
        env={**os.environ, "SUPPORT": support, "PYTHONPATH": root} | ({"HELPED": "1"} if helped else {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


KILLED = {**dict.fromkeys([*LAYOUTS, "geotiff"], False), **{f"{layout}, helped": True for layout in LAYOUTS}}
"""Whether processes of its own help, by what is killed."""


@pytest.mark.parametrize("case", KILLED)
def test_killed_at_any_moment(tmp_path, case):
    """Killed, gone on with, killed again; when it is whole in spite of it all, begun anew."""
    helped, layout = KILLED[case], case.partition(",")[0]
    if helped and os.name != "posix":
        pytest.skip("needs processes that share memory")
    if layout in ("container", "geotiff"):
        pytest.importorskip("pyarrow")
    if layout == "geotiff":
        pytest.importorskip("rasterio")
    options = LAYOUTS.get(layout, {**LAYOUTS["container"], "payload": "geotiff"}) | ({"workers": 2} if helped else {})
    count = 120 if layout == "geotiff" else 400
    kills, folder = -(-KILLS // len(KILLED)), tmp_path / "killed"
    with start(tmp_path / "whole", options, count, helped=helped) as process:
        process.stdout.readline()
        begun = time.monotonic()
        _, said = process.communicate()
        assert process.returncode == 0, said.decode()
        lasts = time.monotonic() - begun
    expected = tree(tmp_path / "whole")
    moments, killed = random.Random(sum(map(ord, str(options)))), 0
    for _ in range(10 * kills):
        if killed == kills:
            break
        if (folder / "main.json").exists():
            check_whole(folder, expected, options, count, helped=helped)
            shutil.rmtree(folder)
        with start(folder, options, count, helped=helped) as process:
            assert process.stdout.readline() in (b"begun\n", b"")
            time.sleep(moments.random() * lasts)
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += process.returncode == -signal.SIGKILL
        there = tree(folder) if folder.exists() else {}
        if "main.json" in there:  # the last file, so all others are there
            assert expected.items() <= there.items()
    assert killed == kills
    check_whole(folder, expected, options, count, helped=helped)


def check_whole(folder, expected, options, count, *, helped):
    """One more call ends in what an undisturbed write makes, and what it was given."""
    with start(folder, options, count, helped=helped) as process:
        _, said = process.communicate()
        assert process.returncode == 0 or b"is there already, whole" in said, said.decode()
    assert tree(folder) == expected
    report = mlstac_hf.validate(folder, deep=True)
    assert report.ok, str(report)
    found = mlstac_hf.load(folder, "numpy")
    assert len(found) == count
    for index, given in enumerate(samples(count, dtype="uint8")):
        assert found.metadata[index]["id"] == given["id"]
        np.testing.assert_array_equal(found[index]["input"], given["input"])
        np.testing.assert_array_equal(found[index]["target"], given["target"])


class BrokenOffError(Exception):
    """What a generator raises in these tests."""


def broken(count):
    yield from samples(count)
    raise BrokenOffError


def test_broken_off_and_gone_on_with(tmp_path, options):
    mlstac_hf.write(samples(30), tmp_path / "whole", PONDS, **options)
    for count in (0, 1, 7, 7, 19, 29, 30):
        with pytest.raises(BrokenOffError):
            mlstac_hf.write(broken(count), tmp_path / "broken", PONDS, **options)
        assert not (tmp_path / "broken/main.json").exists()
    assert mlstac_hf.write(samples(30), tmp_path / "broken", PONDS, **options).splits["train"].n_items == 30
    assert tree(tmp_path / "broken") == tree(tmp_path / "whole")


def test_what_is_in_place_is_not_encoded_again(tmp_path, monkeypatch):
    with pytest.raises(BrokenOffError):
        mlstac_hf.write(broken(20), tmp_path, PONDS)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "train").iterdir()}
    mlstac_hf.write(samples(25), tmp_path, PONDS)
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "train").iterdir()}
    assert len(before) == 20
    assert before.items() <= after.items()


@pytest.mark.parametrize("broken_at", [1, -1])
def test_a_container_that_cannot_be_put_ends_the_write_and_can_be_mended(tmp_path, broken_at):
    """The second of many, or the last."""
    pytest.importorskip("pyarrow")
    options = LAYOUTS["container"]
    mlstac_hf.write(samples(100), tmp_path / "whole", PONDS, **options)
    files = sorted(path.name for path in (tmp_path / "whole/train").glob("*.mlstac"))
    in_the_way = tmp_path / "mended/train" / files[broken_at]
    in_the_way.mkdir(parents=True)
    with pytest.raises(StoreError, match=f"could not write .*{in_the_way.name}"):
        mlstac_hf.write(samples(100), tmp_path / "mended", PONDS, **options)
    assert not (tmp_path / "mended/main.json").exists()
    in_the_way.rmdir()
    mlstac_hf.write(samples(100), tmp_path / "mended", PONDS, **options)
    assert tree(tmp_path / "mended") == tree(tmp_path / "whole")


def test_a_bad_sample_ends_the_write_and_can_be_mended(tmp_path, options):
    mlstac_hf.write(samples(9), tmp_path / "whole", PONDS, **options)
    bad = [{**one, "crs": "UTM33"} if index == 5 else one for index, one in enumerate(samples(9))]
    with pytest.raises(ValueError, match=r"sample 5 \(id 'tile-005'\): crs: expected AUTHORITY:CODE .* found 'UTM33'"):
        mlstac_hf.write(bad, tmp_path / "mended", PONDS, **options)
    assert not (tmp_path / "mended/main.json").exists()
    mlstac_hf.write(samples(9), tmp_path / "mended", PONDS, **options)
    assert tree(tmp_path / "mended") == tree(tmp_path / "whole")


def test_other_samples_are_not_mixed_in(tmp_path, options):
    with pytest.raises(BrokenOffError):
        mlstac_hf.write(broken(20), tmp_path, PONDS, **options)
    with pytest.raises(ValueError, match=r"sample 0 \(id 'tile-001'\): expected id 'tile-000', which is in place"):
        mlstac_hf.write(list(samples(20))[1:], tmp_path, PONDS, **options)
    with pytest.raises(ValueError, match=r"expected at least \d+ samples, which are in place .* got 3"):
        mlstac_hf.write(samples(3), tmp_path, PONDS, **options)
    mlstac_hf.write(samples(20), tmp_path, PONDS, **options)


def test_other_options_do_not_go_on(tmp_path):
    with pytest.raises(BrokenOffError):
        mlstac_hf.write(broken(4), tmp_path, PONDS)
    with pytest.raises(FileExistsError, match=r"began with compress=False; this call has True. Go on"):
        mlstac_hf.write(samples(4), tmp_path, PONDS, compress=True)


def test_torn_lines_never_happened(tmp_path, options):
    mlstac_hf.write(samples(30), tmp_path / "whole", PONDS, **options)
    with pytest.raises(BrokenOffError):
        mlstac_hf.write(broken(20), tmp_path / "torn", PONDS, **options)
    journal = tmp_path / "torn/.mlstac-hf/train.jsonl"
    data = journal.read_bytes()
    for cut in (len(data) - 7, len(data) // 2, 10, 0):
        journal.write_bytes(data[:cut])
        with pytest.raises(BrokenOffError):
            mlstac_hf.write(broken(20), tmp_path / "torn", PONDS, **options)
    (tmp_path / "torn/train/.abc.part").write_bytes(b"orphan")
    mlstac_hf.write(samples(30), tmp_path / "torn", PONDS, **options)
    assert tree(tmp_path / "torn") == tree(tmp_path / "whole")


def test_files_that_are_gone_are_written_again(tmp_path, options):
    mlstac_hf.write(samples(30), tmp_path / "whole", PONDS, **options)
    with pytest.raises(BrokenOffError):
        mlstac_hf.write(broken(25), tmp_path / "lost", PONDS, **options)
    lost = sorted((tmp_path / "lost/train").iterdir())[1]
    lost.write_bytes(lost.read_bytes()[:-1])
    mlstac_hf.write(samples(30), tmp_path / "lost", PONDS, **options)
    assert tree(tmp_path / "lost") == tree(tmp_path / "whole")


def test_fewer_samples_than_were_put_leave_no_strays(tmp_path):
    """A file may be in place before its line is."""
    with pytest.raises(BrokenOffError):
        mlstac_hf.write(broken(10), tmp_path, PONDS)
    journal = tmp_path / ".mlstac-hf/train.jsonl"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:4]))
    mlstac_hf.write(samples(5), tmp_path, PONDS)
    assert len(list((tmp_path / "train").glob("*.safetensors"))) == 5


def test_a_call_that_was_stopped_after_its_last_file_is_ended(tmp_path):
    with pytest.raises(BrokenOffError):
        mlstac_hf.write(broken(3), tmp_path, PONDS)
    journal = (tmp_path / ".mlstac-hf/train.jsonl").read_bytes()
    mlstac_hf.write(samples(3), tmp_path, PONDS)
    whole = tree(tmp_path)
    (tmp_path / ".mlstac-hf").mkdir()
    (tmp_path / ".mlstac-hf/train.jsonl").write_bytes(journal)
    assert mlstac_hf.write(samples(3), tmp_path, PONDS).splits["train"].n_items == 3
    assert tree(tmp_path) == whole


def test_one_process_writes_a_split(tmp_path):
    pytest.importorskip("fcntl")

    def nested():
        yield from samples(2)
        with pytest.raises(StoreError, match="another process writes this split"):
            mlstac_hf.write(samples(2), tmp_path, PONDS)

    mlstac_hf.write(nested(), tmp_path, PONDS)

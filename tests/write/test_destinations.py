"""Buckets, disks that do not tell case apart, and how much memory a large write takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import fsspec
import pytest
from publishing import DESCRIBED, samples, tree

import mlstac_hf
from mlstac_hf import Collection
from mlstac_hf._stores import LocalStore
from mlstac_hf._write import _write as write_module

PONDS = Collection(id="ponds", **DESCRIBED, labels={"land": 0})


@pytest.fixture
def bucket():
    """An fsspec filesystem in memory, empty."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    yield "memory://bucket/ponds"
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def bucket_tree(folder):
    system = fsspec.filesystem("memory")
    folder.mkdir(exist_ok=True)
    for path in system.find("/bucket/ponds"):
        target = folder / path.removeprefix("/bucket/ponds/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(system.cat_file(path))
    return tree(folder)


@pytest.mark.parametrize("options", [{}, {"compress": True}, {"layout": "container", "shard_nbytes": 9000}])
def test_buckets_hold_what_folders_do(tmp_path, bucket, options):
    if "layout" in options:
        pytest.importorskip("pyarrow")
    mlstac_hf.write(samples(100), tmp_path / "folder", PONDS, **options)
    collection = mlstac_hf.write(samples(100), bucket, PONDS, **options)
    assert collection.splits["train"].n_items == 100
    assert bucket_tree(tmp_path / "bucket") == tree(tmp_path / "folder")
    assert mlstac_hf.load(bucket, "numpy")[7]["input"].shape == (3, 12, 12)


def test_no_name_is_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"destination: expected a folder or a URL, found ''; '\.' is the folder"):
        mlstac_hf.write(samples(2), "", PONDS)
    assert list(tmp_path.iterdir()) == []
    assert mlstac_hf.write(samples(2), ".", PONDS).splits["train"].n_items == 2
    with pytest.raises(ValueError, match=r"destination: expected a folder of this disk, got ''"):
        mlstac_hf.download(".", "")


@pytest.mark.parametrize("options", [{}, {"layout": "container"}])
@pytest.mark.parametrize("address", ["{}", "file://{}"])
def test_a_file_is_no_folder(tmp_path, options, address):
    file = tmp_path / "main.json"
    file.write_text("mine")
    with pytest.raises(
        FileExistsError, match=r"destination: expected a folder, new or not, found a file at '.*main.json'"
    ):
        mlstac_hf.write(samples(2), address.format(file), PONDS, **options)
    assert file.read_text() == "mine"


@pytest.mark.parametrize("options", [{}, {"layout": "container", "shard_nbytes": 9000}])
def test_a_write_to_a_bucket_goes_on(tmp_path, bucket, options):
    if "layout" in options:
        pytest.importorskip("pyarrow")
    mlstac_hf.write(samples(200), tmp_path / "folder", PONDS, **options)
    for count in (90, 150):

        def broken(count=count):
            yield from samples(count)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            mlstac_hf.write(broken(), bucket, PONDS, **options)
        assert not fsspec.filesystem("memory").exists("/bucket/ponds/main.json")
    puts = []
    original = fsspec.implementations.memory.MemoryFileSystem.pipe_file

    def counted(self, path, *rest, **more):
        puts.append(path)
        return original(self, path, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fsspec.implementations.memory.MemoryFileSystem, "pipe_file", counted)
        mlstac_hf.write(samples(200), bucket, PONDS, **options)
    assert not options or len(puts) < 25
    assert options or 50 <= sum(path.endswith(".safetensors") for path in puts) < 120
    assert bucket_tree(tmp_path / "bucket") == tree(tmp_path / "folder")


class Caseless(LocalStore):
    """A folder whose disk takes `A` for `a`, as those of macOS and Windows do."""

    def locate(self, path: str) -> str:
        folder, slash, name = path.rpartition("/")
        return super().locate(f"{folder}{slash}{name.lower()}")


@pytest.fixture
def caseless(monkeypatch):
    monkeypatch.setattr(write_module, "open_destination", lambda path, _: Caseless(path))


@pytest.mark.parametrize("given", [list(samples(36)), "stream"])
def test_names_that_collide_are_refused_before_anything_is_written(tmp_path, caseless, given):
    given = samples(5) if given == "stream" else given
    amount = "36" if isinstance(given, list) else "an unknown number of"
    with pytest.raises(ValueError, match=f'can hold 35 samples there, and {amount} are .* Use layout="container"'):
        mlstac_hf.write(given, tmp_path / "new", PONDS)
    assert not tree(tmp_path)


def test_names_that_do_not_collide_are_fine(tmp_path, caseless):
    mlstac_hf.write(list(samples(35)), tmp_path, PONDS)
    assert len(list((tmp_path / "train").glob("*.safetensors"))) == 35


def test_containers_need_no_case(tmp_path, caseless):
    pytest.importorskip("pyarrow")
    mlstac_hf.write(samples(40), tmp_path, PONDS, layout="container")
    assert len(mlstac_hf.load(tmp_path, "numpy")) == 40


MEASURE = """
import resource, sys, fsspec, numpy, tqdm, mlstac_hf
from fsspec.implementations.memory import MemoryFileSystem
from mlstac_hf._write import _container_files
class Forgetful(MemoryFileSystem):
    protocol, store, pseudo_dirs = "forgetful", {}, [""]
    def pipe_file(self, path, value, **kwargs):
        super().pipe_file(path, b"" if path.endswith((".safetensors", ".mlstac")) else value, **kwargs)
fsspec.register_implementation("forgetful", Forgetful)
def samples(count):
    rng = numpy.random.default_rng(0)
    image = rng.integers(0, 4000, (13, 128, 128)).astype("uint16")
    mask = rng.integers(0, 3, (1, 128, 128)).astype("uint8")
    for index in range(count):
        yield {"input": image + numpy.uint16(index), "target": mask, "crs": "EPSG:32633", "n": index,
            "geotransform": (465180.0 + index, 10, 0, 5080250, 0, -10), "start_datetime": "2020-01-01"}
options = {"layout": sys.argv[2]}
if sys.argv[2] == "container":
    import pyarrow.parquet
try:
    import shapely, pyproj
except ImportError:
    pass
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
made = mlstac_hf.Collection(id="x", title="x", description="x", license="MIT", task=["TensorToTensor"], labels={"a": 0})
mlstac_hf.write(samples(800), sys.argv[1], made, **options)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024)
"""


@pytest.mark.parametrize("layout", ["samples", "container"])
@pytest.mark.parametrize("place", ["folder", "bucket"])
def test_memory_stays_bounded(tmp_path, layout, place):
    """800 samples of uint16 (13, 128, 128) and a mask, 354 MB; 2,000 take no more. Containers are of 100 MB."""
    if layout == "container":
        pytest.importorskip("pyarrow")
    destination = str(tmp_path / "x") if place == "folder" else "forgetful://bucket/x"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", MEASURE, destination, layout],
        env={"PYTHONPATH": str(Path(mlstac_hf.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < {"samples": 80, "container": 260}[layout]

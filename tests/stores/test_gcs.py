"""Google Cloud Storage through gcsfs: read from a server of ours, which knows generations, written to an emulator."""

import pickle
import random
from contextlib import nullcontext

import numpy as np
import pytest
from fsspec.registry import _registry
from gcs import GoogleStorage
from made import plain
from misbehaving import Having, Truncate, first
from proxy import as_whole
from publishing import DESCRIBED, samples
from reads import equal
from servers import BUCKET, google_server

from mlstac_hf import Collection, CollectionNotFoundError, StoreError, load, open_collection, validate, write
from mlstac_hf._stores import FsspecStore

DATA = random.Random(0).randbytes(5000)
NAME = "train/file one.bin"


@pytest.fixture
def asks_one_server(monkeypatch):
    core = pytest.importorskip("gcsfs.core")
    monkeypatch.setitem(_registry, "gs", core.GCSFileSystem)  # the other one asks another server, by gRPC, for folders


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    with google_server(tmp_path_factory.mktemp("google")) as url:
        yield url


@pytest.fixture
def server(asks_one_server):
    with GoogleStorage("room") as running:
        running.objects[f"a/{NAME}"] = DATA
        yield running


@pytest.fixture
def store(server):
    return FsspecStore("gs://room/a", {"token": "anon", "endpoint_url": server.url})


def test_a_file_is_read_and_listed(server, store):
    assert store.read(NAME) == DATA
    assert store.read_range(NAME, 100, 200) == DATA[100:200]
    assert store.read_range(NAME, 4990, 6000) == DATA[4990:]
    assert store.read_range(NAME, 5000, 5001) == b""
    assert store.stat(NAME).nbytes == 5000
    assert store.list("train") == [store.stat(NAME)]
    for call in (store.read, store.stat, store.list):
        with pytest.raises(FileNotFoundError):
            call("nothing")


def test_another_generation_is_another_file(server, store):
    assert store.read_range(NAME, 0, 10) == DATA[:10]
    server.objects[f"a/{NAME}"] = DATA[::-1]
    with pytest.raises(StoreError, match=r"file one\.bin changed on the server"):
        pickle.loads(pickle.dumps(store)).read_range(NAME, 0, 10)


def test_what_is_not_the_range_is_not_taken_for_it(server, store):
    server.add(Truncate(3), when=first(1))
    assert store.read_range(NAME, 100, 200) == DATA[100:200]
    for fault in (as_whole(DATA), Having({"Content_Range": "bytes 101-200/5000"})):
        server.behave()
        server.add(fault)
        with pytest.raises(StoreError, match=r"file one\.bin: asked for bytes 100 to 200"):
            store.read_range(NAME, 100, 200)


def test_a_collection_is_loaded(server, tmp_path):
    options = {"token": "anon", "endpoint_url": server.url}
    with pytest.raises(CollectionNotFoundError):
        open_collection("gs://room/here", storage_options=options)
    made = plain(tmp_path / "here")
    for file in (tmp_path / "here").rglob("*.*"):
        server.objects[file.relative_to(tmp_path).as_posix()] = file.read_bytes()
    remote = load("gs://room/here", "numpy", storage_options=options)
    assert all(equal(one, sample.shown) for one, sample in zip(remote, made.splits["train"], strict=True))


@pytest.mark.parametrize("layout", ["samples", "container"])
def test_a_collection_is_written_and_gone_on_with(asks_one_server, emulator, layout):
    if layout == "container":
        pytest.importorskip("pyarrow")
    described = Collection(id="ponds", **DESCRIBED, labels={"land": 0, "water": 1, "ice": 2})
    address, options = f"gs://{BUCKET}/{layout}", {"token": "anon", "endpoint_url": emulator}

    def given(count):
        yield from samples(count)
        if count < 20:
            raise KeyboardInterrupt

    for count in (12, 20):
        with nullcontext() if count == 20 else pytest.raises(KeyboardInterrupt):
            write(given(count), address, described, layout=layout, shard_nbytes=2000, storage_options=options)
    assert validate(address, deep=True, storage_options=options).ok
    found = load(address, "numpy", storage_options=options)
    assert all(np.array_equal(one["input"], sample["input"]) for one, sample in zip(found, samples(20), strict=True))

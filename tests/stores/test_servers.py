"""Real servers of four kinds: S3, Azure, http and the Hub, and one suite for all of them."""

from __future__ import annotations

import multiprocessing
import pickle
import random
import warnings
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import fsspec
import numpy as np
import pytest
from containers import make_containers
from made import plain
from reads import equal

from mlstac_hf import (
    Collection,
    CollectionNotFoundError,
    StoreError,
    load,
    open_collection,
    validate,
    write,
)
from mlstac_hf._stores import Access, FsspecStore, open_address

DATA = random.Random(0).randbytes(5000)
NAME = "train/file one.bin"


def store_of(place):
    return open_address(place.address, Access(storage_options=place.options or None))[0]


# Files


def test_a_file_is_read_whole_in_ranges_and_at_its_end(place):
    place.put({NAME: DATA, "train/empty": b""})
    store = store_of(place)
    assert store.read(NAME) == DATA
    assert store.read_range(NAME, 0, 1) == DATA[:1]
    assert store.read_range(NAME, 100, 200) == DATA[100:200]
    assert store.read_range(NAME, 4990, 6000) == DATA[4990:]
    assert store.read_range(NAME, 5000, 5001) == b""
    assert store.read_range(NAME, 9000, 9001) == b""
    assert store.read_range(NAME, 5, 5) == b""
    assert store.fetch(NAME) == DATA
    assert store.fetch_parts(NAME, [range(100, 150), range(160, 200)]) == [DATA[100:150], DATA[160:200]]
    assert store.fetch_parts(NAME, [range(4990, 6000)]) == [DATA[4990:]]
    assert store.fetch("train/empty") == b""
    assert store.fetch_parts(NAME, [range(9000, 9001)]) == [b""]
    assert store.read("train/empty") == b""  # again, now that its size is known
    assert store.read_range("train/empty", 0, 10) == b""
    assert store.stat(NAME).nbytes == 5000
    assert store.stat("train/empty").nbytes == 0


def test_a_range_takes_one_request(bucket):
    bucket.put({NAME: DATA})
    store = store_of(bucket)
    store.read_range(NAME, 0, 10)
    bucket.front.reset_counts()
    assert store.read_range(NAME, 10, 20) == DATA[10:20]
    assert store.read(NAME) == DATA
    assert [request.method for request in bucket.front.requests] == ["GET", "GET"]


def test_a_large_file_is_read_in_pieces_of_one_version(bucket, monkeypatch):
    monkeypatch.setattr("mlstac_hf._stores._fsspec.FIRST_NBYTES", 1999)
    monkeypatch.setattr("mlstac_hf._stores._fsspec.PIECE_NBYTES", 1999)
    bucket.put({NAME: DATA})
    assert store_of(bucket).read(NAME) == DATA
    assert len([request for request in bucket.front.requests if request.range]) == 3


def test_a_folder_is_listed_as_it_is_now(place):
    place.put({NAME: DATA, "train/b": b"b", "train/deep/c": b"c"})
    store = store_of(place)
    entries = store.list("train")
    if place.kind == "http":
        assert entries is None
        return
    assert sorted((entry.name, entry.nbytes) for entry in entries) == [("b", 1), ("file one.bin", 5000)]
    assert {entry.name: entry.version for entry in entries}["b"] == store.stat("train/b").version
    if place.kind == "hub":  # a commit never changes
        return
    place.put({"train/d": b"dd"})
    assert sorted(entry.name for entry in store.list("train")) == ["b", "d", "file one.bin"]


def test_what_is_not_there_is_a_plain_file_not_found(place):
    place.put({NAME: DATA})
    store = store_of(place)
    calls = [store.read, store.stat, lambda path: store.read_range(path, 0, 1)]
    if place.kind != "http":
        calls.append(store.list)
        with pytest.raises(FileNotFoundError):
            store.stat("train")
    for call in calls:
        with pytest.raises(FileNotFoundError) as caught:
            call("train/nothing")
        assert caught.type is FileNotFoundError


def test_another_content_has_another_version_and_is_not_mixed_with_the_first(place):
    place.put({NAME: DATA, "train/b": b"b"})
    store = store_of(place)
    before = store.stat(NAME)
    assert store.read_range(NAME, 0, 10) == DATA[:10]
    again = pickle.loads(pickle.dumps(store))
    place.put({NAME: DATA[:0:-1], "train/b": b"cc"})  # nginx tells versions apart by size and second
    if place.kind == "hub":
        assert store.read_range(NAME, 0, 10) == DATA[:10]
        return
    assert store.stat(NAME).version != before.version
    for one in (store, again):
        with pytest.raises(StoreError, match=r"file one\.bin changed on the server while it was read"):
            one.read_range(NAME, 10, 20)
        with pytest.raises(StoreError, match=r"file one\.bin changed on the server while it was read"):
            one.read(NAME)
    assert store.read("train/b") == b"cc"
    assert store_of(place).read(NAME) == DATA[:0:-1]


def test_threads_read_at_once(place):
    place.put({f"train/{number}": DATA[number:] for number in range(20)})
    store = store_of(place)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda number: store.read(f"train/{number}"), range(20))) == [
            DATA[number:] for number in range(20)
        ]


def _read_elsewhere(store, queue):
    queue.put((store.read_range(NAME, 10, 20), store.read(NAME)))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_store_is_used_here_and_in_a_process_of_its_own(place, method):
    place.put({NAME: DATA})
    store = store_of(place)
    assert store.read(NAME) == DATA
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=_read_elsewhere, args=(store, queue))
    process.start()
    assert queue.get(timeout=60) == (DATA[10:20], DATA)
    process.join(60)
    assert process.exitcode == 0
    assert store.read_range(NAME, 10, 20) == DATA[10:20]


# Collections


def samples(folder):
    made = plain(folder)
    return {split: len(samples) for split, samples in made.splits.items()}


def containers(folder):
    pytest.importorskip("rasterio")
    pytest.importorskip("pyarrow")
    made = make_containers(folder)
    return {split: len(names) for split, names in made.names.items()}


LAYOUTS = pytest.mark.parametrize("make", [samples, containers])


@LAYOUTS
def test_a_collection_is_loaded_as_from_this_disk(place, tmp_path, make):
    counts = make(tmp_path / "here")
    place.put(tmp_path / "here")
    for split, count in counts.items():
        local = load(tmp_path / "here", framework="numpy", split=split)
        remote = load(place.address, framework="numpy", split=split, **place.arguments)
        assert len(remote) == len(local) == count
        assert all(equal(remote[index], local[index]) for index in range(count))
        assert remote.metadata[0] == local.metadata[0]


@LAYOUTS
def test_a_collection_is_validated_as_on_this_disk(place, tmp_path, make):
    make(tmp_path / "here")
    place.put(tmp_path / "here")
    local, remote = validate(tmp_path / "here"), validate(place.address, **place.arguments)
    assert remote.ok == local.ok
    assert {finding.code for finding in remote.errors} == {finding.code for finding in local.errors}


@LAYOUTS
def test_a_collection_is_a_dataset(place, tmp_path, make):
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    from mlstac_hf import load_dataset

    counts = make(tmp_path / "here")
    place.put(tmp_path / "here")
    found = load_dataset(place.address, split="train", cache_dir=str(tmp_path / "cache"), **place.arguments)
    assert len(found) == counts["train"]
    local = load(tmp_path / "here", framework="numpy")
    stored = found.with_format("mlstac_numpy")
    assert all(np.array_equal(stored[index]["input"], local[index]["input"]) for index in range(len(local)))


@pytest.mark.parametrize("layout", ["samples", "container"])
def test_what_is_written_to_a_bucket_is_read_back(bucket, layout):
    if layout == "container":
        pytest.importorskip("rasterio")
        pytest.importorskip("pyarrow")
    images = [np.full((2, 16, 16), index, np.uint16) for index in range(5)]
    collection = Collection(
        id="ponds",
        title="Ponds",
        description="Ponds seen from above.",
        license="CC-BY-4.0",
        task=["TensorSegmentation"],
    )
    items = ({"input": image, "id": f"p{index}"} for index, image in enumerate(images))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(items, bucket.address, collection, layout=layout, storage_options=bucket.options)
    remote = load(bucket.address, framework="numpy", storage_options=bucket.options)
    assert [sample["input"].max() for sample in remote] == [0, 1, 2, 3, 4]
    assert open_collection(bucket.address, storage_options=bucket.options).id == "ponds"


def test_nothing_at_an_address_says_so(place):
    with pytest.raises(CollectionNotFoundError, match=r"main\.json"):
        open_collection(place.address, **place.arguments)


def test_a_bucket_that_is_missing_is_named_and_not_made(bucket):
    address = bucket.address.replace("//room/", "//nosuchroom/")
    with pytest.raises(CollectionNotFoundError, match="nosuchroom"):
        open_collection(address, storage_options=bucket.options)
    store = FsspecStore(address, bucket.options)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"nosuchroom.*there is no such bucket"):
            store.put("x", b"x")


# S3


def test_without_credentials_a_bucket_is_read_as_anybody_may(s3, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    s3.put({NAME: DATA, "train/private": DATA})
    fsspec.filesystem("s3", **s3.options).chmod(f"{s3.address.removeprefix('s3://')}/{NAME}", "public-read")
    options = {name: value for name, value in s3.options.items() if name not in ("key", "secret")}
    store = FsspecStore(s3.address, options)
    s3.front.reset_counts()
    assert store.read(NAME) == DATA
    assert [request for request in s3.front.requests if "Authorization" in request.headers] == []
    with pytest.raises(StoreError, match=r"private: PermissionError.*AWS_ACCESS_KEY_ID"):
        store.read("train/private")
    with pytest.raises(StoreError, match=r"NoCredentialsError.*\"anon\": True"):
        FsspecStore(s3.address, options | {"anon": False}).read(NAME)


# Azure


def test_a_public_container_is_read_by_anybody_and_no_other(azure):
    azure.put({NAME: DATA})
    files = fsspec.filesystem("abfs", **azure.options)
    folder = azure.address.rpartition("/")[2]
    parts = dict(part.split("=", 1) for part in azure.options["connection_string"].rstrip(";").split(";"))
    options = {"connection_string": f"BlobEndpoint={parts['BlobEndpoint']};AccountName={parts['AccountName']}"}
    with pytest.raises(StoreError, match=r"file one\.bin: .*a public container takes .*\"anon\": True"):
        FsspecStore(azure.address, options).read(NAME)
    public = f"open{uuid4().hex}"
    fsspec.asyn.sync(files.loop, files.service_client.create_container, public, public_access="container")
    files.pipe_file(f"{public}/{folder}/{NAME}", DATA)
    azure.front.reset_counts()
    assert FsspecStore(f"abfs://{public}/{folder}", options).read(NAME) == DATA
    assert [request for request in azure.front.requests if "Authorization" in request.headers] == []


def test_forked_workers_of_a_loader_read_a_bucket(bucket, tmp_path):
    torch = pytest.importorskip("torch")
    made = plain(tmp_path / "here")
    bucket.put(tmp_path / "here")
    split = load(bucket.address, "numpy", storage_options=bucket.options)
    assert equal(split[0], made.splits["train"][0].shown)
    loader = torch.utils.data.DataLoader(
        split, batch_size=None, num_workers=2, multiprocessing_context="fork", collate_fn=lambda sample: sample
    )
    for _ in range(2):
        assert all(equal(one, sample.shown) for one, sample in zip(loader, made.splits["train"], strict=True))

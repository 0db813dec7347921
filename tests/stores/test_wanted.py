"""Threads whose reads nobody waits for any more: no further request, and no pause to its end."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import fsspec
import pytest
from serving import serve_folder

from mlstac_hf import StoreError
from mlstac_hf._formats import HeaderError
from mlstac_hf._reading._shard_files import ShardFile
from mlstac_hf._stores import Consumer, FsspecStore, HttpStore, _wanted, read_for

LONG_S = 1000


@pytest.fixture
def consumer():
    return Consumer()


@pytest.fixture
def thread(consumer):
    """One that reads for the consumer."""
    with ThreadPoolExecutor(1, initializer=read_for, initargs=(consumer,)) as pool:
        yield pool
        consumer.leave()


def test_a_pause_is_over_when_the_consumer_leaves(consumer, thread):
    pause = thread.submit(_wanted.sleep, LONG_S)
    time.sleep(0.05)
    assert not pause.done()
    consumer.leave()
    pause.result(60)


def test_a_pause_of_a_consumer_who_stays_is_as_long_as_it_should_be(thread):
    began = time.monotonic()
    thread.submit(_wanted.sleep, 0.25).result(60)
    assert time.monotonic() - began >= 0.25


def test_a_pause_is_over_when_the_interpreter_ends():
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from mlstac_hf._stores import Consumer, _wanted, read_for\n"
        f"ThreadPoolExecutor(1, initializer=read_for, initargs=(Consumer(),)).submit(_wanted.sleep, {LONG_S})"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_no_request_is_made_for_who_has_left(consumer, thread, tmp_path):
    (tmp_path / "file").write_bytes(b"data")
    files = fsspec.filesystem("memory")
    files.pipe("/wanted/file", b"data")
    server = serve_folder(tmp_path)
    try:
        stores = HttpStore(server.url), FsspecStore("memory://wanted")
        assert [thread.submit(store.read, "file").result(60) for store in stores] == [b"data"] * 2
        consumer.leave()
        for store in stores:
            with pytest.raises(StoreError, match="file is not asked for: what it was read ahead for has ended"):
                thread.submit(store.read, "file").result(60)
            assert store.read("file") == b"data"  # this thread reads for itself
        assert len(server.requests) == 2
    finally:
        server.stop()
        files.rm("/wanted", recursive=True)


def test_what_fails_is_not_asked_for_again_when_the_consumer_leaves(consumer, thread, server):
    asked = threading.Event()

    def busy(request):
        asked.set()
        return request.answer(503, b"", {"Retry-After": "15"})

    server.tricks["*"] = busy
    reading = thread.submit(HttpStore(server.url).read, "file")
    assert asked.wait(60)
    consumer.leave()
    with pytest.raises(StoreError, match="is not asked for"):
        reading.result(60)
    assert len(server.requests) == 1


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_threads_of_pyarrow_read_for_who_asked_them(consumer, thread, server, form):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    table = pa.table({"a": range(100_000)})
    path = server.folder / f"rows.{form}"
    if form == "parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(path, table.schema) as file:
            file.write_table(table)
    shard = thread.submit(ShardFile, HttpStore(server.url), path.name, path.stat().st_size, form).result(60)
    assert thread.submit(shard.read, 0, ["a"]).result(60).num_rows
    asked = threading.Event()

    def busy(request):
        asked.set()
        return request.answer(503, b"", {"Retry-After": "15"})

    server.tricks["*"] = busy
    before = len(server.requests)
    reading = thread.submit(shard.read, 0, ["a"])
    assert asked.wait(60)
    consumer.leave()
    with pytest.raises((StoreError, HeaderError), match="is not asked for"):
        reading.result(60)
    assert len(server.requests) == before + 1
    server.tricks.clear()
    assert shard.read(0, ["a"]).num_rows  # for this thread, by the same threads of pyarrow

"""Any fsspec filesystem, by the one that needs nothing: memory."""

import pickle
import subprocess
import sys
from pathlib import Path

import fsspec
import pytest
from fsspec.registry import _registry

from mlstac_hf import LinkRefusedError, MissingExtraError, StoreError
from mlstac_hf._stores import _http_client
from mlstac_hf._stores._fsspec import FsspecStore


@pytest.fixture
def store():
    files = fsspec.filesystem("memory")
    files.pipe({"/room/main.json": b"0123456789", "/room/train/a b": b"abc", "/room/train/deep/x": b"x"})
    yield FsspecStore("memory://room/")
    files.rm("/room", recursive=True)


def test_a_file_is_read_whole_or_in_ranges(store):
    assert store.read("main.json") == b"0123456789"
    assert store.read_range("main.json", 2, 5) == b"234"
    assert store.read_range("main.json", 8, 50) == b"89"
    assert store.read_range("main.json", 5, 5) == b""
    assert store.open_local("main.json") is None


def test_a_folder_is_listed_with_sizes_and_without_its_folders(store):
    assert [(entry.name, entry.nbytes) for entry in store.list("train")] == [("a b", 3)]
    assert [entry.name for entry in store.list("")] == ["main.json"]


def test_what_is_not_there_is_a_plain_file_not_found(store):
    for call in (store.read, store.stat, store.list, lambda path: store.read_range(path, 0, 1)):
        with pytest.raises(FileNotFoundError) as caught:
            call("nothing")
        assert caught.type is FileNotFoundError


@pytest.mark.parametrize("path", ["../secret", "/secret", "train/../../secret"])
def test_a_path_that_leads_out_is_refused(store, path):
    for call in (store.read, store.stat, store.list, lambda path: store.put(path, b"")):
        with pytest.raises(LinkRefusedError):
            call(path)


def test_what_is_written_is_read_and_changes_the_version(store):
    store.put("new/file", b"one")
    before = store.stat("new/file")
    store.put("new/file", b"two!")
    after = store.stat("new/file")
    assert store.read("new/file") == b"two!"
    assert (after.name, after.nbytes) == ("file", 4)
    assert before.version != after.version
    store.put_parts("new/parts", iter([b"one", b"", b"two"]))
    assert store.read("new/parts") == b"onetwo"


class Broken(fsspec.get_filesystem_class("memory")):
    """A bucket that refuses, and says more than it should."""

    protocol = "brokenmemory"

    def __init__(self, secret=None, **kwargs):
        super().__init__(**kwargs)
        self.secret = secret

    def cat_file(self, path, start=None, end=None, **kwargs):
        raise RuntimeError(f"AccessDenied for key {self.secret}")


def test_any_other_failure_is_a_store_error_that_keeps_the_secret():
    fsspec.register_implementation("brokenmemory", Broken, clobber=True)
    fsspec.filesystem("brokenmemory").pipe("brokenmemory://room/main.json", b"{}")
    store = FsspecStore("brokenmemory://room", {"secret": "hush-hush", "anon": False})
    with pytest.raises(StoreError, match=r"could not read .*AccessDenied") as caught:
        store.read("main.json")
    assert "hush-hush" not in str(caught.value) + repr(store)


class Quiet(fsspec.get_filesystem_class("memory")):
    """Takes any URL."""

    protocol = "quietmemory"

    def __init__(self, **kwargs):
        super().__init__(use_listings_cache=False)


def test_a_login_in_the_url_is_not_shown():
    fsspec.register_implementation("quietmemory", Quiet, clobber=True)
    assert FsspecStore("quietmemory://me:hush@host/x").url == "quietmemory://host/x"
    assert FsspecStore("quietmemory://me@host/x").url == "quietmemory://host/x"
    assert FsspecStore("quietmemory://me:h@sh@host/x").url == "quietmemory://host/x"
    assert FsspecStore("quietmemory://host/x?sig=hush").url == "quietmemory://host/x?sig=…"


@pytest.mark.parametrize(
    ("module", "address", "extra"),
    [("s3fs", "s3://b/x", "s3"), ("gcsfs", "gs://b/x", "gcs"), ("adlfs", "abfs://c/x", "azure")],
)
def test_a_missing_filesystem_is_an_error_that_is_the_line_to_type(monkeypatch, module, address, extra):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(_registry, address.partition(":")[0], raising=False)
    with pytest.raises(MissingExtraError, match=rf"pip install 'mlstac-hf\[{extra}\]'"):
        FsspecStore(address)


def test_without_huggingface_hub_a_hub_address_names_its_extra():
    code = (
        "import sys; sys.modules['huggingface_hub'] = None; import mlstac_hf\n"
        "try: mlstac_hf.open_collection('user/repo')\n"
        "except mlstac_hf.MissingExtraError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'mlstac-hf[hf]'" in done.stdout


def test_a_protocol_nobody_knows_is_a_store_error():
    with pytest.raises(StoreError, match="nosuch"):
        FsspecStore("nosuch://x/y")


def test_a_store_is_pickled_and_says_where_it_is(store):
    assert pickle.loads(pickle.dumps(store)).read("train/a b") == b"abc"
    assert repr(store) == "FsspecStore('memory://room')"


def test_a_file_that_is_filled_is_seen_when_it_is_whole(store):
    with store.filling("deep/file") as path:
        Path(path).write_bytes(b"new")
        with pytest.raises(FileNotFoundError):
            store.read("deep/file")
    assert store.read("deep/file") == b"new"

    def broken_off():
        with store.filling("deep/file") as path:
            Path(path).write_bytes(b"newer")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken_off()
    assert store.read("deep/file") == b"new"
    assert not Path(path).exists()


class Restless(fsspec.get_filesystem_class("memory")):
    """A file that is written while it is read, the first few times."""

    protocol = "restlessmemory"
    times = 1

    def cat_file(self, path, start=None, end=None, **kwargs):
        data = super().cat_file(path, start=start, end=end, **kwargs)
        if Restless.times > 0:
            Restless.times -= 1
            self.pipe_file(path, b"another")
        return data


@pytest.mark.parametrize("times", [1, 100])
def test_a_file_that_changes_while_it_is_read_is_read_again_or_an_error(monkeypatch, times):
    monkeypatch.setattr(
        _http_client, "RETRY", _http_client.RETRY.new(backoff_factor=0, backoff_jitter=0, retry_after_max=0)
    )
    monkeypatch.setattr(Restless, "times", times)
    fsspec.register_implementation("restlessmemory", Restless, clobber=True)
    fsspec.filesystem("restlessmemory").pipe("restlessmemory://room/file", b"first")
    store = FsspecStore("restlessmemory://room")
    if times == 1:
        assert store.read("file") == b"another"
    else:
        with pytest.raises(StoreError, match=r"room/file.*the file changed while it was read"):
            store.read("file")


def test_nothing_is_beyond_the_end(store):
    assert store.read_range("main.json", 10, 20) == b""
    assert store.read_range("main.json", 99, 100) == b""


def test_a_version_that_was_read_is_kept_and_what_is_written_here_is_read(store):
    assert store.read("main.json") == b"0123456789"
    store.put("main.json", b"new")
    assert store.read("main.json") == b"new"
    fsspec.filesystem("memory").pipe("/room/main.json", b"old")
    with pytest.raises(StoreError, match=r"main\.json changed on the server"):
        store.read("main.json")


def test_a_relative_folder_is_a_store_with_the_same_options(store):
    assert store.at("train").read("a b") == b"abc"
    with pytest.raises(LinkRefusedError):
        store.at("../other")

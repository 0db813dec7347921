"""Folders on this disk: whole, in ranges, listed, written, and never outside."""

import os
import pickle
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlstac_hf import LinkRefusedError, StoreError
from mlstac_hf._stores import LocalStore, _local
from mlstac_hf._stores._store import check_relative

OUTSIDE = ["../secret", "a/../../secret", "/etc/hostname", "train/../../secret", "..\\secret", "..", "a\0b", "\\etc"]


@pytest.fixture
def store(tmp_path):
    (tmp_path / "root" / "train").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "root" / "main.json").write_bytes(b"0123456789")
    (tmp_path / "root" / "train" / "ü 1").write_bytes(b"abc")
    return LocalStore(tmp_path / "root")


def test_a_file_is_read_whole_or_in_ranges(store):
    assert store.read("main.json") == b"0123456789"
    assert store.read_range("main.json", 2, 5) == b"234"
    assert store.read_range("main.json", 8, 50) == b"89"
    assert store.read_range("main.json", 50, 60) == b""
    assert store.read_range("main.json", 5, 5) == b""
    assert store.read_range("main.json", 5, 3) == b""
    assert store.read("train/ü 1") == b"abc"


def test_a_folder_is_listed_with_sizes_and_without_its_folders(store):
    os.symlink("nowhere", os.path.join(store.root, "train", "dead"))
    os.symlink("loop", os.path.join(store.root, "train", "loop"))
    assert [(entry.name, entry.nbytes) for entry in store.list("train")] == [("ü 1", 3)]
    assert [(entry.name, entry.nbytes) for entry in store.list("")] == [("main.json", 10)]
    assert (store.names("train"), store.names("")) == ({"ü 1"}, {"main.json"})


def test_a_file_that_goes_while_its_folder_is_listed_is_not_listed(store, monkeypatch):
    folder = Path(store.root, "train")
    entry = _local._entry

    def others_gone(name, status):
        for path in folder.iterdir():
            if path.name != name:
                path.unlink()
        return entry(name, status)

    (folder / "two").write_bytes(b"")
    monkeypatch.setattr(_local, "_entry", others_gone)
    assert len(store.list("train")) == 1


@pytest.mark.parametrize("name", ["nothing", "train/nothing", "main.json/inside", "nowhere/nothing"])
def test_what_is_not_there_is_a_plain_file_not_found(store, name):
    for call in (store.read, store.stat, store.list, lambda path: store.read_range(path, 0, 1)):
        with pytest.raises(FileNotFoundError) as caught:
            call(name)
        assert caught.type is FileNotFoundError


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_path_that_leads_out_is_refused(store, path):
    calls = [
        store.read,
        store.stat,
        store.list,
        lambda path: store.read_range(path, 0, 1),
        lambda path: store.put(path, b""),
    ]
    for call in calls:
        with pytest.raises(LinkRefusedError, match=r"leads out|outside"):
            call(path)


@given(st.text(st.sampled_from("a./\\~ \0"), max_size=8))
def test_no_path_whatever_leaves_the_folder(path):
    try:
        clean = check_relative(path)
    except LinkRefusedError:
        return
    assert not os.path.isabs(clean)
    inside = os.path.normpath(os.path.join("/root/folder", clean))
    assert inside == "/root/folder" or inside.startswith("/root/folder/")


@pytest.mark.parametrize("what", ["file", "folder", "far"])
def test_a_symbolic_link_out_of_the_folder_is_refused_unless_trusted(store, tmp_path, what):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x").write_bytes(b"there")
    link, path = {"file": ("f", "f"), "folder": ("d", "d/x"), "far": ("train/f", "train/f")}[what]
    target = tmp_path / "elsewhere" / ("" if what == "folder" else "x")
    (tmp_path / "root" / link).symlink_to(target)
    for call in (store.read, store.stat):
        with pytest.raises(LinkRefusedError, match="trust_links=True"):
            call(path)
    assert LocalStore(store.root, trust_links=True).read(path) == b"there"
    if what == "folder":
        with pytest.raises(LinkRefusedError):
            store.list("d")


def test_a_symbolic_link_inside_the_folder_is_followed(store, tmp_path):
    (tmp_path / "root" / "again").symlink_to("train")
    (tmp_path / "root" / "copy").symlink_to("main.json")
    assert store.read("again/ü 1") == b"abc"
    assert store.read("copy") == b"0123456789"
    assert len(store.list("again")) == 1


def test_a_root_that_is_a_symbolic_link_itself_is_fine(store, tmp_path):
    (tmp_path / "door").symlink_to("root")
    assert LocalStore(tmp_path / "door").read("train/ü 1") == b"abc"


def test_files_in_a_hugging_face_cache_lead_to_its_blobs_and_no_further(tmp_path):
    snapshot = tmp_path / "datasets--u--r" / "snapshots" / "abc" / "inner"
    blobs = tmp_path / "datasets--u--r" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "1").write_bytes(b"blob")
    (tmp_path / "secret").write_bytes(b"secret")
    (snapshot / "main.json").symlink_to("../../../blobs/1")
    (snapshot / "evil").symlink_to("../../../../secret")
    store = LocalStore(snapshot)
    assert store.read("main.json") == b"blob"
    with pytest.raises(LinkRefusedError):
        store.read("evil")


def test_a_loop_of_links_and_a_folder_in_a_files_place_are_store_errors(store, tmp_path):
    (tmp_path / "root" / "loop").symlink_to("loop")
    for call in (store.read, store.stat, store.list, lambda path: store.read_range(path, 0, 1)):
        with pytest.raises(StoreError, match="loop"):
            call("loop")
    with pytest.raises(StoreError, match="train"):
        store.read("train")
    with pytest.raises(StoreError, match="train"):
        store.read_range("train", 0, 1)


def test_what_is_written_is_read_and_leaves_nothing_else(store):
    store.put("deep/er/file", b"one")
    store.put("deep/er/file", b"two")
    assert store.read("deep/er/file") == b"two"
    assert [entry.name for entry in store.list("deep/er")] == ["file"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_others_may_read_what_is_written_as_the_umask_lets_them(store, umask, mode):
    """In a process of its own, whose umask is nobody else's."""
    code = (
        f"import os; os.umask({umask}); from mlstac_hf._stores import LocalStore; "
        f"store = LocalStore({store.root!r}); store.put('new', b'one'); store.put('new', b'two')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    path = os.path.join(store.root, "new")
    assert stat.S_IMODE(os.stat(path).st_mode) == mode
    assert store.read("new") == b"two"
    assert sorted(os.listdir(store.root)) == ["main.json", "new", "train"]


def test_a_write_that_fails_leaves_the_old_file(store):
    store.put("x/file", b"old")
    with pytest.raises(TypeError):
        store.put("x/file", "no bytes")
    with pytest.raises(StoreError, match=r"could not write .*main\.json/x"):
        store.put("main.json/x", b"")
    with pytest.raises(StoreError, match=r"could not write .*train"):
        store.put("train", b"")
    assert store.read("x/file") == b"old"
    assert [entry.name for entry in store.list("x")] == ["file"]


def test_parts_are_one_file_or_none(store):
    store.put_parts("x/file", (bytes([number]) * number for number in range(5)))
    assert store.read("x/file") == b"\1\2\2\3\3\3\4\4\4\4"

    def broken():
        yield b"new"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.put_parts("x/file", broken())
    assert store.read("x/file") == b"\1\2\2\3\3\3\4\4\4\4"
    assert [entry.name for entry in store.list("x")] == ["file"]


def test_a_version_changes_with_the_content_even_under_the_old_times(store, tmp_path):
    path = tmp_path / "root" / "main.json"
    before, status = store.stat("main.json"), path.stat()
    assert store.stat("main.json") == before
    path.write_bytes(b"9876543210")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = store.stat("main.json")
    assert after.version != before.version
    assert (after.name, after.nbytes) == ("main.json", 10)
    assert after in store.list("")


def test_a_store_is_pickled_and_says_where_it_is(store, tmp_path):
    again = pickle.loads(pickle.dumps(store))
    assert again.read("train/ü 1") == b"abc"
    assert store.url == str(tmp_path / "root")
    assert repr(store) == f"LocalStore({store.url!r})"


def test_what_is_no_file_is_an_error_not_a_wait(store):
    os.mkfifo(os.path.join(store.root, "pipe"))
    with pytest.raises(StoreError, match="expected a file, found a folder, pipe or device"):
        store.read("pipe")


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
    assert [entry.name for entry in store.list("deep")] == ["file"]
    with pytest.raises(StoreError, match="could not write"), store.filling("deep/file/inside"):
        pass

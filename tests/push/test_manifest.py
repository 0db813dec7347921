"""What is remembered of a push survives everything, or is found to be missing."""

import hashlib
import json
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlstac_hf import StoreError
from mlstac_hf._push._manifest import Content, Manifest, git_id, known_in, work_folder

CONTENTS = st.binary(max_size=20).map(Content.of)
NOTES = st.dictionaries(st.text(max_size=8), CONTENTS, max_size=8)


def test_a_content_is_called_as_git_and_lfs_call_it(tmp_path):
    (tmp_path / "file").write_bytes(b"text\n")
    said = subprocess.run(["git", "hash-object", tmp_path / "file"], capture_output=True, text=True, check=True)
    assert git_id(b"text\n") == said.stdout.strip()
    assert Content.of(b"text\n").sha256 == hashlib.sha256(b"text\n").hexdigest()


@given(notes=NOTES, again=NOTES)
def test_what_is_noted_is_known_the_last_word_counts(tmp_path_factory, notes, again):
    folder = tmp_path_factory.mktemp("work")
    for round_of in (notes, again):
        with Manifest(folder) as manifest:
            for key, content in round_of.items():
                manifest.note(key, content)
    assert known_in(folder) == notes | again
    with Manifest(folder) as manifest:
        assert all(manifest.get(key) == content for key, content in (notes | again).items())
        manifest.forget_all_but(again)
    assert known_in(folder) == again


@given(notes=NOTES, lost=st.integers(1, 300))
def test_a_torn_end_costs_no_more_than_what_is_torn(tmp_path_factory, notes, lost):
    folder = tmp_path_factory.mktemp("work")
    with Manifest(folder) as manifest:
        for key, content in notes.items():
            manifest.note(key, content)
    file = folder / "manifest.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole[: max(0, len(whole) - lost)])
    with Manifest(folder) as manifest:
        manifest.note("after", Content.of(b"after"))
    known = known_in(folder)
    assert known.pop("after") == Content.of(b"after")
    assert known.items() <= notes.items()
    assert len(known) >= len(notes) - 1 - lost // 100


GOOD = {"key": "k", "sha256": "0" * 64, "blob": "", "nbytes": 1}


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe",
        b"[" * 100_000,
        b"[]",
        b"null",
        json.dumps(GOOD | {"sha256": "../../etc"}).encode(),
        json.dumps(GOOD | {"blob": "x"}).encode(),
        json.dumps(GOOD | {"nbytes": -1}).encode(),
        json.dumps(GOOD | {"nbytes": "1"}).encode(),
        json.dumps(GOOD | {"more": 1}).encode(),
        json.dumps({"key": "k"}).encode(),
    ],
)
def test_lines_that_make_no_sense_are_passed_over(tmp_path, line):
    good = json.dumps(GOOD | {"key": "good"}).encode()
    (tmp_path / "manifest.jsonl").write_bytes(line + b"\n" + good + b"\n")
    assert set(known_in(tmp_path)) == {"good"}


def test_one_process_at_a_time(tmp_path):
    with Manifest(tmp_path), pytest.raises(StoreError, match="another process pushes to this branch now"):
        Manifest(tmp_path)
    with Manifest(tmp_path):
        pass


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="could not write"):
        Manifest(tmp_path / "file" / "work")


def test_a_disk_that_is_full(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with Manifest(tmp_path) as manifest:
        monkeypatch.setattr("os.write", full)
        with pytest.raises(StoreError, match=r"manifest.jsonl: No space left on device"):
            manifest.note("k", Content.of(b""))


def test_each_branch_has_a_folder_of_its_own(tmp_path):
    folders = {
        work_folder(endpoint, repo_id, branch, tmp_path)
        for endpoint in ("https://a", "https://b")
        for repo_id in ("user/demo", "user--demo/x")
        for branch in ("main", "x\nmain")
    }
    assert len(folders) == 8
    assert {folder.parent for folder in folders} == {tmp_path / "push"}
    assert work_folder("https://a", "user/demo", "main").parent.name == "push"

"""Split files: what is written is what is read, and what is damaged or foreign is told by name."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlstac_hf import CollectionNotFoundError, InvalidCollectionError, StoreError
from mlstac_hf._reading import _split_files
from mlstac_hf._reading._split_files import SplitFile, check_destination, in_order, read_split_files, write_split_files
from mlstac_hf._spec._dialect_splits import read_splits

PLAIN = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", fullmatch=True)
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5)


def split_file(split="train", samples=None, collection="ponds", made=None):
    return SplitFile(split=split, collection=collection, samples=samples or {}, made=made or {})


@st.composite
def folders(draw):
    """Splits of one collection that share no sample."""
    names = draw(st.lists(PLAIN, min_size=1, max_size=4, unique_by=str.lower))
    collection, made = draw(st.text()), draw(st.dictionaries(st.text(), JSON, max_size=3))
    homes = draw(st.dictionaries(st.tuples(PLAIN, st.text()), st.sampled_from(names), max_size=20))
    found = {name: {} for name in names}
    for (source, name), home in homes.items():
        found[home].setdefault(source, []).append(name)
    return [split_file(name, samples, collection, made) for name, samples in found.items()]


@given(folders())
def test_what_is_written_is_read(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("splits") / "new" / "folder"
    write_split_files(folder, files)
    found = read_split_files(str(folder))
    assert list(found) == in_order(file.split for file in files)
    for file in files:
        assert found[file.split] == file
        assert [*found[file.split].samples.items()] == [*file.samples.items()]  # the order too


def test_the_format_is_this(tmp_path):
    write_split_files(tmp_path, [split_file(samples={"test": ["b", "a"], "train": ["é"]}, made={"seed": 5})])
    assert json.loads((tmp_path / "train.json").read_bytes()) == {
        "mlhf:split": 1,
        "collection": "ponds",
        "split": "train",
        "made": {"seed": 5},
        "samples": {"test": ["b", "a"], "train": ["é"]},
    }


def test_train_validation_and_test_come_first():
    assert in_order({"zoo": 1, "test": 1, "Alps": 1, "train": 1, "validation": 1}) == [
        "train",
        "validation",
        "test",
        "Alps",
        "zoo",
    ]


@given(st.text(max_size=70) | PLAIN)
def test_names_of_splits_are_those_of_main_json(name):
    is_plain = name in read_splits({"catalog": {name: {}}}) or name in ("val", "valid")  # which mean validation there
    if name.startswith(("ml:", "ml_")):  # a prefix there
        return
    if is_plain:
        assert split_file(name).split == name
    else:
        with pytest.raises(ValueError, match="letters, digits"):
            split_file(name)


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()], ids=["no folder", "an empty one"])
def test_no_splits_at_all(tmp_path, make):
    make(tmp_path / "splits")
    with pytest.raises(CollectionNotFoundError, match=r"splits: expected files such as train\.json.*resplit"):
        read_split_files(tmp_path / "splits")


def test_other_json_and_other_files_are_passed_over(tmp_path):
    write_split_files(tmp_path, [split_file()])
    for name, text in {"main.json": '{"id": "ponds"}', "list.json": "[1]", "notes.txt": "{", ".x.json": "{"}.items():
        (tmp_path / name).write_text(text)
    assert list(read_split_files(tmp_path)) == ["train"]


def document(**changes):
    return {"mlhf:split": 1, "collection": "ponds", "split": "train", "made": {}, "samples": {}} | changes


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"mlhf:split": 1', "expected JSON, but it cannot be read"),
        (b"\xff\xfe{\x00}\x00", "expected JSON, but it cannot be read"),
        (b"[" * 100_000, "expected JSON, but it cannot be read"),
        (document(**{"mlhf:split": 2}), "expected mlhf:split to be 1, which this version reads, found 2"),
        (document(**{"mlhf:split": True}), "expected mlhf:split to be 1"),
        ({"mlhf:split": 1, "split": "train"}, "expected the keys collection, split, made, samples, found"),
        (document(split="test"), "expected split to be the name of the file, found 'test'"),
        (document(split="../train"), "expected the name of a split to be up to 64 letters"),
        (document(split=5), "expected the name of a split"),
        (document(collection=None), "expected collection to be the id of one, found None"),
        (document(made=[]), "expected made to be an object"),
        (document(samples=[]), "expected samples to be an object"),
        (document(samples={"../x": []}), "expected the name of a split"),
        (document(samples={"train": "abc"}), r"expected names in samples\['train'\], found 'abc'"),
        (document(samples={"train": ["a", 5]}), "expected names in samples"),
        (document(samples={"train": ["a", "b", "a"]}), "expected each name once in samples"),
    ],
)
def test_damaged_files_are_told_by_name(tmp_path, content, expected):
    (tmp_path / "train.json").write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(InvalidCollectionError, match=rf"train\.json: {expected}.*(?s:.)*Write it anew with resplit"):
        read_split_files(tmp_path)
    with pytest.raises(InvalidCollectionError, match=expected):
        write_split_files(tmp_path, [split_file()])


def test_files_of_absurd_size_are_not_read(tmp_path, monkeypatch):
    write_split_files(tmp_path, [split_file()])
    monkeypatch.setattr(_split_files, "_LARGEST", 10)
    with pytest.raises(InvalidCollectionError, match=r"train\.json: expected at most 10 bytes, found \d+"):
        read_split_files(tmp_path)


def test_splits_that_are_no_splits_of_one_collection(tmp_path):
    def copied(name, **changes):
        (tmp_path / f"{name}.json").write_text(json.dumps(document(split=name, **changes)))

    copied("train", samples={"train": ["a", "b"]})
    copied("test", samples={"train": ["c", "b"], "test": ["a"]})
    with pytest.raises(InvalidCollectionError, match=r"expected each sample in one split, found train/b in 'test' and"):
        read_split_files(tmp_path)
    copied("test", collection="lakes")
    with pytest.raises(InvalidCollectionError, match="expected splits of one collection, found 'lakes', 'ponds'"):
        read_split_files(tmp_path)
    with pytest.raises(InvalidCollectionError, match="expected each split once, found train, train"):
        write_split_files(tmp_path / "new", [split_file(), split_file()])


def test_earlier_splits_of_the_same_collection_are_replaced_all_of_them(tmp_path):
    write_split_files(tmp_path, [split_file("train", {"train": ["a"]}), split_file("validation", {"train": ["b"]})])
    (tmp_path / "notes.json").write_text("{}")
    write_split_files(tmp_path, [split_file("train", {"train": ["b"]})])
    assert {name: dict(file.samples) for name, file in read_split_files(tmp_path).items()} == {
        "train": {"train": ["b"]}
    }
    assert sorted(os.listdir(tmp_path)) == ["notes.json", "train.json"]


@pytest.mark.parametrize("content", ['{"id": "mine"}', json.dumps(document(collection="lakes"))])
def test_what_is_not_ours_is_left_alone(tmp_path, content):
    (tmp_path / "train.json").write_text(content)
    with pytest.raises(
        FileExistsError, match=r"holds train\.json of (another kind|collection 'lakes').*choose another"
    ):
        write_split_files(tmp_path, [split_file("test"), split_file("train")])
    assert os.listdir(tmp_path) == ["train.json"]
    assert (tmp_path / "train.json").read_text() == content


def test_another_kind_of_file_under_a_name_that_is_not_needed_is_no_hindrance(tmp_path):
    (tmp_path / "main.json").write_text('{"id": "ponds"}')
    assert check_destination(tmp_path, "ponds", ["train"]) == []
    write_split_files(tmp_path, [split_file("train")])
    assert check_destination(tmp_path, "ponds", ["test"]) == ["train.json"]


def test_a_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        write_split_files(tmp_path / "file", [split_file()])


def test_a_split_of_before_that_cannot_be_removed(tmp_path, monkeypatch):
    write_split_files(tmp_path, [split_file("old")])

    def refuse(path):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "unlink", refuse)
    with pytest.raises(StoreError, match=r"could not remove .*old\.json: Permission denied"):
        write_split_files(tmp_path, [split_file("new")])
    monkeypatch.undo()
    assert list(read_split_files(tmp_path)) == ["old"]


@pytest.mark.parametrize(
    "folder", ["s3://b/x", "zip://a::s3://b/x", Path("hf://datasets/u/r"), "./a/http://b"], ids=str
)
def test_an_address_is_no_folder_of_this_disk(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s3:" / "b" / "x").mkdir(parents=True)
    for call in (read_split_files, lambda folder: write_split_files(folder, [split_file()])):
        with pytest.raises(ValueError, match="kept in a folder of this disk, got the address"):
            call(folder)
    assert os.listdir(tmp_path / "s3:" / "b" / "x") == []


def test_a_folder_may_have_a_colon_in_its_name(tmp_path):
    write_split_files(tmp_path / "s3:" / "x", [split_file()])
    assert list(read_split_files(tmp_path / "s3:" / "x")) == ["train"]


@pytest.mark.parametrize("folder", [5, None, b"splits"])
def test_what_is_no_path_is_no_folder(folder):
    with pytest.raises(TypeError, match="expected the folder of split files to be a path, got"):
        read_split_files(folder)

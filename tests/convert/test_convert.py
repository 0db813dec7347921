"""The call: what is refused before a byte is written, and where files go."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

import pytest

import mlstac_hf
from mlstac_hf import CollectionWarning, InvalidCollectionError, MissingExtraError, UnknownNameError, convert
from mlstac_hf._convert import FORMATS
from mlstac_hf._convert._destination import Destination
from mlstac_hf._reading import Location, Selection, SelectionArguments

PLACES = ("pyarrow", "pyproj", "shapely")


@pytest.fixture
def needs_extras():
    for package in PLACES:
        pytest.importorskip(package)


def test_the_arguments_are_those_of_a_selection():
    assert list(SelectionArguments.__annotations__) == [field.name for field in fields(Selection)]
    assert all(known.takes <= set(SelectionArguments.__annotations__) for known in FORMATS.values())


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"format": "geojson"}, ValueError, r"one of 'stac-geoparquet', 'croissant', got 'geojson'"),
        ({"format": None}, ValueError, r"got None"),
        ({"bandz": [1]}, TypeError, r"convert\(\) has no argument 'bandz'\. Did you mean 'bands'\?"),
        ({"frobnicate": 1}, TypeError, r"no argument 'frobnicate'\. Samples are chosen with bands, target, filter"),
        ({"bands": [0]}, ValueError, r"'stac-geoparquet' says nothing of bands=: .* it takes bbox=, crop=, datetime="),
        ({"normalize": "collection", "target": 1}, ValueError, r"nothing of target= and normalize="),
        ({"format": "croissant", "limit": 3}, ValueError, r"'croissant' says nothing of limit=: .* it takes target="),
        ({"format": "croissant", "splits": "."}, ValueError, r"'croissant' says nothing of splits="),
        ({"limit": -1}, ValueError, r"limit to be a whole number"),
        ({"on_error": "ignore"}, ValueError, r'"raise" or "skip"'),
        ({"split": 3}, TypeError, r"expected split to be the name of a split"),
        ({"split": []}, TypeError, r"expected split to be the name of a split"),
        ({"split": ["train", 3]}, TypeError, r"expected split to be the name of a split"),
        ({"cache_dir": 3}, TypeError, r"expected cache_dir to be a path"),
        ({"destination": 3}, TypeError, r"expected destination to be a path"),
        ({"destination": "https://example.org/x"}, ValueError, r"expected a folder or a URL such as s3://"),
        ({"destination": "out/metadata.parquet"}, ValueError, r"name of a file of the collection itself"),
        ({"destination": "main.json", "format": "croissant"}, ValueError, r"name of a file of the collection itself"),
        ({"destination": "all.parquet"}, ValueError, r"one file, and there are 3 splits to write, a file each: train,"),
        ({"split": "nowhere"}, UnknownNameError, r"expected one of the splits train, validation, test"),
        ({"split": ["train", "nowhere"]}, UnknownNameError, r"got 'nowhere'"),
    ],
)
@pytest.mark.usefixtures("needs_extras")
def test_what_cannot_be_meant(collection, tmp_path, monkeypatch, options, error, said):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(error, match=said):
        convert(collection.address, **{"destination": "out", **options})
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("lacking", PLACES)
@pytest.mark.parametrize("name", FORMATS)
def test_what_is_not_installed(collection, tmp_path, monkeypatch, name, lacking):
    found = dict.fromkeys(PLACES, True) | {lacking: None}
    monkeypatch.setattr("mlstac_hf._convert._format.find_spec", found.__getitem__)
    with pytest.raises(MissingExtraError, match=rf"needs {lacking}, which is not .* pip install 'mlstac-hf\[select\]'"):
        convert(collection.address, tmp_path / "out", name)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("needs_extras")
class TestWhere:
    def test_one_split_is_one_path_and_several_are_a_list(self, collection, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert convert(collection.address, "out", split="test") == str(tmp_path / "out" / "test.parquet")
        assert convert(collection.address, Path("out"), split=["test"]) == [str(tmp_path / "out" / "test.parquet")]
        assert convert(collection.address, "one.Parquet", split="test") == str(tmp_path / "one.Parquet")
        assert convert(collection.address, "/one.json".lstrip("/"), "croissant") == str(tmp_path / "one.json")
        assert convert(collection.address, "out", "croissant", split="test") == str(tmp_path / "out/croissant.json")
        assert sorted(os.listdir("out")) == ["croissant.json", "test.parquet"]

    def test_beside_the_collection_names_are_short(self, collection):
        import pyarrow.parquet as pq

        path = convert(collection.address, collection.address, split="train")
        (row, *_) = pq.read_table(path).to_pylist()
        assert row["assets"]["data"]["href"] == "train/0000001.safetensors"
        assert row["links"][0]["href"] == "main.json"
        assert mlstac_hf.validate(collection.address).ok

    def test_a_split_that_is_not_there_is_left_out(self, collection, tmp_path):
        for file in (collection.folder / "validation").iterdir():
            file.unlink()
        collection.folder.joinpath("validation").rmdir()
        with pytest.warns(CollectionWarning, match="left out: no samples of split 'validation'"):
            written = convert(collection.address, tmp_path / "out")
        assert [Path(path).stem for path in written] == ["train", "test"]

    def test_an_open_collection_will_do(self, collection, tmp_path):
        opened = mlstac_hf.open_collection(collection.address)
        assert len(convert(opened, tmp_path / "out")) == 3


class TestDestination:
    @pytest.mark.parametrize(
        "name", ["a/b.parquet", "../x.parquet", ".hidden.parquet", "metadata.parquet", "a\\b", "a\0"]
    )
    def test_a_split_may_not_name_a_path(self, tmp_path, name):
        with pytest.raises(InvalidCollectionError, match="expected a split whose name can be a file's"):
            Destination.of(tmp_path, ".parquet", None).named(name)
        assert Destination.of(tmp_path / "mine.parquet", ".parquet", None).named(name) == "mine.parquet"

    @pytest.mark.parametrize(
        ("destination", "location", "href"),
        [
            ("/out", Location("/data/Ä 100% #1", "train/a b.gz"), "../data/%C3%84%20100%25%20%231/train/a%20b.gz"),
            ("/data/x", Location("/data/x", "main.json"), "main.json"),
            ("memory://b/c", Location("/data/x", "a b"), "file:///data/x/a%20b"),
            ("/out", Location("https://e.org/d/", "train/é?.gz"), "https://e.org/d/train/%C3%A9%3F.gz"),
            ("/out", Location("s3://bucket/d", "a b"), "s3://bucket/d/a b"),
        ],
    )
    def test_hrefs(self, destination, location, href):
        assert Destination.of(destination, ".parquet", None).href(location) == href

    @pytest.mark.parametrize(
        ("address", "folder", "file"),
        [("/x.parquet", "/", "x.parquet"), ("memory://x.parquet", "memory://", "x.parquet"), ("/y/", "/y", None)],
    )
    def test_addresses(self, address, folder, file):
        found = Destination.of(address, ".parquet", None)
        assert (found.store.url.rstrip("/"), found.file) == (folder.rstrip("/"), file)

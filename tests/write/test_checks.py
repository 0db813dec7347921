"""What is refused before a byte is written, what is told, once, and where a collection says that it is published."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from publishing import DESCRIBED, sample, samples, tree

import mlstac_hf
from mlstac_hf import Catalog, Collection, CollectionWarning
from mlstac_hf._spec import DataFile
from mlstac_hf._write._checks import published_at

PONDS = Collection(id="ponds", **DESCRIBED)
URL = "https://example.org/data/ponds"
LAYOUTS = ("samples", "container")


@pytest.fixture(params=LAYOUTS)
def layout(request):
    if request.param == "container":
        pytest.importorskip("pyarrow")
    return request.param


def main_of(folder):
    return json.loads((folder / "main.json").read_text())


def told(call):
    """The warnings of a call."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(one.message) for one in caught if issubclass(one.category, CollectionWarning)]


def test_all_that_keeps_it_from_being_published_is_listed(tmp_path, layout):
    with pytest.raises(ValueError, match="nothing was written") as caught:
        mlstac_hf.write(samples(2), tmp_path / "new", Collection(id="ponds", title=" ", license="CC BY"), layout=layout)
    assert [line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]] == ["title", "license"]
    assert not (tmp_path / "new").exists()


def test_what_json_has_no_word_for_is_refused_before_a_byte(tmp_path, layout):
    for document in ({"weight": float("nan")}, {"ml:spectral": {"bands": [], "axis": 0, "gain": float("inf")}}):
        odd = Collection.from_dict({"id": "ponds", "ml:task": ["TensorToTensor"], **DESCRIBED, **document})
        with pytest.raises(ValueError, match="what JSON has no word for, and nothing was written"):
            mlstac_hf.write(samples(2), tmp_path / "new", odd, layout=layout)
    assert not (tmp_path / "new").exists()


def test_what_could_be_better_is_told_once(tmp_path, layout):
    odd = PONDS.model_copy(update={"title": None, "license": "Zork-1.0"})
    first = told(lambda: mlstac_hf.write(samples(2), tmp_path, odd, layout=layout))
    assert len(first) == 1
    assert [line.split(":")[0].strip() for line in first[0].splitlines()[1:]] == ["title", "license"]
    for split in ("validation", "test"):
        assert told(lambda split=split: mlstac_hf.write(samples(2), tmp_path, odd, layout=layout, split=split)) == []


def test_a_call_that_goes_on_tells_nothing_again(tmp_path, layout):
    odd = PONDS.model_copy(update={"title": None})
    broken = [*samples(2), {"input": "no array", "target": object()}]

    def write(given):
        mlstac_hf.write(given, tmp_path, odd, layout=layout, workers=1)

    def fail():
        with pytest.raises((TypeError, ValueError)):
            write(broken)

    assert len(told(fail)) == 1
    assert told(lambda: write(list(samples(3)))) == []


def test_a_sample_that_is_not_of_the_task_is_named_once(tmp_path, layout):
    masks = PONDS.model_copy(update={"task": ("TensorSegmentation", "TensorClassification"), "labels": {"a": 0}})
    given = [sample(0), *({**one, "target": one["target"].astype("float32")} for one in samples(3))]
    given = [{**one, "id": str(number)} for number, one in enumerate(given)]
    first = told(lambda: mlstac_hf.write(given, tmp_path, masks, layout=layout))
    assert len(first) == 1
    assert first[0].startswith("sample 1 (id '1'): task 'TensorSegmentation' expects target to be a mask")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: one | {"target": one["target"].astype("int16")}, "target is int16; in samples before it uint8"),
        (lambda one: one | {"input": one["input"].astype("float32")}, "input is float32; in samples before it uint16"),
        (lambda one: one | {"extra": np.ones(2)}, "it has extra, input, target; samples before it have input, target"),
    ],
)
def test_a_sample_that_is_unlike_those_before_it_is_named_once(tmp_path, change, said, layout):
    masks = PONDS.model_copy(update={"task": ("TensorSegmentation",), "labels": {"a": 0}})
    like = [one | {"id": f"n{number}"} for number, one in enumerate(samples(5))]
    given = [*like[:2], *map(change, like[2:])]
    expected = [f"sample 2 (id 'n2'): {said}. It is written as it is; readers that stack samples stop there"]
    assert told(lambda: mlstac_hf.write(given, tmp_path / "one", masks, layout=layout)) == expected
    assert told(lambda: mlstac_hf.write(like, tmp_path / "like", masks, layout=layout)) == []

    def broken():
        yield from given[:2]
        raise KeyError

    def begin():
        with pytest.raises(KeyError):
            mlstac_hf.write(broken(), tmp_path / "on", masks, layout=layout)

    assert told(begin) == []
    if "extra" not in given[2]:  # which names samples had before is not kept
        assert told(lambda: mlstac_hf.write(given, tmp_path / "on", masks, layout=layout)) == expected


def test_a_split_that_alone_is_not_of_the_task_is_news(tmp_path, layout):
    masks = PONDS.model_copy(update={"task": ("TensorSegmentation",), "labels": {"a": 0}})
    assert told(lambda: mlstac_hf.write(samples(2), tmp_path, masks, layout=layout)) == []
    later = [{**one, "target": one["target"].astype("float32")} for one in samples(2)]
    assert len(told(lambda: mlstac_hf.write(later, tmp_path, masks, layout=layout, split="test"))) == 1


def test_a_split_like_those_that_are_there_is_no_news(tmp_path, layout):
    masks = PONDS.model_copy(update={"task": ("TensorSegmentation",), "labels": {"a": 0}})
    given = [{**one, "target": one["target"].astype("float32")} for one in samples(2)]
    assert len(told(lambda: mlstac_hf.write(given, tmp_path, masks, layout=layout))) == 1
    assert told(lambda: mlstac_hf.write(given, tmp_path, masks, layout=layout, split="test")) == []


# where it is published


def test_links_are_absolute_where_the_address_is_known(tmp_path, layout):
    mlstac_hf.write(samples(3), tmp_path, PONDS, layout=layout, url=f"{URL}/")
    mlstac_hf.write(samples(2), tmp_path, PONDS, layout=layout, split="test")  # as those that are there
    document = main_of(tmp_path)
    if layout == "samples":
        assert {name: document[f"ml:{name}"]["link"] for name in ("train", "validation", "test")} == {
            name: f"{URL}/{name}/" for name in ("train", "validation", "test")
        }
    else:
        import pyarrow.parquet as pq

        for split in ("train", "test"):
            entry = document["ml_catalog"][split]
            assert entry["data_files"] == [f"{URL}/{split}/{split}_0000.mlstac"]
            assert entry["metadata_file"] == f"{URL}/{split}/metadata.parquet"
            rows = pq.read_table(tmp_path / split / "metadata.parquet")
            assert set(rows["url"].to_pylist()) == set(entry["data_files"])
    assert len(mlstac_hf.load(tmp_path, "numpy")) == 3  # the samples lie beside it
    assert mlstac_hf.validate(tmp_path, deep=True).ok


def test_the_same_address_may_be_said_again(tmp_path, layout):
    for split in ("train", "test"):
        mlstac_hf.write(samples(2), tmp_path, PONDS, layout=layout, split=split, url=URL)
    assert mlstac_hf.validate(tmp_path, deep=True).ok


def test_one_collection_is_published_in_one_place(tmp_path, layout):
    mlstac_hf.write(samples(2), tmp_path, PONDS, layout=layout, url=URL)
    before = tree(tmp_path)
    with pytest.raises(ValueError, match=rf"were written with url='{URL}'; expected the same of 'test'"):
        mlstac_hf.write(samples(2), tmp_path, PONDS, layout=layout, split="test", url="https://example.org/other")
    assert tree(tmp_path) == before


def test_rows_of_containers_that_are_there_keep_their_addresses(tmp_path):
    pytest.importorskip("pyarrow")
    mlstac_hf.write(samples(2), tmp_path, PONDS, layout="container")
    with pytest.raises(ValueError, match=r"were written with url=None; expected the same of 'test'"):
        mlstac_hf.write(samples(2), tmp_path, PONDS, layout="container", split="test", url=URL)


def test_links_of_samples_become_absolute_with_the_last_split(tmp_path):
    mlstac_hf.write(samples(2), tmp_path, PONDS)
    mlstac_hf.write(samples(2), tmp_path, PONDS, split="test", url=URL)
    document = main_of(tmp_path)
    assert [document[f"ml:{name}"]["link"] for name in ("train", "test")] == [f"{URL}/train/", f"{URL}/test/"]


@pytest.mark.parametrize("url", ["", "ponds", "/home/me", "file:///home/me", "https://", "https://a b"])
def test_what_is_no_address_is_refused(tmp_path, url):
    with pytest.raises(ValueError, match="expected url to be the address of the folder"):
        mlstac_hf.write(samples(2), tmp_path / "new", PONDS, url=url)
    assert not (tmp_path / "new").exists()


def test_a_write_goes_on_with_the_address_it_began_with(tmp_path):
    pytest.importorskip("pyarrow")
    broken = [*samples(3), object()]
    with pytest.raises(TypeError):
        mlstac_hf.write(broken, tmp_path, PONDS, layout="container", shard_nbytes=1, url=URL)
    with pytest.raises(FileExistsError, match=f"began with url='{URL}'; this call has None"):
        mlstac_hf.write(samples(4), tmp_path, PONDS, layout="container", shard_nbytes=1)
    mlstac_hf.write(samples(4), tmp_path, PONDS, layout="container", shard_nbytes=1, url=URL)
    assert mlstac_hf.validate(tmp_path, deep=True).ok


def split_of(name, link=None, href=None):
    files = (DataFile(href=href),) if href else ()
    return {name: Catalog(name=name, n_items=1, link=link, data_files=files)}


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        ({}, None),
        (split_of("train", "train/"), None),
        (split_of("train", None), None),
        (split_of("train", f"{URL}/train/"), URL),
        (split_of("train", f"{URL}/train"), URL),
        (split_of("train", f"{URL}/other/"), None),
        (split_of("train", "www.example.org/train/"), None),
        (split_of("train", f"{URL}/train/") | split_of("test", "test/"), None),
        (split_of("train", f"{URL}/train/") | split_of("test", f"{URL}/test"), URL),
        (split_of("train", href=f"{URL}/train/a.mlstac"), URL),
        (split_of("train", href=f"{URL}/train/mls/a.mlstac"), None),
        (split_of("train", href="train/a.mlstac"), None),
    ],
)
def test_the_address_that_links_agree_on(splits, expected):
    assert published_at(PONDS.model_copy(update={"splits": splits})) == expected
    assert published_at(None) is None


# what stands in main.json


def test_splits_that_were_not_written_can_be(tmp_path):
    collection = mlstac_hf.write(samples(2), tmp_path, PONDS)
    assert {name: split.n_items for name, split in collection.splits.items()} == {"train": 2}
    mlstac_hf.write([], tmp_path, collection, split="validation")
    mlstac_hf.write(samples(2), tmp_path, collection, split="test")
    assert len(mlstac_hf.load(tmp_path, "numpy", split="test")) == 2
    assert len(mlstac_hf.load(tmp_path, "numpy", split="validation")) == 0


def test_the_extent_is_that_of_all_splits(tmp_path, layout):
    pytest.importorskip("pyproj")
    collection = mlstac_hf.write(samples(2), tmp_path, PONDS, layout=layout)
    first = collection.extent
    other = [{**one, "crs": "EPSG:32634", "start_datetime": "2022-01-01"} for one in samples(2)]
    again = mlstac_hf.write(other, tmp_path, collection, layout=layout, split="test").extent
    assert again.bbox[0][:2] == first.bbox[0][:2]
    assert again.bbox[0][2] > first.bbox[0][2] + 5
    assert (again.interval[0][0], again.interval[0][1]) == (first.interval[0][0], "2022-01-01T00:00:00Z")


def test_an_extent_of_the_publishers_stays(tmp_path, layout):
    said = {"bbox": [(10.0, 40.0, 20.0, 50.0)], "interval": [("2015-01-01T00:00:00Z", None)]}
    known = Collection(id="ponds", **DESCRIBED, extent=said)
    for split in ("train", "test"):
        collection = mlstac_hf.write(samples(2), tmp_path, known, layout=layout, split=split)
        assert collection.extent == known.extent


def test_a_box_in_pixels_gives_way_to_where_samples_are(tmp_path, layout):
    pytest.importorskip("pyproj")
    known = Collection(id="ponds", **DESCRIBED, extent={"bbox": [(465181.0, 5080254.0, 465181.0, 5080254.0)]})
    with pytest.warns(CollectionWarning, match=r"extent\.bbox: expected boxes"):
        collection = mlstac_hf.write(samples(2), tmp_path, known, layout=layout)
    assert collection.extent.bbox[0][0] == pytest.approx(14.55, abs=0.01)


def test_nothing_is_said_of_the_files_it_was_read_with(tmp_path, layout):
    other = LAYOUTS[1 - LAYOUTS.index(layout)]
    pytest.importorskip("pyarrow")
    said = {
        "mlhf:time_column": "note",
        "mlhf:target_planes": [0],
        "mlhf:types": {"gone": "int64"},
        "mlhf:checksums": {"train/gone": "sha256:0"},
        "mlhf:scale": {"input": [0.1]},
        "item_assets": {"gone": {}},
        "ml:metadata_train": "/home/me/gone",
        "path": "/home/me",
        "doi": "10.1/kept",
    }
    mlstac_hf.write(samples(3), tmp_path / "one", PONDS, layout=other, url=URL)
    document = main_of(tmp_path / "one") | said
    (tmp_path / "one/main.json").write_text(json.dumps(document))
    read = mlstac_hf.open_collection(tmp_path / "one")
    (tmp_path / "plain").mkdir()
    mlstac_hf.write(samples(3), tmp_path / "two", read, layout=layout)
    found = main_of(tmp_path / "two")
    prefix, foreign = ("ml:", "ml_") if layout == "samples" else ("ml_", "ml:")
    assert not [key for key in found if key.startswith(foreign)]
    assert [key for key in found if key.startswith(prefix)]
    assert "gone" not in json.dumps(found)
    assert URL not in json.dumps(found)
    assert found.keys() & said.keys() - {"mlhf:checksums", "mlhf:types"} == {"mlhf:scale", "doi"}
    assert ("mlhf:types" in found) == (layout == "samples")
    assert mlstac_hf.validate(tmp_path / "two", deep=True).ok


def test_planes_and_times_that_the_publisher_declares_stay_where_they_are_true(tmp_path):
    pytest.importorskip("pyarrow")
    pytest.importorskip("rasterio")
    given = [{"input": np.ones((4, 8, 8), "uint16"), "taken": f"2020-01-0{day}"} for day in (1, 2)]
    said = {"target_planes": (3,), "time_column": "taken"}
    known = Collection(id="ponds", **DESCRIBED | {"task": ["image-segmentation"]}, labels={"a": 1}, annotations=said)
    options = {"layout": "container", "payload": "geotiff"}
    with pytest.warns(CollectionWarning, match="expects target to be a mask"):
        mlstac_hf.write(given, tmp_path, known, **options)
    mlstac_hf.write([], tmp_path, known, split="test", **options)
    opened = mlstac_hf.load(tmp_path, "numpy")
    assert {name: array.shape for name, array in opened[0].items()} == {"input": (3, 8, 8), "target": (1, 8, 8)}
    assert [one["start_datetime"].day for one in opened.metadata[:]] == [1, 2]
    # read as input and target, and with starts of their own, they need neither
    mlstac_hf.write(opened, tmp_path / "two", opened.collection, **options)
    again = mlstac_hf.open_collection(tmp_path / "two").annotations
    assert (again.target_planes, again.time_column) == ((3,), None)
    mlstac_hf.write(opened, tmp_path / "three", opened.collection)
    assert mlstac_hf.open_collection(tmp_path / "three").annotations.target_planes is None

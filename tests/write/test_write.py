"""What is written reads back as given, and lies where the formats say: safetensors, rasterio and json are asked."""

from __future__ import annotations

import gzip
import hashlib
import json
from datetime import UTC, datetime

import numpy as np
import pytest
from publishing import DESCRIBED, LOOSE, sample, samples, tree
from safetensors.numpy import load as load_safetensors

import mlstac_hf
from mlstac_hf import Collection, Sample

PONDS = Collection(id="ponds", **DESCRIBED | {"task": ["TensorSegmentation"]}, labels={"land": 0, "water": 1, "ice": 2})
LAYOUTS = ({"layout": "samples"}, {"layout": "samples", "compress": True}, {"layout": "container"})


@pytest.fixture(params=LAYOUTS, ids=lambda options: "-".join(map(str, options.values())))
def layout(request):
    if request.param["layout"] == "container":
        pytest.importorskip("pyarrow")
    return request.param


def expected_metadata(given):
    own = {key: given[key] for key in ("cloud", "night", "note", "orbit")}
    return {
        "id": given["id"],
        "crs": given["crs"],
        "geotransform": given["geotransform"],
        "start_datetime": given["start_datetime"],
        "end_datetime": None,
        **own,
    }


def assert_same(split, given):
    assert len(split) == len(given)
    for index, one in enumerate(given):
        read = split[index]
        assert list(read) == [name for name in ("input", "target", "extra") if name in one]
        for name, value in read.items():
            if isinstance(value, str):
                assert value == one[name]
            else:
                assert value.dtype == one[name].dtype
                assert value.shape == one[name].shape
                assert value.tobytes() == one[name].tobytes()


def test_splits_read_back(tmp_path, layout):
    collection = mlstac_hf.write(samples(12), tmp_path, PONDS, **layout)
    assert {name: split.n_items for name, split in collection.splits.items() if split.n_items} == {"train": 12}
    collection = mlstac_hf.write(samples(3), tmp_path, PONDS, split="validation", **layout)
    assert {name: split.n_items for name, split in collection.splits.items() if split.n_items} == {
        "train": 12,
        "validation": 3,
    }
    for split, count in {"train": 12, "validation": 3}.items():
        found = mlstac_hf.load(tmp_path, "numpy", split=split)
        assert_same(found, list(samples(count)))
        assert found.metadata[:] == [expected_metadata(one) for one in samples(count)]
        assert [type(value) for value in found.metadata[1].values()] == [
            *(str, str, tuple, datetime, type(None), float, bool, str, int)
        ]
    assert {path.name for path in tmp_path.iterdir()} == {"main.json", "train", "validation"}


def test_keys_are_compared_in_their_types(tmp_path, layout):
    pytest.importorskip("cql2")
    mlstac_hf.write(samples(12), tmp_path, PONDS, **layout)
    split = mlstac_hf.load(tmp_path, "numpy", filter="orbit > 9 AND cloud < 1.5 AND night = FALSE")
    assert [one["orbit"] for one in split.metadata[:]] == [10]
    pytest.importorskip("pyproj")
    box = (14.55, 45.0, 14.553, 46.0)
    assert [one["orbit"] for one in mlstac_hf.load(tmp_path, "numpy", bbox=box).metadata[:]] == [0, 1]


def test_files_of_the_sample_layout_are_safetensors(tmp_path):
    mlstac_hf.write(samples(2), tmp_path / "plain", PONDS)
    mlstac_hf.write(samples(2), tmp_path / "packed", PONDS, compress=True)
    for index in range(2):
        data = (tmp_path / f"plain/train/000000{index + 1}.safetensors").read_bytes()
        assert gzip.decompress((tmp_path / f"packed/train/000000{index + 1}.safetensors.gz").read_bytes()) == data
        tensors, given = load_safetensors(data), sample(index)
        assert sorted(tensors) == ["input", "target"]
        assert all(np.array_equal(tensors[name], given[name]) for name in tensors)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        assert (8 + int.from_bytes(data[:8], "little")) % 8 == 0
        assert header["__metadata__"] == {
            "id": given["id"],
            "crs": "EPSG:32633",
            "geotransform": f"[{' ,'.join(map(repr, given['geotransform']))}]",
            "start_datetime": given["start_datetime"].replace(tzinfo=None).isoformat(),
            "isSTAC": "1",
            "input": "",
            "target": "",
            "cloud": repr(given["cloud"]),
            "orbit": str(index),
            "night": "true" if index % 3 == 0 else "false",
            "note": given["note"],
        }


def test_checksums_are_those_of_the_files(tmp_path, layout):
    collection = mlstac_hf.write(samples(3), tmp_path, PONDS, **layout)
    sums = collection.annotations.checksums
    for path, digest in sums.items():
        assert digest == f"sha256:{hashlib.sha256((tmp_path / path).read_bytes()).hexdigest()}"
    listed = dict(
        line.split("  ")[::-1]
        for path in sums
        if path.endswith("SHA256SUMS")
        for line in (tmp_path / path).read_text().splitlines()
    )
    for name, digest in listed.items():
        assert digest == hashlib.sha256((tmp_path / "train" / name).read_bytes()).hexdigest()
    files = {f"train/{name}" for name in listed} | set(sums) | {"main.json"}
    assert files == set(tree(tmp_path))


def test_containers_are_laid_out_as_upstream_reads_them(tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    parts = mlstac_hf._write._encode.encode(mlstac_hf._write._sample.check(sample(0), 0), "x", PONDS.task)
    one = sum(map(len, parts))
    collection = mlstac_hf.write(samples(7), tmp_path, PONDS, layout="container", shard_nbytes=3 * one + 60)
    table = pq.read_table(tmp_path / "train/metadata.parquet").to_pylist()
    assert [row["datapoint_id"] for row in table] == [f"tile-{index:03d}" for index in range(7)]
    files = [f"train/train_{number:04d}.mlstac" for number in range(3)]
    assert [file.href for file in collection.splits["train"].data_files] == files
    for file, claimed in zip(files, collection.splits["train"].data_files, strict=True):
        data = (tmp_path / file).read_bytes()
        assert claimed.nbytes == len(data)
        length = int.from_bytes(data[2:10], "little")
        places = json.loads(data[10 : 10 + length])
        assert json.dumps(places).encode() == data[10 : 10 + length]
        for name, (begin, size) in places.items():
            index = int(name[-3:])
            tensors = load_safetensors(data[10 + length + begin :][:size])
            assert np.array_equal(tensors["input"], sample(index)["input"])
            row = table[index]
            assert (row["begin"], row["length"], row["metadata_length"], row["url"]) == (begin, size, length, file)
    assert [row["cloud"] for row in table] == [index / 7 for index in range(7)]


def test_rasters_are_read_by_gdal(tmp_path):
    pytest.importorskip("pyarrow")
    rasterio = pytest.importorskip("rasterio")
    given = [{**one, "target": one["target"].astype("uint16")} for one in samples(3)]
    given[2].pop("crs")
    given[2].pop("geotransform")
    collection = mlstac_hf.write(given, tmp_path, PONDS, layout="container", payload="geotiff")
    assert collection.annotations.target_planes == (3,)
    data = (tmp_path / "train/train_0000.mlstac").read_bytes()
    length = int.from_bytes(data[2:10], "little")
    for index, (begin, size) in enumerate(json.loads(data[10 : 10 + length]).values()):
        (tmp_path / "one.tif").write_bytes(data[10 + length + begin :][:size])
        if index == 2:
            continue
        with rasterio.open(tmp_path / "one.tif") as found:
            assert np.array_equal(found.read(), np.concatenate([given[index]["input"], given[index]["target"]]))
            assert found.transform.to_gdal() == given[index]["geotransform"]
            assert found.crs.to_string() == "EPSG:32633"
            assert found.compression.name == "deflate"
    split = mlstac_hf.load(tmp_path, "numpy")
    assert_same(split, given)
    assert split.metadata[1] == expected_metadata(given[1])
    assert split.metadata[2]["crs"] is split.metadata[2]["geotransform"] is None


def test_texts_take_a_tensors_place(tmp_path, layout):
    captions = Collection(id="captions", **DESCRIBED | {"task": ["TensorToText"]})
    given = [
        {"input": np.ones((1, 2, 2), np.float32) * n, "target": text} for n, text in enumerate(("ein See", "", "湖"))
    ]
    mlstac_hf.write(given, tmp_path, captions, **layout)
    assert_same(mlstac_hf.load(tmp_path, "numpy"), given)


@pytest.mark.filterwarnings(LOOSE)
def test_pairs_samples_and_scalars(tmp_path, layout):
    given = [
        (np.ones((1, 2, 2), "int16"), 3),
        Sample(input=np.zeros((1, 2, 2), "int16"), target=np.uint8(4), keys={"a": 1}),
    ]
    mlstac_hf.write(given, tmp_path, Collection(id="pairs", **DESCRIBED), **layout)
    split = mlstac_hf.load(tmp_path, "numpy")
    assert [int(one["target"]) for one in split] == [3, 4]
    assert [one["target"].dtype.name for one in split] == ["int64", "uint8"]
    assert [one.get("a") for one in split.metadata[:]] == [None, 1]
    assert [one["id"] for one in split.metadata[:]] == ["0000001", "0000002"]


@pytest.mark.filterwarnings(LOOSE)
def test_what_is_unknown_is_none(tmp_path, layout):
    given = [
        {"input": np.ones(3)},
        {"input": np.ones(3), "crs": "EPSG:4326"},
        {
            "input": np.ones(3),
            "start_datetime": "2020-02-03T04:05:06.5+02:00",
            "end_datetime": np.datetime64("2020-02-04"),
        },
        {"input": np.ones(3), "geotransform": [float("nan")] * 6, "crs": None, "start_datetime": np.datetime64("NaT")},
    ]
    mlstac_hf.write(given, tmp_path, Collection(id="unknown", **DESCRIBED), **layout)
    found = mlstac_hf.load(tmp_path, "numpy").metadata[:]
    assert [one["crs"] for one in found] == [None, "EPSG:4326", None, None]
    assert {one["geotransform"] for one in found} == {None}
    assert found[2]["start_datetime"] == datetime(2020, 2, 3, 2, 5, 6, 500000, tzinfo=UTC)
    assert found[2]["end_datetime"] == datetime(2020, 2, 4, tzinfo=UTC)
    assert found[0]["start_datetime"] is found[3]["start_datetime"] is None


@pytest.mark.filterwarnings(LOOSE)
@pytest.mark.parametrize("unit", ["ns", "us", "s", "D"])
def test_times_of_arrays_without_axes_are_times(tmp_path, unit, layout):
    time = np.array("2020-02-03", f"datetime64[{unit}]")  # such as xarray's `ds.time[0].values`
    given = [{"input": np.ones(3), "start_datetime": one, "when": one} for one in (time, time[()])]
    mlstac_hf.write(given, tmp_path, Collection(id="times", **DESCRIBED), **layout)
    for found in mlstac_hf.load(tmp_path, "numpy").metadata[:]:
        assert found["start_datetime"] == datetime(2020, 2, 3, tzinfo=UTC)
        assert found["when"].startswith("2020-02-03T00:00:00")


@pytest.mark.filterwarnings(LOOSE)
def test_nothing_of_a_generator_is_kept(tmp_path, layout):
    """A generator may fill the same memory again."""

    def reusing():
        buffer = np.zeros((2, 64, 64), "uint16")
        for number in range(40):
            buffer[:] = number
            yield {"input": buffer}

    mlstac_hf.write(reusing(), tmp_path, Collection(id="reused", **DESCRIBED), **layout)
    split = mlstac_hf.load(tmp_path, "numpy")
    assert [int(one["input"].min()) for one in split] == [int(one["input"].max()) for one in split] == list(range(40))


def test_a_split_without_samples(tmp_path, layout):
    collection = mlstac_hf.write([], tmp_path, PONDS, **layout)
    assert collection.splits["train"].n_items == 0
    assert len(mlstac_hf.load(tmp_path, "numpy")) == 0


def test_the_bytes_depend_on_nothing_but_the_samples(tmp_path, layout):
    mlstac_hf.write(samples(20), tmp_path / "one", PONDS, workers=1, **layout)
    mlstac_hf.write(list(samples(20)), tmp_path / "other", PONDS, workers=3, **layout)
    assert tree(tmp_path / "one") == tree(tmp_path / "other")


def test_another_collection_is_not_joined(tmp_path, layout):
    mlstac_hf.write(samples(2), tmp_path, PONDS, **layout)
    before = tree(tmp_path)
    with pytest.raises(ValueError, match="is collection 'ponds'; expected 'lakes'"):
        mlstac_hf.write(samples(2), tmp_path, Collection(id="lakes"), split="test", **layout)
    with pytest.raises(FileExistsError, match="split 'train' of collection 'ponds' is there already"):
        mlstac_hf.write(samples(2), tmp_path, PONDS, **layout)
    assert tree(tmp_path) == before


def test_one_collection_has_one_layout(tmp_path):
    pytest.importorskip("pyarrow")
    mlstac_hf.write(samples(2), tmp_path, PONDS)
    with pytest.raises(ValueError, match=r'expected the same of .validation., got layout="container"'):
        mlstac_hf.write(samples(2), tmp_path, PONDS, split="validation", layout="container")


def test_a_folder_of_others_is_left_alone(tmp_path, layout):
    (tmp_path / "train").mkdir()
    (tmp_path / "train/thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"found 'thesis.txt'"):
        mlstac_hf.write(samples(2), tmp_path, PONDS, **layout)
    assert list(tree(tmp_path)) == ["train/thesis.txt"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "zarr"}, "expected layout to be 'samples' or 'container', got 'zarr'"),
        ({"payload": "geotiff"}, 'goes with layout="container"'),
        ({"layout": "container", "compress": True}, 'goes with layout="samples"'),
        ({"split": "../train"}, "expected split to be a plain name"),
        ({"split": "val"}, "split 'val' is read as 'validation'; pass split='validation', or another name"),
        ({"split": "ml_train"}, "split 'ml_train' is read as 'train'"),
        ({"workers": 0}, "1 or more, got"),
        ({"collection": Collection()}, "id: expected a name for the collection, found none"),
        ({"destination": "https://example.invalid/x"}, "Write to a folder first"),
        ({"destination": "hf://datasets/a/b"}, "Write to a folder first"),
    ],
)
def test_options_that_mean_nothing(tmp_path, options, message):
    call = {"samples": samples(1), "destination": tmp_path / "new", "collection": PONDS} | options
    with pytest.raises(ValueError, match=message):
        mlstac_hf.write(**call)
    assert not (tmp_path / "new").exists()

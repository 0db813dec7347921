"""Selection: which samples, before any tensor is read, in both layouts alike."""

from __future__ import annotations

import json
import logging
import shutil
import warnings

import numpy as np
import pytest
from containers import make_containers
from layouts import images, write_kind
from misbehaving import MisbehavingServer
from safetensors.numpy import save
from writing import name_of

import mlstac_hf
from mlstac_hf import CollectionWarning, CorruptSampleError, UnknownNameError
from mlstac_hf._reading import Selection, _size, nbytes_of, select, whole_of
from mlstac_hf._reading._split_files import SplitFile, write_split_files

pytest.importorskip("cql2")
pytest.importorskip("pyarrow")
pytest.importorskip("shapely")
pytest.importorskip("rasterio")


def load(address, **options):
    return mlstac_hf.load(address, "numpy", **options)


def ids(split):
    return [split.metadata[index]["id"] for index in range(len(split))]


def write_sample(folder, index, tensors, metadata):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name_of(index)}.safetensors").write_bytes(save(tensors, metadata))


def samples_like(boxes, folder):
    """The collection of `make_containers` in the sample layout: the same pixels, places, times and keys."""
    folder.mkdir()
    counts = {}
    for split in boxes.rasters:
        found = load(boxes.folder, split=split)
        counts[split] = {"n_items": len(found)}
        for index, row in enumerate(found):
            facts = found.metadata[index]
            keys = {key: str(facts[key]) for key in ("label_type", "cloud") if facts[key] is not None}
            transform = " ,".join(map(repr, facts["geotransform"]))
            stored = {"crs": facts["crs"], "geotransform": transform, "start_datetime": facts["s2_date"], **keys}
            write_sample(folder / split, index, row, {"id": facts["id"], **stored})
    document = {"id": "boxes", "ml_task": ["TensorSegmentation"]} | {f"ml_{name}": it for name, it in counts.items()}
    (folder / "main.json").write_text(json.dumps(document))
    return folder


@pytest.fixture(params=["containers", "samples"])
def layout(request, tmp_path):
    """One collection of 5 and 2 samples, in both layouts."""
    boxes = make_containers(tmp_path / "boxes", places=True)
    return boxes.folder if request.param == "containers" else samples_like(boxes, tmp_path / "samples")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"filter": "label_type = 'high'"}, [1, 3]),
        ({"filter": "NOT label_type = 'high'"}, [0, 2, 4]),
        ({"filter": "CAST(cloud, 'float') > 0.2"}, [2, 4]),
        ({"filter": "NOT CAST(cloud, 'float') > 0.2"}, [1]),  # null is neither
        ({"filter": "cloud IS NULL"}, [0, 3]),
        ({"filter": {"op": "in", "args": [{"property": "id"}, ["ROI_004", "ROI_001"]]}}, [1, 4]),
        ({"filter": "cloud > 0.2", "types": {"cloud": float}}, [2, 4]),
        ({"datetime": "2020-06-02/2020-06-04T10:00:31Z"}, [1, 2, 3]),
        ({"datetime": "../2020-06-02"}, [0, 1]),
        ({"datetime": "2019"}, []),
        ({"bbox": (14.0, 45.0, 15.0, 46.0)}, [0, 1, 2, 3, 4]),
        ({"bbox": "-15,45,-14,46"}, []),
        ({"limit": 2}, [0, 1]),
        ({"filter": "label_type <> 'high'", "limit": 2}, [0, 2]),
        ({"filter": "label_type <> 'high'", "datetime": "2020-06-03/..", "bbox": (14, 45, 15, 46)}, [2, 4]),
    ],
)
def test_conditions_choose_then_the_limit_cuts(layout, options, expected):
    whole = load(layout)
    found = load(layout, **options)
    assert ids(found) == [f"ROI_{index:03d}" for index in expected]
    for row, index in zip(found, expected, strict=True):
        np.testing.assert_array_equal(row["input"], whole[index]["input"])
    if expected:
        np.testing.assert_array_equal(found[:]["input"], whole[expected]["input"])
        assert found.metadata[-1] == whole.metadata[expected[-1]]


def test_a_geometry_takes_the_place_of_the_box(layout):
    area = {"type": "Polygon", "coordinates": [[[14, 45], [15, 45], [15, 46], [14, 46], [14, 45]]]}
    assert len(load(layout, intersects=area)) == 5
    with pytest.raises(ValueError, match=r"bbox= .*intersects="):
        load(layout, intersects=area, bbox=(14, 45, 15, 46))


def test_what_is_not_there_is_an_error_that_lists_what_is(layout):
    with pytest.raises(UnknownNameError, match=r"lable_type.*Did you mean 'label_type'.*cloud"):
        load(layout, filter="lable_type = 'high'")
    with pytest.raises(ValueError, match=r"label_type holds text.*types=\{'label_type': float\}"):
        load(layout, filter="label_type > 3")


@pytest.mark.parametrize(
    "options",
    [
        {"limit": -1},
        {"limit": 2.0},
        {"limit": True},
        {"normalize": "imagenet"},
        {"crop": "yes"},
        {"filter": "label_type = "},
        {"bbox": (1, 2, 3)},
        {"datetime": "yesterday"},
        {"types": {"cloud": "quaternion"}},
        {"scale": "big"},
    ],
)
def test_what_can_mean_nothing_is_refused_before_anything_is_opened(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        load("/nowhere/at/all", **options)


def test_a_collection_without_place_or_time_says_so(tmp_path):
    made = make_containers(tmp_path / "made", table=False)
    with pytest.raises(UnknownNameError, match=r"expected metadata.parquet"):
        load(made.folder, filter="label_type = 'high'")
    bare = tmp_path / "bare"
    write_sample(bare / "train", 0, {"input": np.zeros((1, 2, 2))}, {"id": "a"})
    (bare / "main.json").write_text('{"id": "bare", "ml_train": {"n_items": 1}}')
    with pytest.raises(UnknownNameError, match="no sample says where it is"):
        load(bare, bbox=(0, 0, 1, 1))
    with pytest.raises(UnknownNameError, match="no sample says when it was taken"):
        load(bare, datetime="2020")


def test_time_is_a_column_that_is_declared_or_asked_for(tmp_path):
    made = make_containers(tmp_path, rename={"s2_date": "acquired"})
    with pytest.raises(UnknownNameError, match=r'nothing tells the time.*types=\{"column": "datetime"\}'):
        load(tmp_path, datetime="2020-06-02")
    assert ids(load(tmp_path, datetime="2020-06-02", types={"acquired": "datetime"})) == ["ROI_001"]
    (tmp_path / "main.json").write_text(json.dumps({**made.document, "mlhf:time_column": "acquired"}))
    found = load(tmp_path, datetime="2020-06-02")
    assert ids(found) == ["ROI_001"]
    assert found.metadata[0]["start_datetime"].day == 2


def test_headers_are_scanned_once(tmp_path, monkeypatch):
    from mlstac_hf._reading import _index
    from mlstac_hf._reading._folder import SampleFolder

    folder = samples_like(make_containers(tmp_path / "boxes"), tmp_path / "samples")
    first = ids(load(folder, filter="label_type = 'high'"))

    def refuse(*_):
        raise AssertionError("read again")

    monkeypatch.setattr(SampleFolder, "head", refuse)
    chosen = select(mlstac_hf.open_collection(folder), "train", Selection(filter="label_type = 'high'"))
    assert len(chosen) == len(first) == 2
    notes = list(_index.Notes(None)._store.list("indexes"))
    assert len(notes) == 1
    _index.Notes(None).put(f"indexes/{notes[0].name}", b"half a file")
    with pytest.raises(AssertionError, match="read again"):  # damaged: looked at anew
        load(folder, filter="label_type = 'high'")
    monkeypatch.undo()
    write_sample(folder / "train", 5, {"input": np.zeros((5, 16, 16), np.uint16)}, {"id": "new", "label_type": "high"})
    with pytest.warns(CollectionWarning, match="claims 5 samples"):
        assert ids(load(folder, filter="label_type = 'high'")) == [*first, "new"]


def test_a_bad_header_raises_or_is_left_out_by_name(tmp_path):
    folder = samples_like(make_containers(tmp_path / "boxes"), tmp_path / "samples")
    (folder / "train" / "0000002.safetensors").write_bytes(b"\xff" * 20)
    with pytest.raises(CorruptSampleError, match="0000002"):
        load(folder, filter="label_type = 'high'")
    with pytest.warns(CollectionWarning, match=r"1 bad samples left out:\n.*0000002"):
        assert ids(load(folder, filter="label_type = 'high'", on_error="skip")) == ["ROI_003"]


def test_over_http_ten_samples_cost_ten_samples(tmp_path):
    made = make_containers(tmp_path, counts={"train": (40, 30, 20)})
    with MisbehavingServer(tmp_path) as server:
        found = load(server.url, filter="file = 1", limit=10)
        rows = [row["input"] for row in found]
        np.testing.assert_array_equal(rows, made.rasters["train"][40:50])
        paths = {path for path, nbytes in server.sent.items() if nbytes and path.endswith(".mlstac")}
        assert paths == {"/train/train_2.mlstac"}  # the others' headers are not needed
        container = (tmp_path / "train" / "train_2.mlstac").read_bytes()
        header = 10 + int.from_bytes(container[2:10], "little")
        table = (tmp_path / "train" / "metadata.parquet").stat().st_size
        payloads = sum(found._source.nbytes(index) for index in range(10))
        allowed = table + header + payloads + (tmp_path / "main.json").stat().st_size
        assert server.nbytes_sent <= 1.1 * allowed
        assert whole_of(found._source) == (90, sum(found_all(made, "train")))


def found_all(made, split):
    source = select(mlstac_hf.open_collection(made.folder), split, Selection())
    return [source.nbytes(index) for index in range(len(source))]


def test_much_over_a_network_is_said_before(tmp_path, caplog, monkeypatch):
    make_containers(tmp_path)
    monkeypatch.setattr(_size, "LARGE", 1000)
    with MisbehavingServer(tmp_path) as server, caplog.at_level(logging.WARNING, "mlstac_hf"):
        load(server.url, limit=3)
    assert "3 of 5 samples of split train" in caplog.text
    caplog.clear()
    load(tmp_path, limit=3)
    assert not caplog.text


def test_much_of_a_folder_that_cannot_be_listed_is_estimated(tmp_path, caplog, monkeypatch):
    samples_like(make_containers(tmp_path / "boxes"), tmp_path / "samples")
    size = (tmp_path / "samples" / "train" / "0000001.safetensors").stat().st_size
    monkeypatch.setattr(_size, "LARGE", 3 * size - 1)
    with MisbehavingServer(tmp_path / "samples") as server, caplog.at_level(logging.WARNING, "mlstac_hf"):
        load(server.url, limit=2)
        assert not caplog.text
        load(server.url, limit=3)
    assert "3 of 5 samples of split train, about 0.0 of 0.0 GB" in caplog.text


def test_a_selection_is_a_dataset(layout, tmp_path):
    pytest.importorskip("datasets")
    options = {"filter": "label_type <> 'high'", "datetime": "2020-06-03/..", "cache_dir": str(tmp_path / "cache")}
    dataset = mlstac_hf.load_dataset(layout, "train", **options).with_format("mlstac_numpy")
    assert dataset["id"][:] == ["ROI_002", "ROI_004"]
    np.testing.assert_array_equal(dataset[:]["input"], load(layout)[[2, 4]]["input"])
    streamed = mlstac_hf.load_dataset(layout, "train", streaming=True, **options)
    assert [row["id"] for row in streamed] == ["ROI_002", "ROI_004"]
    none = mlstac_hf.load_dataset(layout, "train", filter="label_type = 'none'", cache_dir=str(tmp_path / "cache"))
    assert none.num_rows == 0


def test_one_call_does_what_a_loop_over_rasterio_does(real_data, tmp_path):
    import pyarrow.parquet as pq
    from rasterio.io import MemoryFile

    def by_hand(bands):
        table = pq.read_table(real_data / "genB_clouds" / "train" / "metadata.parquet").to_pylist()
        chosen = {row["datapoint_id"] for row in table if row["label_type"] == "high" and row["proj_shape"] == 61}
        for name in ("high", "scribble", "nolabel"):
            data = (real_data / "genB_clouds" / "train" / f"train_61_{name}.mlstac").read_bytes()
            end = 10 + int.from_bytes(data[2:10], "little")
            for key, (begin, length) in json.loads(data[10:end]).items():
                if key in chosen:
                    with MemoryFile(data[end + begin :][:length]) as memory, memory.open() as raster:
                        pixels = raster.read()[:, :61, 3:]
                    yield key, pixels[bands].astype("float32") * 1e-4, pixels[[4]]

    named = tmp_path / "named"
    shutil.copytree(real_data / "genB_clouds", named, copy_function=shutil.copyfile)
    document = json.loads((named / "main.json").read_text())
    planes = enumerate(["blue", "green", "red", "nir"])
    document["ml_spectral"] = {"bands": [{"name": name, "index": index} for index, name in planes]}
    (named / "main.json").write_text(json.dumps(document))
    one_call = {"filter": "label_type = 'high' AND proj_shape = 61", "target": [4], "scale": 1e-4, "crop": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rasterio's, of rasters without a place
        expected = list(by_hand([2, 1, 0]))
    assert len(expected) == 12
    for address, bands in ((real_data / "genB_clouds", [2, 1, 0]), (named, ["red", "green", "blue"])):
        found = load(address, split="train", bands=bands, **one_call)
        assert ids(found) == [key for key, _, _ in expected]
        for row, (_, pixels, labels) in zip(found, expected, strict=True):
            assert row["input"].dtype == pixels.dtype == np.float32
            assert row["target"].dtype == labels.dtype
            np.testing.assert_array_equal(row["input"], pixels)
            np.testing.assert_array_equal(row["target"], labels)
    with pytest.raises(UnknownNameError, match="it names none"):
        load(real_data / "genB_clouds", bands=["red"])


def test_sizes_are_known_where_the_store_says(layout):
    source = select(mlstac_hf.open_collection(layout), "train", Selection(limit=2))
    count, nbytes = whole_of(source)
    assert count == 5
    assert nbytes > nbytes_of(source) > 0


def test_a_file_that_lists_all_samples_in_another_order_is_followed(layout, tmp_path):
    source = select(mlstac_hf.open_collection(layout), "train", Selection())
    names = [source.name(index) for index in (3, 0, 4, 2, 1)]
    file = SplitFile(split="mine", collection="boxes", samples={"train": names}, made={})
    write_split_files(tmp_path / "splits", [file])
    expected = [ids(load(layout))[index] for index in (3, 0, 4, 2, 1)]
    assert ids(load(layout, split="mine", splits=tmp_path / "splits")) == expected
    assert ids(load(layout, split="mine", splits=tmp_path / "splits", limit=2)) == expected[:2]
    assert ids(load(layout, split="mine", splits=tmp_path / "splits", filter="id IS NOT NULL")) == expected


def table_of(folder, change):
    """`metadata.parquet` of the training split, changed."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / "train" / "metadata.parquet"
    pq.write_table(pa.Table.from_pylist(change(pq.read_table(path).to_pylist())), path)


def test_a_sample_without_a_footprint_lies_at_its_centre(tmp_path):
    make_containers(tmp_path, places=True)
    area = [10.0, 40.0, 11.0, 41.0]
    boxes = {"ROI_001": area}
    table_of(tmp_path, lambda rows: [{**row, "bbox": boxes.get(row["datapoint_id"])} for row in rows])
    assert ids(load(tmp_path, bbox=(10, 40, 11, 41))) == ["ROI_001"]
    assert ids(load(tmp_path, bbox=(14, 45, 15, 46))) == ["ROI_000", "ROI_002", "ROI_003", "ROI_004"]


def test_places_and_times_that_are_not_known_are_told(tmp_path):
    def some(rows):
        return [
            {**row, "s2_date": None, "proj_centroid": None} if row["datapoint_id"] > "ROI_002" else row for row in rows
        ]

    make_containers(tmp_path, places=True)
    table_of(tmp_path, some)
    with pytest.warns(CollectionWarning, match="2 of 5 samples do not say where they are: bbox= .* leave them out"):
        assert len(load(tmp_path, bbox=(14, 45, 15, 46))) == 3
    with pytest.warns(CollectionWarning, match="2 of 5 samples do not say when they were taken"):
        assert len(load(tmp_path, datetime="2020")) == 3
    table_of(tmp_path, lambda rows: [{**row, "proj_centroid": "somewhere", "s2_date": "one day"} for row in rows])
    with pytest.raises(UnknownNameError, match=r"nothing tells the place.*with a value that can be read"):
        load(tmp_path, bbox=(14, 45, 15, 46))
    with (
        pytest.warns(CollectionWarning, match="one day"),
        pytest.raises(UnknownNameError, match=r"nothing tells the time"),
    ):
        load(tmp_path, datetime="2020")


def test_times_may_be_finer_than_a_microsecond(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    make_containers(tmp_path, places=True)
    path = tmp_path / "train" / "metadata.parquet"
    table = pq.read_table(path)
    table = table.drop_columns(
        [name for name in ("s2_date", "datetime", "start_datetime") if name in table.column_names]
    )
    moments = np.datetime64("2018-05-01T10:00:00.123456789", "ns") + np.arange(5) * np.timedelta64(1, "D")
    pq.write_table(table.append_column("s2_date", pa.array(moments)), path)
    assert len(load(tmp_path, datetime="2018-05-02/2018-05-03")) == 2


def test_a_key_of_the_sample_layout_may_tell_the_time(tmp_path):
    for index in range(3):
        write_sample(tmp_path / "train", index, {"input": np.zeros((1, 2, 2))}, {"acquired": f"2018-05-0{index + 1}"})
    (tmp_path / "main.json").write_text('{"id": "keys", "ml_train": {"n_items": 3}}')
    assert len(load(tmp_path, datetime="2018-05-02/..", types={"acquired": "datetime"})) == 2
    with pytest.raises(UnknownNameError, match=r'types=\{"key": "datetime"\}'):
        load(tmp_path, datetime="2018-05-02/..")


def test_a_column_called_id_is_not_the_id(tmp_path):
    make_containers(tmp_path)
    table_of(tmp_path, lambda rows: [{**row, "id": "mine", "box": [1.5, 2], "blob": b"\x01\xff"} for row in rows])
    found = load(tmp_path, filter="id = 'ROI_003'")
    assert ids(found) == ["ROI_003"]
    assert found.metadata[0]["box"] == "[1.5, 2.0]"
    assert found.metadata[0]["blob"] == "01ff"


def test_over_http_metadata_after_a_sample_cost_nothing_more(tmp_path):
    made = make_containers(tmp_path)
    with MisbehavingServer(tmp_path) as server:
        found = load(server.url)
        server.reset_counts()
        for index in range(len(found)):
            assert found[index]["input"].tobytes() == made.rasters["train"][index].tobytes()
            assert found.metadata[index]["id"] == made.names["train"][index]
        assert server.nbytes_sent == nbytes_of(found._source)
        server.reset_counts()
        again = load(server.url)
        server.reset_counts()
        assert again.metadata[1]["id"] == "ROI_001"
        assert again[1]["input"].tobytes() == made.rasters["train"][1].tobytes()
        assert server.nbytes_sent == found._source.nbytes(1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": 5}, "expected columns to be names"),
        ({"split": ["train"]}, "expected split to be the name of one split"),
        ({"cache_dir": 5}, "expected cache_dir to be a path"),
        ({"splits": 5}, "expected splits to be a path"),
        ({"types": "float"}, "expected types to be a mapping"),
        ({"bands": [1.5]}, "expected names or 0-based indices"),
    ],
)
def test_arguments_of_the_wrong_type_are_named(layout, options, message):
    with pytest.raises(TypeError, match=message):
        load(layout, **options)


def test_numbers_of_numpy_and_generators_will_do(layout):
    assert len(load(layout, limit=np.int64(2))) == 2
    assert load(layout, bands=(band for band in (1, 0)))[0]["input"].shape == (2, 16, 16)
    with pytest.raises(ValueError, match="scale= or normalize="):
        load(layout, scale=2, normalize="collection")


@pytest.mark.parametrize("key", [[[0, 1]], np.array([[0, 1]]), 1.0, None, "1"])
def test_keys_that_mean_nothing_are_refused(layout, key):
    with pytest.raises(TypeError, match="expected an index, a slice or a list of indices"):
        load(layout)[key]


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"filter": "label_type == 'high'"}, r"a single =, as in label = 'high'"),
        ({"filter": "label_type = 'high' & id = 'x'"}, "AND, as in"),
        ({"filter": "label_type IN ['high']"}, "a list in parentheses"),
        ({"filter": 'label_type = "Zebra"'}, "write 'Zebra' in single quotes"),
        ({"split": "val"}, "got 'val'"),
        ({"split": "Train"}, "Did you mean 'train'"),
    ],
)
def test_near_misses_are_told_what_to_type(layout, options, hint):
    with pytest.raises((ValueError, UnknownNameError), match=hint):
        load(layout, **options)


def test_a_split_without_samples_meets_every_condition(tmp_path):
    folder = write_kind("plain", tmp_path / "made", {"train": images(2, (2, 8, 8), cloud=3), "test": []})
    found = {name: len(mlstac_hf.load(folder, "numpy", split=name, filter="cloud = '3'")) for name in ("train", "test")}
    assert found == {"train": 2, "test": 0}

"""The container layout: which datapoints there are, and every one of them exact."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import shutil
import tarfile
import warnings
from datetime import UTC, datetime

import numpy as np
import pytest
from containers import encode, make_containers, pack, raster
from safetensors.numpy import save

import mlstac_hf
from mlstac_hf import CollectionWarning

pytest.importorskip("rasterio")
pytest.importorskip("pyarrow")


def load(folder, **options):
    return mlstac_hf.load(folder, "numpy", **options)


@pytest.fixture
def made(tmp_path):
    return make_containers(tmp_path / "made")


@pytest.mark.parametrize(
    "options",
    [{}, {"layout": "mls"}, {"table": False}, {"compact": True, "padding": 77}],
    ids=["as published", "as downloaded", "without a table", "compact and padded"],
)
def test_every_datapoint_is_exact_and_in_the_collections_order(tmp_path, options):
    made = make_containers(tmp_path, **options)
    for split, rasters in made.rasters.items():
        found = load(tmp_path, split=split)
        assert [found.metadata[i]["id"] for i in range(len(found))] == made.names[split]
        for row, expected in zip(found, rasters, strict=True):
            assert row["input"].dtype == expected.dtype
            np.testing.assert_array_equal(row["input"], expected)
        np.testing.assert_array_equal(found[:]["input"], np.stack(rasters))


def test_over_http_it_is_the_same(made, server):
    found = load(f"{server.url}/made")
    np.testing.assert_array_equal(found[:]["input"], np.stack(made.rasters["train"]))
    payloads = [path for command, path, _ in server.requests if command == "GET" and path.endswith(".mlstac")]
    assert len(payloads) == 2 + 2  # each header, and the datapoints of each container at once


def test_planes_are_the_target_by_index_by_name_or_as_declared(made):
    whole = np.stack(made.rasters["train"])
    found = load(made.folder, target=[4])[:]
    np.testing.assert_array_equal(found["input"], whole[:, :4])
    np.testing.assert_array_equal(found["target"], whole[:, 4:])
    np.testing.assert_array_equal(load(made.folder, target=-1)[0]["target"], whole[0, 4:])
    names = [{"name": name, "index": i} for i, name in enumerate(["B2", "B3", "B4", "B8", "CM1"])]
    for document, options in (
        ({"ml_spectral": {"bands": names}}, {"target": "CM1"}),
        ({"mlhf:target_planes": [4]}, {}),
    ):
        (made.folder / "main.json").write_text(json.dumps({**made.document, **document}))
        np.testing.assert_array_equal(load(made.folder, **options)[:]["target"], whole[:, 4:])


def test_planes_that_are_not_there_are_named(made):
    with pytest.raises(mlstac_hf.UnknownNameError, match="it names none; use 0-based indices"):
        load(made.folder, target="CM1")
    with pytest.raises(mlstac_hf.SchemaMismatchError, match=r"ROI_000.*has 5 planes, so there is no plane 13"):
        load(made.folder, target=[13])[0]


def test_metadata_is_typed_and_place_comes_from_the_raster(made):
    facts = load(made.folder).metadata[2]
    assert facts == {
        "id": "ROI_002",
        "crs": "EPSG:32633",
        "geotransform": (465180.0, 10.0, 0.0, 5080250.0, 0.0, -10.0),
        "start_datetime": datetime(2020, 6, 3, 10, 0, 31, tzinfo=UTC),
        "end_datetime": None,
        "cloud": 0.25,
        "file": 0,
        "label_type": "scribble",
        "s2_date": "2020-06-03 10:00:31",
    }
    assert load(made.folder).metadata[0]["cloud"] is None
    assert load(made.folder).metadata.raw(2)["cloud"] == "0.25"


def test_other_payloads_have_tensors_of_their_own(tmp_path):
    h5py = pytest.importorskip("h5py")
    make_containers(tmp_path, counts={"train": (0,)}, table=False)
    arrays = {"input": raster(1), "target": raster(2, 1, dtype="uint8")}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, array in arrays.items():
            file[name] = array
    payloads = {"hdf5": (tmp_path / "a.h5").read_bytes(), "plain": save(arrays, {"crs": "EPSG:4326"})}
    (tmp_path / "train" / "train_1.mlstac").write_bytes(pack(payloads))
    with pytest.warns(CollectionWarning, match="main.json claims"):
        found = load(tmp_path)
    for row in found:
        assert {name: row[name].tobytes() for name in row} == {name: arrays[name].tobytes() for name in arrays}
    assert found.metadata[1]["crs"] == "EPSG:4326"


def test_a_container_without_datapoints_is_a_split_without_samples(tmp_path):
    make_containers(tmp_path, counts={"train": (0,)}, table=False)
    assert len(load(tmp_path)) == 0


def test_a_bad_datapoint_is_refused_by_name_and_the_others_stay_readable(made):
    path = made.folder / "train" / "train_2.mlstac"
    data = path.read_bytes()
    length = int.from_bytes(data[2:10], "little")
    places = json.loads(data[10 : 10 + length])
    places["ROI_001"][0] = 10**9
    header = json.dumps(places).encode()
    path.write_bytes(b"#y" + len(header).to_bytes(8, "little") + header + data[10 + length :])
    with pytest.warns(CollectionWarning):
        found = load(made.folder, on_error="skip")
    with pytest.raises(mlstac_hf.CorruptSampleError, match="ROI_001"):
        found[1]
    with pytest.warns(CollectionWarning, match="1 bad samples left out"):
        np.testing.assert_array_equal(
            found[:]["input"], np.stack([r for i, r in enumerate(made.rasters["train"]) if i != 1])
        )


def test_a_file_that_is_cut_spoils_only_what_is_gone(made):
    path = made.folder / "train" / "train_1.mlstac"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.warns(CollectionWarning, match="main.json claims") as told:
        found = load(made.folder)
    assert len(told) == 1
    np.testing.assert_array_equal(found[3]["input"], made.rasters["train"][3])
    with pytest.raises(mlstac_hf.CorruptSampleError, match="ROI_004"):
        found[4]


def test_a_container_that_is_none_is_named(made):
    (made.folder / "train" / "train_2.mlstac").write_bytes(b"PK\3\4" * 10)
    with pytest.raises(mlstac_hf.CorruptSampleError, match=r"train_2\.mlstac: expected a container"):
        load(made.folder)


def test_where_table_and_containers_disagree_the_containers_decide_and_it_is_told(made):
    import pyarrow.parquet as pq

    path = made.folder / "train" / "metadata.parquet"
    rows = pq.read_table(path).to_pylist()
    rows[0]["begin"] += 7
    pq.write_table(type(pq.read_table(path)).from_pylist(rows[:-1]), path)
    with pytest.warns(CollectionWarning) as told:
        found = load(made.folder)
    assert sorted(str(one.message).partition(", such")[0] for one in told) == [
        "train/metadata.parquet lacks 1 of 5 datapoints",
        "train/metadata.parquet places 1 datapoints elsewhere than their containers",
    ]
    np.testing.assert_array_equal(found[:]["input"], np.stack(made.rasters["train"]))


@pytest.mark.parametrize("content", [b"no parquet", b""])
def test_a_table_that_cannot_be_read_is_told_and_left_out(made, content):
    (made.folder / "train" / "metadata.parquet").write_bytes(content)
    with pytest.warns(CollectionWarning, match=r"metadata\.parquet is left out: it cannot be read"):
        assert len(load(made.folder)) == 5


def test_a_table_of_something_else_is_told_and_left_out(made):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a": [1]}), made.folder / "train" / "metadata.parquet")
    with pytest.warns(CollectionWarning, match="expected a column datapoint_id, found a"):
        assert len(load(made.folder)) == 5


def _zoned(pa):
    return pa.array([0] * 5, pa.timestamp("s", "Nowhere/X"))


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("datapoint_id", lambda pa: pa.array(list("abcde")), "found 'datapoint_id' 2 times"),
        ("url", lambda pa: pa.array([["a"]] * 5), "expected texts in column 'url', found list"),
        ("seen", _zoned, "column 'seen': the time zone 'Nowhere/X' is not known"),
        ("seen", lambda pa: pa.array([None] * 5, pa.struct({"at": _zoned(pa).type})), "the time zone 'Nowhere/X'"),
    ],
)
def test_a_table_that_cannot_be_shown_is_told_by_its_column_and_left_out(made, column, values, message):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = made.folder / "train" / "metadata.parquet"
    table = pq.read_table(path)
    table = table.drop_columns(["url"]) if column == "url" else table
    pq.write_table(table.append_column(column, values(pa)), path)
    with pytest.warns(CollectionWarning, match=re.escape(message)):
        found = load(made.folder)
    assert len(found) == 5
    assert found.metadata[0]["id"]
    codes = {finding.code for finding in mlstac_hf.validate(made.folder, deep=True).findings}
    assert "E702" in codes
    assert "E999" not in codes


def test_files_that_are_listed_or_there_but_not_both_are_told(made):
    shutil.move(made.folder / "train" / "train_1.mlstac", made.folder / "train" / "extra.mlstac")
    with pytest.warns(CollectionWarning) as told:
        assert len(load(made.folder)) == 5
    assert any("holds extra.mlstac" in str(one.message) for one in told)
    assert any("lacks train_1.mlstac" in str(one.message) for one in told)


def test_containers_elsewhere_are_read_where_their_addresses_lead_if_that_is_trusted(made, server):
    shutil.move(made.folder / "train", made.folder.parent / "elsewhere")
    catalog = made.document["ml_catalog"]
    hrefs = [f"{server.url}/elsewhere/{href.rpartition('/')[2]}" for href in catalog["train"]["data_files"]]
    document = {**made.document, "ml_catalog": {**catalog, "train": {**catalog["train"], "data_files": hrefs}}}
    (made.folder / "main.json").write_text(json.dumps(document))
    with pytest.raises(mlstac_hf.LinkRefusedError, match="no containers of split 'train' found"):
        load(made.folder)
    found = load(made.folder, trust_links=True)
    np.testing.assert_array_equal(found[:]["input"], np.stack(made.rasters["train"]))
    shutil.rmtree(made.folder.parent / "elsewhere")
    with pytest.raises(mlstac_hf.CollectionNotFoundError, match=r"looked in .* for train_2\.mlstac"):
        load(made.folder, trust_links=True)


@pytest.mark.parametrize("place", ["beside", "elsewhere"])
def test_an_address_that_is_none_is_a_container_that_is_not_there(made, place):
    document = json.loads((made.folder / "main.json").read_text())
    key = "ml:catalog" if "ml:catalog" in document else "ml_catalog"
    document[key]["train"]["data_files"][0] = "https://[::1"
    (made.folder / "main.json").write_text(json.dumps(document))
    if place == "elsewhere":
        document[key]["train"]["data_files"] = ["https://[::1/train.mlstac"]
        (made.folder / "main.json").write_text(json.dumps(document))
        shutil.rmtree(made.folder / "train")
        with pytest.raises(mlstac_hf.LinkRefusedError, match="it is no address"):
            load(made.folder)
    else:
        with pytest.warns(CollectionWarning):
            assert len(load(made.folder)) == 5
    assert "E999" not in {finding.code for finding in mlstac_hf.validate(made.folder, deep=True).findings}


def test_a_split_pickles_and_its_version_changes_with_its_files(made):
    from mlstac_hf._reading import open_collection, open_split

    source = open_split(open_collection(made.folder), "train")
    assert pickle.loads(pickle.dumps(source)).fingerprint() == source.fingerprint()
    path = made.folder / "train" / "train_1.mlstac"
    data = path.read_bytes()
    path.write_bytes(data)
    assert open_split(open_collection(made.folder), "train").fingerprint() != source.fingerprint()


def test_a_raster_is_never_a_recipe_that_reads_other_files(made):
    recipe = b"<VRTDataset rasterXSize='1' rasterYSize='1'/>"
    (made.folder / "train" / "train_2.mlstac").write_bytes(pack({"ROI_000": recipe, "ROI_001": encode(raster(1))}))
    with pytest.warns(CollectionWarning):
        found = load(made.folder)
    with pytest.raises(mlstac_hf.CorruptSampleError, match="ROI_000"):
        found[0]
    np.testing.assert_array_equal(found[1]["input"], raster(1))


def test_real_containers_have_the_checksum_of_every_raster(real_data):
    expected = json.loads((real_data / "genB_clouds.expected.json").read_text())
    for split, samples in expected["splits"].items():
        found = load(real_data / "genB_clouds", split=split)
        assert len(found) == len(samples)
        for index, facts in enumerate(samples):
            stored, metadata = facts["tensors"]["raster"], facts["metadata"]
            value = found[index]["input"]
            assert (value.dtype.name, list(value.shape)) == (stored["dtype"], stored["shape"])
            assert hashlib.sha256(value.tobytes()).hexdigest() == stored["sha256"]
            shown = found.metadata[index]
            assert shown["id"] == metadata["datapoint_id"]
            own = {key: value for key, value in metadata.items() if key in shown and key not in ("crs", "geotransform")}
            assert {key: shown[key] for key in own} == own


@pytest.fixture(scope="session")
def hostile(real_data, tmp_path_factory):
    """The damaged and malicious copies, unpacked."""
    folder = tmp_path_factory.mktemp("hostile")
    with tarfile.open(real_data / "hostile.tar.xz") as archive:
        archive.extractall(folder, filter="tar")
    return folder / "hostile"


CASES = [
    "b02_header_len_gt_file",
    "b04_header_bad_json",
    "b06_offset_past_end",
    "b08_overlapping",
    "b10_wrong_types",
    "b12_zero_length",
    "b14_truncated",
    "b16_noncanonical_header",
    "b19_tif_bomb",
    "b31_parquet_metadata_length",
    "b33_parquet_negative",
    "b35_parquet_fewer",
    "b37_parquet_text_offsets",
    "b39_parquet_nan",
    "b41_parquet_wrong_split",
    "b43_parquet_missing",
    "b45_size_disagrees",
    "b47_ml_catalog_odd",
]


@pytest.mark.parametrize("case", CASES)
def test_hostile_containers_end_as_a_good_reader_ends(hostile, real_data, case):
    facts = {one["id"]: one for one in json.loads((hostile / "cases.json").read_text())["cases"]}[case]
    expected = json.loads((real_data / "genB_clouds.expected.json").read_text())
    sums = {
        one["metadata"]["datapoint_id"]: one["tensors"]["raster"]["sha256"]
        for samples in expected["splits"].values()
        for one in samples
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollectionWarning)
        if facts["verdict"] == "error":
            with pytest.raises(mlstac_hf.MLSTACError, match="mlstac"):
                load(hostile / facts["folder"])
            return
        found = load(hostile / facts["folder"])
        good, bad = 0, []
        for index in range(len(found)):
            try:
                value = found[index]["input"]
            except mlstac_hf.SampleError as error:
                bad.append(str(error))
                continue
            assert hashlib.sha256(value.tobytes()).hexdigest() == sums[found.metadata[index]["id"]]
            good += 1
    assert good > 0
    if facts["verdict"] == "ok":
        assert not bad

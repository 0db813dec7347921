"""The whole of it: real collections, made ones, hostile ones, and faults of our own."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile

import numpy as np
import pytest
from unsound import CASES, boxed, sound

from mlstac_hf import open_collection, validate
from mlstac_hf._validate import _validate as room
from mlstac_hf._validate._check import Check

DEPTHS = pytest.mark.parametrize("deep", [False, True], ids=["headers", "deep"])


def codes(findings):
    return {finding.code for finding in findings}


@DEPTHS
@pytest.mark.parametrize("name", ["genA_s2_lulc", "genA_plain", "genB_clouds"])
def test_collections_of_upstream_are_sound(real_data, name, deep):
    if name == "genB_clouds":
        pytest.importorskip("rasterio")
        pytest.importorskip("pyarrow")
    expected = json.loads((real_data / f"{name}.expected.json").read_text())
    report = validate(real_data / name, deep)
    assert report.ok, str(report)
    assert report.samples == {split: len(samples) for split, samples in expected["splits"].items()}
    assert codes(report.warnings) <= {"W605"}, str(report)  # chips of five scenes, in all three splits


EXPECTED = {
    "wrong_count": {"E204"},
    "relative_link_outside": {"E105"},
    "file_link_outside": {"E105"},
    "http_link": {"E105"},
}
"""Errors of made collections, by trait; the others have none."""


@DEPTHS
def test_made_collections_have_the_faults_they_were_made_with(trait, request, deep):
    name = request.node.callspec.params["trait"]
    report = validate(trait.address, deep)
    assert codes(report.errors) == EXPECTED.get(name, set()), str(report)
    if trait.refused:
        report = validate(trait.address, deep, trust_links=True)
        assert report.ok, str(report)
    assert report.samples == {split: len(samples) for split, samples in trait.splits.items()}


@pytest.fixture(scope="module")
def hostile(real_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    with tarfile.open(real_data / "hostile.tar.xz") as archive:
        archive.extractall(folder, filter="tar")
    (found,) = folder.glob("**/cases.json")
    return found.parent, {case["id"]: case for case in json.loads(found.read_text())["cases"]}


HOSTILE = [
    "a02_truncated_header", "a04_zero_bytes", "a06_header_len_2e60", "a08_offsets_past_end", "a10_offsets_negative",
    "a12_non_utf8_header", "a14_unknown_dtype", "a16_shape_overflow", "a18_metadata_not_strings",
    "a20_metadata_nonsense", "a30_gz_bomb_tail", "a32_gz_truncated", "a34_gz_trailing_zeros", "a36_gz_bad_crc",
    "a38_gz_named_plain", "a50_missing_middle", "a52_id_traversal", "a60_link_traversal", "a62_link_javascript",
    "a64_link_data_uri", "a66_link_userinfo", "a68_link_empty", "a71_n_items_1", "a73_n_items_3", "a75_n_items_5",
    "a77_n_items_7", "a80_empty_collection", "a82_main_not_utf8", "a84_main_deep", "a86_main_missing",
    "a88_split_name_traversal", "a91_symlink_split", "a93_dtype_drift",
    "b02_header_len_gt_file", "b04_header_bad_json", "b06_offset_past_end", "b08_overlapping", "b10_wrong_types",
    "b12_zero_length", "b14_truncated", "b16_noncanonical_header", "b19_tif_bomb", "b31_parquet_metadata_length",
    "b33_parquet_negative", "b35_parquet_fewer", "b37_parquet_text_offsets", "b39_parquet_nan",
    "b41_parquet_wrong_split", "b43_parquet_missing", "b45_size_disagrees", "b47_ml_catalog_odd",
]  # fmt: skip
DEEP_ONLY = {"a30_gz_bomb_tail", "a32_gz_truncated", "a36_gz_bad_crc", "b19_tif_bomb"}
"""What headers do not show."""
WHOLE = {"a82_main_not_utf8", "a84_main_deep", "a86_main_missing"}
"""Where the collection as a whole is the place."""


def test_no_case_is_forgotten(hostile):
    assert sorted(hostile[1]) == HOSTILE


@pytest.fixture
def _no_network(monkeypatch):
    import socket

    def refuse(host, *_, **__):
        raise socket.gaierror(-2, f"{host} is not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def judge(report, case, *, deep):
    """A verdict as the ground truth has it."""
    name, verdict = case["id"], case["verdict"]
    assert "E999" not in codes(report.findings), str(report)
    if verdict == "ok" or (not deep and name in DEEP_ONLY):
        assert report.ok, str(report)
        return
    assert report.errors, str(report)
    if name not in WHOLE:
        assert {finding.place.split for finding in report.errors} >= {"train"}, str(report)
    if "sample 2" in case["wrong"] or "datapoint 2" in case["wrong"]:
        places = [finding.place for finding in report.errors]
        assert any(place.sample == 2 or "0000003" in (place.file or "") for place in places), str(report)


@DEPTHS
@pytest.mark.usefixtures("_no_network")
@pytest.mark.parametrize("name", [name for name in HOSTILE if "bomb" not in name])
def test_a_hostile_copy_gets_its_verdict(hostile, name, deep):
    if name.startswith("b"):
        pytest.importorskip("rasterio")
        pytest.importorskip("pyarrow")
    judge(validate(hostile[0] / hostile[1][name]["folder"], deep), hostile[1][name], deep=deep)


BOUNDED = """
import importlib, json, resource, sys, mlstac_hf
for name in ("pyarrow.parquet", "rasterio", "pyproj", "shapely"):
    try:
        importlib.import_module(name)
    except ImportError:
        pass
with open("/proc/self/statm") as file:
    now = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + (512 << 20),) * 2)
print(json.dumps(mlstac_hf.validate(sys.argv[1], True).to_dict()))
"""


@pytest.mark.parametrize("name", ["a30_gz_bomb_tail", "b19_tif_bomb"])
def test_a_bomb_is_found_in_little_memory(hostile, name):
    if name.startswith("b"):
        pytest.importorskip("rasterio")
        pytest.importorskip("pyarrow")
    done = subprocess.run(
        [sys.executable, "-c", BOUNDED, hostile[0] / name], capture_output=True, text=True, check=True
    )
    report = json.loads(done.stdout)
    errors = [finding for finding in report["findings"] if finding["severity"] == "error"]
    assert [(finding["code"], finding["place"]["sample"]) for finding in errors] == [("E301", 2)]
    assert report["samples"]["train"] >= 3
    assert validate(hostile[0] / name).ok


def test_a_fault_of_our_own_is_a_finding_and_the_other_checks_go_on(tmp_path, monkeypatch):
    class Broken(Check):
        name = "broken"

        def sample(self, part, seen):
            raise ZeroDivisionError("one by none")

    monkeypatch.setattr(room, "CHECKS", (Broken, *room.CHECKS))
    CASES["E310"].build(tmp_path)
    report = validate(tmp_path)
    assert codes(report.errors) == {"E310", "E999"}
    (first, *_), broken = report.errors, [finding for finding in report.errors if finding.code == "E999"]
    assert first.code == "E310"
    assert len(broken) == 8
    assert broken[0].message == "broken: ZeroDivisionError: one by none"
    assert broken[0].place.file == "train/0000001.safetensors"


@pytest.mark.parametrize("at", ["open_collection", "open_part_of", "scan"])
def test_a_fault_of_our_own_elsewhere_is_a_finding_too(tmp_path, monkeypatch, at):
    def broken(*_, **__):
        raise ZeroDivisionError("one by none")

    sound(tmp_path)
    monkeypatch.setattr(room, at, broken)
    assert codes(validate(tmp_path).errors) == {"E999"}


def test_an_open_collection_is_validated_like_its_address(tmp_path):
    CASES["E205"].build(tmp_path)
    assert validate(open_collection(tmp_path)).findings == validate(tmp_path).findings


def test_a_collection_that_was_built_in_code_lies_nowhere():
    from mlstac_hf import Collection

    report = validate(Collection(id="ponds"))
    assert (report.address, codes(report.errors)) == ("ponds", {"E102"})


def test_what_is_no_address_is_a_wrong_call():
    with pytest.raises(TypeError):
        validate(5)


@pytest.mark.parametrize("address", ["nobody://there/main.json", "/nowhere/at/all", "http://127.0.0.1:9/main.json"])
def test_an_address_that_leads_nowhere_is_a_finding(address):
    report = validate(address)
    assert codes(report.errors) <= {"E101", "E103", "E104"}, str(report)
    assert report.errors


@pytest.mark.parametrize(
    ("address", "token"), [("http://127.0.0.1:9/main.json?sig=SECRET", None), ("http://127.0.0.1:9/", "SECRET€")]
)
def test_what_cannot_be_sent_is_a_finding_that_does_not_show_it(address, token):
    report = validate(address, token=token)
    assert codes(report.errors) == {"E101"}
    assert "SECRET" not in str(report)


def test_over_http_the_same_is_found(tmp_path, server):
    sound(tmp_path / "a")
    server.folder = tmp_path / "a"
    report = validate(f"{server.url}/main.json", deep=True)
    assert codes(report.findings) <= {"N106", "N901"}, str(report)
    assert report.samples == {"train": 4, "validation": 2, "test": 2}


def test_an_absurd_number_of_samples_is_given_up_on(tmp_path, server):
    sound(tmp_path / "a")
    document = json.loads((tmp_path / "a" / "main.json").read_text())
    document["ml:train"]["n_items"] = 10**12
    (tmp_path / "a" / "main.json").write_text(json.dumps(document))
    server.folder = tmp_path / "a"
    report = validate(f"{server.url}/main.json")
    assert codes(report.errors) == {"E302"}
    assert report.left_out["E302"] == 10**12 - 4 - 20


def test_without_what_decodes_pixels_headers_are_checked_all_the_same(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    pytest.importorskip("rasterio")
    from containers import make_containers

    from mlstac_hf._formats import _raster

    make_containers(tmp_path)
    _raster._opener.cache_clear()
    monkeypatch.setitem(sys.modules, "rasterio", None)
    report = validate(tmp_path, deep=True)
    assert codes(report.errors) == {"E104"}
    assert report.samples == {"train": 5, "test": 2}
    monkeypatch.undo()
    _raster._opener.cache_clear()


def test_the_other_containers_of_a_split_are_checked_where_one_cannot_be_read(tmp_path):
    boxed(tmp_path, table=False)
    (tmp_path / "train" / "train_1.mlstac").write_bytes(b"no container")
    report = validate(tmp_path, deep=True)
    assert report.samples == {"train": 3, "test": 2}
    assert [finding.place.file for finding in report.errors if finding.code == "E710"] == ["train/train_1.mlstac"]


def test_nothing_is_written_and_nothing_of_it_changes(tmp_path):
    sound(tmp_path / "a")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    validate(tmp_path / "a", deep=True)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_tensor_of_a_million_values_is_counted_in_pieces(tmp_path):
    def change(split, index, made):
        made.stored["target"] = np.zeros((1, 1200, 1000), np.int32)
        made.stored["input"] = np.full((4, 1200, 1000), index, np.uint8)
        if (split, index) == ("test", 0):
            made.stored["target"][0, -1, -1] = 99

    sound(tmp_path, change, {"train": 1, "validation": 1, "test": 1})
    report = validate(tmp_path, deep=True)
    (found,) = (finding for finding in report.errors if finding.code == "E503")
    assert found.message == "1 elements of 99; the labels are 0, 1, 2"
    assert found.place.split == "test"

"""Collections written by the upstream packages: every tensor by its checksum, every hostile copy by its verdict."""

import gzip
import hashlib
import json
import re
import socket
import subprocess
import sys
import tarfile
import warnings

import numpy as np
import pytest
from safetensors.numpy import load as safetensors_load
from tensors import PADDLE, facts_of

import mlstac_hf
from mlstac_hf import CollectionWarning, MLSTACError, SampleError, load, open_collection
from mlstac_hf._spec import parse_geotransform

NAMES = ["genA_s2_lulc", "genA_plain"]
FRAMEWORKS = ["numpy", "torch", "tensorflow", "jax", pytest.param("paddle", marks=pytest.mark.paddle)]


@pytest.fixture(params=NAMES)
def truth(request, real_data):
    return real_data / request.param, json.loads((real_data / f"{request.param}.expected.json").read_text())


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_tensor_has_its_checksum(truth, framework):
    if framework != "numpy":
        pytest.importorskip(framework, exc_type=ImportError)
    folder, expected = truth
    for split, samples in expected["splits"].items():
        opened = load(folder, framework, split=split)
        assert len(opened) == len(samples) == expected["n_samples"][split]
        for sample in samples:
            tensors = opened[sample["index"]]
            assert set(tensors) == set(sample["tensors"])
            for name, fact in sample["tensors"].items():
                dtype, shape, data = facts_of(tensors[name], framework)
                if framework == "paddle" and fact["dtype"] in PADDLE:
                    assert dtype == PADDLE[fact["dtype"]]
                    dtype, data = fact["dtype"], np.frombuffer(data, dtype).astype(fact["dtype"]).tobytes()
                assert (dtype, list(shape), len(data)) == (fact["dtype"], fact["shape"], fact["nbytes"])
                assert hashlib.sha256(data).hexdigest() == fact["sha256"]


def test_batches_hold_the_same_tensors(truth):
    folder, expected = truth
    for split, samples in expected["splits"].items():
        for name, column in load(folder, "numpy", split=split)[:].items():
            assert column.shape[0] == len(samples)
            for sample in samples:
                assert (
                    hashlib.sha256(column[sample["index"]].tobytes()).hexdigest() == sample["tensors"][name]["sha256"]
                )


def test_metadata_is_as_recorded_typed_and_raw(truth):
    folder, expected = truth
    standard = {"id", "crs", "geotransform", "start_datetime", "end_datetime"}
    for split, samples in expected["splits"].items():
        metadata = load(folder, "numpy", split=split).metadata
        for sample in samples:
            raw, typed = sample["metadata"], metadata[sample["index"]]
            assert metadata.raw(sample["index"]) == raw
            assert typed["id"] == raw["id"] == sample["file"].split("/")[1].split(".")[0]
            assert typed["crs"] == raw["crs"]
            assert (
                typed["geotransform"]
                == tuple(map(float, raw["geotransform"].split(" ,")))
                == parse_geotransform(raw["geotransform"])
            )
            assert typed["start_datetime"].isoformat() == raw["start_datetime"] + "+00:00"
            end = typed["end_datetime"]
            assert (end and end.replace(tzinfo=None).isoformat()) == raw.get("end_datetime")
            assert {key: typed[key] for key in typed if key not in standard} == {
                k: raw[k] for k in sorted(raw) if k not in standard
            }


def test_collections_are_described_as_upstream_wrote_them(real_data):
    for path in real_data.glob("*/main.json"):
        document = json.loads(path.read_text())
        collection = open_collection(path)
        assert collection.to_dict() == document
        assert collection._problems == {}
        assert (collection.id, collection.title) == (document["id"], document["title"])
        expected = json.loads((path.parent.parent / f"{path.parent.name}.expected.json").read_text())
        assert list(collection.splits) == ["train", "validation", "test"]
        if expected["generation"] == "A":
            assert {name: split.n_items for name, split in collection.splits.items()} == expected["n_samples"]
    lulc = open_collection(real_data / "genA_s2_lulc")
    assert lulc.task == ("TensorSegmentation",)
    assert sorted(lulc.labels.values()) == [0, 1, 2, 3, 4, 8]
    assert len(lulc.bands) == 13


# hostile copies


@pytest.fixture(scope="module")
def hostile(real_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    with tarfile.open(real_data / "hostile.tar.xz") as archive:
        archive.extractall(folder, filter="tar")
    (found,) = folder.glob("**/cases.json")
    return found.parent, {case["id"]: case for case in json.loads(found.read_text())["cases"]}


@pytest.fixture
def no_network(monkeypatch):
    """Links lead to hosts that do not exist; nothing may be asked anyway."""

    def refuse(host, *_, **__):
        raise socket.gaierror(-2, f"{host} is not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def read_all(folder):
    """By split and id what was read, by split and index what was refused, and what was told."""
    read, refused = {}, {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for split in ("train", "validation", "test"):
            opened = load(folder, "numpy", split=split)
            for index in range(len(opened)):
                try:
                    read[split, opened.metadata[index]["id"]] = opened[index]
                except SampleError as error:
                    refused[split, index] = str(error)
    return read, refused, [str(told.message) for told in caught if issubclass(told.category, CollectionWarning)]


CASES = [
    "a02_truncated_header", "a04_zero_bytes", "a06_header_len_2e60", "a08_offsets_past_end", "a10_offsets_negative",
    "a12_non_utf8_header", "a14_unknown_dtype", "a16_shape_overflow", "a18_metadata_not_strings",
    "a20_metadata_nonsense", "a30_gz_bomb_tail", "a32_gz_truncated", "a34_gz_trailing_zeros", "a36_gz_bad_crc",
    "a38_gz_named_plain", "a50_missing_middle", "a52_id_traversal", "a60_link_traversal", "a62_link_javascript",
    "a64_link_data_uri", "a66_link_userinfo", "a68_link_empty", "a71_n_items_1", "a73_n_items_3", "a75_n_items_5",
    "a77_n_items_7", "a80_empty_collection", "a82_main_not_utf8", "a84_main_deep", "a86_main_missing",
    "a88_split_name_traversal", "a91_symlink_split", "a93_dtype_drift",
]  # fmt: skip
REFUSED_WHOLE = {"a86_main_missing", "a91_symlink_split"}
"""`partial` by the ground truth; what cannot be read is the collection or the split, not a sample."""
READ_WHOLE = {"a50_missing_middle", "a71_n_items_1", "a77_n_items_7", "a93_dtype_drift"}
"""`partial` because something must be told or kept as it is; every file that is there is read."""
TOLD = {"a50_missing_middle": "0000003", "a71_n_items_1": "claims", "a77_n_items_7": "claims"}
"""What a warning must name."""


def test_no_case_of_the_sample_layout_is_forgotten(hostile):
    assert [name for name in hostile[1] if name.startswith("a")] == CASES


def by_safetensors(folder, split, name):
    """The tensors of one file, read by safetensors and the gzip of the standard library."""
    (path,) = folder.glob(f"{split}/{name}.safetensors*")
    data = path.read_bytes()
    return safetensors_load(gzip.decompress(data) if path.suffix == ".gz" else data)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("name", CASES)
def test_a_hostile_copy_gets_its_verdict(hostile, name):
    folder, verdict = hostile[0] / name, hostile[1][name]["verdict"]
    if verdict == "error" or name in REFUSED_WHOLE:
        with pytest.raises(MLSTACError) as caught:
            load(folder, "numpy")
        assert len(str(caught.value)) < 1000
        return
    read, refused, told = read_all(folder)
    files = {(path.parent.name, path.name.partition(".")[0]) for path in folder.glob("*/*.safetensors*")}
    if verdict == "partial" and name not in READ_WHOLE:
        assert list(refused) == [("train", 2)]
        assert re.match(r"train/0000003\.safetensors(\.gz)? \(sample 2\): ", refused["train", 2])
        files.remove(("train", "0000003"))
    else:
        assert refused == {}
    assert set(read) == files
    for place, sample in read.items():
        oracle = by_safetensors(folder, *place)
        assert {key: (a.dtype, a.shape, a.tobytes()) for key, a in sample.items()} == {
            key: (a.dtype, a.shape, a.tobytes()) for key, a in oracle.items()
        }
    assert (name in TOLD) == bool(told)
    assert not told or TOLD[name] in told[0]


@pytest.mark.usefixtures("no_network")
def test_a_split_that_leads_out_leaves_the_others_readable(hostile):
    for split in ("validation", "test"):
        assert len(load(hostile[0] / "a91_symlink_split", "numpy", split=split)[:]["input"]) == 1


BOUNDED = """
import resource, sys, mlstac_hf
with open("/proc/self/statm") as file:
    now = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + (256 << 20),) * 2)
split = mlstac_hf.load(sys.argv[1], "numpy")
for index in range(len(split)):
    try:
        split[index]
        print(index, "read")
    except mlstac_hf.CorruptSampleError as error:
        print(index, "refused")
"""


def test_a_bomb_is_refused_in_little_memory(hostile):
    done = subprocess.run(
        [sys.executable, "-c", BOUNDED, hostile[0] / "a30_gz_bomb_tail"], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert lines == [f"{index} {'refused' if index == 2 else 'read'}" for index in range(len(lines))]
    assert len(lines) > 3


def test_nothing_stored_is_ever_run(hostile):
    split = load(hostile[0] / "a20_metadata_nonsense", "numpy")
    typed, raw = split.metadata[2], split.metadata.raw(2)
    assert (typed["crs"], typed["geotransform"], typed["start_datetime"]) == (None, None, None)
    assert raw["start_datetime"] == "yesterday"
    assert mlstac_hf.open_collection(hostile[0] / "a52_id_traversal").id.startswith("../")

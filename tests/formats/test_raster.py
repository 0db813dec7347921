"""Rasters: every value as rasterio reads it from a file, nothing but that file opened, nothing decoded unchecked."""

import hashlib
import json
import os
import pickle
import random
import struct
import subprocess
import sys
import tarfile
import threading
import warnings

import numpy as np
import pytest

from mlstac_hf._formats import (
    HeaderError,
    TensorForm,
    container_header_length,
    open_payload,
    parse_container_header,
)
from mlstac_hf._formats import _jpeg2000 as jpeg2000_module
from mlstac_hf._formats import _raster as raster_module

rasterio = pytest.importorskip("rasterio")
from affine import Affine  # noqa: E402
from rasterio.io import MemoryFile  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::PendingDeprecationWarning:(affine|rasterio).*")

PLACE = {"crs": "EPSG:32633", "transform": Affine(10, 0, 500_000, 0, -10, 5_100_000)}
GDAL_ORDER = (500_000, 10, 0, 5_100_000, 0, -10)
JP2 = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"}


def values(shape, dtype, seed=0):
    random = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "c":
        return (random.normal(size=shape) + 1j * random.normal(size=shape)).astype(dtype)
    return random.normal(0, 1000, shape).astype(dtype) if dtype == "float32" else random.integers(0, 100, shape, dtype)


def encode(array, *, driver="GTiff", ext="", **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        count, height, width = array.shape
        with MemoryFile(ext=ext) as file:
            with file.open(
                driver=driver, count=count, height=height, width=width, dtype=array.dtype.name, **options
            ) as dataset:
                dataset.write(array)
            return bytes(file.getbuffer())


VARIANTS = {
    "plain": {},
    "deflate": {"compress": "deflate", "predictor": 2},
    "lzw": {"compress": "lzw"},
    "tiled": {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate"},
    "planar": {"interleave": "band", "compress": "deflate"},
    "pixel": {"interleave": "pixel"},
    "big": {"BIGTIFF": "YES"},
    "bigendian": {"ENDIANNESS": "BIG"},
    "bigbig": {"ENDIANNESS": "BIG", "BIGTIFF": "YES"},
    "jp2": {**JP2, "ext": ".jp2"},
    "codestream": {**JP2, "ext": ".j2k"},
}


@pytest.mark.parametrize("placed", [True, False])
@pytest.mark.parametrize(("dtype", "planes"), [("uint8", 2), ("uint16", 15), ("int16", 5), ("float32", 3)])
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_value_and_fact_is_what_was_written(variant, dtype, planes, placed):
    if dtype == "float32" and "driver" in VARIANTS[variant]:
        pytest.skip("JPEG 2000 holds integers")
    options = {name: value for name, value in VARIANTS[variant].items() if name != "predictor" or dtype != "float32"}
    array = values((planes, 40, 33), dtype)
    payload = open_payload(encode(array, **options, **(PLACE if placed else {})))
    assert payload.kind == ("jpeg2000" if "driver" in options else "geotiff")
    assert payload.tensors == {"raster": TensorForm(array.dtype, array.shape)}
    found = payload.read("raster")
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)
    keeps_place = placed and variant != "codestream"
    assert payload.crs == ("EPSG:32633" if keeps_place else None)
    assert payload.geotransform == (GDAL_ORDER if keeps_place else None)
    assert payload.metadata.get("AREA_OR_POINT", "Area") == "Area"


@pytest.mark.parametrize("variant", ["deflate", "tiled", "planar", "jp2"])
@pytest.mark.parametrize("planes", [None, [2], [2, 0, 1], [1, 1], []])
@pytest.mark.parametrize("window", [None, (0, 40, 0, 33), (3, 20, 5, 6), (7, 7, 0, 33)])
def test_any_part_is_that_of_the_whole(variant, planes, window):
    array = values((3, 40, 33), "uint16")
    expected = array if planes is None else array[planes]
    if window is not None:
        expected = expected[:, window[0] : window[1], window[2] : window[3]]
    payload = open_payload(encode(array, **VARIANTS[variant]))
    out = np.zeros(expected.shape, np.uint16)
    assert payload.read("raster", planes, window, out) is out
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(payload.read("raster", planes, window), expected)


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "int8", "uint32", "int64", "float64"])
def test_other_dtypes_are_kept(dtype):
    array = values((2, 8, 9), dtype) if dtype != "float64" else np.random.default_rng(0).normal(size=(2, 8, 9))
    found = open_payload(encode(array)).read("raster")
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, array)


def test_complex_integers_are_read_as_the_complex_floats_that_hold_them():
    array = np.array([[[1 + 2j, -3 + 4j]]], np.complex64)
    with MemoryFile() as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with file.open(driver="GTiff", count=1, height=1, width=2, dtype="complex_int16") as dataset:
            dataset.write(array)
        data = bytes(file.getbuffer())
    np.testing.assert_array_equal(open_payload(data).read("raster"), array)


def test_a_crs_without_authority_is_none_and_an_identity_says_nothing():
    local = 'LOCAL_CS["somewhere",UNIT["metre",1]]'
    payload = open_payload(encode(values((1, 4, 4), "uint8"), crs=local, transform=Affine.identity()))
    assert payload.crs is None
    assert payload.geotransform is None


def test_texts_and_a_crs_that_cannot_be_read_are_none():
    class Unreadable:
        def tags(self):
            raise UnicodeDecodeError("utf-8", b"", 0, 1, "invalid")

        @property
        def crs(self):
            raise rasterio.errors.CRSError

    assert raster_module._tags(Unreadable()) == {}
    assert raster_module._crs(Unreadable()) is None


def test_planes_that_differ_in_dtype_are_refused():
    with pytest.raises(HeaderError, match="differ in dtype: int16, uint8"):
        raster_module._dtype(("uint8", "int16"))


def test_opening_warns_nobody_and_changes_no_filter():
    data = encode(values((1, 4, 4), "uint8"))
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        open_payload(data).read("raster")
    assert not caught
    assert warnings.filters == before


def test_threads_share_a_payload():
    array = values((4, 200, 200), "uint16")
    payload = open_payload(encode(array, compress="deflate", tiled=True, blockxsize=64, blockysize=64))
    wrong = []

    def read(plane):
        wrong.extend(1 for _ in range(20) if (payload.read("raster", [plane])[0] != array[plane]).any())

    threads = [threading.Thread(target=read, args=(plane,)) for plane in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_reads_on():
    array = values((4, 50, 50), "uint16")
    payload = open_payload(encode(array))
    payload.read("raster", [0])
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, pickle.dumps(hashlib.sha256(payload.read("raster")).digest()))
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        assert pickle.loads(pipe.read()) == hashlib.sha256(array).digest()


@pytest.mark.parametrize("variant", ["deflate", "jp2", "codestream"])
def test_a_raster_beyond_the_limit_is_refused_before_it_is_decoded(variant):
    data = encode(values((3, 40, 33), "uint16"), **VARIANTS[variant])
    with pytest.raises(HeaderError, match=r"3 x 40 x 33 .* bytes.* more than the 7919 allowed"):
        open_payload(data, limit=7919)


def test_blocks_that_dwarf_the_image_are_refused():
    data = encode(values((1, 4, 4), "uint8"), tiled=True, blockxsize=512, blockysize=512)
    with pytest.raises(HeaderError, match="in whole blocks claims 1 x 512 x 512"):
        open_payload(data, limit=10_000)


def siz(width=8, height=8, tile=(8, 8), components=1, offset=(0, 0), tile_offset=(0, 0)):
    return bytes.fromhex("ff4fff51") + struct.pack(
        ">HH8IH", 41, 0, width, height, *offset, *tile, *tile_offset, components
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (siz(10**6, 10**6), "more than the"),
        (siz(60_000, 60_000, (1, 1), 1), "more than the"),
        (siz(1000, 1000, (4, 4), 1), "tiles are too many"),
        (siz(100, 100, (1, 1), 100), "tiles are too many"),
        (siz(0, 8), "is empty"),
        (siz(tile=(0, 8)), "is empty"),
        (siz(components=0), "is empty"),
        (siz(tile_offset=(1, 0)), "within the image"),
        (siz()[:20], "damaged or cut short"),
        (siz(), "no JPEG 2000"),
        (bytes.fromhex("0000000c6a502020"), "no codestream"),
        (bytes.fromhex("0000000c6a5020200d0a870a") + bytes(8), "no codestream"),
        (bytes.fromhex("0000000c6a5020200d0a870a") + b"\0\0\0\x08free" * 2000, "no codestream"),
        (bytes.fromhex("0000000c6a5020200d0a870a") + b"\0\0\0\x08jp2cnone", "does not begin with its size"),
    ],
)
def test_a_jpeg_2000_that_claims_too_much_never_meets_a_decoder(data, message):
    with pytest.raises(HeaderError, match=message):
        open_payload(data)


def test_boxes_of_64_bits_are_walked():
    head = bytes.fromhex("0000000c6a5020200d0a870a") + b"\0\0\0\1free" + (20).to_bytes(8) + bytes(4)
    size = jpeg2000_module.check_size(head + b"\0\0\0\0jp2c" + siz(9, 8, components=2), 1 << 20)
    assert size == (9, 8, 2, 2)


@pytest.mark.parametrize("variant", ["plain", "deflate", "tiled", "big", "jp2", "codestream"])
def test_a_raster_that_is_cut_is_refused(variant):
    data = encode(values((3, 40, 33), "uint16"), **VARIANTS[variant])
    for length in (5, 50, len(data) // 2, len(data) - 40):
        with pytest.raises(HeaderError) as caught:
            open_payload(data[:length]).read("raster")
        assert "vsimem" not in str(caught.value)
        assert len(str(caught.value)) < 500


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # rasterio, logging texts of GDAL's
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_mutated_raster_is_read_or_refused(variant):
    data = encode(values((2, 17, 19), "uint16"), **VARIANTS[variant], **PLACE)
    chance = random.Random(variant)
    for _ in range(150):
        changed = bytearray(data)
        for _ in range(chance.choice((1, 1, 4))):
            changed[chance.randrange(min(len(changed), 600))] = chance.choice((0, 1, 127, 255, chance.randrange(256)))
        try:
            payload = open_payload(bytes(changed), limit=1 << 24)
            for name in payload.tensors:
                payload.read(name)
        except HeaderError:
            continue


def test_a_raster_dressed_as_another_is_refused():
    for head in (b"II*\0", bytes.fromhex("0000000c6a502020"), bytes.fromhex("ff4fff51")):
        with pytest.raises(HeaderError):
            open_payload(head + b"<VRTDataset/>" * 20)


def blobs(folder):
    for path in sorted(folder.rglob("*.mlstac")):
        data = path.read_bytes()
        end = 10 + container_header_length(data[:10], len(data))
        for name, entry in parse_container_header(data[10:end], len(data)).entries.items():
            yield path.relative_to(folder).as_posix(), name, data[entry.start : entry.start + entry.nbytes], entry.fault


def test_real_rasters_have_their_checksums(real_data):
    truth = json.loads((real_data / "genB_clouds.expected.json").read_text())
    expected = {
        (sample["file"], sample["metadata"]["datapoint_id"]): sample
        for samples in truth["splits"].values()
        for sample in samples
    }
    count = 0
    for file, name, data, fault in blobs(real_data / "genB_clouds"):
        assert fault is None
        sample, payload = expected[file, name], open_payload(data)
        facts, metadata = sample["tensors"]["raster"], sample["metadata"]
        array = payload.read("raster")
        assert (array.dtype.name, list(array.shape)) == (facts["dtype"], facts["shape"])
        assert hashlib.sha256(array).hexdigest() == facts["sha256"]
        assert payload.crs == metadata["crs"]
        assert payload.kind == {"GTiff": "geotiff", "JP2": "jpeg2000"}[metadata["encoding"]]
        count += 1
    assert count == len(expected)


BOMB = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from mlstac_hf._formats import HeaderError, container_header_length, open_payload, parse_container_header
import rasterio
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
data = open(sys.argv[2], "rb").read()
end = 10 + container_header_length(data[:10], len(data))
for entry in parse_container_header(data[10:end], len(data)).entries.values():
    try:
        print(open_payload(data[entry.start : entry.start + entry.nbytes]).read("raster").shape)
    except HeaderError as error:
        print("refused", error)
"""


def test_a_bomb_is_refused_and_its_neighbours_are_read(real_data, tmp_path):
    with tarfile.open(real_data / "hostile.tar.xz") as archive:
        members = [member for member in archive if "b19_tif_bomb/" in member.name and member.name.endswith(".mlstac")]
        archive.extractall(tmp_path, members, filter="data")
    refused = []
    for path in tmp_path.rglob("*.mlstac"):
        root = os.path.dirname(os.path.dirname(sys.modules["mlstac_hf"].__file__))
        done = subprocess.run([sys.executable, "-c", BOMB, root, path], capture_output=True, text=True, check=True)
        lines = done.stdout.splitlines()
        refused += [line for line in lines if line.startswith("refused")]
        assert sum(line == "(5, 64, 64)" for line in lines) >= len(lines) - 1 > 0
    assert len(refused) == 1
    assert "5 x 60000 x 60000" in refused[0]

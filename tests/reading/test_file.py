"""One sample file: every way to its bytes gives the same arrays, and no other."""

import json
import mmap
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load, save
from writing import pack_members, pack_padded, pack_single

from mlstac_hf._formats import HeaderError
from mlstac_hf._reading import _file
from mlstac_hf._reading._file import open_bytes, open_descriptor

SMALL = {
    "input": np.arange(24, dtype=np.uint16).reshape(2, 3, 4),
    "target": np.array(7, np.int64),
    "extra": np.zeros((0, 4), np.float32),
    "other": np.arange(5, dtype=np.complex64),
}
LARGE = {
    "input": np.random.default_rng(0).integers(0, 9999, (13, 128, 128), np.uint16),
    "target": np.random.default_rng(1).integers(0, 9, (1, 128, 128), np.uint8),
}


def read_local(path, names, into=None):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return open_descriptor(descriptor, compressed=str(path).endswith(".gz")).read(names, into or {})
    finally:
        os.close(descriptor)


def own(data):
    """Memory that is nobody else's."""
    return memoryview(np.frombuffer(data, np.uint8).copy())


def blank_like(tensors):
    return {name: np.full_like(array, 77) for name, array in tensors.items()}


WAYS = {
    "local": read_local,
    "into": lambda path, names: read_local(path, names, blank_like({n: load(path.read_bytes())[n] for n in names})),
    "fetched": lambda path, names: open_bytes(path.read_bytes(), compressed=False).read(names, {}),
    "fetched to keep": lambda path, names: open_bytes(own(path.read_bytes()), compressed=False).read(names, {}),
    "gzip": lambda path, names: open_bytes(pack_single(path.read_bytes()), compressed=True).read(names, {}),
    "members": lambda path, names: open_bytes(pack_members(path.read_bytes()), compressed=True).read(names, {}),
    "padded": lambda path, names: open_bytes(pack_padded(path.read_bytes()), compressed=True).read(names, {}),
}


def same(array, oracle):
    return array.dtype == oracle.dtype and array.shape == oracle.shape and array.tobytes() == oracle.tobytes()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tensors", [SMALL, LARGE, {}], ids=["copied", "mapped", "empty"])
def test_every_way_gives_the_arrays_that_safetensors_gives(tmp_path, tensors, way):
    path = tmp_path / "0000001.safetensors"
    path.write_bytes(save(tensors, {"id": "x"}))
    arrays = WAYS[way](path, list(tensors))
    with safe_open(path, "np") as oracle:
        assert set(arrays) == set(oracle.keys())
        for name, array in arrays.items():
            assert same(array, oracle.get_tensor(name))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tensors", [SMALL, LARGE], ids=["copied", "mapped"])
def test_what_is_given_can_be_written_to_and_the_file_stays(tmp_path, tensors, way):
    path = tmp_path / "0000001.safetensors"
    path.write_bytes(before := save(tensors))
    for array in WAYS[way](path, list(tensors)).values():
        assert array.flags.aligned
        array[...] = 0
    assert path.read_bytes() == before
    assert same(WAYS[way](path, ["input"])["input"], tensors["input"])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("names", [["input"], ["target"], [], ["target", "input"]])
def test_only_the_tensors_asked_for_are_given(tmp_path, way, names):
    path = tmp_path / "0000001.safetensors"
    path.write_bytes(save(LARGE))
    arrays = WAYS[way](path, names)
    assert set(arrays) == set(names)
    assert all(same(array, LARGE[name]) for name, array in arrays.items())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    st.dictionaries(
        st.sampled_from(["input", "target", "extra", "a", "zz"]),
        st.tuples(st.sampled_from(["uint8", "uint16", "float64", "bool"]), st.lists(st.integers(0, 5), max_size=3)),
    ),
    st.integers(0, 2**32),
    st.booleans(),
)
def test_mapped_copied_inflated_and_fetched_bytes_are_equal(tmp_path, shapes, seed, mapped):
    rng = np.random.default_rng(seed)
    tensors = {name: rng.integers(0, 2, shape).astype(dtype) for name, (dtype, shape) in shapes.items()}
    path = tmp_path / "x.safetensors"
    path.write_bytes(save(tensors))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_file, "MAPPED_FROM", 0 if mapped else 1 << 40)
        for way in WAYS.values():
            arrays = way(path, list(tensors))
            assert all(same(arrays[name], tensors[name]) for name in tensors)


def test_an_array_to_fill_is_filled_where_it_fits_and_left_alone_where_not(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(save(SMALL))
    for read in (
        lambda names, into: read_local(path, names, into),
        lambda names, into: open_bytes(path.read_bytes(), compressed=False).read(names, into),
        lambda names, into: open_bytes(pack_single(path.read_bytes()), compressed=True).read(names, into),
    ):
        fits, wrong_dtype, wrong_shape = np.full((2, 3, 4), 9, "u2"), np.full((), 9, "i4"), np.full((5, 1), 9, "c8")
        arrays = read(
            ["input", "target", "other"], {"input": fits, "target": wrong_dtype, "other": wrong_shape, "no": fits}
        )
        assert arrays["input"] is fits
        assert same(fits, SMALL["input"])
        assert same(arrays["target"], SMALL["target"])
        assert same(arrays["other"], SMALL["other"])
        assert (wrong_dtype == 9).all()
        assert (wrong_shape == 9).all()


def test_of_memory_that_is_nobody_elses_large_tensors_are_views_and_small_ones_keep_nothing_else():
    data = own(save(LARGE))
    arrays = open_bytes(data, compressed=False).read(LARGE, {})
    assert np.shares_memory(arrays["input"], np.asarray(data))
    assert not np.shares_memory(arrays["target"], np.asarray(data))
    arrays = open_bytes(bytes(data), compressed=False).read(LARGE, {})
    assert all(array.flags.writeable for array in arrays.values())


def test_tensors_that_a_foreign_writer_left_unaligned_are_read(tmp_path):
    first = {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}
    second = {"dtype": "F64", "shape": [40_000], "data_offsets": [1, 320_001]}
    text = json.dumps({"a": first, "x": second}).encode()
    body = b"\0" + np.arange(40_000.0).tobytes()
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)
    for way in ("local", "into", "fetched", "gzip"):
        array = WAYS[way](path, ["x"])["x"]
        assert array.flags.aligned
        assert same(array, np.arange(40_000.0))


def test_more_tensors_than_one_call_reads_and_a_long_header(tmp_path):
    tensors = {f"band {number:03}" + "é" * 20: np.full(3, number, np.uint8) for number in range(200)}
    path = tmp_path / "x.safetensors"
    path.write_bytes(save(tensors))
    for way in ("local", "into", "fetched", "gzip"):
        arrays = WAYS[way](path, list(tensors))
        assert all(same(arrays[name], tensors[name]) for name in tensors)
    some = sorted(tensors)[::3]
    assert all(same(array, tensors[name]) for name, array in read_local(path, some).items())


def test_where_a_file_cannot_be_mapped_it_is_copied(tmp_path, monkeypatch):
    path = tmp_path / "x.safetensors"
    path.write_bytes(save(LARGE))

    def no_map(*args, **kwargs):
        raise OSError("no more maps")

    monkeypatch.setattr(mmap, "mmap", no_map)
    assert same(read_local(path, ["input"])["input"], LARGE["input"])


@pytest.mark.parametrize("most", [1, 7, 100])
def test_a_read_that_stops_early_is_continued(tmp_path, monkeypatch, most):
    path = tmp_path / "x.safetensors"
    path.write_bytes(save(SMALL))
    whole = os.preadv

    def little(descriptor, buffers, offset):
        return whole(descriptor, [memoryview(buffers[0])[:most]], offset)

    monkeypatch.setattr(os, "preadv", little)
    arrays = read_local(path, list(SMALL))
    assert all(same(arrays[name], SMALL[name]) for name in SMALL)


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(save(SMALL))
    descriptor = os.open(path, os.O_RDONLY)
    try:
        file = open_descriptor(descriptor, compressed=False)
        os.truncate(path, path.stat().st_size - 3)
        with pytest.raises(HeaderError, match=r"shrank|cut"):
            file.read(list(SMALL), {})
    finally:
        os.close(descriptor)


def test_gzip_that_cannot_hold_what_its_header_claims_is_refused_before_anything_is_allocated():
    text = b'{"x":{"dtype":"U8","shape":[1099511627776],"data_offsets":[0,1099511627776]}}'
    data = pack_single(len(text).to_bytes(8, "little") + text)
    with pytest.raises(HeaderError, match=r"more than .* can inflate to"):
        open_bytes(data, compressed=True)
    with pytest.raises(HeaderError, match="gzip data ends after 2"):
        open_bytes(pack_single((9).to_bytes(8, "little") + b"{}"), compressed=True)


def test_gzip_that_goes_on_after_the_last_tensor_is_refused():
    file = open_bytes(pack_single(save(SMALL) + b"!"), compressed=True)
    with pytest.raises(HeaderError, match="bytes follow"):
        file.read(["input"], {})


@settings(max_examples=60)
@given(st.binary(max_size=300), st.booleans())
def test_no_bytes_whatever_raise_anything_but_our_error(data, compressed):
    for start in (data, len(data).to_bytes(8, "little") + data):
        for packed in (start, pack_single(start)):
            try:
                file = open_bytes(packed, compressed=compressed)
                file.read(list(file.header.tensors), {})
            except HeaderError:
                continue


def test_a_compressed_header_gets_memory_as_bytes_come_not_as_it_claims():
    """A file of 4 MB that claims 3 GiB, read where there is room for neither 3 GiB nor a multiple of the file."""
    code = """
import gzip, json, os, resource
from mlstac_hf._formats import HeaderError
from mlstac_hf._reading._file import open_bytes
header = json.dumps({"input": {"dtype": "U8", "shape": [3 << 30], "data_offsets": [0, 3 << 30]}}).encode()
data = gzip.compress(len(header).to_bytes(8, "little") + header + os.urandom(4 << 20), 1)
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
try:
    open_bytes(data, compressed=True).read(["input"], {})
except HeaderError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "found 4194304; the file is cut short" in done.stdout

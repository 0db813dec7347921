"""Gzip: inflated as far as asked, whole or refused."""

import gzip
import importlib
import io
import sys
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from writing import pack_members, pack_padded, pack_single

from mlstac_hf import _formats
from mlstac_hf._formats import MAX_RATIO, HeaderError, Inflater

PACKS = [pack_single, pack_members, pack_padded]
TEXT = bytes(range(256)) * 40


@pytest.fixture(params=["isal", "zlib"])
def inflater(request, monkeypatch):
    """The reader over each library that may be installed."""
    module = importlib.import_module("mlstac_hf._formats._gzip")
    if request.param == "isal":
        pytest.importorskip("isal")
        yield module.Inflater
        return
    monkeypatch.setitem(sys.modules, "isal", None)
    spec = module.__spec__
    alone = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(alone)
    assert alone.GzipFile is gzip.GzipFile
    yield alone.Inflater


@pytest.mark.parametrize("pack", PACKS)
def test_members_and_padding_are_read_as_one_stream(inflater, pack):
    stream = inflater(io.BytesIO(pack(TEXT)))
    assert stream.read(8) == TEXT[:8]
    rest = bytearray(len(TEXT) - 8)
    stream.readinto(memoryview(rest))
    stream.finish()
    assert rest == TEXT[8:]


@given(st.binary(max_size=2000), st.sampled_from(PACKS), st.lists(st.integers(0, 400), max_size=6))
def test_any_data_comes_back_in_pieces_of_any_size(data, pack, sizes):
    stream = Inflater(io.BytesIO(pack(data)))
    pieces = [stream.read(size) for size in sizes]
    assert b"".join(pieces) == data[: sum(sizes)]
    rest = memoryview(bytearray(max(0, len(data) - sum(sizes))))
    stream.readinto(rest)
    stream.finish()
    assert bytes(rest) == data[sum(sizes) :]


def read_to_end(stream):
    stream.readinto(memoryview(bytearray(len(TEXT))))
    stream.finish()


def flip(data, place):
    changed = bytearray(data)
    changed[place] ^= 0xFF
    return bytes(changed)


DAMAGED = {
    "cut in the data": pack_single(TEXT)[:-20],
    "cut in the checksum": pack_single(TEXT)[:-3],
    "wrong checksum": flip(pack_single(TEXT), -5),
    "wrong length": flip(pack_single(TEXT), -1),
    "damaged data": flip(flip(pack_single(TEXT), 40), 41),
    "second member cut": pack_members(TEXT)[:-9],
    "garbage after the end": pack_single(TEXT) + b"garbage",
    "no gzip at all": TEXT,
    "empty": b"",
    "a longer text": pack_single(TEXT + b"!"),
    "a shorter text": pack_single(TEXT[:-1]),
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_damaged_data_is_refused_by_one_error(inflater, data):
    stream = inflater(io.BytesIO(data))
    with pytest.raises(HeaderError, match=r"damaged|cut short|bytes follow"):
        read_to_end(stream)


@given(st.binary(max_size=300))
def test_no_bytes_whatever_raise_anything_but_our_error(data):
    for start in (data, b"\x1f\x8b\x08\0" + data):
        try:
            stream = Inflater(io.BytesIO(start))
            stream.read(10)
            stream.readinto(memoryview(bytearray(10)))
            stream.finish()
        except HeaderError:
            continue


def test_reading_no_further_than_asked_leaves_a_bomb_in_its_shell():
    bomb = pack_single(TEXT) + gzip.compress(bytes(64 << 20), 9)
    stream = Inflater(io.BytesIO(bomb))
    tracemalloc.start()
    try:
        stream.readinto(memoryview(bytearray(len(TEXT))))
        with pytest.raises(HeaderError, match="bytes follow"):
            stream.finish()
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_no_deflate_stream_beats_the_ratio_we_allow():
    nbytes = 16 << 20
    best = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = best.compress(bytes(nbytes)) + best.flush()
    assert nbytes < len(packed) * MAX_RATIO
    assert _formats.MAX_RATIO == MAX_RATIO

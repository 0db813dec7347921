"""The header: what safetensors writes is read, anything else is refused, and nothing else happens."""

import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load, save

from mlstac_hf._formats import HeaderError, header_length, parse_header
from mlstac_hf._formats._dtypes import CODES
from mlstac_hf._formats._safetensors import MAX_HEADER

SAFE_NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter("__metadata__".__ne__)


@st.composite
def arrays(draw):
    dtype = draw(st.sampled_from(list(CODES.values())))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    nbytes = int(np.prod(shape)) * dtype.itemsize
    data = draw(st.binary(min_size=nbytes, max_size=nbytes))
    if dtype.kind == "b":
        data = bytes(byte & 1 for byte in data)
    return np.frombuffer(data, dtype).reshape(shape)


tensors = st.dictionaries(SAFE_NAMES, arrays(), max_size=4)
metadata = st.none() | st.dictionaries(
    SAFE_NAMES, st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=4
)


def header_of(data):
    length = header_length(data, len(data))
    return parse_header(data[8 : 8 + length], len(data))


def to_file(entries, body=b"", *, pad=0):
    text = json.dumps(entries).encode() + b" " * pad
    return len(text).to_bytes(8, "little") + text + body


def entry(dtype="U8", shape=(4,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@given(tensors, metadata)
def test_our_header_reads_what_safetensors_writes(tensors, metadata):
    data = save(tensors, metadata or None)  # of {} and {}, safetensors makes what it cannot read itself
    header = header_of(data)
    assert header.nbytes == len(data)
    assert header.metadata == (metadata or {})
    assert header.tensors.keys() == tensors.keys()
    for name, array in tensors.items():
        tensor = header.tensors[name]
        view = tensor.view(memoryview(data))
        assert (view.dtype, view.shape, tensor.size) == (array.dtype, array.shape, array.size)
        assert view.tobytes() == array.tobytes()


@given(tensors)
def test_tensors_are_listed_in_the_order_they_lie(tensors):
    placed = [(tensor.start, tensor.nbytes) for tensor in header_of(save(tensors)).tensors.values()]
    assert placed == sorted(placed)


def test_a_view_of_a_piece_of_the_file_is_the_same_tensor():
    array = np.arange(6, dtype=np.int16).reshape(2, 3)
    data = save({"x": array})
    tensor = header_of(data).tensors["x"]
    piece = bytearray(data[tensor.start :])
    view = tensor.view(piece, tensor.start)
    np.testing.assert_array_equal(view, array)
    piece[0] = 7
    assert view[0, 0] == 7


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"x": entry("F99")}, "'F99' is not one of BOOL"),
        ({"x": entry(["U8"])}, "is not one of BOOL"),
        ({"x": entry("u8")}, "'u8' is not one of BOOL"),
        ({"x": {"dtype": "U8"}}, "shape None"),
        ({"x": {"shape": [4], "dtype": "U8"}}, "data_offsets None"),
        ({"x": entry(shape=(-4,))}, "shape"),
        ({"x": entry(shape=(4.0,))}, "shape"),
        ({"x": entry(shape=(True, 4))}, "shape"),
        ({"x": entry(shape=("4",))}, "shape"),
        ({"x": entry(shape=(1,) * 33)}, "shape"),
        ({"x": entry(offsets=(0,))}, "two positions"),
        ({"x": entry(offsets=(0, 4, 4))}, "two positions"),
        ({"x": entry(offsets=(-4, 0))}, "two positions"),
        ({"x": entry(offsets=(0, "4"))}, "two positions"),
        ({"x": entry(offsets=(4, 0))}, "claims bytes 4 to 0"),
        ({"x": entry(offsets=(0, 3))}, "takes 4"),
        ({"x": entry(offsets=(1, 5))}, "leaves a hole"),
        ({"x": entry(), "y": entry(offsets=(2, 6))}, "overlaps"),
        ({"x": entry(), "y": entry()}, "overlaps"),
        ({"x": entry(), "y": entry(offsets=(5, 9))}, "leaves a hole"),
        ({"x": entry(shape=(8,), offsets=(0, 8))}, "cut short"),
        ({"x": entry(shape=(3,), offsets=(0, 3))}, "1 bytes belong to nothing"),
        ({}, "4 bytes belong to nothing"),
        ({"x": entry(shape=(2**40, 2**40))}, "overflows|takes"),
        ({"x": entry("F32", (2**62, 0), offsets=(0, 0))}, "shape"),
        ({"x": entry("F32", (0, 2**70), offsets=(0, 0))}, "shape"),
        ({"x": entry("F32", (0, 2**40, 2**40), offsets=(0, 0))}, "shape"),
        ({"x": entry(shape=(10**4000, 10**4000))}, "shape"),
        ({"x": entry(offsets=(0, 10**4000))}, "offsets"),
        ({"x": [1]}, "is list, not an object"),
        ({"x": None}, "is NoneType, not an object"),
        ({"__metadata__": ["a"], "x": entry()}, "__metadata__ is a JSON list"),
        ({"__metadata__": {"a": 1}, "x": entry()}, "is int, expected text"),
        ({"__metadata__": {"a": {"b": "c"}}, "x": entry()}, "is dict, expected text"),
        ({"__metadata__": {"a": "\ud800"}, "x": entry()}, "not Unicode"),
        ({"__metadata__": {"\udfff": "a"}, "x": entry()}, "not Unicode"),
        ({"\ud800": entry()}, "not Unicode"),
        ([entry()], "a JSON list"),
        ("x", "a JSON str"),
        (None, "a JSON NoneType"),
    ],
)
def test_what_does_not_fit_the_file_is_refused_with_its_reason(entries, message):
    with pytest.raises(HeaderError, match=message) as caught:
        header_of(to_file(entries, bytes(4)))
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{'x': 1}", "not JSON"),
        (b'{"x": "\xff\xfe"}', r"not UTF-8 .* at byte 15"),
        (b'{"x": ' + b"9" * 5000 + b"}", "not JSON"),
        (b'{"x": 1, "y": 2, "x": 3}', "'x' occurs twice"),
        (b'{"__metadata__": {"id": "a", "id": "b"}}', "'id' occurs twice"),
        (b"[" * 100_000, "nested too deep|not JSON"),
        (b'{"x":' * 100_000, "nested too deep|not JSON"),
    ],
)
def test_text_that_is_no_json_object_is_refused(text, message):
    with pytest.raises(HeaderError, match=message):
        parse_header(text, 8 + len(text))


@pytest.mark.parametrize(
    "entries",
    [
        {"A" * 10**6: entry("F99")},
        {"x": entry("A" * 10**6)},
        {"x": entry(shape=[-1] * 10**5)},
        {"x": entry(shape=(4,), offsets=[0] * 10**5)},
        {"__metadata__": {"A" * 10**6: 1}},
        {"A" * 10**6: entry(), "B" * 10**6: entry()},
    ],
)
def test_no_message_is_longer_than_a_person_reads(entries):
    with pytest.raises(HeaderError) as caught:
        header_of(to_file(entries, bytes(4)))
    assert len(str(caught.value)) < 1000


def test_a_key_that_occurs_twice_among_very_many_is_found():
    names = b",".join(b'"%d":0' % number for number in range(200_000))
    with pytest.raises(HeaderError, match="'199999' occurs twice"):
        parse_header(b"{" + names + b',"199999":0}')


@pytest.mark.parametrize(
    ("prefix", "nbytes", "message"),
    [
        (b"", 0, "found 0 in all"),
        (b"\x02\0\0", 3, "found 3 in all"),
        ((2**60).to_bytes(8, "little"), 100, "only 92 follow"),
        ((2**64 - 1).to_bytes(8, "little"), None, "more than the"),
        ((MAX_HEADER + 1).to_bytes(8, "little"), 10**9, "more than the"),
        (b"\x1f\x8b\x08\0\0\0\0\0", 100, "those of gzip"),
        ((93).to_bytes(8, "little"), 100, "only 92 follow"),
    ],
)
def test_a_length_beyond_the_file_or_reason_is_refused(prefix, nbytes, message):
    with pytest.raises(HeaderError, match=message):
        header_length(prefix, nbytes)


def test_a_length_within_the_file_is_read_little_endian():
    assert header_length((92).to_bytes(8, "little"), 100) == 92
    assert header_length((92).to_bytes(8, "little") + b"rest") == 92


def test_a_padded_header_is_read():
    data = to_file({"x": entry()}, b"abcd", pad=13)
    assert header_of(data).tensors["x"].view(data).tobytes() == b"abcd"
    assert load(data)["x"].tobytes() == b"abcd"


def read_quietly(data):
    try:
        return header_of(data)
    except HeaderError:
        return None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(list(CODES)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)
near_entries = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(list(CODES)) | json_values,
        "shape": st.lists(st.integers(-1, 4) | st.integers(), max_size=4) | json_values,
        "data_offsets": st.lists(st.integers(-1, 12) | st.integers(), min_size=2, max_size=2) | json_values,
    },
)


@given(
    st.dictionaries(st.text(max_size=3) | st.just("__metadata__"), near_entries | json_values, max_size=4),
    st.binary(max_size=16),
)
def test_a_fuzzed_header_is_read_or_refused_and_what_is_read_lies_in_the_file(entries, body):
    data = to_file(entries, body)
    header = read_quietly(data)
    for tensor in header.tensors.values() if header else ():
        assert 0 < tensor.start <= tensor.start + tensor.nbytes <= len(data)
        assert tensor.view(data).nbytes == tensor.nbytes


@given(st.binary(max_size=200))
def test_no_bytes_whatever_raise_anything_but_our_error(data):
    read_quietly(data)
    read_quietly(len(data).to_bytes(8, "little") + data)


@given(tensors.filter(bool), st.data())
def test_a_file_with_one_byte_changed_is_read_or_refused(tensors, data):
    whole = bytearray(save(tensors, {"id": "x"}))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    read_quietly(bytes(whole))


@given(tensors.filter(bool), st.data())
def test_a_file_that_is_cut_is_refused(tensors, data):
    whole = save(tensors, {"id": "x"})
    assert read_quietly(whole[: data.draw(st.integers(0, len(whole) - 1))]) is None


@pytest.mark.parametrize("shape", [[2**40], [2**30, 2**30], [0, 2**62], [2**32] * 32])
def test_nothing_is_allocated_on_the_word_of_a_header(shape):
    nbytes = int(np.prod(np.array(shape, object))) * 4
    data = to_file({"x": entry("F32", shape, (0, min(nbytes, 2**62)))})
    tracemalloc.start()
    try:
        assert read_quietly(data) is None
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()

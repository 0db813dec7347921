"""Files that are fetched in parts: the parts are those of the whole, and no byte is asked for in vain."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layouts import Grid, images, write_kind
from safetensors.numpy import save

import mlstac_hf
from mlstac_hf._formats import HeaderError, parse_header
from mlstac_hf._reading import _ranges
from mlstac_hf._reading._ranges import FIRST_FETCH, MAX_PARTS, RangedFile, remote_header
from mlstac_hf._reading._view import Piece


class Fetch:
    """Bytes of a file, and what was asked for."""

    def __init__(self, data):
        self.data, self.asked = data, []

    def __call__(self, begin, end):
        assert 0 <= begin < end
        self.asked.append((begin, end))
        return self.data[begin:end]


def header_end(data):
    return 8 + int.from_bytes(data[:8], "little")


def settings_of(first, gap):
    return patch.multiple(_ranges, FIRST_FETCH=first, MAX_GAP=gap)


@st.composite
def pieces(draw):
    """A file, and a piece of its `input`."""
    shape = draw(st.lists(st.sampled_from([1, 2, 3, 4, 5, 2, 3, 4, 0]), max_size=4).map(tuple))
    dtype = np.dtype(draw(st.sampled_from(["u1", "i2", "f4", "f8", "?"])))
    array = np.random.default_rng(3).integers(0, 250, shape).astype(dtype)
    others = {"target": np.arange(draw(st.integers(0, 40)), dtype=np.uint8), "extra": np.ones(3, np.int64)}
    data = save({"input": array, **others}, {"note": "x" * draw(st.integers(0, 30))})
    planes, window, axis, cut = None, None, 0, array
    if any(shape) and draw(st.sampled_from([True, True, True, False])):
        axis = draw(st.sampled_from([axis for axis, size in enumerate(shape) if size]))
        planes = tuple(draw(st.lists(st.integers(0, shape[axis] - 1), min_size=1, max_size=6)))
        cut = cut.take(planes, axis)
    if len(shape) >= 2 and draw(st.booleans()) and (planes is None or axis < len(shape) - 2):
        height, width = shape[-2:]
        window = (0, draw(st.integers(0, height)), draw(st.integers(0, width)), width)
        cut = cut[..., : window[1], window[2] :]
    return array, data, Piece("input", cut.shape, planes, window, axis, shape[axis] if shape else 0), cut


def needed(data, piece, gap):
    """Bytes of the planes of a piece, how many with the gaps that are fetched all the same, and in how many runs."""
    tensor = parse_header(data[8 : header_end(data)]).tensors[piece.stored]
    places = np.arange(tensor.start, tensor.start + tensor.nbytes).reshape(*tensor.shape, tensor.dtype.itemsize)
    places = places if piece.planes is None else places.take(piece.planes, piece.axis)
    places = np.unique(places)
    between = np.diff(places) - 1
    runs = int((between > gap).sum()) + 1 if len(places) else 0
    return set(places.tolist()), len(places) + int(between[between <= gap].sum()), runs


@given(pieces(), st.sampled_from([8, 16, 100, 4096]), st.sampled_from([0, 3, 16, 1 << 15]), st.booleans())
def test_a_piece_is_that_of_the_whole_and_no_byte_is_asked_for_in_vain(made, first, gap, fits):
    array, data, piece, expected = made
    fetch = Fetch(data)
    target = np.empty(expected.shape, expected.dtype if fits else np.complex128)
    with settings_of(first, gap):
        file = RangedFile(fetch)
        asked = len(fetch.asked)
        assert fetch.asked == [(0, first)] + ([(first, header_end(data))] if header_end(data) > first else [])
        found = file.column(piece, target)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, expected)
    assert found.shape == expected.shape
    assert (found is target) == fits
    planes, most, runs = needed(data, piece, gap)
    assert len(fetch.asked) - asked <= runs
    places = [place for begin, end in fetch.asked[asked:] for place in range(begin, end)]
    assert len(places) == len(set(places)) <= most
    assert planes <= {*places, *range(max(end for _, end in fetch.asked[:asked]))}


@pytest.mark.parametrize(("gap", "runs"), [(0, [0, 2, 5]), (99, [0, 2, 5]), (100, [0, 5]), (200, [0])])
def test_near_parts_are_fetched_together_and_far_ones_apart(gap, runs):
    array = np.random.default_rng(4).integers(0, 250, (6, 10, 10)).astype(np.uint8)
    fetch = Fetch(save({"input": array}))
    with settings_of(8, gap):
        file = RangedFile(fetch)
        fetch.asked.clear()
        found = file.column(Piece("input", (4, 10, 10), (5, 0, 2, 0), None, 0, 6), None)
    np.testing.assert_array_equal(found, array[[5, 0, 2, 0]])
    start = file.header.tensors["input"].start
    assert [(begin - start) // 100 for begin, _ in fetch.asked] == runs
    assert fetch.asked[-1][1] == start + 600


@given(pieces(), st.data())
def test_a_file_that_is_cut_is_an_error_or_the_cut_does_not_matter(made, data):
    _, whole, piece, expected = made
    length = data.draw(st.integers(0, len(whole)))
    try:
        with settings_of(8, 0):
            found = RangedFile(Fetch(whole[:length])).column(piece, None)
    except HeaderError:
        tensor = parse_header(whole[8 : header_end(whole)]).tensors["input"]
        assert length < tensor.start + tensor.nbytes
    else:
        assert length >= header_end(whole)
        np.testing.assert_array_equal(found, expected)


@given(pieces(), st.integers(-3, 3).filter(bool), st.integers(0, 3))
def test_a_server_that_answers_with_more_or_less_is_an_error_or_changes_nothing(made, more, lies_from):
    array, data, piece, expected = made
    answers = []

    def fetch(begin, end):
        answers.append((begin, end))
        lies = len(answers) > lies_from
        return (data + bytes(10))[begin : max(begin, end + more)] if lies else data[begin:end]

    try:
        with settings_of(16, 0):
            file = RangedFile(fetch)
            found = file.column(piece, None)
            whole = file.column("input", None)
    except HeaderError:
        assert more < 0 or len(answers) > 1
    else:
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(whole, array)


def test_a_column_that_is_a_tensor_is_fetched_whole_and_only_it():
    arrays = {"input": np.arange(100_000, dtype=np.uint16), "target": np.arange(50_000, dtype=np.int32)}
    fetch = Fetch(save(arrays))
    file = RangedFile(fetch)
    for name, array in arrays.items():
        fetch.asked.clear()
        np.testing.assert_array_equal(file.column(name, None), array)
        tensor = file.header.tensors[name]
        assert fetch.asked == [(tensor.start, tensor.start + tensor.nbytes)]


def test_what_came_with_the_header_is_not_asked_for_again():
    arrays = {"input": np.arange(300, dtype=np.uint16).reshape(3, 10, 10), "target": np.array(7, np.int64)}
    fetch = Fetch(save(arrays))
    file = RangedFile(fetch)
    np.testing.assert_array_equal(file.column("target", None), 7)
    np.testing.assert_array_equal(
        file.column(Piece("input", (1, 10, 10), (2,), None, 0, 3), None), arrays["input"][[2]]
    )
    assert fetch.asked == [(0, FIRST_FETCH)]


def claim(shape, begin=0):
    """The first bytes of a file that claims a tensor of single bytes, and has ten of them."""
    end = begin + int(np.prod([1, *shape], dtype=object))
    header = json.dumps({"input": {"dtype": "U8", "shape": shape, "data_offsets": [begin, end]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(10)


@contextmanager
def memory_below(nbytes):
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < nbytes
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("shape", "axis"), [([1 << 40, 2, 1, 1], 1), ([1 << 40, 1, 1], 1), ([1 << 20, 1 << 20, 2], 2), ([2, 1 << 40, 3], 0)]
)
def test_a_header_that_claims_a_trillion_rows_costs_nothing(shape, axis):
    fetch = Fetch(claim(shape))
    file = RangedFile(fetch)
    picked = [*shape[:axis], 1, *shape[axis + 1 :]]
    with pytest.raises(HeaderError, match="cut short"), memory_below(10 << 20):
        file.column(Piece("input", tuple(picked), (0,), None, axis, shape[axis]), None)
    assert len(fetch.asked) <= 2


def test_very_many_parts_are_fetched_as_one():
    array = np.random.default_rng(1).integers(0, 250, (MAX_PARTS // 2 + 1, 3, 1, 1)).astype(np.uint8)
    fetch = Fetch(save({"input": array}))
    piece = Piece("input", (len(array), 2, 1, 1), (2, 0), None, 1, 3)
    np.testing.assert_array_equal(RangedFile(fetch).column(piece, None), array[:, [2, 0]])
    assert len(fetch.asked) == 2


# headers alone


def sample(nbytes):
    """A file whose header is about so long, in text that gzip makes little of."""
    text = np.random.default_rng(2).bytes(nbytes // 2).hex()
    return save({"input": np.ones((2, 3), np.uint16)}, {"text": text})


@pytest.mark.parametrize("nbytes", [0, 100, 3900, 5000, 100_000])
def test_the_header_of_a_plain_file_takes_one_request_or_two(nbytes):
    data = sample(nbytes)
    fetch = Fetch(data)
    assert remote_header(fetch, compressed=False) == parse_header(data[8 : header_end(data)])
    assert len(fetch.asked) == (1 if header_end(data) <= FIRST_FETCH else 2)
    assert sum(end - begin for begin, end in fetch.asked) == max(FIRST_FETCH, header_end(data))


@pytest.mark.parametrize("nbytes", [0, 100, 3900, 5000, 100_000])
def test_the_header_of_a_gzip_file_takes_one_request_or_the_whole_file(nbytes):
    data = sample(nbytes)
    fetch = Fetch(gzip.compress(data))
    found = remote_header(fetch, compressed=True)
    assert found is None or found == parse_header(data[8 : header_end(data)])
    assert (found is None) == (nbytes > FIRST_FETCH * 2)
    assert fetch.asked == [(0, FIRST_FETCH)]


@pytest.mark.parametrize("cut", [0, 4, 7, 8, 20])
def test_a_header_that_is_cut_is_an_error_or_left_to_who_reads_the_whole(cut):
    data = sample(100)[:cut]
    with pytest.raises(HeaderError):
        remote_header(Fetch(data), compressed=False)
    assert remote_header(Fetch(gzip.compress(data)), compressed=True) is None
    assert remote_header(Fetch(gzip.compress(sample(100))[:cut]), compressed=True) is None


def test_what_is_no_gzip_is_left_to_who_reads_the_whole():
    for data in (sample(100), b"PK\3\4", bytes(5000)):
        assert remote_header(Fetch(data), compressed=True) is None


def test_bytes_that_are_no_header_are_an_error_in_both():
    data = (20).to_bytes(8, "little") + b"no JSON, but 20 byte"
    for compressed in (False, True):
        with pytest.raises(HeaderError, match="not JSON"):
            remote_header(Fetch(gzip.compress(data) if compressed else data), compressed=compressed)


# over http


@pytest.mark.parametrize("kind", ["plain", "gzip"])
@pytest.mark.parametrize("nbytes", [10, 9000])
def test_metadata_and_bands_over_http_whatever_the_header(tmp_path, server, kind, nbytes):
    text = np.random.default_rng(2).bytes(nbytes).hex()
    grids = images(2, (4, 40, 50), note=text)
    write_kind(kind, tmp_path / "made", {"train": grids})
    split = mlstac_hf.load(f"{server.url}/made", "numpy", bands=[3, 1])
    assert split.metadata[1]["note"] == text
    for found, grid in zip(split, grids, strict=True):
        np.testing.assert_array_equal(found["input"], grid.tensors["input"][[3, 1]])


def test_a_file_that_is_cut_on_the_server_is_named(tmp_path, server):
    write_kind("plain", tmp_path / "made", {"train": images(2, (4, 40, 50))})
    path = tmp_path / "made/train/0000002.safetensors"
    path.write_bytes(path.read_bytes()[:-4000])
    split = mlstac_hf.load(f"{server.url}/made", "numpy", bands=[3])
    with pytest.raises(mlstac_hf.CorruptSampleError, match=r"0000002.*\(sample 1\): expected bytes .* cut short"):
        split[1]
    first = mlstac_hf.load(f"{server.url}/made", "numpy", bands=[0])[1]["input"]
    np.testing.assert_array_equal(first, images(2, (4, 40, 50))[1].tensors["input"][[0]])


def test_headers_over_http_fetch_no_tensor(tmp_path, server):
    write_kind("plain", tmp_path / "made", {"train": [Grid({"input": np.zeros((4, 300, 300))})]})
    split = mlstac_hf.load(f"{server.url}/made", "numpy")
    server.requests.clear()
    assert split.metadata[0]["crs"] == "EPSG:32633"
    ranges = [headers.get("Range") for method, _, headers in server.requests if method == "GET"]
    assert ranges == [f"bytes=0-{FIRST_FETCH - 1}"]

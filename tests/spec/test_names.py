"""Names of sample files: base61, as upstream numbers them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from writing import name_of

from mlstac_hf._spec import MAX_SAMPLES, decode_name, encode_name, split_suffix

KNOWN = {
    0: "0000001",
    8: "0000009",
    9: "000000A",
    34: "000000Z",
    35: "000000a",
    60: "000000z",
    61: "0000021",
    122: "0000031",
    3721: "0000211",
}
indices = st.integers(0, MAX_SAMPLES - 1)


@pytest.mark.parametrize(("index", "name"), KNOWN.items())
def test_names_are_those_upstream_writes(index, name):
    assert encode_name(index) == name
    assert decode_name(name) == index


@given(indices)
def test_every_index_comes_back_from_its_name(index):
    name = encode_name(index)
    assert len(name) == 7
    assert decode_name(name) == index
    assert name == name_of(index)


@given(indices, indices)
def test_byte_order_of_names_is_the_order_of_indices(a, b):
    assert (encode_name(a).encode() < encode_name(b).encode()) == (a < b)


def test_names_beyond_the_standard_width_grow_and_come_back():
    assert len(encode_name(MAX_SAMPLES)) == 8
    assert decode_name(encode_name(MAX_SAMPLES)) == MAX_SAMPLES


def test_a_negative_index_has_no_name():
    with pytest.raises(ValueError, match="0 or more, got -1"):
        encode_name(-1)


@pytest.mark.parametrize(
    "name",
    ["", "0", "0000000", "1", "00000001", "000001", "0000010", "notes", "copy001", "000000é", "000000٣", "A" * 99],
)
def test_what_upstream_would_not_write_is_no_sample_name(name):
    assert decode_name(name) is None


@given(st.text(max_size=10))
def test_any_text_that_decodes_is_the_name_of_its_index(text):
    index = decode_name(text)
    assert index is None or encode_name(index) == text


@pytest.mark.parametrize(
    ("filename", "parts"),
    [
        ("0000001.safetensors", ("0000001", ".safetensors")),
        ("0000001.safetensors.gz", ("0000001", ".safetensors.gz")),
        (".safetensors", ("", ".safetensors")),
        ("0000001.safetensors.bak", None),
        ("0000001.SAFETENSORS", None),
        ("metadata.parquet", None),
        ("", None),
    ],
)
def test_a_sample_file_is_told_by_its_suffix(filename, parts):
    assert split_suffix(filename) == parts

"""Dtypes: what widens into what, without loss."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mlstac_hf._formats import aligned_empty, dtype_of, is_exotic, narrow, plain_dtype, widen
from mlstac_hf._formats._dtypes import CODES

EXOTIC = [dtype for dtype in CODES.values() if hasattr(ml_dtypes, dtype.name)]
COMPLEX = [np.dtype("complex64"), np.dtype("complex128")]
NATIVE = [dtype for dtype in CODES.values() if dtype not in EXOTIC and dtype.kind != "c"]


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def every_value(dtype):
    """All bit patterns of a dtype of one or two bytes."""
    return np.arange(256**dtype.itemsize, dtype=f"u{dtype.itemsize}").view(dtype)


def test_names_of_numpy_and_ml_dtypes_are_known_and_others_are_not():
    assert dtype_of("uint16") == np.uint16
    assert dtype_of("bfloat16") == ml_dtypes.bfloat16
    with pytest.raises(TypeError):
        dtype_of("uint17")


def test_every_code_of_the_format_has_a_little_endian_dtype():
    assert len(CODES) == 19
    assert all(dtype.newbyteorder("<") == dtype for dtype in CODES.values())


@pytest.mark.parametrize("dtype", EXOTIC, ids=str)
def test_every_value_of_an_exotic_dtype_survives_widening(dtype):
    values = every_value(dtype)
    wide = widen(values)
    assert is_exotic(dtype)
    assert wide.dtype == plain_dtype(dtype) == np.float32
    number = ~np.isnan(wide)
    np.testing.assert_array_equal(wide[number], values[number].astype(np.float64))
    back = narrow(wide, dtype)
    assert back.dtype == dtype
    assert back[number].tobytes() == values[number].tobytes()
    assert np.isnan(back.astype(np.float32)).tolist() == np.isnan(wide).tolist()


@pytest.mark.parametrize("dtype", NATIVE, ids=str)
def test_a_plain_dtype_is_its_own_and_widening_it_copies_nothing(dtype):
    array = np.zeros((2, 3), dtype)
    assert not is_exotic(dtype)
    assert plain_dtype(dtype) == dtype
    assert np.shares_memory(widen(array), array)
    assert np.shares_memory(narrow(array, dtype), array)


@pytest.mark.parametrize("dtype", COMPLEX, ids=str)
@given(data=st.data())
def test_complex_gains_a_last_axis_of_two_and_comes_back_bit_by_bit(dtype, data):
    array = data.draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0)))
    wide = widen(array)
    assert wide.shape == (*array.shape, 2)
    assert wide.dtype == plain_dtype(dtype)
    np.testing.assert_array_equal(wide[..., 0], array.real)
    np.testing.assert_array_equal(wide[..., 1], array.imag)
    assert same_bits(narrow(wide, dtype), array)


@given(hnp.arrays(np.complex64, (3, 4)))
def test_complex_that_does_not_lie_in_one_piece_comes_back_too(array):
    assert same_bits(narrow(widen(array.T), array.dtype), array.T)


@pytest.mark.parametrize("dtype", [*CODES.values(), *COMPLEX], ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (0, 4), (3,), (2, 3, 5)])
def test_new_arrays_begin_on_a_border_every_framework_can_view(dtype, shape):
    array = aligned_empty(shape, dtype)
    assert (array.dtype, array.shape) == (dtype, shape)
    assert not array.size or array.ctypes.data % 64 == 0
    assert array.flags.c_contiguous
    assert array.flags.writeable


@pytest.mark.parametrize(
    "name", ["float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu", "float8_e4m3fnuz", "float8_e5m2fnuz"]
)
def test_every_code_of_a_one_byte_dtype_comes_back_nans_included(name):
    codes = np.arange(256, dtype=np.uint8)
    wide = widen(codes.view(dtype_of(name)))
    np.testing.assert_array_equal(wide, codes.view(dtype_of(name)).astype(np.float32))
    assert narrow(wide, dtype_of(name)).tobytes() == codes.tobytes()

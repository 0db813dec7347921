"""jax: narrowed only where every value fits, refused otherwise."""

import numpy as np
import pytest
from made import TRAITS
from tensors import assert_sample, facts_as_stored, facts_of
from writing import every

from mlstac_hf import UnsupportedDtypeError, load
from mlstac_hf._formats import aligned_empty
from mlstac_hf._formats._dtypes import CODES
from mlstac_hf._frameworks import framework

SHAPES = ["plain", "half_vector", "ragged_boxes", "tensor_to_text_0.0.23", "bool_bfloat16_float16", "float8_complex64"]
WIDE = ["int64", "uint64", "float64"]


@pytest.fixture(scope="module", autouse=True)
def jax():
    return pytest.importorskip("jax")


@pytest.fixture
def x64(jax):
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


@pytest.mark.parametrize("name", SHAPES)
def test_every_sample_is_what_was_stored(tmp_path, name):
    made = TRAITS[name](tmp_path)
    splits = {split: load(made.address, "flax", split=split) for split in made.splits}
    for split, index, one in every(made):
        assert_sample(splits[split][index], one.shown, "jax")


@pytest.mark.usefixtures("x64")
def test_with_x64_so_are_float64_and_int64(tmp_path):
    made = TRAITS["sparse_labels"](tmp_path)
    split = load(made.address, "jax")
    for index, one in enumerate(made.splits["train"]):
        assert_sample(split[index], one.shown, "jax")


@pytest.mark.parametrize("dtype", [d for d in CODES.values() if d.name not in WIDE], ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (0, 4), (3, 4)])
def test_every_dtype_of_up_to_32_bits_is_handed_over(dtype, shape):
    array = aligned_empty(shape, dtype)
    array.reshape(-1).view(np.uint8)[:] = 1
    for writeable in (True, False):
        array.flags.writeable = writeable
        assert facts_of(framework("jax").from_numpy(array), "jax") == facts_as_stored(array, "jax")


@pytest.mark.parametrize(
    ("wide", "narrow", "values"),
    [
        ("int64", "int32", [-(2**31), 0, 2**31 - 1]),
        ("uint64", "uint32", [0, 2**32 - 1]),
        ("int64", "int32", []),
        ("uint64", "uint32", []),
    ],
)
def test_without_x64_integers_that_fit_are_narrowed(wide, narrow, values):
    tensor = framework("jax").from_numpy(np.array(values, wide))
    assert str(tensor.dtype) == narrow
    assert np.asarray(tensor).tolist() == values


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("int64", [2**31]),
        ("int64", [-(2**31) - 1]),
        ("uint64", [2**32]),
        ("uint64", [2**64 - 1]),
        ("float64", [0.1]),
        ("float64", [0]),
        ("complex128", [1j]),
    ],
)
def test_without_x64_what_would_change_is_refused_with_both_ways_out(dtype, values):
    with pytest.raises(UnsupportedDtypeError, match=r'jax_enable_x64.*framework="numpy"'):
        framework("jax").from_numpy(np.array(values, dtype))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("dtype", "value"), [("int64", 2**40), ("uint64", 2**64 - 1), ("float64", 0.1)])
def test_with_x64_nothing_is_changed(dtype, value):
    array = np.array([value], dtype)
    assert facts_of(framework("jax").from_numpy(array), "jax") == facts_as_stored(array, "jax")


def test_a_device_is_where_tensors_are_put(collection):
    sample = load(collection.address, "jax", device="cpu:0")[0]
    assert {device.platform for device in sample["input"].devices()} == {"cpu"}

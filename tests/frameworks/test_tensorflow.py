"""tensorflow: views where memory is aligned, copies elsewhere."""

import numpy as np
import pytest
from made import TRAITS
from tensors import assert_sample, facts_as_stored, facts_of
from writing import every

from mlstac_hf import UnsupportedDtypeError, load
from mlstac_hf._formats import aligned_empty
from mlstac_hf._formats._dtypes import CODES
from mlstac_hf._frameworks import framework

SHAPES = ["plain", "gzip", "class_labels", "half_vector", "ragged_boxes", "tensor_to_text_0.0.23", "time_series"]
SHAPES += ["bool_bfloat16_float16", "float8_complex64", "text_to_tensor_0.0.12"]


@pytest.fixture(scope="module", autouse=True)
def tf():
    return pytest.importorskip("tensorflow")


@pytest.mark.parametrize("name", SHAPES)
def test_every_sample_is_what_was_stored(tmp_path, name):
    made = TRAITS[name](tmp_path)
    splits = {split: load(made.address, "tf", split=split) for split in made.splits}
    for split, index, one in every(made):
        assert_sample(splits[split][index], one.shown, "tensorflow")


@pytest.mark.parametrize("dtype", [d for d in CODES.values() if d.name != "float8_e8m0fnu"], ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (0, 4), (3, 4)])
def test_every_dtype_is_handed_over_aligned_or_not_writable_or_not(dtype, shape):
    array = aligned_empty((2, *shape), dtype)
    array.reshape(-1).view(np.uint8)[:] = 1
    for one in (array, array[1, ...], array[1:][::-1], array.T):
        for writeable in (True, False):
            one.flags.writeable = writeable
            tensor = framework("tf").from_numpy(one)
            assert facts_of(tensor, "tensorflow") == facts_as_stored(one, "tensorflow")


def test_a_dtype_tensorflow_does_not_have_is_refused_by_name():
    with pytest.raises(UnsupportedDtypeError, match=r"float8_e8m0fnu.*framework='numpy'"):
        framework("tf").from_numpy(np.zeros(2, CODES["F8_E8M0"]))


def test_a_device_is_where_tensors_are_put(collection):
    sample = load(collection.address, "tf", device="/CPU:0")[0]
    assert all(tensor.device.endswith("CPU:0") for tensor in sample.values())

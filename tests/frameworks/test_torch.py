"""torch: views, every stored dtype."""

import numpy as np
import pytest
from tensors import assert_sample, facts_as_stored, facts_of
from writing import every

from mlstac_hf import UnsupportedDtypeError, load
from mlstac_hf._formats import aligned_empty, dtype_of
from mlstac_hf._formats._dtypes import CODES
from mlstac_hf._frameworks import framework

pytest.importorskip("torch")


@pytest.mark.filterwarnings("ignore::mlstac_hf.CollectionWarning")
def test_every_sample_of_every_trait_is_what_was_stored(trait):
    splits = {split: load(trait.address, split=split, trust_links=trait.refused) for split in trait.splits}
    for split, index, made in every(trait):
        assert_sample(splits[split][index], made.shown, "torch")


@pytest.mark.parametrize("dtype", CODES.values(), ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (0, 4), (3, 4)])
def test_every_dtype_is_viewed_in_place(dtype, shape):
    array = aligned_empty(shape, dtype)
    array.reshape(-1).view(np.uint8)[:] = 1
    for writeable in (True, False):
        array.flags.writeable = writeable
        tensor = framework("torch").from_numpy(array)
        assert facts_of(tensor, "torch") == facts_as_stored(array, "torch")
        assert not array.size or tensor.data_ptr() == array.ctypes.data


def test_a_dtype_torch_does_not_have_is_refused_by_name():
    with pytest.raises(UnsupportedDtypeError, match=r"no dtype float8_e3m4.*framework='numpy'"):
        framework("torch").from_numpy(np.zeros(2, dtype_of("float8_e3m4")))


def test_a_device_is_where_tensors_are_put(collection):
    sample = load(collection.address, device="meta")[0]
    assert {tensor.device.type for tensor in sample.values()} == {"meta"}

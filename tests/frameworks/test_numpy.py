"""numpy: the arrays themselves."""

import numpy as np
import pytest
from tensors import assert_sample
from writing import every

from mlstac_hf import load
from mlstac_hf._frameworks import framework


def test_an_array_is_handed_over_as_it_is():
    array = np.arange(3)
    assert framework("np").from_numpy(array) is array


def test_there_is_no_other_device():
    with pytest.raises(ValueError, match="got device='cuda'"):
        framework("numpy").from_numpy(np.arange(3), "cuda")


@pytest.mark.filterwarnings("ignore::mlstac_hf.CollectionWarning")
def test_every_sample_of_every_trait_is_what_was_stored(trait):
    splits = {split: load(trait.address, "numpy", split=split, trust_links=trait.refused) for split in trait.splits}
    for split, index, made in every(trait):
        assert_sample(splits[split][index], made.shown, "numpy")

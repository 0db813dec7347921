"""paddle, in a process that never saw tensorflow: unsigned integers widened, the rest as stored."""

import subprocess
import sys

import numpy as np
import pytest
from tensors import PADDLE, assert_sample, facts_as_stored, facts_of
from writing import every

from mlstac_hf import UnsupportedDtypeError, load
from mlstac_hf._formats import aligned_empty
from mlstac_hf._formats._dtypes import CODES
from mlstac_hf._frameworks import framework

HELD = [dtype for dtype in CODES.values() if dtype.name not in ("float8_e8m0fnu", "float8_e4m3fnuz", "float8_e5m2fnuz")]


@pytest.fixture
def paddle():
    pytest.importorskip("paddle", exc_type=ImportError)
    return framework("paddle")


@pytest.mark.paddle
@pytest.mark.filterwarnings("ignore::mlstac_hf.CollectionWarning")
@pytest.mark.usefixtures("paddle")
def test_every_sample_of_every_trait_is_what_was_stored_or_its_documented_widening(trait):
    splits = {split: load(trait.address, "paddle", split=split, trust_links=trait.refused) for split in trait.splits}
    for split, index, made in every(trait):
        assert_sample(splits[split][index], made.shown, "paddle")


@pytest.mark.paddle
@pytest.mark.parametrize("dtype", HELD, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (0, 4), (3, 4)])
def test_every_dtype_it_has_is_handed_over(paddle, dtype, shape):
    array = aligned_empty(shape, dtype)
    array.reshape(-1).view(np.uint8)[:] = 1
    for writeable in (True, False):
        array.flags.writeable = writeable
        assert facts_of(paddle.from_numpy(array), "paddle") == facts_as_stored(array, "paddle")


@pytest.mark.paddle
@pytest.mark.parametrize(("dtype", "wide"), PADDLE.items())
def test_unsigned_integers_are_widened_with_every_value(paddle, dtype, wide):
    top = min(np.iinfo(dtype).max, np.iinfo(wide).max)
    tensor = paddle.from_numpy(np.array([0, 1, top], dtype))
    assert str(tensor.dtype) == f"paddle.{wide}"
    assert tensor.tolist() == [0, 1, top]


@pytest.mark.paddle
def test_a_uint64_that_fits_nothing_is_refused(paddle):
    with pytest.raises(UnsupportedDtypeError, match="no uint64"):
        paddle.from_numpy(np.array([2**63], np.uint64))


@pytest.mark.paddle
@pytest.mark.parametrize("dtype", [d for d in CODES.values() if d not in HELD], ids=str)
def test_a_dtype_paddle_does_not_have_is_refused_by_name(paddle, dtype):
    with pytest.raises(UnsupportedDtypeError, match=f"{dtype.name}.*framework='numpy'"):
        paddle.from_numpy(np.zeros(2, dtype))


@pytest.mark.paddle
def test_a_device_is_where_tensors_are_put(paddle):
    tensor = paddle.from_numpy(np.arange(3.0), "cpu")
    assert tensor.place.is_cpu_place()


def test_after_tensorflow_it_is_refused_with_the_reason_instead_of_a_crash():
    code = (
        "import sys, types; sys.modules['tensorflow'] = types.ModuleType('tensorflow'); import mlstac_hf\n"
        "from mlstac_hf._frameworks import framework\n"
        "try: framework('paddle')\n"
        "except mlstac_hf.MLSTACError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "paddle cannot be imported after tensorflow" in done.stdout

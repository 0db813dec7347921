"""Names of frameworks, and what is said where one is missing."""

import subprocess
import sys

import numpy as np
import pytest

from mlstac_hf._frameworks import FRAMEWORKS, framework
from mlstac_hf._frameworks._views import viewable

NAMES = {
    "numpy": "numpy", "np": "numpy", "torch": "torch", "pt": "torch", "tensorflow": "tensorflow", "tf": "tensorflow",
    "jax": "jax", "flax": "jax", "paddle": "paddle",
}  # fmt: skip
EXTRAS = {"torch": "torch", "tensorflow": "tf", "jax": "jax", "paddle": "paddle"}


def test_the_names_are_those_of_safetensors_and_their_short_forms():
    assert FRAMEWORKS == NAMES


def test_another_name_is_an_error_that_lists_them():
    with pytest.raises(ValueError, match=r"one of numpy, np, torch, .*, got 'Torch'"):
        framework("Torch")


def test_a_missing_framework_is_an_error_that_is_the_line_to_type(collection):
    code = f"""
import sys
sys.modules.update(dict.fromkeys({list(EXTRAS)}))
import mlstac_hf
for options in {[{}, *({"framework": name} for name in EXTRAS)]}:
    try:
        mlstac_hf.load({collection.address!r}, **options)
    except mlstac_hf.MissingExtraError as error:
        assert isinstance(error, ImportError)
        print(error)
assert len(mlstac_hf.load({collection.address!r}, "numpy")) == 5
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    default, *named = done.stdout.splitlines()
    assert default.startswith('framework="torch" needs torch')
    for line, (name, extra) in zip(named, EXTRAS.items(), strict=True):
        assert line.startswith(f'framework="{name}" needs {name}, which is not installed.')
        assert f"pip install 'mlstac-hf[{extra}]'" in line
        assert 'framework="numpy"' in line


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
def test_read_only_memory_is_shared_under_a_writable_name(shape):
    array = np.arange(6)[: int(np.prod(shape))].reshape(shape)
    assert not array.size or np.shares_memory(viewable(array), array)
    array.flags.writeable = False
    shared = viewable(array)
    assert shared.flags.writeable
    assert shared.shape == shape
    assert shared.dtype == array.dtype
    assert shared.tobytes() == array.tobytes()
    assert not array.size or np.shares_memory(shared, array)


def test_memory_in_another_order_is_copied_into_the_right_one():
    array = np.arange(6).reshape(2, 3).T
    assert viewable(array).flags.c_contiguous
    np.testing.assert_array_equal(viewable(array), array)

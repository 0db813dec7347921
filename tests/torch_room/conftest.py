"""Collections whose samples can be told apart, and a limit for loaders that hang."""

from __future__ import annotations

import numpy as np
import pytest
from made import image_and_mask, write
from waiting import within
from writing import sample


@pytest.fixture
def numbered(tmp_path):
    """23 samples, each of which holds its number, in plain files."""
    made = write(
        tmp_path / "numbered",
        lambda i: sample(i, {"input": np.full((2, 3), i, np.uint16), "target": np.array(i, np.int64)}),
        counts={"train": 23, "test": 2},
    )
    return str(made.folder)


@pytest.fixture
def images(tmp_path):
    """9 images with masks."""
    return write(tmp_path / "images", image_and_mask, counts={"train": 9})


@pytest.fixture(autouse=True)
def _not_for_ever():
    with within(180):
        yield

"""A payload decoder of a user's, in a module that a spawned process can import."""

from __future__ import annotations

import numpy as np

from mlstac_hf import TensorForm


def is_own(head):
    return head.startswith(b"OWN")


def last_value(split):
    """The first number of the last sample of a split."""
    return int(split[-1]["input"][0])


class OwnPayload:
    """`OWN` and one byte."""

    kind = "own"
    geotransform = None
    crs = None

    def __init__(self, data, limit):
        self._data = data
        self.metadata = {}
        self.tensors = {"input": TensorForm(np.dtype("uint8"), (1,))}

    def read(self, name, planes=None, window=None, out=None):
        return np.frombuffer(self._data[3:], np.uint8)

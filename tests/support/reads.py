"""What tests of stores share: calls that must end, reads here and there, and whether two samples are the same."""

from __future__ import annotations

import threading

import numpy as np

from mlstac_hf import StoreError


def ended(call, *args):
    """What a call gives or raises; a call that does not end is a failure."""
    outcome = []

    def run():
        try:
            outcome.append(call(*args))
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(60)
    assert outcome, "still waiting"
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def read_at_random(store, rng, name, data, shown=None):
    """25 reads of a file of 5000 bytes, each right or an error of ours that names it. How many were right."""
    right, errors = 0, []
    for _ in range(25):
        start = rng.randrange(5200)
        stop = start + rng.randrange(400)
        try:
            match rng.randrange(4):
                case 0:
                    assert store.read(name) == data
                case 1:
                    assert store.stat(name).nbytes in (len(data), None)
                case _:
                    assert store.read_range(name, start, stop) == data[start:stop]
            right += 1
        except StoreError as error:
            errors.append(str(error))
    assert all((name if shown is None else shown) in error for error in errors)
    return right


def equal(one, other):
    return one.keys() == other.keys() and all(
        np.array_equal(one[name], other[name]) and np.asarray(one[name]).dtype == np.asarray(other[name]).dtype
        for name in one
    )

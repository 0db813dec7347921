"""Batches on devices of jax: exact, in our order, and gone on with exactly."""

import json
import threading

import numpy as np
import pytest
from feeding import expected, seen
from hypothesis import given, settings
from hypothesis import strategies as st
from made import plain

jax = pytest.importorskip("jax")

from mlstac_hf import CollectionNotFoundError, UnknownNameError, UnsupportedDtypeError, load, to_jax


def test_arrays_are_as_stored(collection):
    batches = to_jax(collection.address, batch_size=2, shuffle=False)
    assert len(batches) == 3
    split = load(collection.address, "numpy")
    for start, batch in zip(range(0, 5, 2), batches, strict=True):
        wanted = split[start : start + 2]
        assert batch.keys() == wanted.keys()
        for name, array in batch.items():
            assert isinstance(array, jax.Array)
            assert array.dtype == wanted[name].dtype
            assert np.array_equal(array, wanted[name])


def test_epochs_follow_one_another(collection):
    batches = to_jax(collection.address, batch_size=2)
    for epoch in range(2):
        assert batches.epoch == epoch
        assert seen(batches, collection) == expected(5, epoch, 2)
    batches.set_epoch(7)
    assert seen(batches, collection) == expected(5, 7, 2)


def test_set_epoch_while_an_iteration_runs_is_of_the_next(collection):
    batches = to_jax(collection.address, batch_size=2)
    run = iter(batches)
    got = [next(run)]
    batches.set_epoch(7)
    assert (batches.epoch, batches.state_dict()["position"]) == (0, 2)
    got.append(next(run))
    assert (batches.epoch, batches.state_dict()["position"]) == (0, 4)
    assert seen([*got, *run], collection) == expected(5, 0, 2)
    assert batches.epoch == 7
    assert seen(batches, collection) == expected(5, 7, 2)
    for _ in batches:
        batches.set_epoch(3)
        break
    assert seen(batches, collection) == expected(5, 3, 2)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3)), min_size=1, max_size=4))
def test_gone_on_with_as_often_as_you_like_an_epoch_is_whole(tmp_path_factory, legs):
    made = plain(tmp_path_factory.mktemp("made") / "plain")
    found, state = [], None
    for batch_size, taken in [*legs, (2, None)]:
        batches = to_jax(made.address, batch_size=batch_size, prefetch=1 + batch_size)
        if state is not None:
            batches.load_state_dict(json.loads(state))
            if batches.epoch:
                break
        run = iter(batches)
        found += seen([batch for _, batch in zip(range(99 if taken is None else taken), run, strict=False)], made)
        state = json.dumps(batches.state_dict())
        run.close()
    assert sorted(index for batch in found for index in batch) == list(range(5))


def test_a_loop_that_is_left_leaves_no_thread(collection):
    before = threading.active_count()
    for _ in to_jax(collection.address, batch_size=1):
        break
    assert threading.active_count() <= before  # those of tests before may end meanwhile


def test_devices_and_shardings(collection):
    device = jax.devices("cpu")[0]
    sharding = jax.sharding.SingleDeviceSharding(device)
    for place in ("cpu", "cpu:0", device, sharding):
        batch = next(iter(to_jax(collection.address, batch_size=2, device=place)))
        assert batch["input"].devices() == {device}


def test_a_bad_sample_is_named_or_left_out(collection):
    (collection.folder / "train" / "0000002.safetensors").write_bytes(b"nothing")
    with pytest.raises(Exception, match=r"train/0000002\.safetensors"):
        list(to_jax(collection.address, shuffle=False))
    batches = to_jax(collection.address, batch_size=2, shuffle=False, on_error="skip")
    with pytest.warns(Warning, match=r"0000002"):
        assert seen(batches, collection) == [[0], [2, 3], [4]]


def test_a_bad_first_sample_is_left_out_as_any(collection):
    (collection.folder / "train" / "0000001.safetensors").write_bytes(b"nothing")
    batches = to_jax(collection.address, batch_size=2, shuffle=False, on_error="skip", columns=["input"])
    with pytest.warns(Warning, match=r"0000001"):
        assert seen(batches, collection) == [[1], [2, 3], [4]]


def test_calls_that_mean_nothing(collection):
    with pytest.raises(ValueError, match="prefetch"):
        to_jax(collection.address, prefetch=0)
    with pytest.raises(CollectionNotFoundError):
        to_jax(collection.folder / "nowhere")
    with pytest.raises(UnknownNameError, match=r"^train/0000001\.safetensors .* has no 'inptu'; it has input, target"):
        to_jax(collection.address, columns=["inptu", "target"])
    with pytest.raises(TypeError, match=r"to_jax\(\) has no argument"):
        to_jax(collection.address, colums=["input"])


def test_what_jax_cannot_hold_is_said(tmp_path):
    from made import write
    from writing import sample

    made = write(tmp_path / "wide", lambda index: sample(index, {"input": np.full((2, 3), 0.1, np.float64)}))
    with pytest.raises(UnsupportedDtypeError, match="jax_enable_x64"):
        next(iter(to_jax(made.address)))

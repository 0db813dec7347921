"""Batches as a tf.data.Dataset: exact, in our order, and fit for Keras."""

import json
import os
import subprocess
import sys
import time
from textwrap import dedent

import numpy as np
import pytest
from feeding import expected, seen
from made import TRAITS, plain, write
from writing import sample

from mlstac_hf import UnknownNameError, UnsupportedDtypeError, load, to_tf


@pytest.fixture(autouse=True)
def tf():
    """Tensorflow, not before a test runs: paddle cannot be imported after it, and its tests are collected first."""
    return pytest.importorskip("tensorflow")


def values(tf, tensor):
    """The bytes of a tensor, whatever its dtype."""
    return np.asarray(tf.bitcast(tensor, tf.uint16) if tensor.dtype == tf.bfloat16 else tensor).tobytes()


@pytest.mark.parametrize(
    "name", ["gzip", "bool_bfloat16_float16", "time_series", "class_labels", "text_to_tensor_0.0.23"]
)
def test_tensors_are_as_stored(tf, tmp_path, name):
    made = TRAITS[name](tmp_path)
    try:
        batches = to_tf(made.address, batch_size=1, shuffle=False)
        samples = list(load(made.address, "numpy"))
    finally:
        made.close()
    count = 0
    for batch, one in zip(batches, samples, strict=True):
        assert batch.keys() == one.keys() == batches.element_spec.keys()
        for column, tensor in batch.items():
            if isinstance(one[column], str):
                assert tensor.numpy().tolist() == [one[column].encode()]
                continue
            assert tensor.dtype.as_numpy_dtype == one[column].dtype
            assert tuple(tensor.shape) == (1, *one[column].shape)
            assert batches.element_spec[column].shape[1:] == one[column].shape
            assert values(tf, tensor[0]) == one[column].tobytes()
            count += 1
    assert count >= len(samples)


def test_each_iteration_is_an_epoch_of_its_own(collection):
    batches = to_tf(collection.address, batch_size=2)
    assert len(batches) == 3
    for epoch in range(3):
        assert seen(batches, collection) == expected(5, epoch, 2)
    assert seen(batches.take(1), collection) == expected(5, 3, 2)[:1]
    assert seen(batches, collection) == expected(5, 4, 2)  # a look at the first batch was an epoch too


@pytest.mark.parametrize("ahead", [False, True])
def test_an_iteration_that_is_broken_off_counts_however_far_threads_ran_ahead(collection, ahead):
    batches = to_tf(collection.address, batch_size=2, epoch=3, skip=1)
    first = iter(batches)
    got = [next(first)]
    time.sleep(0.5 * ahead)  # all batches fit into what tensorflow takes ahead
    assert seen(got, collection) == expected(5, 3, 2)[1:2]
    second = iter(batches)
    got = [next(second)]
    assert seen([*got, *second], collection) == expected(5, 4, 2)  # skip is of the first iteration alone
    assert seen(first, collection) == expected(5, 3, 2)[2:]
    assert seen(batches, collection) == expected(5, 5, 2)


@pytest.mark.parametrize(("epoch", "skip"), [(0, 1), (2, 2), (1, 0), (0, 3)])
def test_a_run_goes_on_where_it_stopped(collection, epoch, skip):
    batches = to_tf(collection.address, batch_size=2, epoch=epoch, skip=skip)
    assert seen(batches, collection) == expected(5, epoch, 2)[skip:]
    assert seen(batches, collection) == expected(5, epoch + 1, 2)


@pytest.mark.parametrize("uneven", ["pad", "drop", "repeat"])
def test_ranks_share_an_epoch(collection, uneven):
    plan = {"world_size": 2, "uneven": uneven}
    for rank in range(2):
        batches = to_tf(collection.address, batch_size=2, rank=rank, **plan)
        assert seen(batches, collection) == expected(5, 0, 2, rank=rank, **plan)
        assert batches.element_spec["input"].shape[0] == (None if uneven == "pad" else 2)


def test_what_comes_over_http_is_the_same(server, tmp_path):
    made = plain(tmp_path / "there")
    batches = to_tf(f"{server.url}/there", batch_size=2, columns=["input"])
    assert list(batches.element_spec) == ["input"]
    assert seen(batches, made) == expected(5, 0, 2)


def test_a_bad_sample_is_named_or_left_out(tf, collection):
    (collection.folder / "train" / "0000002.safetensors").write_bytes(b"nothing")
    with pytest.raises(tf.errors.OpError, match=r"train/0000002\.safetensors"):
        list(to_tf(collection.address, shuffle=False))
    batches = to_tf(collection.address, batch_size=1, shuffle=False, on_error="skip")
    with pytest.warns(Warning, match=r"0000002"):
        assert seen(batches, collection) == [[0], [2], [3], [4]]


ODD = {
    "another shape": ({"input": np.zeros((3, 8, 9), np.uint16)}, r"'input': expected .*, found uint16 \(3, 8, 9\)"),
    "another dtype": ({"input": np.zeros((3, 8, 8), np.int16)}, r"'input': expected .*, found int16 \(3, 8, 8\)"),
    "one less": ({"target": None}, r"'target': expected uint8 \(1,\), as in .*, found no such column"),
    "one more": (
        {"extra": np.zeros((2,), np.uint8)},
        r"'extra': expected no such column, as in .*, found uint8 \(2,\)",
    ),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("batch_size", [1, 2, 6])
def test_a_sample_that_differs_is_named(tf, tmp_path, odd, batch_size):
    """The fifth of six: in a batch of its own, the first of its batch, and amid others."""
    change, told = ODD[odd]

    def build(index):
        tensors = {"input": np.full((3, 8, 8), index, np.uint16), "target": np.full((1,), index, np.uint8)}
        changed = tensors | change if index == 4 else tensors
        return sample(index, {name: tensor for name, tensor in changed.items() if tensor is not None})

    made = write(tmp_path / "odd", build, counts={"train": 6})
    with pytest.raises(tf.errors.OpError, match=rf"train/0000005\.safetensors \(sample 4\): column {told}") as caught:
        list(to_tf(made.address, batch_size=batch_size, shuffle=False))
    assert "as in train/0000001.safetensors (sample 0)" in str(caught.value)
    assert "columns=" in str(caught.value)


def test_the_first_of_many_that_differ_is_named(tf, tmp_path):
    made = TRAITS["ragged_boxes"](tmp_path)
    with pytest.raises(tf.errors.OpError, match=r"train/0000002.*: expected .*, as in train/0000001.*columns="):
        list(to_tf(made.address, batch_size=5, shuffle=False))


def test_dtypes_that_tf_data_cannot_carry_are_named(tf, tmp_path):
    made = TRAITS["float8_complex64"](tmp_path)
    with pytest.raises(UnsupportedDtypeError, match=r"tf\.data has no dtype float8_e4m3fn.*columns="):
        to_tf(made.address)
    (batch,) = to_tf(made.address, columns=["target"], uneven="repeat", batch_size=5)
    assert batch["target"].dtype == tf.complex64


def test_calls_that_mean_nothing(collection):
    with pytest.raises(TypeError, match=r"to_tf\(\) has no argument 'filtre'. Did you mean 'filter'"):
        to_tf(collection.address, filtre="id = 1")
    with pytest.raises(UnknownNameError, match=r"^train/0000001\.safetensors .* has no 'inptu'; it has input, target"):
        to_tf(collection.address, columns=["inptu", "target"])
    with pytest.raises(ValueError, match="skip"):
        to_tf(collection.address, skip=-1)
    with pytest.raises(ValueError, match="expected rank to be below world_size"):
        to_tf(collection.address, rank=2, world_size=2)


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_keras_is_fed(collection, backend):
    pytest.importorskip("keras")
    pytest.importorskip(backend)
    code = f"""
    import json
    import keras
    import mlstac_hf
    layers = [keras.layers.Permute((2, 3, 1)), keras.layers.Conv2D(3, 1, activation="softmax")]
    model = keras.Sequential(layers)
    model.compile("sgd", "sparse_categorical_crossentropy")
    def pair(batch):
        return batch["input"].astype("float32") / 1e4, batch["target"][:, 0].astype("int32")
    if {backend!r} == "jax":
        batches = mlstac_hf.to_jax({str(collection.address)!r}, batch_size=2)
        losses = [model.fit((pair(b) for b in batches), verbose=0).history["loss"][0] for _ in range(2)]
    else:
        import tensorflow as tf
        batches = mlstac_hf.to_tf({str(collection.address)!r}, batch_size=2)
        pairs = batches.map(lambda b: (tf.cast(b["input"], "float32") / 1e4, tf.cast(b["target"][:, 0], "int32")))
        losses = model.fit(pairs, epochs=2, verbose=0).history["loss"]
    print(json.dumps([float(loss) for loss in losses]))
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", dedent(code)],
        env=os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    losses = json.loads(done.stdout.splitlines()[-1])
    assert len(losses) == 2
    assert all(np.isfinite(losses))

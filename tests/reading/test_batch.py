"""Batches: what read_batch gives is what a loop over read gives."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made import TRAITS, image_and_mask, values, write
from writing import Made, sample, write_main, write_samples

from mlstac_hf import CorruptSampleError, open_collection
from mlstac_hf._reading import open_split, read_batch

QUIET = [name for name in TRAITS if name not in ("wrong_count", "http_link") and not name.endswith("_outside")]


def open_train(made):
    return open_split(open_collection(made.address), "train")


def by_loop(source, indices, columns=None):
    """The plain way: one sample after the other, stacked by numpy where that is possible."""
    rows = [source.read(index, columns).values for index in indices]
    names = dict.fromkeys(name for row in rows for name in row)
    batch = {}
    for name in names:
        column = [row.get(name) for row in rows]
        alike = all(isinstance(v, np.ndarray) for v in column) and len({(v.dtype, v.shape) for v in column}) == 1
        batch[name] = np.stack(column) if alike else column
    return batch


def same(a, b):
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and (a.dtype, a.shape) == (b.dtype, b.shape) and a.tobytes() == b.tobytes()
    return type(a) is type(b) and a == b


def assert_same(batch, loop):
    assert batch.keys() == loop.keys()
    for name in loop:
        assert same(batch[name], loop[name]), name


@pytest.mark.parametrize("name", QUIET)
@pytest.mark.parametrize("indices", [[0], [1], [0, 1, 2, 3, 4], [4, 0, 3, 3], [2, 2], []])
def test_a_batch_is_what_a_loop_gives(tmp_path, name, indices):
    made = TRAITS[name](tmp_path)
    source = open_train(made)
    batch = read_batch(source, indices)
    assert batch.indices == indices
    assert [head.raw for head in batch.heads] == [made.splits["train"][i].raw for i in indices]
    assert_same(batch.columns, by_loop(source, indices))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Samples that differ in dtype, shape and tensors, large enough to be mapped now and then."""

    def build(index):
        rng = np.random.default_rng(index)
        tensors = {"input": values(index, (13, 100, 100) if index % 3 else (4, 8, 8), np.uint16)}
        if index % 2:
            tensors["target"] = rng.integers(0, 9, ()).astype(np.int64 if index % 5 else np.int16)
        if index % 4 == 3:
            tensors["extra"] = np.zeros((0,), np.float32)
        return sample(index, tensors)

    return open_train(write(tmp_path_factory.mktemp("mixed"), build, counts={"train": 12}))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.integers(0, 11), max_size=8),
    st.none() | st.lists(st.sampled_from(["input", "target", "extra", "no"]), unique=True),
)
def test_a_batch_of_unlike_samples_is_what_a_loop_gives(mixed, indices, columns):
    assert_same(read_batch(mixed, indices, columns).columns, by_loop(mixed, indices, columns))


def test_a_stacked_batch_lies_in_one_piece_that_every_framework_can_view(collection):
    for array in read_batch(open_train(collection), [3, 1, 4]).columns.values():
        assert array.flags.c_contiguous
        assert array.ctypes.data % 64 == 0
        assert array.flags.writeable


@pytest.mark.parametrize("bad", [0, 2, 4])
def test_a_bad_sample_is_named_and_the_others_are_stacked_without_it(collection, bad):
    source = open_train(collection)
    path = collection.folder / "train" / source.names[bad]
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(CorruptSampleError, match=rf"\(sample {bad}\)"):
        read_batch(source, range(5))
    told = []
    batch = read_batch(source, range(5), None, lambda index, error: told.append((index, type(error))))
    good = [index for index in range(5) if index != bad]
    assert told == [(bad, CorruptSampleError)]
    assert batch.indices == good
    assert_same(batch.columns, by_loop(source, good))


def test_a_sample_that_fails_halfway_leaves_no_trace_in_the_next(tmp_path):
    """The bad one fills its row of `input` before its gzip turns out to be damaged; the next one has no `input`."""
    samples = [image_and_mask(index) for index in range(4)]
    samples[2].stored.pop("input")
    write_samples(tmp_path / "train", samples, pack=__import__("writing").pack_single)
    path = tmp_path / "train" / "0000002.safetensors.gz"
    path.write_bytes(path.read_bytes()[:-8] + bytes(8))
    document = {"ml:train": {"n_items": 4}}
    write_main(tmp_path, document)
    source = open_train(Made(tmp_path, {"train": samples}, document))
    batch = read_batch(source, [0, 1, 2, 3], None, lambda *_: None)
    assert batch.indices == [0, 2, 3]
    assert batch.columns["input"][1] is None
    assert_same(batch.columns, by_loop(source, [0, 2, 3]))

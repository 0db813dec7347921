"""load(): a split as a sequence."""

import inspect
import json
import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from made import TRAITS, image_and_mask, plain, write
from tensors import assert_sample, facts_of
from writing import every

from mlstac_hf import (
    CollectionWarning,
    CorruptSampleError,
    LinkRefusedError,
    MissingSampleError,
    Split,
    UnknownNameError,
    load,
)


@pytest.fixture
def split(collection):
    return load(collection.address, "numpy")


def bytes_of(sample):
    return {name: value if isinstance(value, str) else value.tobytes() for name, value in sample.items()}


def spoil(collection, *names):
    for name in names:
        path = collection.folder / "train" / f"{name}.safetensors"
        path.write_bytes(path.read_bytes()[:-5])


def test_the_signature_is_the_contract():
    parameters = inspect.signature(load).parameters
    first = [(p.name, p.default) for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert first == [("address", inspect.Parameter.empty), ("framework", "torch"), ("stream", False), ("device", "cpu")]
    assert parameters["split"].default == "train"
    assert parameters["on_error"].default == "raise"


@pytest.mark.filterwarnings("always::mlstac_hf.CollectionWarning")
def test_every_trait_is_read_as_it_was_written_metadata_typed_and_raw(trait):
    for split, samples in trait.splits.items():
        if trait.refused:
            with pytest.raises(LinkRefusedError, match="trust_links=True"):
                load(trait.address, "numpy", split=split)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            opened = load(trait.address, "numpy", split=split, trust_links=trait.refused)
        assert len(told) == (trait.warns is not None)
        assert len(opened) == len(opened.metadata) == len(samples)
        for index, made in enumerate(samples):
            assert_sample(opened[index], made.shown, "numpy")
            typed = opened.metadata[index]
            assert list(typed.items()) == list(made.typed.items())
            assert opened.metadata.raw(index) == made.raw
    for absent in {"train", "validation", "test"} - set(trait.splits):
        with pytest.raises(UnknownNameError, match=f"got '{absent}'"):
            load(trait.address, "numpy", split=absent)


def test_an_index_counts_from_either_end(split, collection):
    made = collection.splits["train"]
    for index in (0, 4, -1, -5, np.int64(3), np.uint8(2), np.array(1)):
        assert_sample(split[index], made[index].shown, "numpy")


@pytest.mark.parametrize("index", [5, -6, 10**30, -(10**30)])
def test_an_index_outside_is_an_index_error_that_says_how_many(split, index):
    for ask in (
        lambda: split[index],
        lambda: split[[0, index]],
        lambda: split.metadata[index],
        lambda: split.metadata.raw(index),
    ):
        with pytest.raises(IndexError, match=f"sample {index} of a split of 5"):
            ask()


KEYS = [
    slice(None),
    slice(1, 4),
    slice(None, None, -1),
    slice(-2, None),
    slice(3, 99),
    slice(0, 5, 2),
    [4, 0, 3],
    [2, 2],
    (1, 2),
]
KEYS += [range(1, 3), np.array([4, -1, 0]), [-1], np.array([1], np.uint8)]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_a_slice_or_list_is_a_stacked_batch_of_the_same_samples(split, key):
    where = list(range(5))[key] if isinstance(key, slice) else [range(5)[i] for i in key]
    batch = split[key]
    for name in ("input", "target", "extra"):
        expected = np.stack([split[index][name] for index in where])
        assert batch[name].dtype == expected.dtype
        np.testing.assert_array_equal(batch[name], expected)
    assert split.metadata[key] == [split.metadata[index] for index in where]


@pytest.mark.parametrize("key", [[], slice(0, 0), slice(9, 12), np.array([], int)], ids=str)
def test_an_empty_batch_is_an_empty_dict(split, key):
    assert split[key] == {}
    assert split.metadata[key] == []


WRONG = [1.0, "0", b"0", None, ..., {0: 1}, [0.5], np.array([1.5]), np.zeros((2, 2), int), (slice(1), 2), True]
MASKS = [[True, False, True, False, False], np.array([True, False, True, False, False]), (np.True_, np.False_)]


@pytest.mark.parametrize("key", [*WRONG, *MASKS], ids=repr)
def test_what_is_no_index_is_a_type_error(split, key):
    with pytest.raises(TypeError):
        split[key]
    with pytest.raises(TypeError):
        split.metadata[key]


def test_torch_indices_are_indices_and_torch_masks_are_not(split):
    torch = pytest.importorskip("torch")
    np.testing.assert_array_equal(split[torch.tensor([3, 1])]["input"], split[[3, 1]]["input"])
    np.testing.assert_array_equal(split[torch.tensor(2)]["input"], split[2]["input"])
    with pytest.raises(TypeError):
        split[torch.tensor([True, False, True, False, False])]


def test_iteration_gives_each_sample_once_and_can_begin_again(split, collection):
    for _ in range(2):
        for sample, made in zip(split, collection.splits["train"], strict=True):
            assert_sample(sample, made.shown, "numpy")


def test_many_threads_read_what_one_does(split):
    indices = [0, 1, 2, 3, 4] * 20
    with ThreadPoolExecutor(8) as pool:
        samples = list(pool.map(split.__getitem__, indices))
    expected = [bytes_of(sample) for sample in split]
    assert [bytes_of(sample) for sample in samples] == [expected[index] for index in indices]


def test_two_reads_share_nothing(split):
    first, second = split[0], split[0]
    first["input"][...] = 0
    assert second["input"].any()
    assert split[0]["input"].any()
    batch = split[0:2]
    batch["input"][...] = 0
    assert split[0]["input"].any()


def test_columns_are_the_tensors_read(collection):
    split = load(collection.address, "numpy", columns=["target"])
    assert list(split[0]) == list(split[0:3]) == ["target"]
    assert list(load(collection.address, "numpy", columns="input")[0]) == ["input"]
    assert split.metadata[1]["scene"] == "S2_1"


def test_an_unknown_column_is_named_with_those_there_are(collection):
    split = load(collection.address, "numpy", columns=["input", "inptu"])
    for key in (0, slice(0, 2)):
        with pytest.raises(UnknownNameError, match=r"has no 'inptu'; it has input, target, extra"):
            split[key]


def test_a_text_is_a_column_like_any_other(tmp_path):
    made = TRAITS["tensor_to_text_0.0.12"](tmp_path)
    split = load(made.address, "numpy", columns=["target"])
    texts = [one.shown["target"] for one in made.splits["train"]]
    assert [sample["target"] for sample in split] == split[:]["target"] == texts
    assert list(split[0]) == ["target"]


def test_samples_of_other_shapes_are_a_list_and_none_where_one_lacks_the_tensor(tmp_path):
    def build(index):
        made = image_and_mask(index)
        if index == 1:
            made.stored.pop("target")
            made.shown.pop("target")
        return made

    split = load(write(tmp_path, build).address, "numpy")
    batch = split[:3]
    assert batch["input"].shape == (3, 4, 8, 8)
    assert [value is None for value in batch["target"]] == [False, True, False]


@pytest.mark.parametrize("limit", [0, 1, 3, 5, 99])
def test_a_limit_keeps_the_first_so_many(collection, limit):
    split = load(collection.address, "numpy", limit=limit)
    count = min(limit, 5)
    assert len(split) == len(split.metadata) == len(list(split)) == count
    assert [one["id"] for one in split.metadata[:]] == [made.name for made in collection.splits["train"][:count]]
    with pytest.raises(IndexError):
        split[count]


def test_wrong_calls_are_value_errors_that_name_the_value(collection):
    with pytest.raises(ValueError, match=r"on_error.*'ignore'"):
        load(collection.address, "numpy", on_error="ignore")
    with pytest.raises(ValueError, match=r"limit.*-1"):
        load(collection.address, "numpy", limit=-1)
    with pytest.raises(ValueError, match=r"framework.*'pytorch'"):
        load(collection.address, "pytorch")
    with pytest.raises(ValueError, match="cuda"):
        load(collection.address, "numpy", device="cuda")[0]


def test_stream_reads_the_same(collection):
    assert bytes_of(load(collection.address, "numpy", True)[4]) == bytes_of(load(collection.address, "numpy")[4])


def test_a_bad_sample_raises_when_asked_for_and_the_others_keep_their_index(collection):
    spoil(collection, "0000003")
    split = load(collection.address, "numpy")
    for key in (2, -3, slice(None), [0, 2]):
        with pytest.raises(CorruptSampleError, match=r"train/0000003\.safetensors \(sample 2\)"):
            split[key]
    with pytest.raises(CorruptSampleError):
        list(split)
    assert_sample(split[3], collection.splits["train"][3].shown, "numpy")
    assert split.metadata[4]["id"] == "0000005"


def test_skip_leaves_bad_samples_out_and_names_and_counts_them(collection):
    spoil(collection, "0000003", "0000005")
    split = load(collection.address, "numpy", on_error="skip")
    with pytest.warns(CollectionWarning, match=r"(?s)2 bad samples left out:.*0000003.*0000005") as told:
        batch = split[:]
    assert len(told) == 1
    assert told[0].filename == __file__
    np.testing.assert_array_equal(batch["input"], np.stack([split[i]["input"] for i in (0, 1, 3)]))
    with pytest.warns(CollectionWarning, match="1 bad samples? left out"):
        rest = list(split)
    assert len(rest) == 3
    with pytest.raises(CorruptSampleError):
        split[2]
    with pytest.warns(CollectionWarning, match="2 bad samples"):
        assert split[[2, 4]] == {}


def test_skip_leaves_out_what_went_away_and_what_leads_out_too(collection, tmp_path):
    split = load(collection.address, "numpy", on_error="skip")
    folder = collection.folder / "train"
    (folder / "0000001.safetensors").unlink()
    (folder / "0000002.safetensors").rename(tmp_path / "away")
    (folder / "0000002.safetensors").symlink_to(tmp_path / "away")
    with pytest.warns(CollectionWarning, match="2 bad samples"):
        assert len(split[:]["input"]) == 3
    with pytest.raises(MissingSampleError):
        split[0]


def test_very_many_bad_samples_are_counted_and_only_some_named(tmp_path):
    made = plain(tmp_path)
    made = write(tmp_path, image_and_mask, counts={"train": 14})
    for one in made.splits["train"]:
        (tmp_path / "train" / f"{one.name}.safetensors").write_bytes(b"")
    split = load(made.address, "numpy", on_error="skip")
    with pytest.warns(CollectionWarning, match="(?s)14 bad samples left out.*and 4 more"):
        assert split[:] == {}


def test_raw_metadata_is_a_copy_of_the_strings_and_takes_one_index(split, collection):
    raw = split.metadata.raw(-1)
    assert raw == collection.splits["train"][-1].raw
    raw.clear()
    assert split.metadata.raw(-1) == collection.splits["train"][-1].raw
    with pytest.raises(TypeError):
        split.metadata.raw([0])


def test_a_split_says_what_it_is(split):
    assert repr(split) == "Split('train' of 'made for a test', 5 samples, framework='numpy')"
    assert split.collection.id == "made for a test"
    assert isinstance(split, Split)


@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_a_pickled_split_reads_the_same(collection, framework):
    if framework == "torch":
        pytest.importorskip("torch")
    split = load(collection.address, framework, columns=["input"], limit=3)
    again = pickle.loads(pickle.dumps(split))
    assert len(again) == 3
    assert facts_of(again[2]["input"], framework) == facts_of(split[2]["input"], framework)
    assert list(again[0]) == ["input"]


def test_batches_reach_the_framework_too(collection):
    torch = pytest.importorskip("torch")
    batch = load(collection.address)[1:4]
    assert batch["input"].shape == (3, 4, 8, 8)
    assert batch["input"].dtype == torch.uint16


def test_ragged_batches_are_lists_of_tensors(tmp_path):
    torch = pytest.importorskip("torch")
    made = TRAITS["ragged_boxes"](tmp_path)
    boxes = load(made.address)[:]["target"]
    assert isinstance(boxes, list)
    assert [tuple(box.shape) for box in boxes] == [(3, 4), (0, 4), (18, 4), (1, 4), (7, 4)]
    assert all(isinstance(box, torch.Tensor) for box in boxes)


def test_a_hundred_and_thirty_samples_are_in_order(tmp_path):
    made = TRAITS["many"](tmp_path)
    split = load(made.address, "numpy")
    assert split[:]["target"].tolist() == list(range(130))
    assert [one["id"] for one in split.metadata[:]] == [one.name for one in made.splits["train"]]
    assert sum(1 for _ in every(made)) == 133


def test_main_json_with_a_byte_order_mark_and_windows_line_ends_is_read(collection):
    text = json.dumps(collection.document, indent=1).replace("\n", "\r\n")
    (collection.folder / "main.json").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert len(load(collection.address, "numpy")) == 5

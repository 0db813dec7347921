"""torch's DataLoader: forked and spawned workers read what the parent reads, and collate survives what is in it."""

from datetime import UTC, datetime

import numpy as np
import pytest
from made import TRAITS
from tensors import facts_of

from mlstac_hf import load
from mlstac_hf._formats import dtype_of

torch = pytest.importorskip("torch")


@pytest.fixture
def collate():
    from mlstac_hf.torch import collate

    return collate


def check(address, made, collate, start, workers=2, **options):
    split = load(address)
    loader = torch.utils.data.DataLoader(
        split, batch_size=2, num_workers=workers, multiprocessing_context=start, collate_fn=collate, **options
    )
    for _ in range(2):
        batches = list(loader)
        assert [len(batch["input"]) for batch in batches] == [2, 2, 1]
        for number, batch in enumerate(batches):
            for place, shown in enumerate(one.shown for one in made.splits["train"][2 * number : 2 * number + 2]):
                for name, value in shown.items():
                    if isinstance(value, str):
                        assert batch[name][place] == value
                    else:
                        facts = (value.dtype.name, value.shape, value.tobytes())
                        assert facts_of(batch[name][place], "torch") == facts


@pytest.mark.parametrize("name", ["plain", "gzip", "ragged_boxes", "tensor_to_text_0.0.23", "bool_bfloat16_float16"])
def test_forked_workers_read_what_was_stored(tmp_path, collate, name):
    made = TRAITS[name](tmp_path)
    check(made.address, made, collate, "fork")


def test_spawned_workers_read_what_was_stored(tmp_path, collate):
    made = TRAITS["tensor_to_text_0.0.12"](tmp_path)
    check(made.address, made, collate, "spawn", workers=1, persistent_workers=True)


def test_workers_forked_from_a_parent_with_open_connections_read_over_http(tmp_path, collate, server):
    made = TRAITS["plain"](tmp_path / "here")
    address = f"{server.url}/here/main.json"
    assert load(address)[0]["input"].shape == (4, 8, 8)
    check(address, made, collate, "fork")


def test_an_error_in_a_worker_arrives_as_itself(collection, collate):
    from mlstac_hf import CorruptSampleError

    (collection.folder / "train" / "0000002.safetensors").write_bytes(b"")
    loader = torch.utils.data.DataLoader(load(collection.address), num_workers=1, collate_fn=collate)
    with pytest.raises(CorruptSampleError, match=r"0000002\.safetensors \(sample 1\)"):
        list(loader)


def test_the_same_indices_again_after_a_pickle_of_the_loader_dataset(collection, collate):
    split = load(collection.address)
    loader = torch.utils.data.DataLoader(split, sampler=[4, 1, 1], batch_size=3, collate_fn=collate)
    (batch,) = loader
    assert torch.equal(batch["input"].view(torch.int16), split[[4, 1, 1]]["input"].view(torch.int16))


def test_collate_stacks_what_agrees_and_lists_the_rest(collate):
    time = datetime(2020, 5, 3, tzinfo=UTC)
    samples = [
        {
            "input": torch.full((2, 3), number, dtype=torch.uint16),
            "array": np.full((2,), number, np.float32),
            "ragged": torch.zeros(number, 4),
            "mixed": torch.zeros(2, dtype=torch.int8 if number else torch.int16),
            "text": f"text {number}",
            "none": None,
            "some": None if number else torch.ones(1),
            "time": time,
            "number": number,
            "geotransform": (1.0, 2.0),
            "metadata": {"id": str(number), "crs": None, "inner": {"x": torch.tensor(number)}},
        }
        for number in range(3)
    ]
    batch = collate(samples)
    assert list(batch) == list(samples[0])
    assert batch["input"].dtype == torch.uint16
    assert batch["input"].tolist() == [[[n] * 3] * 2 for n in range(3)]
    assert torch.equal(batch["array"], torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]))
    assert [tuple(one.shape) for one in batch["ragged"]] == [(0, 4), (1, 4), (2, 4)]
    assert isinstance(batch["mixed"], list)
    assert batch["text"] == ["text 0", "text 1", "text 2"]
    assert batch["none"] == [None] * 3
    assert [value is None for value in batch["some"]] == [False, True, True]
    assert batch["time"] == [time] * 3
    assert batch["geotransform"] == [(1.0, 2.0)] * 3
    assert batch["metadata"]["id"] == ["0", "1", "2"]
    assert batch["metadata"]["crs"] == [None] * 3
    assert batch["metadata"]["inner"]["x"].tolist() == [0, 1, 2]


def test_collate_gives_none_where_a_sample_lacks_a_key_even_if_it_is_a_dict(collate):
    batch = collate([{"a": torch.ones(2), "m": {"x": 1}}, {"b": "text"}])
    assert batch["b"] == [None, "text"]
    assert batch["a"][1] is None
    assert batch["m"] == [{"x": 1}, None]


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "uint16", "complex64", "bool"])
def test_collate_takes_numpy_samples_of_every_dtype(collate, name):
    arrays = [np.full((2,), number).astype(dtype_of(name)) for number in (0, 1)]
    arrays[1].flags.writeable = False
    stacked = collate([{"input": array} for array in arrays])["input"]
    assert facts_of(stacked, "torch") == (name, (2, 2), b"".join(array.tobytes() for array in arrays))


def test_collate_makes_tensors_of_numpy_numbers(collate):
    stacked = collate([{"x": np.uint8(1)}, {"x": np.uint8(2)}])["x"]
    assert stacked.dtype == torch.uint8
    assert stacked.tolist() == [1, 2]


def test_collate_of_a_batch_of_one_stacks_too(collate):
    assert collate([{"x": torch.ones(2), "t": "a"}])["x"].shape == (1, 2)

"""SampleNode: in graphs of torchdata.nodes, and on from their states."""

import json
import subprocess
import sys
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest
from torch_numbers import numbers

from mlstac_hf import CollectionWarning, CorruptSampleError
from mlstac_hf._order import Order, Shuffling

torch = pytest.importorskip("torch")
nodes = pytest.importorskip("torchdata.nodes")

from mlstac_hf.torch import SampleNode, collate

COUNT = 23


def expected(epoch=0):
    return Order(COUNT, Shuffling("full"), 5, epoch).at(range(COUNT)).tolist()


def graph(address, *, batch_size=4, pin=False, **options):
    """ParallelMapper, Batcher, PinMemory where there is something to pin for, Prefetcher, Loader."""
    mapped = nodes.ParallelMapper(SampleNode(address, **options), dict, num_workers=2, method="thread")
    batches = nodes.Mapper(nodes.Batcher(mapped, batch_size, drop_last=False), collate)
    return nodes.Loader(nodes.Prefetcher(nodes.PinMemory(batches) if pin else batches, 3))


def test_epochs_follow_each_other(numbered):
    loader = graph(numbered)
    for epoch in range(3):
        assert numbers(loader) == expected(epoch)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU to pin memory for")
def test_through_pinned_memory(numbered):
    batch = next(iter(graph(numbered, pin=True)))
    assert batch["input"].is_pinned()


@pytest.mark.parametrize("stop", [0, 1, 3, 5, 6])
def test_a_graph_goes_on_exactly(numbered, stop):
    loader = graph(numbered)
    running = iter(loader)
    got = numbers(next(running) for _ in range(stop))
    state = json.loads(json.dumps(loader.state_dict()))
    other = graph(numbered)
    other.load_state_dict(state)
    if stop == 6:  # the epoch was over
        assert got == expected()
        assert numbers(other) == expected(1)
    else:
        assert got + numbers(other) == expected()
        assert numbers(other) == expected(1)


def test_it_goes_on_five_times(numbered):
    state, got = None, []
    for _ in range(5):
        loader = graph(numbered)
        if state:
            loader.load_state_dict(state)
        got += numbers([next(iter(loader))])
        state = loader.state_dict()
    loader = graph(numbered)
    loader.load_state_dict(state)
    assert got + numbers(loader) == expected()


def test_the_nodes_own_state_fits_any_number_of_ranks(numbered):
    ranks = [SampleNode(numbered, rank=rank, world_size=2) for rank in range(2)]
    got = [int(next(node)["target"]) for _ in range(4) for node in ranks]
    states = [node.state_dict() for node in ranks]
    assert states[0] == states[1]
    assert got == expected()[:8]
    later = [SampleNode(numbered, rank=rank, world_size=3) for rank in range(3)]
    for node in later:
        node.reset(json.loads(json.dumps(states[0])))
    rest = [[int(sample["target"]) for sample in node] for node in later]
    assert [len(one) for one in rest] == [5, 5, 5]
    assert Counter(chain(got, *rest)) == Counter(range(COUNT))


def test_a_state_of_another_order_is_refused(numbered):
    state = SampleNode(numbered).state_dict()
    with pytest.raises(ValueError, match="seed: 5 in the state, 6 here"):
        SampleNode(numbered, seed=6).reset(state)


def test_a_bad_sample_raises_or_is_passed_over(numbered):
    sorted(Path(numbered, "train").iterdir())[3].write_bytes(b"")
    node = SampleNode(numbered, shuffle=False)
    assert [int(next(node)["target"]) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(CorruptSampleError):
        next(node)
    assert [int(sample["target"]) for sample in node] == [*range(4, COUNT)]  # who goes on gets the others
    node = SampleNode(numbered, shuffle=False, on_error="skip")
    with pytest.warns(CollectionWarning, match="sample 3"):
        assert [int(sample["target"]) for sample in node] == [number for number in range(COUNT) if number != 3]
    assert node.state_dict()["position"] == COUNT


def test_metadata_comes_along(images):
    from mlstac_hf import load

    node = SampleNode(images.address, shuffle=False, metadata=True)
    assert next(node)["metadata"] == load(images.address).metadata[0]


def test_what_means_nothing_is_refused(numbered):
    with pytest.raises(TypeError, match=r"SampleNode\(\) has no argument 'shufle'"):
        SampleNode(numbered, shufle=True)


@pytest.mark.parametrize("work", ["import mlstac_hf.torch", "mlstac_hf.torch.SampleLoader(demo, num_workers=0)"])
def test_nothing_else_needs_torchdata(numbered, work):
    code = f"import sys; sys.modules['torchdata'] = None\nimport mlstac_hf.torch\ndemo = {numbered!r}\n{work}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_where_it_lacks_the_line_to_type_is_named():
    code = "import sys; sys.modules['torchdata'] = None\nfrom mlstac_hf.torch import SampleNode"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "MissingExtraError: SampleNode needs torchdata" in done.stderr
    assert "pip install 'mlstac-hf[torch]'" in done.stderr

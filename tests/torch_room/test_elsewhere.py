"""Samples that lie on a server: what comes next is fetched meanwhile, in large ranges where the order allows them."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import numpy as np
import pytest
from misbehaving import MisbehavingServer

pytest.importorskip("torch")
pytest.importorskip("pyarrow")

import mlstac_hf
from mlstac_hf._order import _orders
from mlstac_hf.torch import SampleDataset, SampleIterDataPipe, SampleLoader

COUNT, BATCH = 240, 8


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """240 samples of 20 kB in containers of 60."""
    folder = tmp_path_factory.mktemp("elsewhere")
    samples = ({"input": np.full((10, 32, 32), n, "uint16"), "target": np.int64(n)} for n in range(COUNT))
    collection = mlstac_hf.Collection(
        id="x", title="X", description="Numbers.", license="CC0-1.0", task=["TensorClassification"], labels={"a": 1}
    )
    mlstac_hf.write(samples, folder, collection, layout="container", shard_nbytes=60 * 20_800)
    return folder


@pytest.fixture
def server(made):
    with MisbehavingServer(made) as running:
        yield running


def address(server):
    return f"{server.url}/main.json"


def loaded(batches):
    """The numbers of the samples, batch by batch."""
    found = []
    for batch in batches:
        assert batch["input"].shape[1:] == (10, 32, 32)
        assert (batch["input"].numpy()[:, 0, 0, 0] == batch["target"].numpy()).all()
        found.append(batch["target"].tolist())
    return found


@pytest.mark.parametrize("shuffle", [False, True, "blocks"])
def test_a_loader_without_workers_gives_the_batches_it_would_of_this_disk(server, made, shuffle, monkeypatch):
    monkeypatch.setattr(_orders, "BLOCK_NBYTES", 200_000)  # ten samples
    given = {"batch_size": BATCH, "num_workers": 0, "shuffle": shuffle}
    here, there = SampleLoader(made, **given), SampleLoader(address(server), **given)
    server.reset_counts()
    found = loaded(there)
    assert found == loaded(here)
    assert Counter(chain(*found)) == Counter(range(COUNT))
    assert there.state_dict() == here.state_dict()
    if shuffle is not True:
        assert len(server.requests) < COUNT / 4
    assert loaded(there) == loaded(here)  # the next epoch


def test_a_loader_that_was_stopped_goes_on_where_it_was_though_more_was_fetched(server):
    given = {"batch_size": BATCH, "num_workers": 0}
    loader = SampleLoader(address(server), **given)
    batches = iter(loader)
    before = loaded([next(batches) for _ in range(3)])
    state = loader.state_dict()
    assert state["position"] == 3 * BATCH
    again = SampleLoader(address(server), batch_size=6, num_workers=2)
    again.load_state_dict(state)
    assert Counter(chain(*before, *loaded(again))) == Counter(range(COUNT))


def numbers(samples):
    return [int(sample["target"]) for sample in samples]


def streams(source):
    yield SampleDataset(source).iterable(shuffle=False)
    yield SampleIterDataPipe(source)
    torchdata = pytest.importorskip("torchdata.nodes")
    from mlstac_hf.torch import SampleNode

    yield torchdata.Loader(SampleNode(source, shuffle=False))


@pytest.mark.parametrize("which", range(3))
def test_a_stream_asks_for_many_samples_at_once(server, which):
    stream = list(streams(address(server)))[which]
    server.reset_counts()
    assert numbers(stream) == [*range(COUNT)]
    assert len(server.requests) < COUNT / 4


def test_pipes_of_several_collections_come_in_their_order(server, made):
    from torch.utils.data.datapipes.iter import IterableWrapper

    both = IterableWrapper([address(server), str(made)]).load_mlstac()
    assert numbers(both) == [*range(COUNT), *range(COUNT)]
    assert Counter(numbers(both.shuffle())) == Counter([*range(COUNT), *range(COUNT)])

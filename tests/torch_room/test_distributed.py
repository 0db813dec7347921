"""Several processes of torch.distributed, and what each of them reads."""

import json
import os
import subprocess
import sys
from collections import Counter
from itertools import chain

import pytest

from mlstac_hf._order import Order, Shuffling

torch = pytest.importorskip("torch")

from mlstac_hf.torch import SampleLoader

COUNT = 23
RANK = """
import json, sys
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from mlstac_hf.torch import SampleLoader

address, meeting, rank, state, stop, uneven = sys.argv[1:]
dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=int(rank), world_size=2)
model = DistributedDataParallel(torch.nn.Linear(6, 1))
loader = SampleLoader(address, batch_size=3, num_workers=1, uneven=uneven)
if json.loads(state):
    loader.load_state_dict(json.loads(state))
got = []
for step, batch in enumerate(loader):
    model(batch["input"].float().flatten(1)).sum().backward()  # waits for the other rank
    got.append(batch["target"].tolist())
    if step + 1 == int(stop):
        break
print(json.dumps([got, loader.state_dict()]))
dist.destroy_process_group()
"""


def two_ranks(address, meeting, *, state=None, stop=0, uneven="pad"):
    """What each of two processes got, and their states."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    given = [json.dumps(state), str(stop), uneven]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, address, str(meeting), str(rank), *given],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for rank in range(2)
    ]
    told = [process.communicate(timeout=150) for process in running]
    assert [process.returncode for process in running] == [0, 0], told
    found = [json.loads(out) for out, _ in told]
    return [got for got, _ in found], [state for _, state in found]


def expected(epoch=0):
    return Order(COUNT, Shuffling("full"), 5, epoch).at(range(COUNT)).tolist()


def test_two_processes_stop_at_the_same_step_and_one_or_three_go_on(numbered, tmp_path):
    got, states = two_ranks(numbered, tmp_path / "meeting", stop=2)
    assert states[0] == states[1]
    assert states[0]["position"] == 12
    first = [index for step in range(2) for rank in range(2) for index in got[rank][step]]
    assert first == expected()[:12]
    for later in (1, 3):
        loaders = [
            SampleLoader(numbered, batch_size=2, num_workers=0, rank=rank, world_size=later) for rank in range(later)
        ]
        for loader in loaders:
            loader.load_state_dict(states[0])
        rest = [[batch["target"].tolist() for batch in loader] for loader in loaders]
        assert len({tuple(map(len, batches)) for batches in rest}) == 1
        found = Counter(chain(first, *chain.from_iterable(rest)))
        padding = -(COUNT - 12) % later
        assert found == Counter(expected() + expected()[:padding])


def test_two_processes_go_on_where_one_stopped(numbered, tmp_path):
    loader = SampleLoader(numbered, batch_size=5, num_workers=0)
    first = next(iter(loader))["target"].tolist()
    got, states = two_ranks(numbered, tmp_path / "meeting", state=loader.state_dict(), uneven="repeat")
    assert [[len(batch) for batch in rank] for rank in got] == [[3, 3, 3]] * 2  # none waits for the other in vain
    assert Counter(chain(first, *chain.from_iterable(got))) == Counter(expected())
    assert states[0] == states[1]
    assert (states[0]["epoch"], states[0]["position"]) == (1, 0)


@pytest.mark.parametrize("streaming", [False, True])
def test_datasets_own_split_by_node_gives_each_rank_its_part(numbered, tmp_path, monkeypatch, streaming):
    datasets = pytest.importorskip("datasets")
    from datasets.distributed import split_dataset_by_node

    import mlstac_hf

    datasets.disable_progress_bars()
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    dataset = mlstac_hf.load_dataset(numbered, split="train", streaming=streaming)
    parts = [split_dataset_by_node(dataset, rank=rank, world_size=2) for rank in range(2)]
    found = [[int(row["target"]) for row in part] for part in parts]
    assert sorted(chain(*found)) == list(range(COUNT))
    assert sorted(map(len, found)) == [11, 12]

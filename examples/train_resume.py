"""Stop a training run anywhere and go on exactly: python examples/train_resume.py [FOLDER].

The same lines run on many processes, started with `torchrun`: each takes its rank from torch.distributed.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

import torch
from torch import nn

import mlstac_hf
from mlstac_hf._demo import make_collection  # stands in for a collection of your own
from mlstac_hf.torch import SampleLoader

EPOCHS = 5


def network(bands: int, classes: int) -> nn.Module:
    """A few convolutions; each pixel gets its class from its surroundings."""
    return nn.Sequential(
        nn.Conv2d(bands, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 24, 3, padding=2, dilation=2),
        nn.ReLU(),
        nn.Conv2d(24, classes, 1),
    )


class Run:
    """A model, its optimizer and its loader: what a checkpoint holds."""

    def __init__(self, address: str, *, batch_size: int, num_workers: int) -> None:
        collection = mlstac_hf.open_collection(address)
        self.model = network(len(collection.bands), len(collection.labels))
        self.optimizer = torch.optim.Adam(self.model.parameters(), 0.01)
        self.loader = SampleLoader(
            address, batch_size=batch_size, num_workers=num_workers, columns=["input", "target"], metadata=True
        )
        self.seen: Counter[str] = Counter()  # samples of the epoch that runs

    def save(self, path: Path) -> None:
        """Write a checkpoint; of several ranks, one is enough."""
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "seen": dict(self.seen)}
        torch.save({**state, "loader": self.loader.state_dict()}, path)

    def go_on(self, path: Path) -> None:
        """Take over a checkpoint."""
        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.loader.load_state_dict(state["loader"])
        self.seen = Counter(state["seen"])

    def epoch(self, stop: int | None = None) -> None:
        """Train to the end of the epoch, or for a few steps."""
        number, losses = self.loader.epoch, []
        for step, batch in enumerate(self.loader, 1):
            self.optimizer.zero_grad()
            scores = self.model(batch["input"].float() / 10_000)
            loss = nn.functional.cross_entropy(scores, batch["target"][:, 0].long())
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
            self.seen.update(batch["metadata"]["id"])
            if step == stop:
                print(f"epoch {number + 1}  stopped after {step} steps, {self.seen.total()} samples")
                return
        print(f"epoch {number + 1}  loss {sum(losses) / len(losses):.3f}  {self.seen.total()} samples", end="")
        print(", each once" if set(self.seen.values()) == {1} else ", SOME TWICE")
        self.seen.clear()


def main(folder: str) -> None:
    """Train for a while, stop in the middle of an epoch, and go on with other workers and batches."""
    torch.manual_seed(0)
    address = str(make_collection(folder))
    checkpoint = Path(folder, "checkpoint.pt")
    first = Run(address, batch_size=4, num_workers=2)
    for _ in range(2):
        first.epoch()
    first.epoch(stop=2)
    first.save(checkpoint)

    second = Run(address, batch_size=3, num_workers=1)
    second.go_on(checkpoint)
    while second.loader.epoch < EPOCHS:
        second.epoch()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(str(Path(temporary, "demo")))

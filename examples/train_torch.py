"""Train a small PyTorch model on an ML-STAC collection: python examples/train_torch.py [FOLDER]."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader

import mlstac_hf
from mlstac_hf._demo import make_collection  # stands in for a collection of your own

EPOCHS, BATCH = 4, 4


def batches(address: str, split: str, *, shuffle: bool = False) -> DataLoader:
    """One split in batches of tensors, in their stored dtype."""
    rows = mlstac_hf.load_dataset(address, split=split).select_columns(["input", "target"])
    return DataLoader(rows.with_format("mlstac_torch"), batch_size=BATCH, shuffle=shuffle)


def to_torch(batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Whole numbers, as stored, to what torch trains on."""
    # Sentinel-2 stores reflectance x 10,000 as uint16, with which torch cannot calculate: a network wants floats
    # around 0 to 1. The loss wants classes (N, H, W) as int64, so the mask loses its band axis here.
    return batch["input"].float() / 10_000, batch["target"][:, 0].long()


def network(bands: int, classes: int) -> nn.Module:
    """A few convolutions; each pixel gets its class from the 13 x 13 pixels around it."""
    return nn.Sequential(
        nn.Conv2d(bands, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 24, 3, padding=2, dilation=2),
        nn.ReLU(),
        nn.Conv2d(24, 24, 3, padding=3, dilation=3),
        nn.ReLU(),
        nn.Conv2d(24, classes, 1),
    )


def evaluate(model: nn.Module, loader: DataLoader) -> tuple[float, float]:
    """Mean loss, and the share of pixels that are right."""
    losses, right = [], []
    with torch.no_grad():
        for image, classes in map(to_torch, loader):
            scores = model(image)
            losses.append(nn.functional.cross_entropy(scores, classes).item())
            right.append((scores.argmax(1) == classes).float().mean().item())
    return sum(losses) / len(losses), sum(right) / len(right)


def main(folder: str) -> None:
    """Make the collection, train, and say how the loss went."""
    torch.manual_seed(0)
    address = str(make_collection(folder))
    collection = mlstac_hf.open_collection(address)
    model = network(len(collection.bands), len(collection.labels))
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    train, validation = batches(address, "train", shuffle=True), batches(address, "validation")
    print(f"before   loss {evaluate(model, validation)[0]:.3f}")
    for epoch in range(1, EPOCHS + 1):
        for image, classes in map(to_torch, train):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(image), classes).backward()
            optimizer.step()
        loss, right = evaluate(model, validation)
        print(f"epoch {epoch}  loss {loss:.3f}  pixels right {right:.0%}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(str(Path(temporary, "demo")))

"""Bars of classes."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.image import imread

from mlstac_hf._pictures import _classes, draw_classes
from mlstac_hf._pictures._colours import rgb, split_colours


def lengths(path, splits):
    """The longest bar of each split, in dots."""
    page = np.rint(imread(path)[_classes._HEAD :, :, :3] * 255).astype(int)
    colours = split_colours(splits)
    return {name: int((page == rgb(colours[name])).all(axis=-1).sum(axis=1).max()) for name in splits}


def test_bars_are_as_long_as_their_shares(tmp_path):
    draw_classes({"train": {"a": 75, "b": 25}, "test": {"a": 1, "b": 1}, "none": {"a": 0}}, tmp_path / "c.png")
    found = lengths(tmp_path / "c.png", ["train", "test"])
    assert found["test"] / found["train"] == pytest.approx(50 / 75, abs=0.02)


def test_the_commonest_first_and_the_rare_together(tmp_path):
    counts = {"train": {f"$c{number}_{{": number + 1 for number in range(40)}}
    few = _classes._few(counts)["train"]
    assert len(few) == _classes.MOST
    assert next(iter(few)) == "$c39_{"
    assert sum(few.values()) == sum(counts["train"].values())
    draw_classes(counts, tmp_path / "c.png")
    assert (tmp_path / "c.png").stat().st_size < 1_000_000


def test_nothing_counted(tmp_path):
    with pytest.raises(ValueError, match="found none"):
        draw_classes({"train": {"a": 0}}, tmp_path / "c.png")

"""Contact sheets: where things stand on the page, what colour they have, and every kind of collection."""

from __future__ import annotations

import json
import os
import shutil
import sys

import numpy as np
import pytest
from kinds import KINDS

import mlstac_hf
from mlstac_hf import MissingExtraError
from mlstac_hf._demo import make_collection
from mlstac_hf._demo._ground import LABELS
from mlstac_hf._pictures import _sheet, contact_sheet
from mlstac_hf._pictures._colours import COLOURS, class_colours, painted, rgb
from mlstac_hf._pictures._sheet import spread

pytest.importorskip("matplotlib")


def everything(folder, split="train"):
    return mlstac_hf.load(folder, "numpy", split=split)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    return make_collection(tmp_path_factory.mktemp("demo") / "collection")


def pixels(path):
    from matplotlib.image import imread

    return np.rint(imread(path)[..., :3] * 255).astype(np.uint8)


def colours_in(page):
    return {tuple(pixel) for pixel in np.unique(page.reshape(-1, 3), axis=0).tolist()}


class TestDemo:
    def test_masks_are_enlarged_and_not_stretched(self, demo, tmp_path):
        train = everything(demo)
        contact_sheet(train, tmp_path / "sheet.png")
        page = pixels(tmp_path / "sheet.png")
        enlarged = painted(train[5]["target"][0], LABELS).repeat(4, axis=0).repeat(4, axis=1)
        left = _sheet._MARGIN + 256 + _sheet._GAP + (2 * 256 + _sheet._GAP + _sheet._GUTTER)
        top = _sheet._HEAD + 256 + _sheet._CAPTION + _sheet._GUTTER // 2
        np.testing.assert_array_equal(page[top : top + 256, left : left + 256], enlarged)
        assert os.listdir(tmp_path) == ["sheet.png"]

    def test_pictures_are_in_true_colour(self, demo, tmp_path):
        train = everything(demo)
        contact_sheet(train, tmp_path / "sheet.png", count=1)
        page = pixels(tmp_path / "sheet.png")
        picture = page[_sheet._HEAD : _sheet._HEAD + 256, _sheet._MARGIN : _sheet._MARGIN + 256][::4, ::4].astype(float)
        for channel, band in enumerate((2, 1, 0)):
            stored = train[0]["input"][band].astype(float)
            assert np.corrcoef(picture[..., channel].ravel(), stored.ravel())[0, 1] > 0.95

    @pytest.mark.parametrize("size", [16, 100, 260])
    def test_other_sizes_and_counts(self, tmp_path, size):
        folder = make_collection(tmp_path / "demo", samples=(2, 0, 0), size=size)
        contact_sheet(everything(folder), tmp_path / "sheet.png", count=9)
        height, width, _ = pixels(tmp_path / "sheet.png").shape
        assert width >= 4 * min(size, 256)
        assert height >= min(size, 256)

    def test_classes_of_other_names_get_colours_of_their_own(self, demo, tmp_path):
        names = [f"kind {value}" for value in range(6)]
        folder = tmp_path / "renamed"
        shutil.copytree(demo, folder)
        document = json.loads((folder / "main.json").read_text())
        document["ml:labels"]["labels"] = {name: value for value, name in enumerate(names)}
        (folder / "main.json").write_text(json.dumps(document))
        train = everything(folder)
        contact_sheet(train, tmp_path / "sheet.png", count=3)
        found = colours_in(pixels(tmp_path / "sheet.png"))
        chosen = class_colours(train.collection.labels)
        assert len(set(chosen.values())) == 6
        assert {rgb(chosen[names[value]]) for value in np.unique(train[:3]["target"])} <= found

    def test_the_same_bytes_each_time(self, demo, tmp_path, monkeypatch):
        import matplotlib as mpl

        contact_sheet(everything(demo), tmp_path / "one.png", count=2)
        monkeypatch.setitem(mpl.rcParams, "font.family", "serif")
        contact_sheet(everything(demo), tmp_path / "two.png", count=2)
        assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()

    def test_an_empty_split(self, tmp_path):
        folder = make_collection(tmp_path / "demo", samples=(1, 0, 0), size=16)
        with pytest.raises(ValueError, match="found none"):
            contact_sheet(everything(folder, "test"), tmp_path / "sheet.png")
        assert os.listdir(tmp_path) == ["demo"]

    def test_bad_samples_are_left_out(self, demo, tmp_path):
        folder = tmp_path / "damaged"
        shutil.copytree(demo, folder)
        for name in ("0000001", "0000003"):
            (folder / "train" / f"{name}.safetensors").write_bytes(b"no sample")
        contact_sheet(everything(folder), tmp_path / "damaged.png", count=3)
        contact_sheet(everything(demo), tmp_path / "whole.png", indices=[1])
        assert pixels(tmp_path / "damaged.png").shape == pixels(tmp_path / "whole.png").shape

    def test_without_matplotlib_the_line_to_type(self, demo, tmp_path, monkeypatch):
        for name in ("matplotlib", "matplotlib.figure", "matplotlib.backends", "matplotlib.backends.backend_agg"):
            monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(MissingExtraError, match=r"pip install 'mlstac-hf\[plot\]'"):
            contact_sheet(everything(demo), tmp_path / "sheet.png")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_collection(kind, tmp_path):
    folder = KINDS[kind](tmp_path / kind)
    contact_sheet(everything(folder), tmp_path / "sheet.png", indices=spread(7, 12))
    assert (tmp_path / "sheet.png").stat().st_size < 1_000_000
    page = pixels(tmp_path / "sheet.png")
    tiles = page[_sheet._HEAD : -_sheet._MARGIN // 2]
    assert (tiles != 255).any(axis=-1).mean() > 0.02
    shown = colours_in(page)
    if kind == "segmentation":
        assert {rgb(COLOURS["water"]), rgb(COLOURS["forest"])} <= shown
    if kind == "series":  # numbers in the target, from dark to bright
        assert {(68, 1, 84), (253, 231, 37)} <= shown
    is_grey = kind in ("radar", "bare")
    assert (len([c for c in shown if max(c) - min(c) > 60]) < 50) == is_grey


def test_a_large_sheet_is_brought_down(tmp_path):
    from kinds import write_kind

    def noise(i):
        return {"input": np.random.default_rng(i).integers(0, 3000, (3, 256, 256)).astype(np.uint16)}

    folder = write_kind(tmp_path / "noise", noise, counts={"train": 12}, task=["TensorRegression"])
    contact_sheet(everything(folder), tmp_path / "sheet.png")
    assert 300_000 < (tmp_path / "sheet.png").stat().st_size < 1_000_000


def test_classes_without_names_are_numbers(tmp_path):
    from kinds import write_kind

    def sample(i):
        return {"input": np.full((1, 8, 8), i, np.uint8), "target": np.full((8, 8), i % 3 + 4, np.uint8)}

    folder = write_kind(tmp_path / "numbers", sample, task=["TensorSegmentation"])
    contact_sheet(everything(folder), tmp_path / "sheet.png")
    assert {rgb(colour) for colour in class_colours({"4": 4, "5": 5, "6": 6}).values()} <= colours_in(
        pixels(tmp_path / "sheet.png")
    )


@pytest.mark.parametrize(("length", "count"), [(0, 5), (3, 5), (5, 5), (6, 5), (24, 12), (1_000_003, 12)])
def test_samples_from_all_over(length, count):
    chosen = spread(length, count)
    assert len(set(chosen)) == len(chosen) == min(length, count)
    assert chosen == sorted(chosen)
    if length > 2 * count:
        assert chosen[0] < length / count
        assert chosen[-1] >= length - length / count - 1
        assert len(set(np.diff(chosen))) > 1

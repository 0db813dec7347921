"""Samples of several splits as one: every answer is that of the split a sample lies in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from containers import make_containers
from misbehaving import MisbehavingServer

import mlstac_hf
from mlstac_hf._reading import open_split, whole_of
from mlstac_hf._reading._joined import Joined
from mlstac_hf._reading._selected import Selected

MemoryFile = pytest.importorskip("rasterio.io").MemoryFile
pytest.importorskip("pyarrow")


@pytest.fixture
def made(tmp_path):
    return make_containers(tmp_path / "made")


@pytest.fixture
def joined(made):
    collection = mlstac_hf.open_collection(made.folder)
    return Joined("all", tuple(open_split(collection, split) for split in ("train", "test")))


def test_an_index_means_a_sample_of_its_own_split(made, joined):
    rasters = [*made.rasters["train"], *made.rasters["test"]]
    assert len(joined) == len(rasters) == 7
    assert joined.is_local
    for index, raster in enumerate(rasters):
        np.testing.assert_array_equal(joined.read(index).values["input"], raster)
        head = joined.head(index)
        assert joined.metadata(index, head)["id"] == f"ROI_{index:03d}"
        assert head.tensors["input"].shape == raster.shape
        assert f"ROI_{index:03d}" in joined.place(index)
        assert joined.nbytes(index) > 0
    assert joined.keys(head)["cloud"] == "float64"
    assert whole_of(joined) == (7, sum(joined.nbytes(index) for index in range(7)))


def test_names_lead_back_to_their_index(joined):
    names = [joined.name(index) for index in range(len(joined))]
    assert len(set(names)) == len(names)
    assert joined.find([*reversed(names), "train/nobody", "elsewhere"]) == {name: i for i, name in enumerate(names)}


def test_a_changed_split_is_another_one(made, joined):
    before = joined.fingerprint()
    path = made.folder / "test" / "test_1.mlstac"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.warns(mlstac_hf.CollectionWarning, match="main.json claims"):
        test = open_split(mlstac_hf.open_collection(made.folder), "test")
    assert Joined("all", (joined.sources[0], test)).fingerprint() != before
    assert Joined("other", joined.sources).fingerprint() != before


@pytest.mark.parametrize("indices", [[0, 2, 5, 6], [6, 0, 5, 1], []])
def test_samples_are_brought_in_the_order_asked_for(made, tmp_path, indices):
    rasters = [*made.rasters["train"], *made.rasters["test"]]
    (tmp_path / "here").mkdir()
    with MisbehavingServer(made.folder) as server:
        collection = mlstac_hf.open_collection(server.url)
        remote = Joined("all", tuple(open_split(collection, split) for split in ("train", "test")))
        assert not remote.is_local
        brought = remote.brought(tmp_path / "here", indices)
    assert len(brought) == len(indices)
    for place, index in enumerate(indices):
        np.testing.assert_array_equal(brought.read(place).values["input"], rasters[index])


def test_a_location_leads_to_the_payload(made, joined):
    chosen = Selected(joined, [6, 0])
    for source, indices in ((joined, range(7)), (chosen, (0, 1))):
        for index in indices:
            place = source.location(index)
            data = (Path(place.folder) / place.path).read_bytes()[place.start : place.start + place.nbytes]
            with MemoryFile(data) as file, file.open() as raster:
                np.testing.assert_array_equal(raster.read(), source.read(index).values["input"])

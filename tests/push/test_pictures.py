"""The pictures of a card, as planned files; where samples are and how near splits come."""

from __future__ import annotations

import logging
import sys

import numpy as np
import pytest

pytest.importorskip("datasets")
shapely = pytest.importorskip("shapely")

from cards import make, opened  # noqa: E402
from kinds import KINDS, texture, write_kind  # noqa: E402

import mlstac_hf  # noqa: E402
from mlstac_hf._push import _pictures  # noqa: E402
from mlstac_hf._push._leakage import leakage_of  # noqa: E402
from mlstac_hf._push._pictures import CLASSES, MAP, SHEET, class_counts, plan_pictures  # noqa: E402
from mlstac_hf._push._survey import survey  # noqa: E402
from mlstac_hf._reading import open_split  # noqa: E402


def planned(folder):
    collection, sources, digest = opened(folder)
    surveys = {name: survey(source) for name, source in sources.items()}
    counts, _ = class_counts(collection, sources)
    return plan_pictures(collection, sources, surveys, counts, digest)


class TestPlan:
    @pytest.fixture(autouse=True)
    def _matplotlib(self):
        pytest.importorskip("matplotlib")

    @pytest.mark.parametrize("kind", KINDS)
    def test_which_pictures_there_are(self, kind, tmp_path):
        expected = {SHEET}
        expected |= {MAP} if kind not in ("captions", "prompts", "bare") else set()
        expected |= {CLASSES} if kind in ("segmentation", "classification") else set()
        assert {file.path for file in planned(KINDS[kind](tmp_path / kind))} == expected

    def test_they_are_made_and_the_same_each_time(self, tmp_path):
        folder = KINDS["segmentation"](tmp_path / "s")
        one, two = planned(folder), planned(folder)
        make(one, tmp_path / "one")
        make(two, tmp_path / "two")
        for a, b in zip(one, two, strict=True):
            data = (tmp_path / "one" / a.path).read_bytes()
            assert a.key == b.key
            assert data == (tmp_path / "two" / b.path).read_bytes()
            assert data.startswith(b"\x89PNG")
            assert 5_000 < len(data) < 1_000_000

    def test_keys_change_with_what_is_drawn(self, tmp_path):
        keys = [{file.key for file in planned(KINDS["segmentation"](tmp_path / name))} for name in ("s", "t")]
        assert not keys[0] & keys[1]


def test_without_matplotlib_there_are_none(tmp_path, monkeypatch, caplog):
    folder = KINDS["segmentation"](tmp_path / "s")
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    with caplog.at_level(logging.WARNING):
        assert planned(folder) == []
    assert "pip install 'mlstac-hf[plot]'" in caplog.text


class TestCounts:
    def test_what_the_collection_says_is_what_is_counted(self, tmp_path):
        collection, sources, _ = opened(KINDS["segmentation"](tmp_path / "s"))
        stated, _ = class_counts(collection, sources)
        unsaid = collection.annotations.model_copy(update={"class_counts": None})
        counted, counted_all = class_counts(collection.model_copy(update={"annotations": unsaid}), sources)
        assert counted_all
        assert {name: dict(found) for name, found in stated.items()} == counted

    def test_some_samples_of_many(self, tmp_path, monkeypatch):
        monkeypatch.setattr(_pictures, "_COUNTED", 4)
        folder = KINDS["classification"](tmp_path / "c")
        damaged = min((folder / "validation").glob("*.safetensors*"))
        collection, sources, _ = opened(folder)
        damaged.write_bytes(b"")
        unsaid = collection.annotations.model_copy(update={"class_counts": None})
        counts, counted_all = class_counts(collection.model_copy(update={"annotations": unsaid}), sources)
        assert not counted_all
        assert {name: sum(found.values()) for name, found in counts.items()} == {"train": 4, "validation": 2, "test": 2}

    def test_nothing_to_count(self, tmp_path):
        collection, sources, _ = opened(KINDS["radar"](tmp_path / "r"))
        assert class_counts(collection, sources) == (None, True)
        assert class_counts(collection.model_copy(update={"labels": {"x": 1}}), sources) == (None, True)  # floats


class TestSurvey:
    def test_where_and_when(self, tmp_path):
        _, sources, _ = opened(KINDS["segmentation"](tmp_path / "s"))
        seen = survey(sources["train"])
        assert list(seen.ids) == [f"sample-{number}" for number in range(7)]
        assert (f"{seen.start:%Y-%m-%d}", f"{seen.end:%Y-%m-%d}") == ("2020-05-01", "2020-05-07")
        assert seen.bbox == pytest.approx(tuple(shapely.total_bounds(seen.places)))
        pyproj = pytest.importorskip("pyproj")
        lon, lat = pyproj.Transformer.from_crs(32633, 4326, always_xy=True).transform(400_240, 4_999_800)
        assert seen.places[0].contains(shapely.Point(lon, lat))

    def test_nothing_is_known(self, tmp_path):
        _, sources, _ = opened(KINDS["bare"](tmp_path / "b"))
        seen = survey(sources["train"])
        assert (seen.bbox, seen.start, seen.end) == (None, None, None)
        leakage = leakage_of({name: survey(source) for name, source in sources.items()})
        assert leakage.distances == ()
        assert set(leakage.shared_ids.values()) == {0}

    def test_numbers_are_no_ids(self, collection):
        opened_one = mlstac_hf.open_collection(collection.address)
        assert set(survey(open_split(opened_one, "train")).ids) == {None}

    def test_without_shapely_no_place_is_known(self, tmp_path, monkeypatch):
        _, sources, _ = opened(KINDS["segmentation"](tmp_path / "s"))
        monkeypatch.setitem(sys.modules, "pyproj", None)
        seen = survey(sources["train"])
        assert len(seen.places) == 7
        assert seen.bbox is None

    def test_containers_know_their_places_by_the_table_beside_them(self, tmp_path, real_data):
        pytest.importorskip("rasterio")
        collection = mlstac_hf.open_collection(real_data / "genB_clouds")
        places = survey(open_split(collection, "train")).places
        assert {place is None for place in places} == {True, False}  # Landsat chips have no CRS

    def test_leakage(self, tmp_path):
        def sample(i):
            corner = (400_000.0 + 80 * (i % 3), 10.0, 0.0, 5_000_000.0, 0.0, -10.0)
            return {"input": texture(i, 1, 8, 8), "geotransform": corner, "id": f"tile-{i % 4}"}

        folder = write_kind(tmp_path / "near", sample, counts={"train": 3, "test": 2}, task=["TensorRegression"])
        _, sources, _ = opened(folder)
        leakage = leakage_of({name: survey(source) for name, source in sources.items()})
        (distance,) = leakage.distances
        assert (distance.overlapping, distance.minimum_m, distance.within_1km) == (2, 0.0, 2)
        assert leakage.shared_ids == {("train", "test"): 1}
        assert np.isfinite(distance.minimum_m)

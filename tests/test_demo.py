"""The demo's collection and its contact sheet."""

from __future__ import annotations

import itertools
import json
import os

import numpy as np
import pytest
from safetensors import safe_open

import mlstac_hf
from mlstac_hf._demo import _collection, make_collection
from mlstac_hf._demo._ground import BANDS, CROPS, LABELS, SOIL, broadleaf, meadow, sun_elevation
from mlstac_hf._demo._scene import make_scene
from mlstac_hf._demo._texture import blocks, blur, borders, noise, parcels, shift

SPLITS = ("train", "validation", "test")
SMALL = {"samples": (3, 1, 0), "size": 16}


def everything(folder, split="train"):
    return mlstac_hf.load(folder, "numpy", split=split)


def contents(folder):
    """Tensors and metadata of all samples, comparable."""
    found = {}
    for path in sorted(folder.glob("*/*.safetensors")):
        with safe_open(path, "np") as file:
            tensors = {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118 - no mapping
            found[f"{path.parent.name}/{path.name}"] = (tensors, file.metadata())
    return found


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """As `mlstac-hf demo` makes it."""
    return make_collection(tmp_path_factory.mktemp("demo") / "collection")


@pytest.fixture(scope="module")
def rows(demo):
    """Every sample: (image, classes, metadata)."""
    return [
        (sample["input"], sample["target"][0], split.metadata[index])
        for split in (everything(demo, name) for name in SPLITS)
        for index, sample in enumerate(split)
    ]


class TestCollection:
    def test_what_main_json_says(self, demo):
        collection = mlstac_hf.open_collection(demo)
        assert {name: catalog.n_items for name, catalog in collection.splits.items()} == {
            "train": 24,
            "validation": 8,
            "test": 8,
        }
        assert sorted(collection.labels.values()) == list(range(len(collection.labels)))
        assert [band.common_name for band in collection.bands] == ["blue", "green", "red", "nir"]
        assert collection.task == ("TensorSegmentation",)
        assert collection.license
        assert collection.providers
        assert set(collection.dimensions) == {"input", "target"}

    def test_what_a_sample_holds(self, demo):
        train = everything(demo)
        assert (train[0]["input"].shape, train[0]["input"].dtype) == ((4, 64, 64), np.uint16)
        assert (train[0]["target"].shape, train[0]["target"].dtype) == ((1, 64, 64), np.uint8)
        metadata = train.metadata[9]
        assert metadata["id"] == "000000A"
        assert metadata["crs"] == "EPSG:32633"
        assert metadata["geotransform"][1:3] == (10.0, 0.0)
        assert metadata["start_datetime"] == metadata["end_datetime"]
        assert {"cloud_fraction", "region", "sun_elevation_deg"} <= set(metadata)

    def test_safetensors_reads_the_same(self, demo):
        with safe_open(demo / "train" / "0000005.safetensors", "np") as file:
            for name in ("input", "target"):
                np.testing.assert_array_equal(file.get_tensor(name), everything(demo)[4][name])

    def test_every_class_occurs_and_no_other(self, rows):
        found = np.unique(np.concatenate([classes.ravel() for _, classes, _ in rows]))
        assert found.tolist() == sorted(LABELS.values())

    def test_cloud_fraction_is_that_of_the_mask(self, rows):
        for _, classes, metadata in rows:
            assert float(metadata["cloud_fraction"]) == pytest.approx((classes == LABELS["cloud"]).mean(), abs=1e-4)

    def test_no_two_samples_overlap(self, rows):
        corners = [metadata["geotransform"][0::3] for _, _, metadata in rows]
        for (x, y), (other_x, other_y) in itertools.combinations(corners, 2):
            assert max(abs(x - other_x), abs(y - other_y)) >= 640

    def test_no_region_is_in_two_splits(self, demo):
        regions = [{row["region"] for row in everything(demo, name).metadata[:]} for name in SPLITS]
        assert sum(map(len, regions)) == len(set.union(*regions)) == 10

    def test_places_are_where_they_are(self):
        warp = pytest.importorskip("rasterio.warp")
        for region in _collection.REGIONS:
            (east,), (north,) = warp.transform("EPSG:4326", "EPSG:32633", [region.longitude], [region.latitude])
            assert abs(east - region.easting) <= 5.1
            assert abs(north - region.northing) <= 5.1

    def test_same_arguments_same_samples(self, tmp_path):
        one, two, other = (
            make_collection(tmp_path / name, seed=seed, **SMALL) for name, seed in (("a", 1), ("b", 1), ("c", 2))
        )
        assert contents(one) == contents(two)
        assert contents(one) != contents(other)
        assert (one / "main.json").read_bytes() == (two / "main.json").read_bytes()

    def test_many_samples_still_lie_apart(self):
        places = set()
        for number in range(0, 120, 4):
            data = _collection.make_sample(number, "0000001", 16, 0)
            header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
            places.add(header["__metadata__"]["geotransform"])
        assert len(places) == 30

    @pytest.mark.parametrize("arguments", [{"size": 15}, {"samples": (1, 2)}, {"samples": (1, -1, 0)}])
    def test_wrong_arguments(self, tmp_path, arguments):
        with pytest.raises(ValueError, match="expected"):
            make_collection(tmp_path / "demo", **arguments)
        assert not list(tmp_path.iterdir())


class TestWriting:
    def test_kept_when_it_is_there(self, tmp_path):
        folder = make_collection(tmp_path / "not" / "there" / "yet", **SMALL)
        (folder / _collection.SHEET).write_bytes(b"picture")
        before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
        assert make_collection(folder, **SMALL) == folder
        assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before

    def test_a_relative_path_comes_back_absolute(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert make_collection("demo", **SMALL) == tmp_path / "demo"

    @pytest.mark.parametrize("lost", ["train/0000002.safetensors", "main.json", None])
    def test_an_earlier_demo_is_replaced(self, tmp_path, lost):
        folder = make_collection(tmp_path / "demo", seed=1, **SMALL)
        wanted = contents(make_collection(tmp_path / "other", seed=0 if lost is None else 1, **SMALL))
        if lost == "main.json":
            (folder / lost).write_text((folder / lost).read_text().replace("16 x 16", "17 x 17"))
        elif lost:
            (folder / lost).unlink()
        make_collection(folder, seed=0 if lost is None else 1, **SMALL)
        assert contents(folder) == wanted
        assert sorted(os.listdir(tmp_path)) == ["demo", "other"]

    def test_an_empty_folder_is_filled(self, tmp_path):
        (tmp_path / "demo").mkdir()
        assert len(contents(make_collection(tmp_path / "demo", **SMALL))) == 4

    @pytest.mark.parametrize(
        "files",
        [
            {"thesis.txt": "years of work"},
            {"main.json": '{"id": "someone else\'s"}', "train/0000001.safetensors": "samples"},
            {"main.json": "[]"},
            {"main.json": "{"},
            {"train/0000001.safetensors": "samples"},
        ],
    )
    def test_what_is_not_ours_is_left_alone(self, tmp_path, files):
        for name, text in files.items():
            path = tmp_path / "demo" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        with pytest.raises(FileExistsError, match="Nothing was changed"):
            make_collection(tmp_path / "demo", **SMALL)
        assert {name: (tmp_path / "demo" / name).read_text() for name in files} == files
        assert os.listdir(tmp_path) == ["demo"]

    def test_a_file_is_left_alone(self, tmp_path):
        (tmp_path / "demo").write_text("not a folder")
        with pytest.raises(FileExistsError, match="something else"):
            make_collection(tmp_path / "demo", **SMALL)
        assert (tmp_path / "demo").read_text() == "not a folder"

    @pytest.mark.parametrize("before", [False, True])
    def test_never_half_a_collection(self, tmp_path, monkeypatch, before):
        folder = tmp_path / "demo"
        if before:
            make_collection(folder, seed=3, **SMALL)
        wanted = contents(folder)
        real, made = _collection.make_sample, []

        def full_disk(*arguments):
            made.append(arguments)
            if len(made) == 3:
                raise OSError(28, "No space left on device")
            return real(*arguments)

        monkeypatch.setattr(_collection, "make_sample", full_disk)
        with pytest.raises(OSError, match="No space left"):
            make_collection(folder, **SMALL)
        assert contents(folder) == wanted
        assert os.listdir(tmp_path) == (["demo"] if before else [])


class TestGround:
    """What the scenes show is what such land looks like."""

    @staticmethod
    def ndvi(spectrum):
        red, nir = (float(np.mean(spectrum[band])) for band in (2, 3))
        return (nir - red) / (nir + red)

    def test_classes_look_like_what_they_are(self, rows):
        pixels = {value: [] for value in LABELS.values()}
        for image, classes, metadata in rows:
            if metadata["start_datetime"].month in (6, 7, 8) and float(metadata["cloud_fraction"]) < 0.02:
                for value in np.unique(classes):
                    pixels[value].append(image[:, classes == value])
        mean = {
            name: np.concatenate(pixels[value], axis=1).mean(axis=1) for name, value in LABELS.items() if pixels[value]
        }
        assert self.ndvi(mean["water"]) < 0.2  # with its banks
        assert self.ndvi(mean["forest"]) > 0.7
        assert self.ndvi(mean["grassland"]) > self.ndvi(mean["built-up"])
        assert mean["water"][3] < 700 < mean["cropland"][3]

    def test_clouds_are_bright(self, rows):
        for image, classes, _ in rows:
            cloud = classes == LABELS["cloud"]
            if cloud.any():
                assert image[0][cloud].mean() > 2 * image[0][~cloud].mean()

    def test_the_year_goes_by(self):
        wheat, _, rape, maize, *_ = CROPS
        assert self.ndvi(wheat.reflectance(130, SOIL)) > 0.7 > self.ndvi(wheat.reflectance(200, SOIL))
        assert self.ndvi(maize.reflectance(110, SOIL)) < 0.3
        assert self.ndvi(maize.reflectance(220, SOIL)) > 0.7
        assert rape.reflectance(120, SOIL)[1] > 1.3 * rape.reflectance(150, SOIL)[1]  # yellow is bright in green
        assert self.ndvi(broadleaf(190)) > 0.8
        assert self.ndvi(broadleaf(30)) < 0.6
        assert self.ndvi(meadow(130, 1.0)) > self.ndvi(meadow(215, 0.0))
        assert sun_elevation(172, 49) > 50
        assert 0 < sun_elevation(355, 49) < 20

    def test_a_year_has_no_seam(self):
        for crop in CROPS:
            step = crop.reflectance(366, SOIL) - crop.reflectance(364, SOIL)
            assert np.abs(step).max() < 120

    def test_bands_are_those_of_the_sensor(self):
        assert [band.index for band in BANDS] == [0, 1, 2, 3]
        assert all(band.unit == "um" and 0.4 < band.center_wavelength < 0.9 for band in BANDS)

    @pytest.mark.parametrize("seed", range(12))
    def test_any_scene_is_sound(self, seed):
        scene = make_scene(np.random.default_rng(seed), 24, day=1 + 30 * seed, latitude=49, cloud_cover=seed % 3 / 3)
        assert (scene.image.shape, scene.image.dtype) == ((4, 24, 24), np.uint16)
        assert (scene.classes.shape, scene.classes.dtype) == ((1, 24, 24), np.uint8)
        assert 1 <= scene.image.min() <= scene.image.max() <= 12_000
        assert scene.image.std() > 50
        assert scene.classes.max() <= max(LABELS.values())
        assert (scene.cloud_fraction > 0.05) == (seed % 3 > 0)


class TestTexture:
    rng = staticmethod(lambda: np.random.default_rng(0))

    def test_noise_is_standardised_and_smoother_when_asked(self):
        rough, smooth = (noise(self.rng(), 64, smoothness) for smoothness in (0, 4))
        for plane in (rough, smooth):
            assert plane.dtype == np.float32
            assert plane.mean() == pytest.approx(0, abs=1e-5)
            assert plane.std() == pytest.approx(1, abs=1e-5)
        assert np.abs(np.diff(smooth)).mean() < 0.3 * np.abs(np.diff(rough)).mean()

    def test_blur_is_a_gaussian(self):
        point = np.zeros((1, 41, 41), np.float32)
        point[0, 20, 20] = 1
        distance = np.arange(41) - 20
        bell = np.exp(-(distance**2) / (2 * 2.0**2))
        expected = np.outer(bell, bell) / bell.sum() ** 2
        np.testing.assert_allclose(blur(point, 2.0)[0], expected, atol=1e-6)

    def test_blur_leaves_a_plain_as_it_is(self):
        np.testing.assert_allclose(blur(np.full((3, 9, 12), 7.0), 1.5), 7.0, rtol=1e-5)

    @pytest.mark.parametrize(("rows", "columns"), [(0, 0), (2, -3), (-1, 4), (3, 0)])
    def test_shift_is_a_roll_without_the_turn(self, rows, columns):
        plane = self.rng().random((12, 15))
        inside = slice(4, -4), slice(4, -4)
        np.testing.assert_array_equal(
            shift(plane, rows, columns)[inside], np.roll(plane, (rows, columns), (0, 1))[inside]
        )
        assert np.isin(shift(plane, rows, columns), plane).all()

    def test_blocks_are_means(self):
        planes = self.rng().random((2, 6, 8))
        expected = [[[p[r : r + 2, c : c + 2].mean() for c in range(0, 8, 2)] for r in range(0, 6, 2)] for p in planes]
        np.testing.assert_allclose(blocks(planes, 2), expected)

    def test_parcels_cover_the_land(self):
        rows, columns = np.mgrid[:80, :80].astype(np.float32)
        numbers, tracks = parcels(self.rng(), columns, rows, 400)
        found, sizes = np.unique(numbers, return_counts=True)
        assert found.tolist() == list(range(len(found)))
        assert 5 < len(found) < 40
        assert sizes.max() <= 400 * 2.2
        assert 0 < tracks.sum() < 0.1 * tracks.size

    def test_borders_lie_between_parcels(self):
        numbers = np.array([[0, 0, 0, 1], [0, 0, 0, 1], [2, 2, 2, 2], [2, 2, 2, 2]])
        expected = np.array([[0, 0, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0]], bool)
        np.testing.assert_array_equal(borders(numbers), expected)

"""Padding cut off end to end: pixels against numpy, places against rasterio."""

from __future__ import annotations

import numpy as np
import pytest
from layouts import KINDS, NORTH_UP, Grid, images, write_kind

import mlstac_hf
from mlstac_hf import SchemaMismatchError

ROTATED = (465180.25, 8.5, -3.25, 5080250.5, -2.75, -9.125)
TYPED = [6, 6.0, "6", "6.0", "[6, 6]", "(6, 6)", [6, 6]]


def load(folder, **options):
    return mlstac_hf.load(folder, "numpy", crop=True, **options)


def assert_same(found, expected):
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", TYPED, ids=repr)
def test_the_padding_on_the_left_and_at_the_bottom_is_gone(tmp_path, kind, size):
    grids = images(2, (3, 8, 9), proj_shape=size)
    write_kind(kind, tmp_path, {"train": grids})
    split = load(tmp_path)
    for sample, grid in zip(split, grids, strict=True):
        assert_same(sample["input"], grid.tensors["input"][:, :6, 3:])
    assert_same(split[:]["input"], np.stack([grid.tensors["input"][:, :6, 3:] for grid in grids]))


@pytest.mark.parametrize("kind", ["plain", "raster"])
def test_of_512_pixels_509_are_left_as_published(tmp_path, kind):
    grids = images(2, (2, 512, 512), np.uint8, proj_shape=509)
    write_kind(kind, tmp_path, {"train": grids})
    for sample, grid in zip(load(tmp_path), grids, strict=True):
        assert_same(sample["input"], grid.tensors["input"][:, 0:509, 3:512])


@pytest.mark.parametrize("kind", KINDS)
def test_two_sizes_in_one_split_make_lists(tmp_path, kind):
    grids = [
        *images(2, (2, 8, 8), proj_shape=6),
        *images(1, (2, 8, 8), proj_shape=8),
        *images(1, (2, 8, 8), proj_shape=5),
    ]
    write_kind(kind, tmp_path, {"train": grids})
    expected = [grid.tensors["input"][:, :size, 8 - size :] for grid, size in zip(grids, (6, 6, 8, 5), strict=True)]
    split = load(tmp_path)
    batch = split[:]["input"]
    assert isinstance(batch, list)
    for found, whole in zip(batch, expected, strict=True):
        assert_same(found, whole)
    assert_same(split[:2]["input"], np.stack(expected[:2]))
    scaled = load(tmp_path, scale=0.5)[:]["input"]
    for found, whole in zip(scaled, expected, strict=True):
        assert_same(found, whole.astype("f4") * np.float32(0.5))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("size", "said"),
    [
        (None, "expected proj_shape, found none"),
        ("large", "found 'large'"),
        (9, r"says 9 x 9 pixels, but its image is"),
    ],
)
def test_a_sample_whose_size_is_unknown_or_too_large_is_named_and_the_others_stay_readable(tmp_path, kind, size, said):
    if kind == "raster" and size is not None:
        size = str(size)  # one type a column
    grids = images(3, (2, 8, 8), proj_shape="6" if isinstance(size, str) else 6)
    grids[1].facts["proj_shape"] = size
    write_kind(kind, tmp_path, {"train": grids})
    split = load(tmp_path)
    with pytest.raises(SchemaMismatchError, match=rf"\(sample 1\): .*{said}"):
        split[1]
    with pytest.raises(SchemaMismatchError):
        split[:]
    expected = np.stack([grids[i].tensors["input"][:, :6, 2:] for i in (0, 2)])
    assert_same(split[[0, 2]]["input"], expected)
    with pytest.warns(mlstac_hf.CollectionWarning, match="1 bad samples left out"):
        assert_same(load(tmp_path, on_error="skip")[:]["input"], expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_collection_that_never_says_is_refused_sample_by_sample(tmp_path, kind):
    write_kind(kind, tmp_path, {"train": images(1, (2, 8, 8))})
    with pytest.raises(SchemaMismatchError, match="crop=True needs its size before padding"):
        load(tmp_path)[0]
    assert mlstac_hf.load(tmp_path, "numpy")[0]["input"].shape == (2, 8, 8)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_without_padding_is_whole(tmp_path, kind):
    grid = images(1, (2, 8, 8), proj_shape=8)[0]
    write_kind(kind, tmp_path, {"train": [grid]})
    split = load(tmp_path)
    assert_same(split[0]["input"], grid.tensors["input"])
    assert split.metadata[0]["geotransform"] == NORTH_UP


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "raster"])
def test_tensors_of_the_same_size_are_cut_along(tmp_path, kind):
    image = images(1, (2, 8, 8))[0].tensors["input"]
    tensors = {
        "input": image,
        "target": image[0],
        "extra": np.ones((1, 4, 4), "f4"),
        "boxes": np.ones(8, "i2"),
        "more": np.stack([image, image]),
    }
    write_kind(kind, tmp_path, {"train": [Grid(tensors, {"proj_shape": 7})]})
    sample = load(tmp_path)[0]
    assert {*sample} == {*tensors}
    for name in ("input", "target", "more"):
        assert_same(sample[name], tensors[name][..., :7, 1:])
    for name in ("extra", "boxes"):
        assert_same(sample[name], tensors[name])


@pytest.mark.parametrize("kind", KINDS)
def test_bands_and_target_are_cut_too(tmp_path, kind):
    grids = images(3, (4, 8, 10), proj_shape="[5, 6]")
    write_kind(kind, tmp_path, {"train": grids})
    whole = np.stack([grid.tensors["input"][:, :5, 4:] for grid in grids])
    batch = load(tmp_path, bands=[2, 0], target=[3])[:]
    assert_same(batch["input"], whole[:, [2, 0]])
    assert_same(batch["target"], whole[:, [3]])


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "raster"])
def test_series_are_cut_and_images_whose_bands_come_last_are_refused(tmp_path, kind):
    series = images(1, (3, 2, 8, 8), proj_shape=6)[0]
    folder = write_kind(kind, tmp_path / "series", {"train": [series]}, **{"ml:spectral": {"bands": [], "axis": 1}})
    assert_same(load(folder)[0]["input"], series.tensors["input"][..., :6, 2:])
    last = images(1, (8, 8, 8), proj_shape=6)
    folder = write_kind(kind, tmp_path / "last", {"train": last}, **{"ml:spectral": {"bands": [], "axis": 2}})
    with pytest.raises(SchemaMismatchError, match=r"found bands along axis 2 of \(8, 8, 8\)"):
        load(folder)[0]


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # rasterio's own
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("transform", [NORTH_UP, ROTATED], ids=["north up", "rotated"])
@pytest.mark.parametrize("options", [{}, {"bands": [1]}, {"target": [0, 1]}, {"columns": ["input"]}], ids=repr)
def test_the_place_moves_along_as_rasterio_moves_it(tmp_path, kind, transform, options):
    windows = pytest.importorskip("rasterio.windows")
    from rasterio.transform import Affine

    grids = images(2, (2, 8, 9), proj_shape="[6, 5]")
    for grid in grids:
        grid.transform = transform
    write_kind(kind, tmp_path, {"train": grids})
    expected = windows.transform(windows.Window(4, 0, 5, 6), Affine.from_gdal(*transform)).to_gdal()
    for facts in load(tmp_path, **options).metadata[:]:
        assert facts["geotransform"] == pytest.approx(expected, rel=1e-12)
    for facts in mlstac_hf.load(tmp_path, "numpy", bands=[1]).metadata[:]:
        assert facts["geotransform"] == pytest.approx(transform, rel=1e-12)


def test_a_place_that_is_not_known_stays_unknown(tmp_path):
    from made import unlocated

    made = unlocated(tmp_path)
    for sample in made.splits["train"]:
        sample.raw["proj_shape"] = "5"
    from writing import write_samples

    write_samples(tmp_path / "train", made.splits["train"])
    places = [facts["geotransform"] for facts in load(tmp_path).metadata[:]]
    before = [facts["geotransform"] for facts in mlstac_hf.load(tmp_path, "numpy").metadata[:]]
    assert [place is None for place in places] == [True, False, True, False, True]
    assert [place and place[0] for place in places] == [place and place[0] + 3 * 10 for place in before]


@pytest.mark.parametrize("kind", KINDS)
def test_over_http_it_is_the_same(tmp_path, server, kind):
    grids = images(2, (2, 8, 9), proj_shape=6)
    write_kind(kind, tmp_path / "here", {"train": grids})
    split = load(f"{server.url}/here", bands=[1])
    assert_same(split[:]["input"], np.stack([grid.tensors["input"][[1], :6, 3:] for grid in grids]))
    assert split.metadata[1]["geotransform"][0] == NORTH_UP[0] + 3 * 10


def test_where_input_is_text_its_target_is_cut(tmp_path):
    from made import texts
    from writing import write_samples

    made = texts(tmp_path, "input", "0.0.23")
    for sample in made.splits["train"]:
        sample.raw["proj_shape"] = "5"
    write_samples(tmp_path / "train", made.splits["train"])
    for sample, one in zip(load(tmp_path), made.splits["train"], strict=True):
        assert sample["input"] == one.shown["input"]
        assert_same(sample["target"], one.shown["target"][:, :5, 3:])

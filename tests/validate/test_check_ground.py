"""Distances between splits, against the geodesics of pyproj, and ground that is shared."""

from __future__ import annotations

import numpy as np
import pytest
from unsound import geotransform, sound

from mlstac_hf import validate

pyproj = pytest.importorskip("pyproj")
shapely = pytest.importorskip("shapely")


def placed(**splits):
    """Samples with crs and the upper left corner of their image, by split: `train=[(crs, x, y), …]`."""

    def change(split, index, made):
        crs, x, y = splits[split][index]
        degrees = crs == "EPSG:4326"
        size = 1e-4 if degrees else 10.0
        made.raw |= {"crs": crs, "geotransform": geotransform(x, size, y, -size)}

    return change, {split: len(places) for split, places in splits.items()}


def report_of(folder, **splits):
    sound(folder, *placed(**splits))
    report = validate(folder)
    assert "E999" not in {finding.code for finding in report.findings}, str(report)
    return report


def corners(crs, x, y):
    """All corners of the image in degrees."""
    size = 8 * (1e-4 if crs == "EPSG:4326" else 10.0)
    to_degrees = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform
    return np.array([to_degrees(x + a * size, y - b * size) for a in (0, 1) for b in (0, 1)])


@pytest.mark.parametrize("seed", range(4))
def test_the_smallest_distance_is_that_of_the_geodesic(tmp_path, seed):
    rng = np.random.default_rng(seed)
    north = float(rng.uniform(-70, 70))

    def some(count, west):
        return [("EPSG:4326", west + rng.uniform(0, 2), north + rng.uniform(0, 2)) for _ in range(count)]

    train, test = some(6, 10), some(4, 12.5)
    (found,) = report_of(tmp_path, train=train, test=test).distances
    geod = pyproj.Geod(ellps="WGS84")
    nearest = min(
        geod.inv(*a, *b)[2] for one in train for other in test for a in corners(*one) for b in corners(*other)
    )
    assert found.minimum_m == pytest.approx(nearest, rel=0.03)
    assert (found.splits, found.samples) == (("train", "test"), (6, 4))
    assert (found.overlapping, found.within_1km) == (0, 0)


def test_samples_within_a_kilometre_are_counted(tmp_path):
    base = ("EPSG:32633", 500_000, 5_000_040)
    near = [("EPSG:32633", 500_000 + 80 + gap, 5_000_040) for gap in (200, 900, 1100)]
    (found,) = report_of(tmp_path, train=[base], test=near).distances
    assert found.within_1km == 2
    assert found.minimum_m == pytest.approx(200, rel=0.01)


def test_neighbours_in_a_grid_share_a_border_and_no_ground(tmp_path):
    base, beside = ("EPSG:32633", 500_000, 5_000_040), ("EPSG:32633", 500_080, 5_000_040)
    report = report_of(tmp_path, train=[base], test=[beside])
    (found,) = report.distances
    assert (found.overlapping, found.within_1km) == (0, 1)
    assert found.minimum_m < 0.01
    assert "W605" not in {finding.code for finding in report.findings}


def test_the_same_ground_is_found_in_another_crs(tmp_path):
    here = ("EPSG:32633", 500_000, 5_000_040)
    lon, lat = corners(*here)[0]
    report = report_of(tmp_path, train=[here] * 3, test=[("EPSG:4326", lon, lat)] * 2)
    (found,) = report.distances
    assert (found.overlapping, found.samples, found.minimum_m) == (2, (3, 2), 0)
    (told,) = (finding for finding in report.warnings if finding.code == "W605")
    assert told.message.startswith("2 of 2 samples of test show ground that train shows too")


def test_splits_without_places_have_no_distance(tmp_path):
    sound(tmp_path, lambda split, index, made: made.raw.pop("crs"))
    report = validate(tmp_path)
    assert report.distances == ()
    assert {finding.code for finding in report.findings} == {"N106", "N411"}


def test_centres_in_the_table_will_do(tmp_path):
    pytest.importorskip("pyarrow")
    from containers import make_containers

    make_containers(tmp_path, plain=True, places=True)
    (found,) = validate(tmp_path).distances
    assert (found.samples, found.overlapping, found.minimum_m) == ((5, 2), 2, 0)


@pytest.mark.parametrize(("shift", "expected"), [(60, 1), (79, 1), (79.5, 0), (-70, 1)])
def test_corners_that_overlap_are_shared_ground_from_a_hundredth_on(tmp_path, shift, expected):
    here, there = ("EPSG:32633", 500_000, 5_000_040), ("EPSG:32633", 500_000 + shift, 5_000_040)
    (found,) = report_of(tmp_path, train=[here], test=[there]).distances
    assert found.overlapping == expected


def test_a_split_of_many_samples_at_one_place_is_no_more_work_than_one(tmp_path):
    here = ("EPSG:32633", 500_000, 5_000_040)
    (found,) = report_of(tmp_path, train=[here] * 60, test=[here] * 60).distances
    assert found.overlapping == found.within_1km == 60


@pytest.mark.parametrize("splits", [("train", "test"), ("test", "train")])
def test_ground_on_both_sides_of_the_antimeridian_is_not_at_greenwich(tmp_path, splits):
    over, at_greenwich = ("EPSG:4326", 179.9996, 51.0), ("EPSG:4326", -0.0004, 51.0)
    report = report_of(tmp_path, **dict(zip(splits, ([over], [at_greenwich]), strict=True)))
    assert "W605" not in {finding.code for finding in report.findings}
    (found,) = report.distances
    assert found.overlapping == 0
    assert found.minimum_m > 1e6


def test_the_same_ground_over_the_antimeridian_is_shared(tmp_path):
    over = ("EPSG:4326", 179.9996, 51.0)
    (found,) = report_of(tmp_path, train=[over], test=[over]).distances
    assert (found.overlapping, found.minimum_m) == (1, 0)

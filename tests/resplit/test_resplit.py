"""New splits: no sample lost, none near another split's, no group torn apart, classes shared, the same every time."""

from __future__ import annotations

import json
import math
import sys
import warnings
from collections import Counter, defaultdict
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from containers import encode, make_containers, pack, raster
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from writing import main_json, name_of, sample, write_main, write_samples

import mlstac_hf
from mlstac_hf import CollectionNotFoundError, CollectionWarning, MissingExtraError, UnknownNameError
from mlstac_hf._reading._split_files import read_split_files
from mlstac_hf._resplit import resplit
from mlstac_hf._resplit._shares import deal, quotas

HALVES = {"train": 0.5, "test": 0.5}
ALL_60 = {"train": 30, "validation": 20, "test": 10}
SIZE = 8
STEP_M = 10
"""Pixels of samples with a place: 8 by 8, of 10 m."""
slow = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(folder, rows, *, splits=None):
    """A collection of samples, one a row: `xy` in EPSG:32633, metadata in `keys`, a `target`."""
    splits = splits or {"train": len(rows)}
    rows, counts = iter(rows), dict(splits)
    for split, count in splits.items():
        made = []
        for index in range(count):
            row = next(rows)
            tensors = {"input": np.zeros((1, SIZE, SIZE), np.uint8)}
            if "target" in row:
                tensors["target"] = np.asarray(row["target"])
            one = sample(index, tensors, located=False, user=row.get("keys"))
            if "xy" in row:
                x, y = row["xy"]
                one.raw |= {"crs": "EPSG:32633", "geotransform": f"{x} ,{STEP_M} ,0 ,{y} ,0 ,-{STEP_M}"}
            made.append(one)
        write_samples(folder / split, made)
    write_main(folder, main_json(counts))
    return folder


def homes_of(folder):
    """The new split of each sample, by the split it lies in and its name; every sample once."""
    homes = {}
    for split, file in read_split_files(folder).items():
        for source, names in file.samples.items():
            for name in names:
                assert homes.setdefault((source, name), split) == split
    return homes


def in_rows(homes, splits):
    """The same in the order of the rows that the collection was written from."""
    return [homes[split, name_of(index)] for split, count in splits.items() for index in range(count)]


class Near:
    """Distances between places and footprints, as pyproj has them."""

    def __init__(self):
        self.geod = pytest.importorskip("pyproj").Geod(ellps="WGS84")
        self.shapely = pytest.importorskip("shapely")

    def metres(self, some, others):
        """From border to border, by points along both."""
        if self.shapely.intersects(some, others):
            return 0.0
        (a, b) = (self.shapely.get_coordinates(self.shapely.segmentize(one, 0.02)) for one in (some, others))
        lon1, lat1 = np.repeat(a, len(b), axis=0).T
        lon2, lat2 = np.tile(b, (len(a), 1)).T
        return float(self.geod.inv(lon1, lat1, lon2, lat2)[2].min())


@pytest.fixture(scope="module")
def near():
    return Near()


# units


def units_of(shapes, distance_m):
    from mlstac_hf._resplit._units import Units

    units = Units(len(shapes))
    found = np.empty(len(shapes), object)
    found[:] = shapes
    units.join_near(found, distance_m)
    return units.of(np.arange(len(shapes)))


def linked(pairs, count):
    """Components by the plainest of all ways."""
    labels = list(range(count))
    for one, other in pairs:
        old, new = labels[one], labels[other]
        labels = [new if label == old else label for label in labels]
    return labels


LONGITUDES = st.floats(-180, 180) | st.sampled_from([-180.0, 180.0, 179.999, -179.999, 0.0])
LATITUDES = st.floats(-90, 90) | st.sampled_from([-90.0, 90.0, 89.999, -89.99, 0.0])
OFFSETS = st.tuples(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2))


@st.composite
def places(draw):
    """Longitudes and latitudes, some of them close to others, all over the Earth."""
    found = draw(st.lists(st.tuples(LONGITUDES, LATITUDES), min_size=1, max_size=4))
    found += [
        ((lon + 180 + dx / max(math.cos(math.radians(lat)), 1e-3)) % 360 - 180, max(-90.0, min(90.0, lat + dy)))
        for lon, lat in list(found)
        for dx, dy in draw(st.lists(OFFSETS, max_size=5))
    ]
    return found


@given(places(), st.floats(0, 40_000) | st.floats(0, 3_000_000))
@example([(180.0, 0.0), (-180.0, 0.0), (179.9, 0.0)], 20_000)
@example([(0.0, 90.0), (120.0, 89.99), (-120.0, 89.99), (0, -90)], 1200)
@example([(10.0, 89.9), (-170.0, 89.9)], 22_400)
def test_points_of_different_units_are_farther_apart_than_asked(near, points, distance_m):
    units = units_of(near.shapely.points(points), distance_m)
    for (i, one), (j, other) in combinations(enumerate(points), 2):
        if units[i] != units[j]:
            assert near.geod.inv(*one, *other)[2] > distance_m


@given(places(), st.floats(0, 40_000))
def test_points_of_a_unit_are_linked_by_little_more_than_the_distance(near, points, distance_m):
    assume(all(abs(lat) < 75 for _, lat in points))
    units = units_of(near.shapely.points(points), distance_m)
    pairs = combinations(range(len(points)), 2)
    reach = distance_m * 1.05 + 0.01
    linked_so = linked([(i, j) for i, j in pairs if near.geod.inv(*points[i], *points[j])[2] <= reach], len(points))
    for i, j in combinations(range(len(points)), 2):
        assert units[i] != units[j] or linked_so[i] == linked_so[j]


def boxes(near, lon, lat, height, width):
    """A footprint as `_place` makes it: within -180 to 180, in two where it crosses."""
    west, east = lon - width / 2, lon + width / 2
    south, north = max(-90, lat - height / 2), min(90, lat + height / 2)
    parts = [
        near.shapely.box(max(west, edge) - edge - 180, south, min(east, edge + 360) - edge - 180, north)
        for edge in (-540, -180, 180)
        if max(west, edge) < min(east, edge + 360)
    ]
    return parts[0] if len(parts) == 1 else near.shapely.multipolygons(parts)


@given(places(), st.floats(0.001, 0.3), st.floats(0.001, 0.3), st.floats(0, 30_000))
@settings(max_examples=40)
def test_footprints_of_different_units_are_farther_apart_than_asked(near, points, height, width, distance_m):
    shapes = [boxes(near, lon, lat, height, width) for lon, lat in points]
    units = units_of(shapes, distance_m)
    for (i, one), (j, other) in combinations(enumerate(shapes), 2):
        if units[i] != units[j]:
            assert near.metres(one, other) > distance_m


@pytest.mark.parametrize(("distance_m", "expected"), [(0, [4, 2, 1]), (900, [4, 2, 1]), (1300, [6, 1])])
def test_what_touches_is_at_a_distance_of_zero(near, distance_m, expected):
    """A row of tiles of 0.01°, one that overlaps it across the antimeridian, and two apart by 0.01°."""
    row = [near.shapely.box(179.96 + i / 100, 10, 179.97 + i / 100, 10.01) for i in range(3)]
    crossing = boxes(near, 180, 10.005, 0.01, 0.021)
    beyond = [near.shapely.box(-179.97945 + i / 100, 10, -179.96945 + i / 100, 10.01) for i in range(2)]
    units = units_of([*row, crossing, *beyond, near.shapely.Point(0, 10)], distance_m)
    assert sorted(Counter(units.tolist()).values(), reverse=True) == expected


def test_longitudes_may_count_from_0_to_360_and_shapes_may_be_nested(near):
    nested = near.shapely.from_wkt(
        "GEOMETRYCOLLECTION (GEOMETRYCOLLECTION (MULTIPOINT ((50 1), (185 1)), POINT EMPTY), LINESTRING (90 0, 90 1))"
    )
    others = [near.shapely.Point(-175, 1), near.shapely.Point(90, 0.5), near.shapely.Point(-175, 2)]
    assert units_of([nested, *others], 5).tolist() == [0, 0, 0, 3]
    assert units_of([], 5).tolist() == []


def test_the_whole_earth_is_near_everything(near):
    whole = near.shapely.box(-180, -90, 180, 90)
    assert units_of([near.shapely.Point(170, 80), whole, near.shapely.Point(-5, -89)], 0).tolist() == [0, 0, 0]


@pytest.mark.parametrize("distance_m", [0, 500, 4_000, 30_000])
def test_crowds_are_linked_as_pair_by_pair(near, distance_m):
    """Where cells of the grid hold many, and border on one another with gaps of all sizes."""
    rng = np.random.default_rng(5)
    hubs = rng.uniform((5, 40), (7, 42), (12, 2))
    places = hubs[rng.integers(0, 12, 700)] + rng.normal(0, 0.02, (700, 2))
    units = units_of(near.shapely.points(places), distance_m)
    one, other = np.triu_indices(len(places), 1)
    metres = near.geod.inv(*places[one].T, *places[other].T)[2]
    assert (metres[units[one] != units[other]] > distance_m).all()
    close = metres <= distance_m * 1.02 + 0.01
    expected = linked(zip(one[close].tolist(), other[close].tolist(), strict=True), len(places))
    assert len(set(zip(units.tolist(), expected, strict=True))) == len(set(units.tolist()))  # none is too large


# shares


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=8),
    st.lists(st.integers(0, 1000), min_size=1, max_size=6).filter(any),
)
@example([25, 20, 17, 16], [8, 4, 6, 6])
@example([23, 17, 23, 1, 24, 28, 8], [6, 3, 5, 6])
def test_whole_shares_are_less_than_one_off_by_class_and_by_split(counts, weights):
    whole = quotas(np.array(counts), weights)
    exact = np.outer(counts, weights) / sum(weights)
    assert (abs(whole - exact) < 1).all()
    assert (abs(whole.sum(axis=0) - exact.sum(axis=0)) < 1 - 1e-9).all()
    assert whole.sum(axis=1).tolist() == counts


def test_shares_are_mended_where_the_first_guess_is_off():
    """As for one in a few hundred; hypothesis does not come upon them."""
    for seed in range(500):
        rng = np.random.default_rng(seed)
        counts, weights = rng.integers(0, 30, 7), rng.integers(1, 1000, 5)
        exact = np.outer(counts, weights) / weights.sum()
        assert (abs(quotas(counts, weights.tolist()).sum(axis=0) - exact.sum(axis=0)) < 1 - 1e-9).all()


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=1, max_size=60),
    st.lists(st.floats(0, 1), min_size=1, max_size=4).filter(lambda found: sum(found) > 0.1),
    st.integers(0, 9),
)
def test_units_stay_whole_and_overfill_a_split_by_less_than_one_of_them(rows, fractions, seed):
    fractions = [fraction / sum(fractions) for fraction in fractions]
    units, classes = np.array(rows).T
    homes = deal(units, classes, fractions, seed)
    assert all(len(set(homes[units == unit].tolist())) == 1 for unit in units)
    for split, fraction in enumerate(fractions):
        assert (homes == split).sum() < fraction * len(rows) + 1 + max(np.bincount(units))
        assert fraction or split not in homes


# the function


@given(
    st.dictionaries(st.sampled_from(["train", "validation", "test", "fold-1"]), st.integers(1, 9), min_size=1),
    st.lists(st.integers(0, 2), min_size=1, max_size=45),
    st.integers(0, 5),
)
@slow
def test_without_units_fractions_are_met_within_one_sample(tmp_path_factory, weights, classes, seed):
    pytest.importorskip("pyarrow")
    folder, out = (tmp_path_factory.mktemp(name) for name in ("made", "out"))
    splits = {"train": (len(classes) + 1) // 2, "test": len(classes) // 2}
    write(folder, [{"keys": {"kind": str(kind)}} for kind in classes], splits=splits)
    fractions = {name: weight / sum(weights.values()) for name, weight in weights.items()}
    for stratify in (None, "kind"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", CollectionWarning)  # few samples are never 10 %
                counts = resplit(folder, out, fractions, stratify=stratify, seed=seed, cache_dir=out / "cache")
        except ValueError as error:
            assert "would have no sample" in str(error)  # noqa: PT017 - some fractions of some counts
            assert min(fractions.values()) * len(classes) < 1
            continue
        homes = in_rows(homes_of(out), splits)
        assert counts == {name: homes.count(name) for name in counts}
        assert set(counts) == set(fractions)
        for kind in {None, *(classes if stratify else ())}:
            members = [home for home, own in zip(homes, classes, strict=True) if kind in (None, own)]
            for name, fraction in fractions.items():
                assert abs(members.count(name) - fraction * len(members)) < 1 + 1e-6


ROWS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 30), st.sampled_from([None, "a", "b", "c"]), st.integers(0, 2)),
    min_size=2,
    max_size=24,
)


@given(ROWS, st.sampled_from([None, 0, 50, 120]), st.booleans(), st.booleans(), st.integers(0, 3))
@slow
def test_nothing_leaks(tmp_path_factory, near, rows, distance_m, grouped, stratified, seed):
    pytest.importorskip("pyarrow")
    folder, out = (tmp_path_factory.mktemp(name) for name in ("made", "out"))
    xy = [(400_000 + 60 * column, 5_000_000 + 60 * row) for column, row, _, _ in rows]
    made = [
        {"xy": place, "keys": {"scene": group} if group else {}, "target": np.int64(kind)}
        for place, (_, _, group, kind) in zip(xy, rows, strict=True)
    ]
    splits = {"train": len(rows) - 1, "validation": 1}
    write(folder, made, splits=splits)
    options = {"distance_m": distance_m, "group": "scene" if grouped else None}
    assume(not grouped or any(group for _, _, group, _ in rows))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CollectionWarning)
            counts = resplit(
                folder,
                out,
                HALVES,
                seed=seed,
                stratify="target" if stratified else None,
                cache_dir=out / "c",
                **options,
            )
    except ValueError as error:
        assert "would have no sample" in str(error)  # noqa: PT017 - of a few samples, all may be one unit
        return
    homes = in_rows(homes_of(out), splits)
    assert counts == {name: homes.count(name) for name in counts}
    box = [near.shapely.box(x, y - SIZE * STEP_M, x + SIZE * STEP_M, y) for x, y in xy]
    for i, j in combinations(range(len(rows)), 2):
        if homes[i] != homes[j]:
            assert distance_m is None or near.shapely.distance(box[i], box[j]) * 1.0005 > distance_m  # UTM's scale
            assert not grouped or rows[i][2] is None or rows[i][2] != rows[j][2]


@pytest.fixture
def regions(tmp_path):
    """60 samples in 20 places 5 km apart, three in each, 100 m apart; one of four classes a place."""
    pytest.importorskip("pyarrow")
    rows = [
        {
            "xy": (400_000 + 5_000 * (i // 3), 5_000_000 + (SIZE * STEP_M + 100) * (i % 3)),
            "keys": {"region": f"R{i // 3}", "kind": "abcd"[i // 3 % 4]},
            "target": np.int64(i // 3 % 4),
        }
        for i in range(60)
    ]
    return write(tmp_path / "regions", rows, splits=ALL_60)


@pytest.mark.parametrize(
    "options", [{"distance_m": 150}, {"group": "region"}, {"group": "region", "distance_m": 0}], ids=str
)
@pytest.mark.parametrize("stratify", [None, "kind", "target"])
def test_places_stay_together_and_classes_are_shared(regions, tmp_path, near, options, stratify):
    counts = resplit(
        regions, tmp_path / "out", {"train": 0.6, "test": 0.4}, stratify=stratify, cache_dir=tmp_path, **options
    )
    assert counts == {"train": 36, "test": 24}
    homes = in_rows(homes_of(tmp_path / "out"), ALL_60)
    assert all(len(set(homes[i : i + 3])) == 1 for i in range(0, 60, 3))
    if stratify:
        assert Counter((i // 3 % 4, home) for i, home in enumerate(homes)) == {
            (kind, name): count for kind, (name, count) in product(range(4), {"train": 9, "test": 6}.items())
        }


def test_files_say_how_they_were_made_and_load(regions, tmp_path, near):
    resplit(
        regions, tmp_path / "out", HALVES, distance_m=150, group="region", stratify="kind", seed=7, cache_dir=tmp_path
    )
    files = read_split_files(tmp_path / "out")
    for file in files.values():
        assert file.made == {
            "fractions": HALVES,
            "splits": ["train", "validation", "test"],
            "distance_m": 150.0,
            "measured_from_points": 0,
            "group": "region",
            "stratify": "kind",
            "target": None,
            "seed": 7,
            "mlstac_hf": mlstac_hf.__version__,
        }
    homes = homes_of(tmp_path / "out")
    for split in files:
        loaded = mlstac_hf.load(regions, "numpy", split=split, splits=tmp_path / "out")
        listed = [(part, name_of(i)) for part, count in ALL_60.items() for i in range(count)]
        expected = [name for part, name in listed if homes[part, name] == split]
        assert [loaded.metadata[i]["id"] for i in range(len(loaded))] == expected


def test_the_same_arguments_give_the_same_splits(collection, tmp_path):
    def homes(fractions, **options):
        resplit(collection.address, tmp_path / "out", fractions, **options)
        return homes_of(tmp_path / "out")

    fractions = {"a": 0.25, "train": 0.25, "test": 0.5}
    first = homes(fractions, seed=3)
    assert homes(dict(reversed(fractions.items())), seed=3) == first
    assert homes(fractions, seed=3, splits=["test", "validation", "train"]) == first
    assert len({json.dumps(sorted(map(str, homes(fractions, seed=seed).items()))) for seed in range(8)}) > 5


def test_splits_to_draw_from(collection, tmp_path):
    assert resplit(collection.address, tmp_path, {"new": 1}, splits="validation") == {"new": 3}
    assert resplit(collection.address, tmp_path, {"new": 1.0, "none": 0}, splits=["test", "train"]) == {
        "new": 7,
        "none": 0,
    }
    assert {source for source, _ in homes_of(tmp_path)} == {"train", "test"}
    with pytest.raises(UnknownNameError, match="got 'nowhere'"):
        resplit(collection.address, tmp_path, splits=["train", "nowhere"])
    (tmp_path / "bare").mkdir()
    with (
        pytest.warns(CollectionWarning, match="2 bad samples left out"),
        pytest.raises(ValueError, match="no sample to draw from"),
    ):
        resplit(write(tmp_path / "bare", [{}] * 2), tmp_path / "out", stratify="target", on_error="skip")


def test_a_split_that_is_declared_and_absent_is_left_out_unless_it_is_named(collection, tmp_path):
    document = collection.document | {"ml:test": {"n_items": 2, "link": "nowhere/"}}
    for file in (collection.folder / "test").iterdir():
        file.unlink()
    (collection.folder / "test").rmdir()
    write_main(collection.folder, document)
    with pytest.warns(CollectionWarning, match="left out: no samples of split 'test' found"):
        assert resplit(collection.address, tmp_path / "out", HALVES) == {"train": 4, "test": 4}
    for options in ({"splits": ["test"]}, {"splits": ["train", "test"]}):
        with pytest.raises(CollectionNotFoundError, match="no samples of split 'test' found"):
            resplit(collection.address, tmp_path / "out", HALVES, **options)
    document.pop("ml:train")
    document.pop("ml:validation")
    write_main(collection.folder, document)
    with pytest.raises(CollectionNotFoundError, match="no samples of split 'test' found"):
        resplit(collection.address, tmp_path / "out", HALVES)


def test_over_http_it_is_the_same(collection, server, tmp_path):
    (tmp_path / "here").mkdir()
    options = {"fractions": HALVES, "stratify": "target", "seed": 5}
    resplit(collection.address, tmp_path / "here", **options)
    resplit(f"{server.url}/plain", tmp_path / "there", **options)
    assert homes_of(tmp_path / "there") == homes_of(tmp_path / "here")


def test_a_count_that_is_made_up_is_found_out_before_names_are(collection, server, tmp_path):
    collection.document["ml:train"]["n_items"] = 10**12
    write_main(collection.folder, collection.document)
    with pytest.raises(mlstac_hf.MLSTACError, match=r"not there|none is at|claims"):
        resplit(f"{server.url}/plain", tmp_path / "out", HALVES)


def test_the_class_of_a_mask_is_its_most_frequent_value(tmp_path):
    masks = [np.full((1, 4, 4), kind, np.uint8) for kind in (7, 7, 0, 0)]
    for mask in masks:
        mask[0, 0] = 7 - mask[0, 0]
    write(tmp_path / "made", [{"target": mask} for mask in masks])
    for seed in range(4):
        resplit(tmp_path / "made", tmp_path / "out", HALVES, stratify="target", seed=seed)
        homes = in_rows(homes_of(tmp_path / "out"), {"train": 4})
        assert homes[0] != homes[1]
        assert homes[2] != homes[3]


@pytest.mark.parametrize(
    "target", [np.zeros(5, np.int64), np.zeros((4, 4), np.float32), np.zeros((0, 4), np.int64), None]
)
def test_targets_without_a_class(tmp_path, target):
    rows = [{"target": np.int64(1)}, {"target": target} if target is not None else {}, {"target": np.int64(1)}]
    write(tmp_path / "made", rows)
    with pytest.raises(mlstac_hf.SchemaMismatchError, match=r"0000002.*number of a class, or a mask of them, found"):
        resplit(tmp_path / "made", tmp_path / "out", HALVES, stratify="target")
    with pytest.warns(CollectionWarning, match="1 bad samples left out"):
        resplit(tmp_path / "made", tmp_path / "out", HALVES, stratify="target", on_error="skip")
    assert {name for _, name in homes_of(tmp_path / "out")} == {"0000001", "0000003"}


def test_a_bad_sample_raises_or_is_left_out(regions, tmp_path):
    (regions / "train" / "0000002.safetensors").write_bytes(b"nonsense")
    options = {"fractions": HALVES, "group": "region", "cache_dir": tmp_path}
    with pytest.raises(mlstac_hf.CorruptSampleError, match="0000002"):
        resplit(regions, tmp_path / "out", **options)
    for stratify in (None, "target"):
        with pytest.warns(CollectionWarning, match="1 bad samples left out"):
            counts = resplit(regions, tmp_path / "out", **options, stratify=stratify, on_error="skip")
        assert sum(counts.values()) == 59
        assert ("train", "0000002") not in homes_of(tmp_path / "out")


def test_places_that_are_not_known_are_counted(tmp_path, near):
    pytest.importorskip("pyarrow")
    rows = [{"xy": (400_000 + 5_000 * i, 5_000_000)} if i % 4 else {} for i in range(12)]
    splits = {"train": 8, "test": 4}
    write(tmp_path / "made", rows, splits=splits)
    options = {"fractions": {"train": 2 / 3, "test": 1 / 3}, "distance_m": 100, "cache_dir": tmp_path}
    with pytest.raises(ValueError, match=r"place of 3 of 12 samples is not known, such as train/0000001.*on_error="):
        resplit(tmp_path / "made", tmp_path / "out", **options)
    with pytest.warns(CollectionWarning, match="place of 3 of 12 samples is not known.*left out"):
        assert resplit(tmp_path / "made", tmp_path / "out", **options, on_error="skip") == {"train": 6, "test": 3}
    assert ("train", "0000001") not in homes_of(tmp_path / "out")


def test_nothing_that_could_be_known_is_told_with_what_there_is(tmp_path, near):
    pytest.importorskip("pyarrow")
    write(tmp_path / "made", [{"keys": {"region": "R"}}] * 4)
    for options in ({"group": "tile"}, {"stratify": "tile"}):
        with pytest.raises(UnknownNameError, match=r"(group|stratify)='tile': expected a column.*crs, .*region"):
            resplit(tmp_path / "made", tmp_path / "out", cache_dir=tmp_path, **options)
    with pytest.raises(UnknownNameError, match=r"train: distance_m= needs to know where samples are.*group="):
        resplit(tmp_path / "made", tmp_path / "out", cache_dir=tmp_path, distance_m=5)


def test_a_column_of_one_split_is_null_in_the_others(tmp_path):
    pytest.importorskip("pyarrow")
    rows = [{"keys": {"region": "R"} if i < 4 else {}} for i in range(8)]
    write(tmp_path / "made", rows, splits={"train": 4, "test": 4})
    assert resplit(tmp_path / "made", tmp_path / "out", HALVES, group="region", cache_dir=tmp_path) == {
        "train": 4,
        "test": 4,
    }
    homes = homes_of(tmp_path / "out")
    assert len({homes["train", name_of(i)] for i in range(4)}) == 1


def test_a_unit_that_swallows_a_split_is_named(regions, tmp_path, near):
    with pytest.raises(
        ValueError,
        match=r"split 'validation' would have no sample, expected 10\.0% of 60: the largest of 1 units .* holds 60 of "
        r"60 samples, train/0000001\S* \(sample 0\) among them, and went to 'train'\. Try a smaller distance_m=",
    ):
        resplit(regions, tmp_path / "out", distance_m=10_000, cache_dir=tmp_path)
    assert not (tmp_path / "out").exists()


def test_fractions_that_are_missed_by_much_are_told(tmp_path):
    pytest.importorskip("pyarrow")
    write(tmp_path / "made", [{"keys": {"region": "A" if i < 14 else str(i)}} for i in range(20)])
    with pytest.warns(
        CollectionWarning,
        match=r"train 70\.0% \(50\.0%\), test 30\.0% \(50\.0%\); the largest of 7 units .* holds 14 of 20 samples",
    ):
        counts = resplit(tmp_path / "made", tmp_path / "out", HALVES, group="region", cache_dir=tmp_path)
    assert sorted(counts.values()) == [6, 14]


@pytest.mark.parametrize(
    ("fractions", "expected"),
    [
        ({"train": 0.8, "test": 0.1}, "whose sum is 1"),
        ({"train": 1.5, "test": -0.5}, "0 or more, got test: -0.5"),
        ({"train": math.nan}, "0 or more"),
        ({}, "whose sum is 1"),
        ({"../train": 1.0}, "letters, digits"),
    ],
)
def test_fractions_that_make_no_whole(collection, tmp_path, fractions, expected):
    with pytest.raises(ValueError, match=expected):
        resplit(collection.address, tmp_path / "out", fractions)


def test_fractions_may_miss_one_by_a_rounding(collection, tmp_path):
    assert resplit(collection.address, tmp_path, {"a": 0.3333333, "b": 0.6666666}, splits="validation") == {
        "a": 1,
        "b": 2,
    }


@pytest.mark.parametrize("distance_m", [-1, math.nan, math.inf, np.float32(-1), 10**400])
def test_distances_that_mean_nothing(collection, tmp_path, distance_m):
    with pytest.raises(ValueError, match="expected distance_m to be in metres, 0 or more"):
        resplit(collection.address, tmp_path, distance_m=distance_m)


@pytest.mark.parametrize(
    ("options", "kind", "expected"),
    [
        ({"fractions": [0.5, 0.5]}, TypeError, r"fractions to be a mapping of new splits .*, got \[0\.5, 0\.5\]"),
        ({"fractions": 0.5}, TypeError, r"fractions to be a mapping of new splits .*, got 0\.5"),
        ({"fractions": {"train": "0.5", "test": 0.5}}, TypeError, r"each fraction to be a number.*got train: '0\.5'"),
        ({"fractions": {"train": True}}, TypeError, "each fraction to be a number.*got train: True"),
        ({"fractions": {"train": None}}, TypeError, "each fraction to be a number.*got train: None"),
        ({"distance_m": "5 km"}, TypeError, "distance_m to be a number of metres, .* got '5 km'"),
        ({"distance_m": True}, TypeError, "distance_m to be a number of metres, .* got True"),
        ({"group": ["reg"]}, TypeError, r"group to be the name of one column .*, got \['reg'\]"),
        ({"stratify": ["reg"]}, TypeError, r"stratify to be the name of one column .*, got \['reg'\]"),
        ({"stratify": 5}, TypeError, "stratify to be the name of one column .*, got 5"),
        ({"seed": "x"}, TypeError, "seed to be a whole number, .* got 'x'"),
        ({"seed": 1.5}, TypeError, r"seed to be a whole number, .* got 1\.5"),
        ({"seed": None}, TypeError, "seed to be a whole number, .* got None"),
        ({"seed": True}, TypeError, "seed to be a whole number, .* got True"),
        ({"seed": -1}, ValueError, "seed to be 0 or more, got -1"),
        ({"splits": 5}, TypeError, "splits to be names of splits, .* got 5"),
        ({"splits": ["train", 5]}, TypeError, r"splits to be names of splits, .* got \['train', 5\]"),
        ({"splits": b"train"}, TypeError, "splits to be names of splits, .* got b'train'"),
        ({"splits": []}, ValueError, "splits to name at least one split .*, got none"),
        ({"on_error": "ignore"}, ValueError, 'on_error to be "raise" or "skip", got \'ignore\''),
        ({"target": [3]}, ValueError, r'stratify="target" alone, got target=\[3\] and stratify=None'),
        ({"destination": 5}, TypeError, "folder of split files to be a path, got 5"),
        ({"destination": None}, TypeError, "folder of split files to be a path, got None"),
    ],
    ids=str,
)
def test_arguments_are_judged_before_anything_is_opened(tmp_path, options, kind, expected):
    with pytest.raises(kind, match=expected):
        resplit(tmp_path / "nowhere", **{"destination": tmp_path / "out"} | options)


def test_numbers_may_be_of_numpy_and_names_in_any_iterable(collection, tmp_path):
    options = {"seed": 3, "splits": ["train", "validation"]}
    expected = resplit(collection.address, tmp_path / "a", HALVES, **options)
    fractions = {"train": np.float64(0.5), "test": np.float32(0.5)}
    options = {"seed": np.int64(3), "splits": (name for name in options["splits"])}
    assert resplit(collection.address, tmp_path / "b", fractions, **options) == expected
    assert homes_of(tmp_path / "b") == homes_of(tmp_path / "a")


@pytest.mark.parametrize("address", ["s3://b/x", "file:///b/x", Path("s3://b/x")], ids=str)
def test_an_address_is_no_destination(collection, tmp_path, monkeypatch, address):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(
        ValueError, match=r"split files are kept in a folder of this disk, got the address '(s3|file):/"
    ):
        resplit(collection.address, address, HALVES)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("spelling", ["plain", "relative", "link"])
def test_the_folder_of_the_collection_is_no_destination(collection, tmp_path, monkeypatch, spelling):
    folder = collection.folder
    before = sorted(folder.iterdir())
    monkeypatch.chdir(folder)
    (tmp_path / "door").symlink_to(folder)
    destination = {"plain": folder, "relative": ".", "link": tmp_path / "door"}[spelling]
    with pytest.raises(ValueError, match=r"is the folder of the collection itself.*such as .*splits-a"):
        resplit(collection.address, destination, HALVES)
    assert sorted(folder.iterdir()) == before
    assert resplit(collection.address, folder / "splits-a", HALVES) == {"train": 5, "test": 5}
    assert len(mlstac_hf.load(folder, "numpy", split="test", splits=folder / "splits-a")) == 5


def test_what_is_in_the_way_is_told_before_a_sample_is_read(collection, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "train.json").write_text("{}")
    for file in (collection.folder / "train").iterdir():
        file.write_bytes(b"")
    with pytest.raises(FileExistsError, match=r"train\.json of another kind"):
        resplit(collection.address, tmp_path / "out", HALVES, stratify="target")


def test_splits_of_splits_are_refused(collection, tmp_path):
    resplit(collection.address, tmp_path, HALVES)
    with pytest.raises(ValueError, match="opened with splits="):
        resplit(mlstac_hf.open_collection(collection.address, splits=tmp_path), tmp_path / "more", HALVES)


@pytest.mark.parametrize(
    ("options", "absent"),
    [({"group": "id"}, "pyarrow"), ({"stratify": "id"}, "pyarrow"), ({"distance_m": 5}, "shapely")],
)
def test_what_has_to_be_installed(collection, tmp_path, monkeypatch, options, absent):
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(MissingExtraError, match=rf"{absent}.*pip install 'mlstac-hf\[select\]'"):
        resplit(collection.address, tmp_path, **options)


def test_no_package_is_needed_where_nothing_is_asked_of_samples(collection, tmp_path, monkeypatch):
    for name in ("pyarrow", "pyproj", "shapely"):
        monkeypatch.setitem(sys.modules, name, None)
    assert resplit(collection.address, tmp_path, HALVES, stratify="target") == {"train": 5, "test": 5}


# containers


@pytest.fixture
def containers(tmp_path):
    """12 datapoints by threes at one place each, known by its centre; `roi` too, but for the last place."""
    pytest.importorskip("rasterio")
    pq = pytest.importorskip("pyarrow.parquet")
    made = make_containers(tmp_path / "boxes", counts={"train": (4, 5), "test": (3,)})
    seed = 0
    for split, names in made.names.items():
        path = made.folder / split / "metadata.parquet"
        rows = {row["datapoint_id"]: row for row in pq.read_table(path).to_pylist()}
        for name in names:
            rows[name]["proj_centroid"] = f"POINT ({10 + 0.1 * (seed // 3)} {50 + 0.001 * (seed % 3)})"
            rows[name]["roi"] = [seed // 3] if seed < 9 else None
            seed += 1
        pq.write_table(pq.read_table(path).from_pylist(list(rows.values())), path)
    return made


@pytest.mark.parametrize("options", [{"distance_m": 200}, {"group": "roi"}], ids=str)
def test_datapoints_stay_together(containers, tmp_path, near, options):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", CollectionWarning)
        counts = resplit(containers.folder, tmp_path / "out", HALVES, **options)
    assert [bool("of 12 of 12 samples a point is known" in str(warning.message)) for warning in told] == [True] * (
        "distance_m" in options
    )
    assert counts == {"train": 6, "test": 6}
    homes = homes_of(tmp_path / "out")
    names = [key for split, names in containers.names.items() for key in names]
    by_id = {name.rpartition("/")[2]: home for (_, name), home in homes.items()}
    places = defaultdict(set)
    for number, name in enumerate(names):
        places[number // 3].add(by_id[name])
    assert len(by_id) == 12
    assert all(len(found) == 1 for place, found in places.items() if place < 3 or "distance_m" in options)
    loaded = mlstac_hf.load(containers.folder, "numpy", split="test", splits=tmp_path / "out")
    # in the collection's order, which is none of names
    assert [loaded.metadata[i]["id"] for i in range(6)] == [name for name in names if by_id[name] == "test"]


def test_containers_without_a_table(tmp_path):
    pytest.importorskip("rasterio")
    pytest.importorskip("pyarrow")
    made = make_containers(tmp_path / "boxes", table=False, document={"mlhf:target_planes": [4]})
    with pytest.raises(UnknownNameError, match=r"train: expected metadata\.parquet beside its containers.*group="):
        resplit(made.folder, tmp_path / "out", group="roi")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollectionWarning)
        assert sum(resplit(made.folder, tmp_path / "out", HALVES, stratify="target").values()) == 7


@pytest.fixture
def masks(tmp_path):
    """Rasters of 5 planes; the last but one is a mask of one class, in turn 3 and 8, most of it."""
    pytest.importorskip("rasterio")
    made = make_containers(tmp_path / "boxes", table=False, counts={"train": ()})
    payloads = {}
    for number in range(8):
        array = raster(number)
        array[3] = (3, 8)[number % 2]
        array[3, :4] = 0
        payloads[f"ROI_{number}"] = encode(array)
    (made.folder / "train" / "a.mlstac").write_bytes(pack(payloads))
    made.document["ml_catalog"]["train"]["data_files"] = ["https://example.invalid/train/a.mlstac"]
    names = ["B1", "B2", "B3", "mask", "B4"]
    made.document["ml_spectral"] = {"bands": [{"name": name} for name in names]}
    (made.folder / "main.json").write_text(json.dumps(made.document))
    return made


@pytest.mark.parametrize("target", [3, [3], [np.int64(-2)], "mask"], ids=str)
def test_planes_of_a_raster_are_the_target(masks, tmp_path, target):
    for seed in range(3):
        counts = resplit(masks.folder, tmp_path / "out", HALVES, stratify="target", target=target, seed=seed)
        assert counts == {"train": 4, "test": 4}
        homes = {name.rpartition("/")[2]: home for (_, name), home in homes_of(tmp_path / "out").items()}
        shared = Counter((int(name[-1]) % 2, home) for name, home in homes.items())
        assert shared == dict.fromkeys(product((0, 1), HALVES), 2)
    made = read_split_files(tmp_path / "out")["train"].made
    assert made["target"] == [-2 if target == [-2] else 3]


def test_a_raster_without_a_target_is_told_how_to_name_it(masks, tmp_path):
    with pytest.raises(mlstac_hf.SchemaMismatchError, match=r"found none\..*name them: target=\[4\]"):
        resplit(masks.folder, tmp_path / "out", HALVES, stratify="target")
    with pytest.raises(UnknownNameError, match=r"target: collection 'boxes' has no band 'cloud'.*mask"):
        resplit(masks.folder, tmp_path / "out", HALVES, stratify="target", target="cloud")
    with pytest.raises(TypeError, match="target: expected names or 0-based indices"):
        resplit(masks.folder, tmp_path / "out", HALVES, stratify="target", target=1.5)
    with pytest.raises(mlstac_hf.SchemaMismatchError, match="5 planes, so there is no plane 9"):
        resplit(masks.folder, tmp_path / "out", HALVES, stratify="target", target=9)

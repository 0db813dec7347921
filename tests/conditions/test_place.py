"""Areas and footprints: as rasterio places them, around the antimeridian and the poles as well."""

import ast
import json
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mlstac_hf import MissingExtraError

shapely = pytest.importorskip("shapely")
pytest.importorskip("pyproj")

from mlstac_hf._conditions import _footprints as footprints_module  # noqa: E402 - after the check for shapely
from mlstac_hf._conditions._footprints import boxes, footprints  # noqa: E402 - as above
from mlstac_hf._conditions._geometries import points, shapes  # noqa: E402 - as above
from mlstac_hf._conditions._place import area_of, meets, parse_bbox  # noqa: E402 - as above

WORLD = (-180, -90, 180, 90)
POINT = {"type": "Point", "coordinates": [8.55, 47.37]}
SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]]}
BOW_TIE = {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [0, 2], [2, 0], [0, 0]]]}


@pytest.fixture(scope="module")
def warp():
    return pytest.importorskip("rasterio.warp")


def footprint(crs, geotransform, size):
    return footprints([crs], np.array([geotransform], float), np.array([size]))[0]


def met(geometry, bbox):
    return meets(np.array([geometry], dtype=object), area_of(bbox)).item()


def border(geotransform, size, per_edge=50):
    """Points along a raster's border, one row for each, in its CRS."""
    x0, dx, x_by_row, y0, y_by_column, dy = geotransform
    rows, columns = size
    corners = np.array([(0, 0), (columns, 0), (columns, rows), (0, rows), (0, 0)])
    at = np.arange(0, 4 + 1e-9, 1 / per_edge)
    column, row = (np.interp(at, range(5), corners[:, axis]) for axis in (0, 1))
    return np.stack([x0 + column * dx + row * x_by_row, y0 + column * y_by_column + row * dy], axis=-1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((5.9, 45.8, 10.5, 47.8), (5.9, 45.8, 10.5, 47.8)),
        ([5, 45, 400, 10, 47, 4810], (5, 45, 10, 47)),
        ("5.9,45.8, 10.5 ,47.8", (5.9, 45.8, 10.5, 47.8)),
        (np.array([1, 2, 3, 4]), (1, 2, 3, 4)),
        (range(4), (0, 1, 2, 3)),
        ((177, -20, -178, -15), (177, -20, -178, -15)),
        (WORLD, WORLD),
        ((7, 46, 7, 46), (7, 46, 7, 46)),
    ],
)
def test_a_bbox_is_four_numbers(value, expected):
    assert parse_bbox(value) == expected


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ((1, 2, 3), "Expected west, south, east, north"),
        ((1, 2, 3, 4, 5), "Expected west, south, east, north"),
        ("5.9,45.8,10.5,north", "Expected west, south, east, north"),
        ("", "Expected west, south, east, north"),
        (7, "Expected west, south, east, north"),
        (None, "Expected west, south, east, north"),
        ((1, 2, float("nan"), 4), "x from 1.0 to nan"),
        ((1, 2, float("inf"), 4), "x from 1.0 to inf"),
        ((1, 2, 3, 91), "latitude"),
        ((1, -90.5, 3, 4), "latitude"),
        ((500_000, 5_000_000, 510_000, 5_010_000), "reproject others to EPSG:4326"),
        ((1, 5, 3, 4), "south 5.0 above its north 4.0"),
    ],
)
def test_what_is_no_bbox_is_shown(value, said):
    with pytest.raises(ValueError, match=said) as error:
        parse_bbox(value)
    assert repr(value) in str(error.value)


@pytest.mark.parametrize(
    ("value", "typed"),
    [
        ((190, -20, 200, -10), (-170, -20, -160, -10)),
        ((170, -20, 190, -10), (170, -20, -170, -10)),
        ((-200, -20, -170, -10), (160, -20, -170, -10)),
        ((190.1, -20, 333.3, -10), (-169.9, -20, -26.7, -10)),
        ((0, -90, 360, 90), WORLD),
    ],
)
def test_longitudes_up_to_360_are_refused_with_the_numbers_to_type(value, typed):
    with pytest.raises(ValueError, match="longitudes run from -180 to 180") as error:
        parse_bbox(value)
    shown = ast.literal_eval(str(error.value).rpartition("bbox=")[2])
    assert parse_bbox(shown) == typed


class Row:
    """As a table's row: what it holds are its attributes, and its CRS is the raster's."""

    def __init__(self, geometry):
        self.geometry = geometry
        self.crs = "EPSG:32633"


class WithInterface:
    def __init__(self, geojson, crs=None):
        self.__geo_interface__ = geojson
        self.crs = crs


def feature(geometry):
    return {"type": "Feature", "properties": {}, "geometry": geometry}


@pytest.mark.parametrize(
    "spelling",
    [
        SQUARE,
        json.dumps(SQUARE),
        json.dumps(SQUARE).encode(),
        feature(SQUARE),
        json.dumps(feature(SQUARE)),
        {"type": "FeatureCollection", "features": [feature(SQUARE), feature(None)]},
        {"type": "GeometryCollection", "geometries": [SQUARE]},
        shapely.box(0, 0, 2, 2),
        shapely.force_3d(shapely.box(0, 0, 2, 2), 100),
        WithInterface(SQUARE),
        Row(shapely.box(0, 0, 2, 2)),
        Row(SQUARE),
        SQUARE | {"crs": None},
        SQUARE | {"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}},
        SQUARE | {"crs": {"type": "name", "properties": {"name": "EPSG:4326"}}},
    ],
)
def test_every_spelling_of_a_square_is_the_same_area(spelling):
    area = area_of(intersects=spelling)
    assert area.equals(area_of((0, 0, 2, 2)))
    assert not area.has_z


def test_the_features_of_a_collection_are_one_area():
    other = {"type": "Polygon", "coordinates": [[[1, 0], [3, 0], [3, 2], [1, 2], [1, 0]]]}
    area = area_of(intersects={"type": "FeatureCollection", "features": [feature(SQUARE), feature(other)]})
    assert area.equals(shapely.box(0, 0, 3, 2))


def test_a_bow_tie_is_made_valid():
    area = area_of(intersects=BOW_TIE)
    assert area.is_valid
    assert area.area == 2
    assert meets(shapely.points([[1, 0.5], [1, 1.5], [0.1, 1]]), area).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (5, "not understood"),
        ("POINT (1 2)", "not understood"),
        ("[" * 100_000, "not understood"),
        ({}, "not understood"),
        ([1, 2, 3, 4], "not understood"),
        ({"type": "Fog"}, "not understood"),
        ({"type": "Point", "coordinates": "here"}, "not understood"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}, "not understood"),
        ({"type": "Polygon", "coordinates": []}, "is empty"),
        (feature(None), "is empty"),
        ({"type": "FeatureCollection", "features": []}, "is empty"),
        ({"type": "Point", "coordinates": [500_000, 5_000_000]}, "reproject others to EPSG:4326"),
        ({"type": "Point", "coordinates": [float("nan"), 1]}, "x from nan"),
        ({"type": "LineString", "coordinates": [[170, 0], [190, 0]]}, "to 170.0 and -170.0, and cut"),
        (POINT | {"crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}}, "EPSG::32633"),
        (POINT | {"crs": "EPSG:3857"}, "is in EPSG:3857"),
    ],
)
def test_what_is_no_area_is_shown(value, said):
    with pytest.raises(ValueError, match=said) as error:
        area_of(intersects=value)
    assert str(error.value).startswith(f"intersects={value!r:.200}")


@pytest.mark.parametrize(("code", "is_taken"), [("EPSG:4326", True), ("OGC:CRS84", True), ("EPSG:3857", False)])
def test_a_geopandas_object_says_its_crs(code, is_taken):
    import pyproj

    value = WithInterface(SQUARE, pyproj.CRS(code))
    if is_taken:
        assert area_of(intersects=value).area == 4
    else:
        with pytest.raises(ValueError, match="is in EPSG:3857"):
            area_of(intersects=value)


def test_both_and_neither_are_refused():
    with pytest.raises(ValueError, match="not both"):
        area_of((0, 0, 1, 1), POINT)
    with pytest.raises(ValueError, match="give bbox= or intersects="):
        area_of()


@pytest.mark.parametrize("missing", ["pyproj", "shapely"])
def test_a_missing_extra_is_named_with_the_line_that_installs_it(missing, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=r"need pyproj and shapely.*pip install 'mlstac-hf\[select\]'"):
        area_of((0, 0, 1, 1))


RASTERS = {
    "UTM": ("EPSG:32633", (465_000, 10, 0, 5_080_000, 0, -10), (512, 256)),
    "south-up": ("EPSG:32633", (465_000, 10, 0, 5_080_000, 0, 10), (512, 256)),
    "rotated": ("EPSG:32633", (465_000, 8, 6, 5_080_000, 6, -8), (512, 256)),
    "southern UTM": ("EPSG:32733", (465_000, 10, 0, 5_080_000, 0, -10), (512, 256)),
    "Europe": ("EPSG:3035", (2_500_000, 1000, 0, 5_500_000, 0, -1000), (4000, 4000)),
    "web Mercator": ("EPSG:3857", (1_000_000, 100, 0, 6_000_000, 0, -100), (1000, 1000)),
    "Lambert": ("EPSG:2154", (600_000, 20, 0, 6_600_000, 0, -20), (1000, 1000)),
    "British grid": ("EPSG:27700", (400_000, 20, 0, 400_000, 0, -20), (1000, 1000)),
    "degrees": ("EPSG:4326", (10, 0.01, 0, 50, 0, -0.01), (100, 200)),
    "sinusoidal": ("ESRI:54008", (1_000_000, 500, 0, 5_000_000, 0, -500), (2400, 2400)),
    "polar": ("EPSG:3413", (500_000, 30, 0, -1_500_000, 0, -30), (3000, 3000)),
}


@pytest.mark.parametrize("name", RASTERS)
def test_a_footprint_is_where_rasterio_puts_the_border(name, warp):
    crs, geotransform, size = RASTERS[name]
    found = footprint(crs, geotransform, size)
    ring = {"type": "Polygon", "coordinates": [border(geotransform, size).tolist()]}
    expected = shapely.geometry.shape(warp.transform_geom(crs, "EPSG:4326", ring))
    assert found.geom_type == "Polygon"
    assert found.symmetric_difference(expected).area < 0.002 * expected.area
    x, y = border(geotransform, size).T
    bounds = warp.transform_bounds(crs, "EPSG:4326", x.min(), y.min(), x.max(), y.max(), densify_pts=50)
    if name != "rotated":
        assert found.bounds == pytest.approx(bounds, abs=0.002 * max(bounds[2] - bounds[0], bounds[3] - bounds[1]))


def scattered(crs, x, y):
    """Rasters of up to 1000 pixels a side anywhere within x and y, as they come."""
    numbers = st.tuples(
        st.floats(*x), st.floats(*y), st.floats(30, 1000), st.floats(0, 6.2832), st.sampled_from([1, -1])
    )
    sizes = st.tuples(st.integers(50, 1000), st.integers(50, 1000))
    return st.tuples(st.just(crs), numbers.map(turned), sizes)


def turned(numbers):
    x, y, pixel, angle, flip = numbers
    cos, sin = pixel * np.cos(angle), pixel * np.sin(angle)
    return (x, cos, sin * flip, y, sin, -cos * flip)


PLACES = st.one_of(
    scattered("EPSG:32633", (2e5, 8e5), (1e5, 8e6)),
    scattered("EPSG:32601", (1e5, 8e5), (1e5, 8e6)),
    scattered("EPSG:32660", (2e5, 9e5), (1e5, 8e6)),
    scattered("EPSG:3857", (-2e7, 2.004e7), (-1e7, 1e7)),
    scattered("EPSG:3413", (-6e5, 6e5), (-6e5, 6e5)),
    scattered("EPSG:3031", (-6e5, 6e5), (-6e5, 6e5)),
    scattered("EPSG:3031", (-3e6, 3e6), (-3e6, 3e6)),
)


@settings(max_examples=200)
@given(PLACES, st.floats(-0.5, 1.5), st.floats(-0.5, 1.5))
def test_a_bbox_meets_a_footprint_where_its_point_is_inside(warp, raster, across, down):
    crs, geotransform, size = raster
    assume(all(min(abs(part), abs(part - 1)) > 0.02 for part in (across, down)))
    column, row = across * size[1], down * size[0]
    x0, dx, x_by_row, y0, y_by_column, dy = geotransform
    x, y = [x0 + column * dx + row * x_by_row], [y0 + column * y_by_column + row * dy]
    (lon,), (lat,) = warp.transform(crs, "EPSG:4326", x, y)
    found = footprint(*raster)
    assert met(found, (lon, lat, lon, lat)) == (0 < across < 1 and 0 < down < 1)


@settings(max_examples=50)
@given(PLACES)
def test_nothing_is_on_the_other_side_of_the_earth(raster):
    found = footprint(*raster)
    west, south, east, north = -1, -1, 1, 1
    lon, lat = shapely.get_coordinates(shapely.centroid(found.geoms[0] if "Multi" in found.geom_type else found))[0]
    lon, lat = (lon + 360) % 360 - 180, -lat
    south, north = np.clip([lat + south, lat + north], -90, 90)
    west, east = ((side + 540) % 360 - 180 for side in (lon + west, lon + east))
    assert not met(found, (west, south, east, north))
    assert met(found, WORLD)


def on_circle(start, width, other_start, other_width):
    """Whether two closed intervals of longitudes meet, by walking east from the start of each to the other's."""
    return (other_start - start) % 360 <= width or (start - other_start) % 360 <= other_width


def wrapped(longitude, side):
    """-180 to 180, where the border itself is the side's own."""
    turned = (longitude + 180) % 360 - 180
    return 180 if turned == -180 and side == "east" else turned


eighths = st.integers(-180 * 8, 180 * 8 - 1).map(lambda number: number / 8)


@settings(max_examples=100)
@given(eighths, st.integers(1, 100), eighths, st.integers(0, 100), st.sampled_from([-360, 0, 360]))
def test_meeting_does_not_depend_on_where_the_antimeridian_is(west, width, box_west, box_width, turn):
    found = footprint("EPSG:4326", (west + turn, 0.125, 0, 1, 0, -0.125), (8, width))
    bbox = (wrapped(box_west, "west"), 0, wrapped(box_west + box_width / 8, "east"), 1)
    if box_width == 0:
        bbox = (box_west, 0, box_west, 1)
    assert met(found, bbox) == on_circle(west, width / 8, box_west, box_width / 8)
    assert found.area == pytest.approx(width / 8)
    assert -180 <= found.bounds[0] <= found.bounds[2] <= 180


@pytest.mark.parametrize(
    ("crs", "geotransform", "size"),
    [
        ("EPSG:4326", (179, 0.01, 0, 1, 0, -0.01), (100, 200)),
        ("EPSG:4326", (-181, 0.01, 0, 1, 0, -0.01), (100, 200)),
        ("EPSG:32601", (110_000, 100, 0, 110_000, 0, -100), (1000, 1500)),
        ("EPSG:32660", (750_000, 100, 0, 110_000, 0, -100), (1000, 1500)),
        ("EPSG:3857", (19_930_000, 200, 0, 110_000, 0, -200), (500, 1000)),
        ("EPSG:3832", (3_240_000, 200, 0, 110_000, 0, -200), (500, 1000)),
    ],
)
def test_a_footprint_over_the_antimeridian_is_small_and_met_from_both_sides(crs, geotransform, size):
    found = footprint(crs, geotransform, size)
    assert found.geom_type == "MultiPolygon"
    assert found.area < 4
    for bbox in [(179.9, 0.5, 180, 0.6), (-180, 0.5, -179.9, 0.6), (179, 0.5, -179, 0.6), (180, 0.5, 180, 0.6)]:
        assert met(found, bbox)
    for bbox in [(0, 0.5, 1, 0.6), (-170, 0.5, 170, 0.6), (179, 2, -179, 3)]:
        assert not met(found, bbox)
    assert meets(np.array([found]), area_of(intersects=found)).all()


@pytest.mark.parametrize(("crs", "pole"), [("EPSG:3413", 90), ("EPSG:3031", -90)])
@pytest.mark.parametrize("geotransform", [(-7e4, 1000, 0, 5e4, 0, -1000), (-7e4, 1000, 0, -5e4, 0, 1000)])
def test_a_footprint_around_a_pole_meets_every_bbox_that_reaches_it(crs, pole, geotransform):
    found = footprint(crs, geotransform, (100, 100))
    assert found.is_valid
    for west in range(-180, 180, 15):
        for latitudes, is_met in [((pole * 0.9, pole), True), ((pole, pole), True), ((pole * 0.9, pole * 0.97), False)]:
            south, north = sorted(latitudes)
            assert met(found, (west, south, west + 15, north)) == is_met


@pytest.mark.parametrize("pixel", [1000, 0.03])
@pytest.mark.parametrize(("column", "row"), [(0, 0), (100, 0), (100, 100), (0, 100)])
def test_a_footprint_with_a_corner_at_the_pole_is_a_quarter_of_the_cap(column, row, pixel):
    x, y = -pixel * column, pixel * row
    found = footprint("EPSG:3413", (x, pixel, 0, y, 0, -pixel), (100, 100))
    assert found.is_valid
    middle = {(0, 0): 0, (100, 0): -90, (100, 100): 180, (0, 100): 90}[column, row]
    for longitude in range(-180, 180, 15):
        is_inside = abs((longitude - middle + 180) % 360 - 180) <= 45
        assert met(found, (longitude, 89.5, longitude, 90)) == is_inside


def test_footprints_of_the_whole_earth_meet_everything():
    half = 20_037_508.342789244
    for found in footprints(
        ["EPSG:4326", "EPSG:4326", "EPSG:4087"],
        np.array(
            [
                (-0.125, 0.25, 0, 90.125, 0, -0.25),
                (-180, 1, 0, 90, 0, -1),
                (-half, half / 180, 0, half / 2, 0, -half / 180),
            ]
        ),
        np.array([(721, 1440), (180, 360), (180, 360)]),
    ):
        assert found.area == pytest.approx(360 * 180, rel=1e-6)
        for longitude in range(-180, 180, 30):
            assert met(found, (longitude, 45, longitude + 1, 46))


def test_what_grids_have_beyond_the_pole_or_by_rounding_beyond_the_antimeridian_is_cut_off():
    assert footprint("EPSG:4326", (0, 0.25, 0, 90.125, 0, -0.25), (721, 40)).bounds == (0, -90, 10, 90)
    assert footprint("EPSG:4326", (170, 0.1 + 1e-13, 0, 1, 0, -0.01), (100, 100)).bounds == (170, 0, 180, 1)
    assert footprint("EPSG:4326", (-180 - 1e-11, 0.1, 0, 1, 0, -0.01), (100, 100)).bounds[0] == -180


def test_the_way_through_more_points_equals_the_plain_one(monkeypatch):
    rasters = [RASTERS[name] for name in RASTERS if name != "degrees"]
    crs, geotransforms, sizes = map(list, zip(*rasters, strict=True))
    plain = footprints(crs, np.array(geotransforms, float), np.array(sizes))
    monkeypatch.setattr(footprints_module, "_STEEP", 0.001)
    finer = footprints(crs, np.array(geotransforms, float), np.array(sizes))
    for coarse, fine in zip(plain, finer, strict=True):
        assert len(shapely.get_coordinates(fine)) > len(shapely.get_coordinates(coarse))
        assert coarse.symmetric_difference(fine).area < 0.002 * fine.area


def test_many_footprints_at_once_are_those_of_each_alone(monkeypatch):
    monkeypatch.setattr(footprints_module, "_CHUNK", 4)
    polar = ("EPSG:3413", (-7e4, 1000, 0, 5e4, 0, -1000), (100, 100))
    over = ("EPSG:32601", (110_000, 100, 0, 110_000, 0, -100), (1000, 1500))
    rasters = [
        *RASTERS.values(),
        polar,
        over,
        polar,
        ("FOO:1", *polar[1:]),
        (None, *polar[1:]),
        (polar[0], polar[1], (0, 0)),
    ] * 2
    crs, geotransforms, sizes = map(list, zip(*rasters, strict=True))
    together = footprints(crs, np.array(geotransforms, float), np.array(sizes))
    for found, alone in zip(together, (footprint(*raster) for raster in rasters), strict=True):
        assert found is alone is None or found.equals_exact(alone, 0)


@pytest.mark.parametrize(
    "crs",
    ["FOO:1", "SR-ORG:1234", "EPSG:99999", "IAU_2015:49900", "EPSG:5703", "EPSG:4978", "+proj=utm", "", None, 4326],
)
def test_a_crs_that_places_nothing_gives_none(crs):
    assert footprint(crs, (10, 0.01, 0, 50, 0, -0.01), (100, 100)) is None


@pytest.mark.parametrize(
    ("crs", "geotransform"),
    [
        ("EPSG:32633", (np.nan, 10, 0, 5_080_000, 0, -10)),
        ("EPSG:32633", (465_000, np.inf, 0, 5_080_000, 0, -10)),
        ("EPSG:32633", (1e8, 10, 0, 5_080_000, 0, -10)),
        ("EPSG:32633", (1e308, 1e308, 0, 1e308, 0, -10)),
        ("EPSG:32633", (465_000, 0, 0, 5_080_000, 0, -10)),
        ("EPSG:32633", (465_000, 10, 10, 5_080_000, 10, 10)),
        ("EPSG:4326", (465_000, 10, 0, 5_080_000, 0, -10)),
        ("EPSG:4326", (0, 0.1, 0, 100, 0, -0.1)),
    ],
)
def test_a_raster_that_is_nowhere_gives_none(crs, geotransform):
    assert footprint(crs, geotransform, (100, 100)) is None


def test_without_a_size_the_footprint_is_the_first_corner(warp):
    (lon,), (lat,) = warp.transform("EPSG:32633", "EPSG:4326", [465_000], [5_080_000])
    geotransform = (465_000, 10, 0, 5_080_000, 0, -10)
    for size in [(0, 0), (0, 100), (100, 0)]:
        found = footprint("EPSG:32633", geotransform, size)
        assert found.geom_type == "Point"
        assert (found.x, found.y) == pytest.approx((lon, lat))
    assert footprint("EPSG:4326", (190, 0, 0, 5, 0, 0), (0, 0)).equals(shapely.Point(-170, 5))


def test_no_footprints_are_none_at_all():
    assert footprints([], np.zeros((0, 6)), np.zeros((0, 2), int)).shape == (0,)
    assert meets(points([]), area_of(WORLD)).shape == (0,)
    assert shapes([]).shape == (0,)


def test_points_are_read_and_other_wkt_is_taken_as_it_is():
    found = points(
        ["POINT (8.55 47.37)", "point z (1 2 3)", "POLYGON ((0 0, 1 0, 1 1, 0 0))", "MULTIPOINT ((1 2), (3 4))"]
    )
    assert [geometry.geom_type for geometry in found] == ["Point", "Point", "Polygon", "MultiPoint"]
    assert (found[0].x, found[0].y) == (8.55, 47.37)


UNREADABLE = [
    None,
    float("nan"),
    7,
    "",
    "here",
    "POINT (8.55)",
    "POINT (nan 1)",
    "POINT (1e999 1)",
    "POINT (400 2)",
    "POINT (1 91)",
    "POINT (1 2)\0\ud800",
    "LINESTRING (" + ", ".join(["1 2"] * 250_000) + ")",
    "CIRCULARSTRING (0 0, 1 1, 2 0)",
    "GEOMETRYCOLLECTION (POINT (1 2))",
]


@pytest.mark.parametrize("value", UNREADABLE, ids=lambda value: str(value)[:20])
def test_unreadable_wkt_is_none_and_leaves_its_neighbours_alone(value):
    for read in (points, shapes):
        found = read(["POINT (1 2)", value, "POINT (3 4)"])
        assert [geometry is not None for geometry in found] == [True, False, True]


POLYGON = shapely.box(1, 2, 3, 4)


@pytest.mark.parametrize(
    "value",
    [
        POLYGON,
        POLYGON.wkb,
        bytearray(POLYGON.wkb),
        memoryview(POLYGON.wkb),
        shapely.to_wkb(POLYGON, byte_order=0),
        shapely.to_wkb(shapely.set_srid(POLYGON, 4326), include_srid=True),
        shapely.to_wkb(shapely.force_3d(POLYGON), flavor="iso"),
        shapely.to_wkb(shapely.MultiPolygon([POLYGON])),
        shapely.to_wkb(shapely.set_srid(shapely.MultiPolygon([POLYGON]), 4326), include_srid=True),
        POLYGON.wkt,
        shapely.to_geojson(POLYGON),
        POLYGON.__geo_interface__,
        feature(POLYGON.__geo_interface__),
        WithInterface(POLYGON.__geo_interface__),
        {"xmin": 1.0, "ymin": 2.0, "xmax": 3.0, "ymax": 4.0},
        [1, 2, 3, 4],
        np.array([1, 2, 0, 3, 4, 100]),
        "[1, 2, 3, 4]",
    ],
)
def test_a_geometry_column_is_read_in_every_spelling(value):
    found = shapes([None, value, "here"])
    assert found[0] is found[2] is None
    assert found[1].equals(POLYGON)


@pytest.mark.parametrize(("thousands", "bits", "more"), [(0, 0, 0), (1, 8, 1), (2, 4, 1), (3, 12, 2)])
@pytest.mark.parametrize("order", "<>")
def test_heights_and_measures_are_passed_over_as_iso_and_postgis_write_them(order, thousands, bits, more):
    def written(flags):
        point = (
            struct.pack(order + "BI", order == "<", 1 + flags) + struct.pack(order + "4d", 5, 6, 7, 8)[: 8 * (2 + more)]
        )
        return struct.pack(order + "BII", order == "<", 4 + flags, 2) + 2 * point

    for found in shapes([written(thousands * 1000), written(bits << 28)]):
        assert shapely.get_coordinates(found).tolist() == [[5, 6], [5, 6]]


def test_a_box_over_the_antimeridian_is_two():
    found = shapes([{"xmin": 177, "ymin": -20, "xmax": -178, "ymax": -15}, [177, -20, -178, -15]])
    for geometry in found:
        assert geometry.area == 5 * (3 + 2)
        assert met(geometry, (-179, -17, -179, -17))
        assert not met(geometry, (0, -17, 1, -17))


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"POINT (1 2)",
        POLYGON.wkb[:-1],
        POLYGON.wkb[:7],
        shapely.to_wkb(shapely.MultiPolygon([POLYGON]))[:12],
        struct.pack("<BI", 1, 99),
        struct.pack("<BII", 1, 8, 0),
        struct.pack("<BII", 1, 2, 2**32 - 1),
        struct.pack("<BIdd", 1, 1, 500_000, 5_000_000),
        struct.pack("<BIdd", 1, 1, float("nan"), 1),
        shapely.linestrings(np.zeros((63_000, 2))).wkb,
        {},
        {"type": "Point"},
        {"type": "Point", "coordinates": [400, 0]},
        {"xmin": None, "ymin": 2.0, "xmax": 3.0, "ymax": 4.0},
        {"xmin": 5e5, "ymin": 5e6, "xmax": 6e5, "ymax": 6e6},
        [1, 2, 3],
        [1, 2, 3, float("nan")],
        "{",
        "[" * 100_000,
        object(),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_a_geometry_column_should_not_hold_is_none(value):
    found = shapes([POLYGON.wkb, value, POLYGON.wkb])
    assert [geometry is not None for geometry in found] == [True, False, True]


NESTED = """
import struct
from mlstac_hf._conditions._geometries import shapes
deep = [start * 30_000 for start in ("GEOMETRYCOLLECTION(", "MULTIPOLYGON(GEOMETRYCOLLECTION(", "CURVEPOLYGON(")]
deep += ['{"type": "GeometryCollection", "geometries": [' * 20_000]
for order in "<>":
    point = struct.pack(order + "BIdd", order == "<", 1, 1, 1)
    for kind in (4, 5, 6, 7, 9, 10, 11, 12, 1006, 3007, 4006, 0x80000006, 0x10006):
        header = struct.pack(order + "BI", order == "<", kind)
        deep += [(header + struct.pack(order + "I", 1)) * 40_000 + point]
        deep += [(header + struct.pack(order + "I", 2) + point) * 30_000 + point]
print(all(geometry is None for geometry in shapes(deep)), len(deep))
"""


def test_geometries_nested_too_deep_for_geos_do_not_end_the_process():
    done = subprocess.run([sys.executable, "-c", NESTED], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", "56"], (done.returncode, done.stderr)


geometries = st.one_of(
    st.builds(shapely.Point, st.integers(-180, 180), st.integers(-90, 90)),
    st.lists(st.tuples(st.integers(-180, 180), st.integers(-90, 90)), min_size=2, max_size=5).map(shapely.LineString),
    st.lists(st.tuples(st.integers(-180, 180), st.integers(-90, 90)), min_size=4, max_size=6).map(shapely.Polygon),
)
WKB = {"byte_order": st.sampled_from([0, 1]), "flavor": st.sampled_from(["iso", "extended"])}


@given(st.lists(geometries, max_size=4), st.fixed_dictionaries(WKB), st.booleans())
def test_any_wkb_and_wkt_that_shapely_writes_is_read(parts, options, has_heights):
    parts = [shapely.force_3d(part, 7) if has_heights else part for part in parts]
    kinds = [shapely.MultiPoint, shapely.MultiLineString, shapely.MultiPolygon]
    multi = [kinds[i]([part for part in parts if shapely.get_dimensions(part) == i]) for i in range(3)]
    written = [*parts, *(geometry for geometry in multi if not geometry.is_empty)]
    for texts in (shapely.to_wkb(written, **options), shapely.to_wkt(written)):
        found = shapes(list(texts))
        assert all(one.equals_exact(other, 0) for one, other in zip(found, written, strict=True))


@given(st.lists(geometries.filter(shapely.is_valid), min_size=1, max_size=10), geometries)
def test_meets_agrees_with_shapely_within_the_borders_of_the_map(rows, other):
    column = np.array([*rows, None], dtype=object)
    area = shapely.transform(shapely.make_valid(other), lambda xy: xy * 0.9)
    column[:-1] = shapely.transform(column[:-1], lambda xy: xy * 0.9)
    assert meets(column, area).tolist() == [*(geometry.intersects(area) for geometry in column[:-1]), False]


def test_touching_is_meeting():
    column = shapes([[2, 2, 3, 3], [2, 0, 3, 1], [2.001, 0, 3, 1]])
    assert meets(column, area_of(intersects=SQUARE)).tolist() == [True, True, False]


def test_touching_across_the_antimeridian_is_meeting():
    west, east = shapes([[-180, 0, -179, 1], [179, 0, 180, 1]])
    assert met(west, (179, 0, 180, 1))
    assert met(east, (-180, 0, -179, 1))
    assert not met(west, (178, 0, 179, 1))


def test_a_bbox_without_width_or_height_is_a_line_or_a_point():
    assert area_of((7, 46, 7, 46)).equals(shapely.Point(7, 46))
    assert area_of((7, 46, 7, 47)).equals(shapely.LineString([(7, 46), (7, 47)]))
    assert all(area_of(bbox).is_valid for bbox in [(7, 46, 7, 46), (7, 46, 7, 47), (180, 0, -180, 1)])


def test_columns_that_count_from_0_to_360_are_met():
    assert met(points(["POINT (190 5)"])[0], (-171, 4, -169, 6))
    assert met(shapes([[350, 5, 370 - 10, 6]])[0], (-1, 5, 0, 5))


@given(
    crs=st.sampled_from(["EPSG:32601", "EPSG:32660", "EPSG:32633", "EPSG:3413", "EPSG:3031", "EPSG:4326"]),
    corner=st.tuples(st.integers(-2_000_000, 2_000_000), st.integers(-2_000_000, 2_000_000)),
    pixel=st.sampled_from([10, 1000, 20_000]),
)
def test_a_box_holds_its_footprint_and_nothing_smaller_does(crs, corner, pixel):
    x, y = (number / 20_000 for number in corner) if crs == "EPSG:4326" else corner
    step = pixel / 20_000 if crs == "EPSG:4326" else pixel
    shape = footprint(crs, (x, step, 0, y, 0, -step), (20, 20))
    assume(shape is not None)
    west, south, east, north = boxes(np.array([shape], dtype=object))[0].tolist()
    inside = area_of((west, south, east, north))
    assert inside.buffer(1e-9).contains(shape)
    if west <= east:
        assert shape.bounds == (west, south, east, north)
    else:
        assert shape.geom_type == "MultiPolygon"
        for cut in ((west + 1e-6, east), (west, east - 1e-6)):
            assert not area_of((cut[0], south, cut[1], north)).contains(shape)


def test_boxes_of_nothing_and_of_what_lies_all_around():
    around = shapely.MultiPolygon([shapely.box(-180, 0, -170, 1), shapely.box(0, 0, 1, 1), shapely.box(170, 0, 180, 1)])
    found = boxes(np.array([None, around, shapely.box(170, 0, 180, 1)], dtype=object))
    assert np.isnan(found[0]).all()
    assert found[1:].tolist() == [[-180, 0, 180, 1], [170, 0, 180, 1]]
    assert boxes(np.array([], dtype=object)).shape == (0, 4)


@given(x=st.floats(-180, 180), y=st.floats(-90, 90), upper=st.booleans())
def test_wkb_in_hexadecimal_is_read(x, y, upper):
    text = shapely.to_wkb(shapely.Point(x, y), hex=True)
    (found,) = shapes([text.upper() if upper else text.lower()])
    assert (found.x, found.y) == (x, y)
    assert shapes([text[:-2], text[:-1], "ab" * 30, "00" * 9]).tolist() == [None] * 4

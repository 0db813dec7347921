"""What is learned of samples on the way: numpy, run over all of them at once, is the oracle."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from helped import Watch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from publishing import DESCRIBED, LOOSE, sample, samples

import mlstac_hf
from mlstac_hf import Collection
from mlstac_hf._spec import Extent, TensorSchema
from mlstac_hf._write._extent import box_of, join_extents
from mlstac_hf._write._measure import Survey

pytestmark = pytest.mark.filterwarnings(LOOSE)

PONDS = Collection(id="ponds", **DESCRIBED, labels={"land": 0, "water": 1, "ice": 9})


def test_statistics_classes_and_schema(tmp_path):
    collection = mlstac_hf.write(samples(60), tmp_path, PONDS)
    collection = mlstac_hf.write(samples(5, size=6), tmp_path, collection, split="test")
    facts = collection.annotations
    stack = np.stack([one["input"] for one in samples(60)]).astype(np.float64)
    bands = stack.transpose(1, 0, 2, 3).reshape(3, -1)
    (found,) = facts.statistics.values()
    np.testing.assert_allclose([band.mean for band in found], bands.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose([band.std for band in found], bands.std(axis=1), rtol=1e-12)
    assert [(band.minimum, band.maximum) for band in found] == [(row.min(), row.max()) for row in bands]
    for band, row in zip(found, bands, strict=True):
        for name, value in band.percentiles.items():
            assert abs(value - np.percentile(row, int(name))) < 100  # of 4000
    counts = {
        split: {name: sum(int((one["target"] == value).sum()) for one in samples(*size)) for name, value in labels}
        for split, size, labels in (("train", (60,), PONDS.labels.items()),)
    }
    assert facts.class_counts["train"] == counts["train"]
    assert sum(facts.class_counts["test"].values()) <= 5 * 36
    assert facts.tensors == {
        "input": TensorSchema(dtype="uint16", shape=(3, None, None)),
        "target": TensorSchema(dtype="uint8", shape=(1, None, None)),
    }
    assert facts.types == {"cloud": "double", "night": "bool", "note": "string", "orbit": "int64"}
    used = mlstac_hf.load(tmp_path, "numpy", normalize="collection")[3]["input"]
    expected = (stack[3] - bands.mean(axis=1)[:, None, None]) / bands.std(axis=1)[:, None, None]
    np.testing.assert_allclose(used, expected, atol=1e-5)


def test_values_that_are_no_numbers_do_not_count(tmp_path):
    given = [{"input": np.array([[[1.0, np.nan], [np.inf, 3.0]]], np.float32)}, {"input": np.full((1, 2, 2), np.nan)}]
    (band,) = mlstac_hf.write(given, tmp_path, PONDS).annotations.statistics["input"]
    assert (band.mean, band.std, band.minimum, band.maximum) == (2, 1, 1, 3)


@pytest.mark.parametrize(
    "inputs",
    [
        [np.ones((2, 4, 4)), np.ones((3, 4, 4))],
        [np.ones(2, np.complex64)],
        [np.full((1, 1, 1), 1e308), np.full((1, 1, 1), -1e308)],
        [np.full((2, 2, 2), np.nan)],
    ],
)
def test_no_statistics_where_there_are_none(tmp_path, inputs):
    collection = mlstac_hf.write([{"input": one} for one in inputs], tmp_path, PONDS)
    assert collection.annotations.statistics is None


def test_samples_that_differ_have_no_schema_in_common(tmp_path):
    given = [{"input": np.ones((1, 2, 2)), "extra": np.ones(3)}, {"input": np.ones((1, 2, 2), "uint8")}]
    assert mlstac_hf.write(given, tmp_path, PONDS).annotations.tensors is None


def test_the_extent_is_where_the_corners_are(tmp_path):
    pytest.importorskip("shapely")
    pyproj = pytest.importorskip("pyproj")
    collection = mlstac_hf.write(samples(4), tmp_path, PONDS)
    (west, south, east, north) = collection.extent.bbox[0]
    corners = [
        (x + column * 120, y - row * 120)
        for x, _, _, y, _, _ in (sample(index)["geotransform"] for index in range(4))
        for row in (0, 1)
        for column in (0, 1)
    ]
    lon, lat = pyproj.Transformer.from_crs("EPSG:32633", "OGC:CRS84", always_xy=True).transform(
        *zip(*corners, strict=True)
    )
    np.testing.assert_allclose((west, south, east, north), (min(lon), min(lat), max(lon), max(lat)), atol=2e-6)
    assert collection.extent.interval == (("2020-01-01T10:30:00Z", "2020-01-04T10:30:00Z"),)
    later = [{**sample(0), "start_datetime": "2019-05-01", "end_datetime": "2021-05-01"}]
    collection = mlstac_hf.write(later, tmp_path, PONDS, split="test")
    assert collection.extent.interval == (("2019-05-01T00:00:00Z", "2021-05-01T00:00:00Z"),)
    assert collection.extent.bbox == ((west, south, east, north),)


def test_boxes_around_the_antimeridian():
    shapely = pytest.importorskip("shapely")
    fiji = shapely.union_all([shapely.box(179, -18, 180, -17), shapely.box(-180, -18, -179.5, -17)])
    samoa = shapely.box(-172, -14, -171, -13)
    box = box_of(np.array([fiji, None, samoa]))
    assert box == (179, -18, -171, -13)
    europe = Extent(bbox=((5.0, 40.0, 10.0, 50.0),))
    assert join_extents(europe, box, None, None).bbox == ((5, -18, -171, 50),)
    assert box_of(np.array([samoa, shapely.box(5, 40, 10, 50)])) == (-172, -14, 10, 50)
    assert join_extents(None, None, None, None) is None


def test_an_extent_that_is_given_stays(tmp_path):
    given = PONDS.model_copy(update={"extent": Extent(bbox=((1.0, 2.0, 3.0, 4.0),))})
    assert mlstac_hf.write(samples(2), tmp_path, given).extent.bbox == ((1, 2, 3, 4),)


@given(
    st.sampled_from(["bool", "uint8", "int8", "uint16", "int16", "int64", "uint64"]).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6))
    )
)
def test_classes_are_counted_value_by_value(target):
    survey = Survey(statistics=False, classes=True)
    counted = survey.measure({"target": target}, 0)["classes"]
    assert counted == Counter(str(int(value)) for value in target.reshape(-1))


def test_what_is_no_class_is_not_counted(tmp_path):
    many = np.arange(5000, dtype="int64") * 2**40
    for target in (many.reshape(50, 100), (many >> 40).astype("int16"), np.ones(3, "float32")):
        given = [{"input": np.ones(2), "target": target}]
        assert mlstac_hf.write(given, tmp_path / str(target.dtype), PONDS).annotations.class_counts is None


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("crs", "UTM 33", "crs: expected AUTHORITY:CODE such as 'EPSG:32633', found 'UTM 33'"),
        ("crs", 32633, "crs: expected AUTHORITY:CODE"),
        ("geotransform", (1, 2, 3), "geotransform: expected six numbers in GDAL order: x of the upper-left"),
        ("geotransform", (0, 10, 0, 0, 0, 0), "all finite, spanning an area; found"),
        ("geotransform", (0, 10, 0, np.inf, 0, 1), "all finite, spanning an area; found"),
        ("geotransform", (10, 0, 465180, 0, -10, 5080250), "look like the order of rasterio's Affine"),
        ("geotransform", "1,2", "geotransform: expected six numbers"),
        ("start_datetime", "yesterday", "start_datetime: expected a datetime or ISO 8601 text .*, found 'yesterday'"),
        ("start_datetime", 1.5, "start_datetime: expected a datetime"),
        (
            "end_datetime",
            "2019-12-31",
            "expected 2020-01-01T10:30:00Z, the start, or later; found 2019-12-31T00:00:00Z",
        ),
    ],
)
def test_place_and_time_are_checked(tmp_path, key, value, message):
    with pytest.raises(ValueError, match=rf"sample 0 \(id 'tile-000'\): .*{message}"):
        mlstac_hf.write([{**sample(0), key: value}], tmp_path, PONDS)


def test_objects_of_rasterio_are_understood(tmp_path):
    pytest.importorskip("rasterio")
    from rasterio.crs import CRS
    from rasterio.transform import Affine

    one = {**sample(0), "crs": CRS.from_epsg(32633), "geotransform": Affine(10, 0, 465180, 0, -10, 5080250)}
    mlstac_hf.write([one], tmp_path, PONDS)
    metadata = mlstac_hf.load(tmp_path, "numpy").metadata[0]
    assert (metadata["crs"], metadata["geotransform"]) == ("EPSG:32633", (465180, 10, 0, 5080250, 0, -10))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"target": np.ones((12, 12), "uint16")}, ValueError, r"add an axis to a mask with mask\[None\]"),
        ({"target": np.ones((1, 12, 12), "uint8")}, ValueError, "of one dtype and one size; found input uint16"),
        ({"target": "text"}, ValueError, "both arrays; found input uint16 .*target text"),
        (
            {"input": np.ones((1, 12, 12), "float16"), "target": None},
            mlstac_hf.UnsupportedDtypeError,
            "no dtype float16",
        ),
        ({"target": np.ones((2, 12, 12), "uint16")}, ValueError, "expected 3 planes of input and 1 of target"),
        ({"crs": "FOO:1"}, ValueError, "GDAL does not know 'FOO:1'"),
        (
            {"crs": "OGC:CRS84"},
            ValueError,
            "crs: a GeoTIFF keeps EPSG:4326 in place of 'OGC:CRS84'; payload=\"safetens",
        ),
        ({"crs": "ESRI:102100"}, ValueError, "a GeoTIFF keeps EPSG:3857 in place of 'ESRI:102100'"),
    ],
)
def test_samples_that_are_no_rasters(tmp_path, change, error, message):
    pytest.importorskip("pyarrow")
    pytest.importorskip("rasterio")
    given = [{**one, "target": one["target"].astype("uint16")} for one in samples(2)]
    given[1] |= change
    with pytest.raises(error, match=rf"sample 1 \(id 'tile-001'\): .*{message}"):
        mlstac_hf.write(given, tmp_path, PONDS, layout="container", payload="geotiff")


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32733", "ESRI:54009", "IAU_2015:30100", "epsg:3857"])
def test_reference_systems_that_a_raster_keeps(tmp_path, crs):
    pytest.importorskip("pyarrow")
    pytest.importorskip("rasterio")
    given = [{**sample(0), "target": sample(0)["target"].astype("uint16"), "crs": crs}]
    mlstac_hf.write(given, tmp_path, PONDS, layout="container", payload="geotiff")
    assert mlstac_hf.load(tmp_path, "numpy").metadata[0]["crs"].casefold() == crs.casefold()


def test_names_of_columns_are_taken_in_containers(tmp_path):
    pytest.importorskip("pyarrow")
    with pytest.raises(ValueError, match="'begin', 'url': expected other names in layout=\"container\""):
        mlstac_hf.write([{**sample(0), "url": "x", "begin": 3}], tmp_path, PONDS, layout="container")


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("layout", ["samples", "container"])
def test_of_targets_that_say_which_classes_apply_these_are_counted(tmp_path, monkeypatch, layout, workers):
    if layout == "container":
        pytest.importorskip("pyarrow")
    if workers > 1:
        Watch(monkeypatch)
    collection = Collection(
        id="ponds", **DESCRIBED | {"task": ["TensorClassification"]}, labels={"urban": 3, "forest": 1, "water": 2}
    )
    flags = [[0, 1, 1], [1, 1, 0], [0, 0, 0], [0, 1, 0]]
    given = [{"input": np.full((2, 4, 4), n, "uint8"), "target": np.array(row, "uint8")} for n, row in enumerate(flags)]
    written = mlstac_hf.write(given, tmp_path, collection, layout=layout, workers=workers)
    assert written.annotations.class_counts == {"train": {"urban": 1, "forest": 1, "water": 3}}
    report = mlstac_hf.validate(tmp_path, deep=True)
    assert not {finding.code for finding in report.findings} & {"E503", "W501", "N506", "W507"}

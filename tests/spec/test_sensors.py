"""Sensors: their bands as published, the names they go by, and bands completed from names alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlstac_hf import Band, Collection, UnknownNameError
from mlstac_hf._spec import SENSORS, bands_of, find_sensor
from mlstac_hf._spec._sensors import near_sensors
from mlstac_hf._spec._stac import _COMMON_NAMES

COUNTS = {
    "Sentinel-2": 13, "Sentinel-2A": 13, "Sentinel-2B": 13, "Sentinel-2 L2A": 12,
    **{f"Landsat {number} MSS": 4 for number in range(1, 6)},
    "Landsat 4 TM": 7, "Landsat 5 TM": 7, "Landsat 7 ETM+": 8,
    "Landsat 8 OLI/TIRS": 11, "Landsat 9 OLI/TIRS": 11, "Landsat 8 OLI": 9, "Landsat 9 TIRS": 2,
    "MODIS": 36, "ASTER": 14, "EO-1 ALI": 10,
}  # fmt: skip

RANGES = {
    "pan": (0.40, 1.00), "coastal": (0.40, 0.46), "blue": (0.45, 0.53), "green": (0.50, 0.61), "green05": (0.51, 0.55),
    "red": (0.60, 0.70), "rededge071": (0.69, 0.73), "rededge075": (0.73, 0.76), "rededge078": (0.76, 0.80),
    "nir": (0.76, 1.10), "nir08": (0.80, 0.90), "nir09": (0.90, 1.00), "cirrus": (1.35, 1.40), "swir16": (1.55, 1.75),
    "swir22": (2.08, 2.35), "lwir": (10.4, 12.5), "lwir11": (10.5, 11.5), "lwir12": (11.5, 12.52),
}  # fmt: skip
"""In micrometres, of STAC's EO extension; a little wider where a sensor's own band is."""


@pytest.mark.parametrize(("sensor", "count"), COUNTS.items())
def test_a_sensor_has_its_bands(sensor, count):
    assert len(bands_of(sensor)) == count


@pytest.mark.parametrize("sensor", SENSORS)
def test_bands_are_unique_plausible_and_lie_where_their_common_name_says(sensor):
    bands = bands_of(sensor)
    common = [band.common_name for band in bands if band.common_name]
    assert len({band.name for band in bands}) == len(bands)
    assert len(set(common)) == len(common)
    assert set(common) <= _COMMON_NAMES
    for band in bands:
        assert band.unit == "um"
        assert 0.4 < band.center_wavelength < 15
        assert 0 < band.full_width_half_max < 2.2
        assert band.index is None
        low, high = RANGES.get(band.common_name, (0, 15))
        assert low <= band.center_wavelength <= high


@pytest.mark.parametrize(
    ("sensor", "name", "common_name", "low", "high"),
    [
        ("Landsat 8 OLI", "B4", "red", 0.636, 0.673),
        ("Landsat 9", "B10", "lwir11", 10.60, 11.19),
        ("Landsat 5", "B6", "lwir", 10.40, 12.50),
        ("Landsat 7", "B7", "swir22", 2.09, 2.35),
        ("Landsat 1", "B7", "nir", 0.8, 1.1),
        ("Landsat 5 MSS", "B1", "green", 0.5, 0.6),
        ("MODIS", "B01", "red", 0.620, 0.670),
        ("MODIS", "B26", "cirrus", 1.360, 1.390),
        ("MODIS", "B36", None, 14.085, 14.385),
        ("ASTER", "B3N", "nir", 0.78, 0.86),
        ("ASTER", "B14", None, 10.95, 11.65),
        ("EO-1 ALI", "B01", "pan", 0.48, 0.69),
        ("EO-1 ALI", "B08", None, 1.2, 1.3),
    ],
)
def test_limits_are_those_that_were_published(sensor, name, common_name, low, high):
    band = next(band for band in bands_of(sensor) if band.name == name)
    assert band.common_name == common_name
    assert band.center_wavelength - band.full_width_half_max / 2 == pytest.approx(low)
    assert band.center_wavelength + band.full_width_half_max / 2 == pytest.approx(high)


def test_sentinel_2_is_given_as_designed_and_as_built():
    by_name = {sensor: {band.name: band for band in bands_of(sensor)} for sensor in ("S2", "S2A", "S2B")}
    facts = [(sensor["B12"].center_wavelength, sensor["B12"].full_width_half_max) for sensor in by_name.values()]
    assert facts == [(2.19, 0.18), (2.2024, 0.175), (2.1857, 0.185)]


@pytest.mark.parametrize(
    ("spelled", "name"),
    [
        ("sentinel-2", "Sentinel-2"), ("S2", "Sentinel-2"), ("Sentinel-2 MSI", "Sentinel-2"), ("s2a", "Sentinel-2A"),
        ("Sentinel-2 L1C", "Sentinel-2"), ("SENTINEL_2B_L2A", "Sentinel-2B L2A"), ("Sentinel-2C", "Sentinel-2"),
        ("landsat-8 OLI", "Landsat 8 OLI"), ("Landsat 8", "Landsat 8 OLI/TIRS"), ("L8", "Landsat 8 OLI/TIRS"),
        ("landsat 9 OLI-2", "Landsat 9 OLI"), ("LANDSAT_5", "Landsat 5 TM"), ("landsat-3", "Landsat 3 MSS"),
        ("Landsat 7 ETM", "Landsat 7 ETM+"), ("modis", "MODIS"), ("Terra MODIS", "MODIS"), ("EO-1", "EO-1 ALI"),
        ("ALI", "EO-1 ALI"),
    ],
)  # fmt: skip
def test_names_are_read_tolerantly(spelled, name):
    assert find_sensor(spelled).name == name
    assert bands_of(spelled) == bands_of(name)


@given(st.text(max_size=12).filter(lambda name: find_sensor(name) is None))
def test_any_other_name_is_refused_with_the_list(name):
    with pytest.raises(UnknownNameError, match="expected one of Sentinel-2, ") as caught:
        bands_of(name)
    assert repr(name) in str(caught.value)


def test_a_misspelt_sensor_has_neighbours():
    assert near_sensors("Sentinel-22")[0] == "Sentinel-2"
    assert near_sensors("PlanetScope") == []


def test_bands_given_by_name_are_completed_and_placed():
    collection = Collection(id="x", sensor="Sentinel-2", bands=["B04", "B3", "blue", Band(name="dem", index=3)])
    assert [(band.name, band.index, band.common_name) for band in collection.bands] == [
        ("B04", 0, "red"), ("B3", 1, "green"), ("blue", 2, "blue"), ("dem", 3, None),
    ]  # fmt: skip
    assert collection.bands[1].center_wavelength == 0.56
    assert Collection.from_dict(collection.to_dict()).bands == collection.bands


@pytest.mark.parametrize("name", ["SR_B4", "b4", "B04", "4", "Band 4", "band_4", "red"])
def test_a_bands_name_is_read_tolerantly_and_kept(name):
    (band,) = Collection(id="x", sensor="landsat-8", bands=[name]).bands
    assert (band.name, band.common_name) == (name, "red")


@pytest.mark.parametrize("sensor", [None, "PlanetScope"])
def test_names_of_an_unknown_sensor_stand_alone(sensor):
    assert Collection(id="x", sensor=sensor, bands=("b1", "")).bands == (
        Band(name="b1", index=0), Band(name="", index=1),
    )  # fmt: skip


def test_a_band_that_the_sensor_does_not_have_is_refused_with_the_list():
    with pytest.raises(UnknownNameError, match=r"Sentinel-2 has no band 'B13', 'ndvi': expected B01, B02.*Band\(name"):
        Collection(id="x", sensor="Sentinel-2", bands=["B04", "B13", "ndvi"])
    with pytest.raises(UnknownNameError, match="has no band 'B10'"):
        Collection(id="x", sensor="Sentinel-2 L2A", bands=["B10"])


def test_reading_completes_nothing():
    document = {"id": "x", "ml:spectral": {"bands": [{"name": "B04"}], "sensor": "Sentinel-2"}}
    assert Collection.from_dict(document).bands == (Band(name="B04"),)
    assert Collection.from_dict(document).to_dict() == document

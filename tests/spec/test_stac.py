"""A collection as a STAC Collection: valid, with its bands, and readable again."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlstac_hf import Annotations, Band, Catalog, Collection, InvalidCollectionError
from mlstac_hf._spec import SENSORS, DataFile, TensorSchema, bands_of
from mlstac_hf._spec._parts import BandStatistics, Extent, Link, Provider
from mlstac_hf._spec._stac import EO, RASTER

PONDS = Collection(
    id="ponds",
    title="Ponds",
    description="Ponds from above",
    license="CC-BY-4.0",
    keywords=["water"],
    task=["TensorSegmentation"],
    labels={"water": 0},
    sensor="Sentinel-2A",
    bands=["B04", "B08"],
    band_axis=0,
    dimensions={"input": [{"axis": 0, "name": "C"}]},
    splits={"train": Catalog(name="train", n_items=3, link="https://x.org/train/")},
    providers=[{"name": "ESA", "roles": ["producer", "author"]}],
    authors=[{"name": "Ada", "organization": "X"}],
    paper="doi:10.1038/s41597-022-01878-2",
    annotations=Annotations(
        tensors={"input": TensorSchema(dtype="uint16", shape=(2, 8, 8))},
        scale={"input": (1e-4,)},
        offset={"input": (0.0, -1.0)},
        statistics={"input": (BandStatistics(mean=1, std=2, maximum=9), BandStatistics(mean=3, std=4))},
    ),
)


def containers(collection):
    catalog = Catalog(name="train", data_files=(DataFile(href="https://x.org/a.mlstac", nbytes=4),), metadata_file="m")
    return collection.model_copy(update={"splits": {"train": catalog}})


def validate(document):
    """Against STAC's core schema, which pystac carries along."""
    pystac = pytest.importorskip("pystac")
    pytest.importorskip("jsonschema")
    from pystac.validation.stac_validator import JsonSchemaSTACValidator

    document = json.loads(json.dumps(document, allow_nan=False))
    JsonSchemaSTACValidator().validate_core(document, pystac.STACObjectType.COLLECTION, "1.1.0")
    return pystac.Collection.from_dict(document)


def test_bands_have_what_stac_and_its_extensions_know_of_them():
    document = PONDS.to_stac()
    red, nir = document["item_assets"]["data"]["bands"]
    assert red == {
        "name": "B04",
        "eo:common_name": "red",
        "eo:center_wavelength": 0.6646,
        "eo:full_width_half_max": 0.031,
        "data_type": "uint16",
        "raster:scale": 1e-4,
        "raster:offset": 0.0,
        "statistics": {"mean": 1.0, "stddev": 2.0, "maximum": 9.0},
    }
    assert (nir["raster:scale"], nir["raster:offset"]) == (1e-4, -1.0)
    assert nir["statistics"] == {"mean": 3.0, "stddev": 4.0}
    assert document["stac_extensions"] == [EO, RASTER]
    assert document["summaries"] == {
        "constellation": ["sentinel-2"],
        "platform": ["sentinel-2a"],
        "instruments": ["msi"],
        "bands": [red, nir],
    }


def test_the_rest_stands_where_stac_and_mlstac_look():
    document = PONDS.to_stac()
    assert (document["type"], document["stac_version"], document["license"]) == ("Collection", "1.1.0", "CC-BY-4.0")
    assert document["providers"] == [{"name": "ESA", "roles": ["producer"]}]
    assert document["links"] == [{"rel": "cite-as", "href": "https://doi.org/10.1038/s41597-022-01878-2"}]
    assert document["extent"] == {
        "spatial": {"bbox": [[-180.0, -90.0, 180.0, 90.0]]},
        "temporal": {"interval": [[None, None]]},
    }
    assert document["ml_task"] == ["TensorSegmentation"]
    assert document["ml_train"] == {"n_items": 3, "link": "https://x.org/train/"}
    assert document["mlhf:scale"] == {"input": [1e-4]}
    written = containers(PONDS).to_stac()
    assert written["ml_catalog"]["train"]["data_files"] == ["https://x.org/a.mlstac"]
    assert set(written["item_assets"]) == {"data", "metadata"}
    assert "ml_train" not in written


@pytest.mark.parametrize("collection", [PONDS, containers(PONDS)], ids=["samples", "containers"])
def test_it_is_read_back(collection):
    again = Collection.from_dict(collection.to_stac())
    for field in ("id", "title", "license", "task", "labels", "bands", "band_axis", "sensor", "dimensions", "authors"):
        assert getattr(again, field) == getattr(collection, field)
    assert again.annotations.scale == collection.annotations.scale
    assert again.splits["train"].n_items == collection.splits["train"].n_items


@pytest.mark.parametrize(
    ("license_", "written"),
    [
        ("CC-BY-4.0", "CC-BY-4.0"),
        ("LicenseRef-ours", "LicenseRef-ours"),
        ("proprietary", "other"),
        ("various", "other"),
        ("MIT AND CC0-1.0", "other"),
        ("ask me\n", "other"),
        (None, "other"),
    ],
)
def test_a_licence_is_an_identifier_or_other(license_, written):
    assert Collection(id="x", license=license_).to_stac()["license"] == written


@pytest.mark.parametrize(
    ("band", "written"),
    [
        (Band(name="a", common_name="mauve"), {}),
        (Band(name="a", center_wavelength=664.6, full_width_half_max=31, unit="nm"), (0.6646, 0.031)),
        (Band(name="a", center_wavelength=0.6646, full_width_half_max=0.031, unit="um"), (0.6646, 0.031)),
        (Band(name="a", center_wavelength=664.6), {}),
        (Band(name="a", center_wavelength=-1.0, unit="nm"), {}),
        (Band(name="a", center_wavelength=math.nan, unit="nm"), {}),
    ],
)
def test_what_the_eo_extension_refuses_is_left_out(band, written):
    document = Collection(id="x", bands=[band]).to_stac()
    expected = {"eo:center_wavelength": written[0], "eo:full_width_half_max": written[1]} if written else {}
    assert document["summaries"]["bands"] == [{"name": "a", **expected}]
    assert document["stac_extensions"] == ([EO] if written else [])


def test_numbers_that_json_does_not_have_are_left_out():
    own = Annotations(
        scale={"input": (math.inf,)}, statistics={"input": (BandStatistics(mean=math.nan, std=math.inf, minimum=1),)}
    )
    document = Collection(id="x", bands=["a"], annotations=own).to_stac()
    assert document["summaries"]["bands"] == [{"name": "a", "statistics": {"minimum": 1.0}}]


@pytest.mark.parametrize(
    ("dtype", "data_type"),
    [("uint16", "uint16"), ("float16", "float16"), ("complex64", "cfloat32"), ("bfloat16", "other"), ("bool", "other")],
)
def test_data_types_are_of_stacs_list(dtype, data_type):
    own = Annotations(tensors={"input": TensorSchema(dtype=dtype, shape=(1,))})
    (band,) = Collection(id="x", bands=["a"], annotations=own).to_stac()["summaries"]["bands"]
    assert band["data_type"] == data_type


def test_a_collection_without_an_id_is_refused():
    with pytest.raises(InvalidCollectionError, match="Give id="):
        Collection().to_stac()


def test_pystac_finds_it_valid_and_sees_its_parts():
    for collection in (PONDS, containers(PONDS), Collection(id="x")):
        read = validate(collection.to_stac())
        assert read.id == collection.id
    assert [band["name"] for band in validate(PONDS.to_stac()).summaries.to_dict()["bands"]] == ["B04", "B08"]


@pytest.mark.parametrize("sensor", SENSORS)
def test_pystac_finds_every_sensor_valid(sensor):
    validate(Collection(id="x", sensor=sensor, bands=bands_of(sensor)).to_stac())


texts = st.text(max_size=6)
numbers = st.floats(width=32)


@settings(max_examples=30, deadline=None)
@given(
    st.builds(
        Collection,
        id=texts.filter(bool),
        title=st.none() | texts,
        license=st.none() | texts,
        keywords=st.lists(texts, max_size=2),
        providers=st.lists(st.builds(Provider, name=texts, roles=st.lists(texts, max_size=1)), max_size=2),
        links=st.lists(st.builds(Link, href=texts, rel=st.none() | texts), max_size=2),
        bands=st.lists(
            st.builds(Band, name=texts, common_name=texts, center_wavelength=numbers, unit=st.just("nm")), max_size=2
        ),
        extent=st.builds(
            Extent,
            bbox=st.lists(st.lists(numbers, min_size=3, max_size=4).map(tuple), max_size=3).map(tuple),
            interval=st.lists(st.tuples(st.none() | texts, st.none() | texts), max_size=2).map(tuple),
        ),
        annotations=st.builds(
            Annotations,
            scale=st.dictionaries(st.just("input"), st.lists(st.floats(0, 1), max_size=3).map(tuple)),
        ),
    )
)
def test_whatever_a_collection_says_its_stac_is_valid(collection):
    validate(collection.to_stac())

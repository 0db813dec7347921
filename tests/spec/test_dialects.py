"""Every spelling of formats.md, read into the same fields."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlstac_hf import Band, Collection
from mlstac_hf._spec._dialect_splits import read_count

COUNTS = {"train": 24, "validation": 8, "test": 6}


def entry(count):
    return {"n_items": count, "link": "https://example.com/x/"}


def read(document):
    return Collection.from_bytes(json.dumps(document).encode())


@pytest.mark.parametrize(
    "document",
    [
        {f"ml:{s}": entry(n) for s, n in COUNTS.items()},
        {f"ml_{s}": entry(n) for s, n in COUNTS.items()},
        {"ml_train": entry(24), "ml_val": entry(8), "ml_test": entry(6)},
        {"ml:train": entry(24), "ml:val": entry(8), "ml:test": entry(6)},
        {"train": entry(24), "val": entry(8), "test": entry(6)},
        {"train": entry(24), "validation": entry(8), "test": entry(6)},
        {"catalog": {s: entry(n) for s, n in COUNTS.items()}},
        {"catalog": {"val": entry(8), "test": entry(6), "train": entry(24)}},
        {"catalog": {f"ml_{s}": entry(n) for s, n in COUNTS.items()}},
        {"ml:catalog": {s: entry(n) for s, n in COUNTS.items()}},
        {"ml_train": entry(24), "catalog": {"val": entry(8)}, "test": entry(6)},
    ],
)
def test_splits_are_found_under_every_spelling_in_canonical_order(document):
    splits = read(document).splits
    assert [(name, split.name, split.n_items) for name, split in splits.items()] == [
        (s, s, n) for s, n in COUNTS.items()
    ]
    assert {split.link for split in splits.values()} == {"https://example.com/x/"}


@pytest.mark.parametrize(
    ("inside", "n_items", "link"),
    [
        ({"n_items": 4, "link": "a"}, 4, "a"),
        ({"n_samples": 4, "url": "a"}, 4, "a"),
        ({"n_items": "4", "link": ""}, 4, None),
        ({"n_items": 4.0, "link": None, "url": "b"}, 4, "b"),
        ({"n_items": None, "link": 7}, None, None),
        ({"n_items": -1, "link": "  "}, None, None),
        ({"n_items": 10**400}, None, None),
        ({"n_items": True}, None, None),
        ({"n_items": float("nan")}, None, None),
        ({"n_items": float("inf")}, None, None),
        ({"n_items": "10**400"}, None, None),
        ({"n_items": [4]}, None, None),
        ({"n_items": 10**12}, 10**12, None),
        ({}, None, None),
    ],
)
def test_a_split_says_how_many_and_where_or_nothing_that_could_be_meant(inside, n_items, link):
    split = read({"ml:train": inside}).splits["train"]
    assert (split.n_items, split.link) == (n_items, link)


@given(st.one_of(st.text(), st.floats(), st.integers(), st.none(), st.lists(st.integers())))
def test_a_count_is_a_plausible_number_or_none(value):
    count = read_count(value)
    assert count is None or (type(count) is int and 0 <= count <= 61**7)


def test_null_and_odd_splits_are_not_there_and_do_not_hide_the_others():
    splits = read(
        {"ml:train": entry(1), "ml:validation": None, "ml:test": "soon", "catalog": {"../../etc": entry(1)}}
    ).splits
    assert list(splits) == ["train"]


@pytest.mark.parametrize("key", ["misstated", "name", "n_samples", "url"])
def test_a_key_that_is_named_like_a_field_of_ours_hides_no_split(key):
    collection = read({"ml:train": entry(2) | {key: "x"}, "ml:test": entry(1)})
    assert [(split.name, split.n_items, split.misstated) for split in collection.splits.values()] == [
        ("train", 2, None),
        ("test", 1, None),
    ]
    assert collection.to_dict()["ml:train"][key] == "x"
    assert not collection._problems


def test_a_publishers_own_split_is_kept_after_the_standard_ones():
    assert list(read({"catalog": {"holdout-2020": entry(3), "test": entry(1)}}).splits) == ["test", "holdout-2020"]


def test_the_colon_wins_where_both_spellings_are_present():
    collection = read({"ml_task": ["A"], "ml:task": "B", "ml_train": entry(1), "ml:train": entry(2)})
    assert collection.task == ("B",)
    assert collection.splits["train"].n_items == 2


@pytest.mark.parametrize("key", ["ml:task", "ml_task"])
def test_a_task_is_a_string_or_a_list(key):
    assert read({key: "TensorSegmentation"}).task == ("TensorSegmentation",)
    assert read({key: ["image-segmentation", "image-to-text"]}).task == ("image-segmentation", "image-to-text")


@pytest.mark.parametrize(
    "document",
    [
        {"ml:labels": {"labels": {"water": 0, "land": 7}}},
        {"ml_labels": {"water": 0, "land": 7}},
        {"ml_target": {"labels": {"water": 0, "land": 7}, "layers": [0]}},
        {"ml:labels": None, "ml:target": {"labels": {"water": 0, "land": 7}, "layers": None}},
    ],
)
def test_labels_are_read_under_every_spelling(document):
    assert read(document).labels == {"water": 0, "land": 7}


BAND = Band(
    name="B04",
    index=3,
    common_name="red",
    description="Red",
    center_wavelength=664.5,
    full_width_half_max=29.0,
    unit="nm",
)


@pytest.mark.parametrize("key", ["ml:spectral_bands", "ml_spectral_bands", "ml:spectral", "ml_spectral"])
def test_bands_are_read_under_every_spelling(key):
    facts = BAND.model_dump()
    name = facts.pop("name")
    for bands in ({name: {"band": facts}}, {name: facts}, [{**facts, "name": name}]):
        collection = read({key: {"bands": bands, "axis": 1, "sensor": "Sentinel-2"}})
        assert (collection.bands, collection.band_axis, collection.sensor) == ((BAND,), 1, "Sentinel-2")


def test_a_band_with_wavelength_limits_or_nulls_or_only_a_description_is_read():
    limits = {"wavelengths": [650, 680], "index": None, "common_name": None}
    bands = read(
        {"ml:spectral_bands": {"bands": {"red": {"band": limits}, "qa": {"band": "Quality"}}, "axis": None}}
    ).bands
    assert (bands[0].name, bands[0].center_wavelength, bands[0].full_width_half_max) == ("red", 665.0, 30.0)
    assert (bands[1].name, bands[1].description) == ("qa", "Quality")


@pytest.mark.parametrize("key", ["ml:dimensions", "ml_dimensions"])
@pytest.mark.parametrize(
    ("value", "tensors"),
    [
        ({"dimensions": {"C": {"axis": 0, "description": "bands"}}}, ("input",)),
        ({"dimensions": [{"axis": 0, "name": "C", "description": "bands"}]}, ("input",)),
        (
            {
                "input": {"dimensions": {"C": {"axis": 0, "description": "bands"}}},
                "target": {"C": {"axis": 0, "description": "bands"}},
                "extra": None,
            },
            ("input", "target"),
        ),
    ],
)
def test_dimensions_are_read_under_every_spelling(key, value, tensors):
    dimensions = read({key: value}).dimensions
    assert tuple(dimensions) == tensors
    for axes in dimensions.values():
        assert [(axis.axis, axis.name, axis.description) for axis in axes] == [(0, "C", "bands")]


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: {"providers": x}, lambda x: {"field": x}])
def test_providers_are_read_under_every_spelling(wrap):
    listed = [{"name": "ESA", "roles": ["producer"], "url": None}, {"name": "Me", "description": "x", "roles": None}]
    providers = read({"providers": wrap(listed)}).providers
    assert [(p.name, p.roles, p.description) for p in providers] == [("ESA", ("producer",), None), ("Me", (), "x")]


def test_people_are_read_under_every_spelling():
    person = {"name": "Ada", "organization": "X", "roles": ["author"], "links": None}
    collection = read(
        {
            "ml:authors": {"authors": [person]},
            "ml:curator": {"curator": None} | person,
            "ml:reviewers": {
                "reviewers": [{"reviewer": person, "score": 4}, {"reviewer": None, "name": "Bo", "score": 2}]
            },
        }
    )
    assert [(p.name, p.organization) for p in (*collection.authors, *collection.curators)] == [("Ada", "X")] * 2
    assert [(p.name, p.score) for p in collection.reviewers] == [("Ada", 4), ("Bo", 2)]


@pytest.mark.parametrize(
    ("value", "hrefs"),
    [
        ("localhost", []),
        (None, []),
        ("https://example.com", ["https://example.com"]),
        ([{"href": "a", "rel": "self"}], ["a"]),
        ({"field": [{"href": "a"}]}, ["a"]),
    ],
)
def test_links_are_a_list_a_string_or_null(value, hrefs):
    assert [link.href for link in read({"links": value}).links] == hrefs


def test_the_version_and_plain_fields_are_read():
    collection = read(
        {"ml:version": "0.1.8", "id": "a b/ç", "ml:paper": "doi", "ml_split_strategy": "random", "keywords": "x"}
    )
    assert collection.mlstac_version == "0.1.8"
    assert (collection.id, collection.paper, collection.split_strategy) == ("a b/ç", "doi", "random")
    assert collection.keywords == ("x",)


def test_an_extent_is_kept_as_stored():
    extent = {"spatial": {"bbox": [[1, 2, 3, 4]]}, "temporal": {"interval": [["2020-01-01T00:00:00Z", None]]}}
    read_extent = read({"extent": extent}).extent
    assert (read_extent.bbox, read_extent.interval) == (((1, 2, 3, 4),), (("2020-01-01T00:00:00Z", None),))


def test_the_container_layout_is_read_into_the_same_model():
    catalog = {
        "name": "train",
        "data_files": ["train/a.mlstac", "train/b.mlstac"],
        "data_descriptions": ["high"],
        "data_checksum": [10, "20"],
        "metadata_file": "train/metadata.parquet",
        "metadata_checksum": 3,
    }
    splits = read({"ml_catalog": {"train": catalog, "validation": None, "test": None}}).splits
    assert list(splits) == ["train"]
    files = [(f.href, f.nbytes, f.description) for f in splits["train"].data_files]
    assert files == [("train/a.mlstac", 10, "high"), ("train/b.mlstac", 20, None)]
    assert splits["train"].metadata_file == "train/metadata.parquet"
    assert splits["train"].metadata_checksum == 3


def test_one_data_file_may_be_a_string():
    odd = {"data_files": "a.mlstac", "data_checksum": "x", "data_descriptions": [3]}
    split = read({"ml_catalog": {"train": odd}}).splits["train"]
    assert [(f.href, f.nbytes, f.description) for f in split.data_files] == [("a.mlstac", None, None)]


def test_what_can_be_meant_is_read():
    collection = read(
        {
            "ml:train": "https://example.com/x/train/",
            "ml:labels": {"labels": {"water": "0", "land": 1.0, "sky": "-1"}},
            "ml:spectral": {"bands": [{"name": "B4"}, {"index": 1}, {"common_name": "nir"}]},
        }
    )
    assert collection.splits["train"].link == "https://example.com/x/train/"
    assert collection.labels == {"water": 0, "land": 1, "sky": -1}
    assert [band.name for band in collection.bands] == ["B4", "band 1", "nir"]
    assert not collection._problems


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ml:task", 7),
        ("ml:labels", {"labels": {"": 0}}),
        ("ml:labels", {"labels": {"water": "zero"}}),
        ("ml:labels", {"labels": {"water": True}}),
        ("ml:labels", [1]),
        ("ml:spectral", {"bands": [7]}),
        ("ml:dimensions", "C, H, W"),
        ("ml:dimensions", {"dimensions": [{"axis": "first"}]}),
        ("providers", "ESA"),
        ("providers", [{"roles": []}]),
        ("ml:reviewers", {"reviewers": [{"reviewer": "Ada"}]}),
        ("title", 7),
        ("extent", "the world"),
        ("extent", {"spatial": {"bbox": [["w", "s"]]}}),
        ("keywords", [3]),
        ("links", 3),
    ],
)
def test_an_unreadable_part_is_named_and_does_not_hide_the_rest(key, value):
    collection = read({"id": "x", "license": "MIT", "ml:train": entry(2), key: value})
    assert (collection.id, collection.license, collection.splits["train"].n_items) == ("x", "MIT", 2)
    assert list(collection._problems) == [key]
    assert collection.to_dict()[key] == value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = [
    "id", "title", "links", "extent", "providers", "catalog", "train", "keywords", "stac_version", "mlhf:schema",
    "mlhf:scale", *(f"ml{c}{k}" for c in ":_" for k in (
        "task", "labels", "target", "spectral", "spectral_bands", "dimensions", "authors", "curators", "reviewers",
        "train", "validation", "catalog", "version"
    )),
]  # fmt: skip


@given(st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), json_values, max_size=6))
def test_whatever_json_a_main_json_holds_it_is_read_and_given_back_unchanged(document):
    collection = Collection.from_dict(document)
    assert collection.to_dict() == document
    assert Collection.from_bytes(json.dumps(document).encode()) == collection

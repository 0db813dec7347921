"""What is written as main.json: read back whole, in the dialect of its layout, and good STAC."""

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlstac_hf import Band, Catalog, Collection
from mlstac_hf._spec import DataFile, Layout, check_publishable, main_json
from mlstac_hf._spec._extent import WORLD, extent_document
from mlstac_hf._spec._parts import Dimension, Extent, Link, Person, Provider

LAYOUTS = Layout.__args__
BASE = "https://example.org/a/"
texts = st.text(min_size=1, max_size=8).filter(str.strip)
maybe = lambda strategy: st.none() | strategy
people = st.lists(st.builds(Person, name=texts, organization=texts, roles=st.just(()), email=texts), max_size=2).map(
    tuple
)
bands = st.lists(
    st.builds(Band, name=texts, index=maybe(st.integers(0, 9)), common_name=maybe(texts), unit=maybe(texts)), max_size=3
).map(tuple)
axis = st.builds(Dimension, axis=st.integers(0, 3), name=maybe(texts))
splits = st.lists(st.sampled_from(["train", "validation", "test", "holdout"]), unique=True).map(
    lambda names: {name: Catalog(name=name, n_items=1, link="https://x.org/y/", more=1) for name in sorted(names)}
)
collections = st.builds(
    Collection,
    id=texts,
    title=texts,
    description=texts,
    license=texts,
    keywords=st.lists(texts, max_size=2).map(tuple),
    task=st.lists(texts, max_size=2).map(tuple),
    labels=st.dictionaries(texts, st.integers(-5, 300), max_size=3),
    bands=bands,
    band_axis=maybe(st.integers(0, 3)),
    sensor=maybe(texts),
    dimensions=st.dictionaries(st.sampled_from(["input", "target"]), st.tuples(axis)),
    splits=splits,
    providers=st.lists(st.builds(Provider, name=texts, roles=st.just(("host",)), url=texts), max_size=2).map(tuple),
    authors=people,
    curators=people,
    reviewers=people,
    paper=maybe(texts),
    split_strategy=maybe(texts),
    extent=st.just(Extent(bbox=((1.0, 2.0, 3.0, 4.0),), interval=(("2020-01-01T00:00:00Z", None),))),
    links=st.lists(st.builds(Link, href=texts, rel=texts), max_size=2).map(tuple),
    stac_version=st.just("1.1.0"),
    mlstac_version=texts,
    dataset_version=texts,
)
PONDS = Collection(
    id="ponds",
    title="Ponds",
    description="Ponds from above",
    license="CC-BY-4.0",
    task=["TensorSegmentation"],
    labels={"water": 0},
    sensor="Sentinel-2",
    bands=["B04", "B03"],
    band_axis=0,
)


def facts(collection):
    """All fields, without the splits that are empty."""
    facts = collection.model_dump()
    facts["splits"] = {name: split for name, split in facts["splits"].items() if split["n_items"] != 0}
    return facts


@given(collections, st.sampled_from(LAYOUTS))
def test_every_field_comes_back(collection, layout):
    if layout == "container":
        files = (DataFile(href="https://x.org/a.mlstac", nbytes=3, description="x"),)
        more = {"metadata_description": "y", "metadata_checksum": 4, "metadata_file": "https://x.org/m.parquet"}
        splits = {
            name: Catalog(**split.model_dump(exclude={"data_files", "metadata_file"}), data_files=files, **more)
            for name, split in collection.splits.items()
        }
        collection = collection.model_copy(update={"splits": splits})
    document = main_json(collection, layout)
    again = Collection.from_bytes(json.dumps(document).encode())
    assert facts(again) == facts(collection)
    assert main_json(again, layout) == document


@given(collections, collections, st.sampled_from(LAYOUTS))
def test_a_collection_that_was_read_in_the_other_dialect_leaves_none_of_its_keys(first, second, layout):
    other = LAYOUTS[1 - LAYOUTS.index(layout)]
    read = Collection.from_dict(main_json(first, other) | {"my_key": [1], "nothing": None})
    document = main_json(read, layout)
    prefix = "ml_" if layout == "container" else "ml:"
    ours = {"ml:split_strategy"}  # beside `ml_split_strategy`, which knows four words
    assert {key for key in document if key.startswith("ml")} - ours == {
        key for key in document if key.startswith((prefix, "mlstac_version", "mlhf:"))
    } - ours
    assert document["my_key"] == [1]
    assert "nothing" not in document
    changed = read.model_copy(update={"labels": second.labels, "title": second.title})
    assert Collection.from_dict(main_json(changed, layout)).labels == second.labels


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nothing_is_lost_from_a_document_that_nobody_knows(layout):
    document = {"id": "x", "ml_target": {"labels": {"a": 1}, "layers": 3, "no": None}, "doi": {"a": [None], "b": None},
                "ml_spectral": {"bands": [{"name": "b", "more": 1}], "axis": None, "source": "y"},
                "item_assets": {"data": {"title": "of the other layout"}}}  # fmt: skip
    before = copy.deepcopy(document)
    written = main_json(Collection.from_dict(document), layout)
    assert document == before
    assert written["ml_target" if layout == "container" else "ml:labels"] == {"labels": {"a": 1}, "layers": 3}
    spectral = written["ml_spectral" if layout == "container" else "ml:spectral"]
    assert spectral["source"] == "y"
    assert spectral["bands"] == [{"index": None, "name": "b", "more": 1}]
    assert written["doi"] == {"a": [None]}
    assert "item_assets" not in written


def test_the_sample_layout_has_what_0_0_counts_and_downloads():
    ponds = PONDS.model_copy(
        update={"splits": {"train": Catalog(name="train", n_items=3), "x": Catalog(name="x", n_items=1)}}
    )
    document = main_json(ponds, "samples", base=BASE)
    assert [document[f"ml:{name}"] for name in ("train", "validation", "test")] == [
        {"n_items": 3, "link": f"{BASE}train/"},
        {"n_items": 0, "mlhf:absent": True, "link": f"{BASE}validation/"},
        {"n_items": 0, "mlhf:absent": True, "link": f"{BASE}test/"},
    ]
    assert {name: split.n_items for name, split in Collection.from_dict(document).splits.items()} == {
        "train": 3,
        "x": 1,
    }
    assert document["ml:catalog"] == {"x": {"n_items": 1, "link": f"{BASE}x/"}}
    assert document["ml:task"] == ["TensorSegmentation"]
    assert not any(key.startswith("ml_") for key in document)
    assert main_json(ponds, "samples")["ml:train"]["link"] == "train/"


def test_the_container_layout_has_what_0_1_demands():
    files = (DataFile(href="train/a b.mlstac", nbytes=7), DataFile(href="s3://b/c.mlstac", description="c"))
    train = Catalog(name="train", n_items=2, data_files=files, metadata_checksum=5)
    document = main_json(PONDS.model_copy(update={"splits": {"train": train}}), "container", base=BASE.rstrip("/"))
    assert document["ml_catalog"] == {
        "train": {
            "name": "train",
            "n_items": 2,
            "data_files": [f"{BASE}train/a%20b.mlstac", "s3://b/c.mlstac"],
            "data_checksum": [7, None],
            "data_descriptions": ["a b.mlstac", "c"],
            "metadata_file": f"{BASE}train/metadata.parquet",
            "metadata_description": "One row a sample of train",
            "metadata_checksum": 5,
        },
        "validation": None,
        "test": None,
    }
    assert document["ml_dataset_version"] == "1.0.0"
    assert document["extent"]["temporal"]["interval"] != [[None, None]]
    assert document["ml_target"] == {"labels": {"water": 0}}
    assert [band["index"] for band in document["ml_spectral"]["bands"]] == [0, 1]


def test_people_and_providers_are_written_as_upstream_models_take_them():
    collection = PONDS.model_copy(
        update={
            "providers": (Provider(name="ESA", roles=("producer", "author")), Provider(name="x", roles=("author",))),
            "authors": (Person(name="Ada", emails=["ada@x.org"], links=["https://x.org", {"href": "y", "rel": "z"}]),),
            "reviewers": (Person(name="Bo", organization="X", score=2),),
            "links": (Link(href="https://x.org"), Link(href="")),
        }
    )
    document = main_json(collection, "container")
    assert document["providers"] == {"field": [{"name": "ESA", "roles": ["producer"]}, {"name": "x"}]}
    assert document["links"] == [{"href": "https://x.org", "rel": "related"}]
    assert document["ml_authors"]["authors"] == [
        {
            "name": "Ada",
            "organization": "",
            "roles": [],
            "emails": [{"value": "ada@x.org"}],
            "links": [{"href": "https://x.org", "rel": "about"}, {"href": "y", "rel": "z"}],
        }
    ]
    assert document["ml_reviewers"] == {
        "reviewers": [{"reviewer": {"name": "Bo", "organization": "X", "roles": []}, "score": 2}]
    }
    assert isinstance(main_json(collection, "samples")["providers"], list)


def test_a_strategy_that_0_1_does_not_know_is_other_to_it_and_itself_to_us():
    document = main_json(PONDS.model_copy(update={"split_strategy": "by tile"}), "container")
    assert document["ml_split_strategy"] == "other"
    assert Collection.from_dict(document).split_strategy == "by tile"


def test_dimensions_of_the_input_alone_are_one_list_to_0_1_where_all_have_names():
    named, more = (Dimension(axis=0, name="C"), Dimension(axis=1, name="H")), (Dimension(axis=0),)
    write = lambda **dimensions: main_json(PONDS.model_copy(update={"dimensions": dimensions}), "container")
    assert write(input=named)["ml_dimensions"] == {"dimensions": [{"axis": 0, "name": "C"}, {"axis": 1, "name": "H"}]}
    assert list(write(input=named, target=more)["ml_dimensions"]) == ["input", "target"]
    assert list(write(input=more)["ml_dimensions"]) == ["input"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_missing_is_made_up_for_only_where_stac_demands_it(layout):
    document = main_json(Collection(id="x"), layout)
    assert (document["description"], document["license"], document["links"]) == ("x", "other", [])
    assert document["extent"]["spatial"] == {"bbox": [list(WORLD)]}
    assert not {"title", "keywords", "providers", "ml:labels", "ml_target", "ml_spectral"} & set(document)
    codes = {problem.code for problem in check_publishable(Collection(id="x"))}
    assert {"license-missing", "description-missing", "task-missing"} <= codes


@pytest.mark.parametrize(
    ("bbox", "written"),
    [
        ((), [WORLD]),
        (((1, 2, 3, 4),), [(1, 2, 3, 4)]),
        (((170, -5, -170, 5),), [(170, -5, -170, 5)]),
        (((1, 2, 0, 3, 4, 9),), [(1, 2, 0, 3, 4, 9)]),
        (((1, 2, 3, 4), (0, 3, 5, 6)), [(0, 2, 5, 6), (1, 2, 3, 4), (0, 3, 5, 6)]),
        (((170, 2, -170, 4), (0, 3, 5, 6)), [WORLD, (170, 2, -170, 4), (0, 3, 5, 6)]),
        (((1, 2, 3, 4),) * 3, [(1, 2, 3, 4)] * 3),
        (((465181.05, 5080254.6, 465181.05, 5080254.6),), [WORLD]),
        (((1, 4, 3, 2),), [WORLD]),
        (((1, 2, 3),), [WORLD]),
        (((1, 2, 3, float("nan")),), [WORLD]),
    ],
)
def test_boxes_that_cannot_be_degrees_give_way_to_the_world(bbox, written):
    extent = extent_document(Extent(bbox=bbox))
    assert extent["spatial"]["bbox"] == [list(box) for box in written]


@pytest.mark.parametrize(
    ("interval", "written"),
    [
        ((), (None, None)),
        ((("2020-01-01", "2020-02-01T00:00:00+02:00"),), ("2020-01-01T00:00:00Z", "2020-01-31T22:00:00Z")),
        (((None, "2020-01-01"),), (None, "2020-01-01T00:00:00Z")),
        ((("2020-01-02", "2020-01-01"),), (None, None)),
        ((("soon", None),), (None, None)),
    ],
)
def test_times_are_in_utc_and_those_that_cannot_be_are_open(interval, written):
    extent = Extent(interval=interval)
    assert extent_document(extent)["temporal"]["interval"] == [list(written)]
    assert extent_document(extent, closed=True)["temporal"]["interval"][0] != [None, None]

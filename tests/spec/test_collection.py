"""The Collection: read, changed, written, and nothing lost."""

import contextlib
import copy
import json
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from mlstac_hf import Annotations, Band, Catalog, Collection, InvalidCollectionError
from mlstac_hf._spec import DataFile, TensorSchema
from mlstac_hf._spec._parts import BandStatistics, Dimension, Extent, Link, Person, Provider

texts = st.text(min_size=1, max_size=12).filter(str.strip)
maybe = lambda strategy: st.none() | strategy
floats = st.floats(allow_nan=False, allow_infinity=False, width=32)
bands = st.builds(
    Band,
    name=texts,
    index=maybe(st.integers(0, 20)),
    common_name=maybe(texts),
    center_wavelength=maybe(floats),
    unit=maybe(texts),
)
persons = st.builds(Person, name=texts, organization=maybe(texts), roles=st.lists(texts, max_size=2).map(tuple))
data_files = st.builds(DataFile, href=texts, nbytes=maybe(st.integers(0, 10**9)), description=maybe(texts))


def catalogs(name):
    return st.builds(
        Catalog,
        name=st.just(name),
        n_items=maybe(st.integers(0, 10**6)),
        link=maybe(texts),
        data_files=st.lists(data_files, max_size=3).map(tuple),
        metadata_file=maybe(texts),
    )


annotations = st.builds(
    Annotations,
    tensors=maybe(
        st.dictionaries(texts, st.builds(TensorSchema, dtype=texts, shape=st.just((3, None, 4))), max_size=2)
    ),
    scale=maybe(st.dictionaries(texts, st.lists(floats, min_size=1, max_size=3).map(tuple), max_size=2)),
    target_planes=maybe(st.just((4,))),
    statistics=maybe(
        st.dictionaries(
            texts, st.tuples(st.builds(BandStatistics, mean=floats, std=floats, minimum=maybe(floats))), max_size=1
        )
    ),
    class_counts=maybe(st.just({"train": {"water": 3}})),
    checksums=maybe(st.dictionaries(texts, texts, max_size=2)),
)
collections = st.builds(
    Collection,
    id=texts,
    title=maybe(texts),
    license=maybe(texts),
    keywords=st.lists(texts, max_size=2).map(tuple),
    task=st.lists(texts, max_size=2).map(tuple),
    labels=st.dictionaries(texts, st.integers(-5, 300), max_size=3),
    bands=st.lists(bands, max_size=3).map(tuple),
    band_axis=maybe(st.integers(0, 3)),
    sensor=maybe(texts),
    dimensions=st.dictionaries(
        st.sampled_from(["input", "target"]), st.tuples(st.builds(Dimension, axis=st.integers(0, 3), name=maybe(texts)))
    ),
    splits=st.fixed_dictionaries(
        {}, optional={name: catalogs(name) for name in ("train", "validation", "test", "holdout")}
    ),
    providers=st.lists(st.builds(Provider, name=texts, url=maybe(texts)), max_size=2).map(tuple),
    authors=st.lists(persons, max_size=2).map(tuple),
    curators=st.lists(persons, max_size=2).map(tuple),
    reviewers=st.lists(
        st.builds(Person, name=texts, organization=maybe(texts), score=maybe(st.integers(0, 5))), max_size=2
    ).map(tuple),
    paper=maybe(texts),
    extent=maybe(
        st.builds(Extent, bbox=st.just(((1.0, 2.0, 3.0, 4.0),)), interval=st.just((("2020-01-01T00:00:00Z", None),)))
    ),
    links=st.lists(st.builds(Link, href=texts, rel=maybe(texts)), max_size=2).map(tuple),
    mlstac_version=maybe(texts),
    dataset_version=maybe(texts),
    annotations=annotations,
)
UPSTREAM = {
    "id": "x y",
    "title": "x y",
    "providers": {"providers": [{"name": "ESA", "url": None, "more": 1}], "note": "kept"},
    "links": "localhost",
    "my_key": {"deep": [1, {"er": None}]},
    "ml_task": "TensorSegmentation",
    "ml_labels": {"labels": {"water": 0}, "source": "kept"},
    "ml:spectral_bands": {"bands": {"red": {"band": {"index": 0, "more": "kept"}}}, "axis": 0, "sensor": "S2"},
    "ml_train": {"n_items": 3, "link": "http://127.0.0.1/", "more": "kept"},
    "catalog": {"val": {"n_items": 1}},
}


def facts(collection):
    """All fields; equality of models also asks where they were read from."""
    return collection.model_dump()


@settings(max_examples=40)
@given(collections)
def test_a_collection_built_in_code_comes_back_from_its_json(collection):
    again = Collection.from_bytes(json.dumps(collection.to_dict()).encode())
    assert facts(again) == facts(collection)


@settings(max_examples=25)
@given(collections, collections)
def test_changed_fields_replace_what_was_read_and_the_rest_stays(first, second):
    document = first.to_dict() | {"my_key": [1]}
    changed = Collection.from_dict(document).model_copy(update={"labels": second.labels, "title": second.title})
    again = Collection.from_dict(changed.to_dict())
    assert (again.labels, again.title) == (second.labels, second.title)
    back = again.model_copy(update={"labels": first.labels, "title": first.title})
    assert facts(back) == facts(first)
    assert again.to_dict()["my_key"] == [1]


def test_an_unchanged_collection_gives_back_exactly_what_was_read():
    collection = Collection.from_dict(copy.deepcopy(UPSTREAM))
    assert collection.to_dict() == UPSTREAM
    collection.to_dict()["my_key"]["deep"].clear()
    assert collection.to_dict() == UPSTREAM


@pytest.mark.parametrize(
    ("field", "value", "key", "written", "gone"),
    [
        ("title", "new", "title", "new", None),
        ("title", None, "title", None, None),
        ("task", ("TensorToText",), "ml:task", ["TensorToText"], "ml_task"),
        ("labels", {"land": 2}, "ml:labels", {"labels": {"land": 2}, "source": "kept"}, "ml_labels"),
        ("sensor", "S3", "ml:spectral", None, "ml:spectral_bands"),
        ("links", (Link(href="a"),), "links", [{"href": "a"}], None),
        ("extent", Extent(bbox=((1.0, 2.0, 3.0, 4.0),)), "extent", None, None),
    ],
)
def test_a_changed_field_is_written_in_one_spelling_and_the_others_go(field, value, key, written, gone):
    changed = Collection.from_dict(UPSTREAM).model_copy(update={field: value})
    document = changed.to_dict()
    assert key in document
    assert written is None or document[key] == written
    assert gone not in document
    assert document["my_key"] == UPSTREAM["my_key"]
    assert facts(Collection.from_dict(document)) == facts(changed)


def test_changing_a_split_keeps_the_others_and_unknown_keys_of_a_split():
    collection = Collection.from_dict(UPSTREAM)
    train = collection.splits["train"].model_copy(update={"n_items": 4})
    changed = collection.model_copy(update={"splits": {**collection.splits, "train": train}})
    again = Collection.from_dict(changed.to_dict())
    assert facts(again) == facts(changed)
    assert again.splits["train"].more == "kept"


def test_bands_that_were_changed_keep_axis_sensor_and_unknown_keys():
    collection = Collection.from_dict(UPSTREAM)
    (band,) = collection.bands
    changed = collection.model_copy(update={"bands": (band.model_copy(update={"common_name": "red"}),)})
    again = Collection.from_dict(changed.to_dict())
    assert (again.band_axis, again.sensor, again.bands[0].common_name) == (0, "S2", "red")
    assert again.bands[0].more == "kept"


def test_a_container_collection_keeps_its_files_when_a_split_is_changed():
    train = {
        "name": "train",
        "data_files": ["a.mlstac"],
        "data_checksum": [3],
        "data_descriptions": ["x"],
        "metadata_file": "m",
    }
    collection = Collection.from_dict({"id": "x", "ml_catalog": {"train": train, "test": None, "note": "kept"}})
    split = collection.splits["train"].model_copy(update={"n_items": 9})
    changed = collection.model_copy(update={"splits": {"train": split}})
    assert facts(Collection.from_dict(changed.to_dict())) == facts(changed)


def test_our_own_keys_have_one_prefix_and_unknown_ones_under_it_survive():
    own = Annotations(tensors={"input": TensorSchema(dtype="uint16", shape=(13, None))}, scale={"input": (1e-4,)})
    document = Collection(id="x", annotations=own).to_dict()
    assert {key for key in document if key.startswith("mlhf:")} == {"mlhf:schema", "mlhf:scale"}
    again = Collection.from_dict(document | {"mlhf:later": 1})
    assert again.annotations == own
    assert again.to_dict()["mlhf:later"] == 1


def test_unreadable_annotations_are_named_and_do_not_hide_the_rest():
    document = {"id": "x", "mlhf:scale": "big", "mlhf:target_planes": [4], "mlhf:offset": {"input": "small"}}
    collection = Collection.from_dict(document)
    assert collection.id == "x"
    assert collection.annotations.target_planes == (4,)
    assert collection.annotations.scale is collection.annotations.offset is None
    assert list(collection._problems) == ["mlhf:scale", "mlhf:offset"]
    assert collection.to_dict() == document


def test_a_number_alone_is_a_list_of_it():
    document = {"mlhf:scale": {"input": 1e-4}, "mlhf:offset": {"input": -1}, "mlhf:target_planes": 13}
    annotations = Collection.from_dict(document).annotations
    assert annotations.scale == {"input": (1e-4,)}
    assert annotations.offset == {"input": (-1,)}
    assert annotations.target_planes == (13,)
    assert Collection.from_dict(document).to_dict() == document
    assert Collection.from_dict({"mlhf:target_planes": True}).annotations.target_planes is None


def test_a_collection_is_frozen_and_knows_its_fields():
    collection = Collection(id="x", license="CC-BY-4.0", task=["TensorSegmentation"], labels={"water": 0})
    assert collection.task == ("TensorSegmentation",)
    with pytest.raises(ValidationError, match="frozen"):
        collection.id = "y"
    with pytest.raises(ValidationError, match="titel"):
        Collection(id="x", titel="typo")
    with pytest.raises(ValidationError, match="needs a name"):
        Collection(id="x", labels={" ": 0})


def test_a_collection_survives_a_pickle_with_what_it_was_read_from():
    collection = Collection.from_dict(UPSTREAM)
    again = pickle.loads(pickle.dumps(collection))
    assert again == collection
    assert again.to_dict() == UPSTREAM


def test_its_repr_fits_a_line_and_counts():
    text = repr(Collection.from_dict(UPSTREAM))
    assert text == "Collection(id='x y', task=['TensorSegmentation'], splits={'train': 3, 'validation': 1}, bands=1)"
    assert str(Collection.from_dict(UPSTREAM)) == text


def test_a_byte_order_mark_is_passed_over():
    assert Collection.from_bytes(b'\xef\xbb\xbf{"id": "x"}').id == "x"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected JSON"),
        (b'{"id": "x', "cut short"),
        (b"[1, 2]", "expected a JSON object, found list"),
        (b"7", "found int"),
        ('{"id": "x"}'.encode("utf-16"), "UTF-16"),
        (b'{"id": "\xff"}', "not UTF-8"),
        (b'{"a":' * 200_000 + b"1" + b"}" * 200_000, "nested more than 64 deep"),
        (b"[" * 200_000, "nested more than 64 deep"),
        (b'{"n": ' + b"9" * 5000 + b"}", "cannot be read"),
        (b"{'id': 'x'}", "expected JSON"),
    ],
)
def test_what_is_no_collection_is_refused_by_name_and_reason(data, message):
    with pytest.raises(InvalidCollectionError, match=message) as caught:
        Collection.from_bytes(data, "here/main.json")
    assert str(caught.value).startswith("here/main.json: ")
    assert len(str(caught.value)) < 1000


def test_brackets_inside_strings_are_no_depth():
    text = json.dumps({"id": '[{"\\' * 500, "deep": [[[[]]]]})
    assert Collection.from_bytes(text.encode()).id == '[{"\\' * 500


@given(st.binary(max_size=200))
def test_no_bytes_whatever_raise_anything_but_our_error(data):
    with contextlib.suppress(InvalidCollectionError):
        Collection.from_bytes(data)


def test_collections_with_the_same_fields_are_equal_wherever_they_come_from():
    ponds = Collection(id="ponds", license="MIT", labels={"water": 1})
    again = Collection.from_dict(ponds.to_dict())
    assert again == ponds
    assert len({again, ponds}) == 1
    assert ponds != ponds.model_copy(update={"title": "Ponds"})
    assert ponds != "ponds"


@pytest.mark.parametrize(
    ("short", "whole"),
    [
        ({"task": "TensorSegmentation"}, {"task": ["TensorSegmentation"]}),
        ({"keywords": "water"}, {"keywords": ["water"]}),
        ({"labels": ["land", "water"]}, {"labels": {"land": 0, "water": 1}}),
        ({"bands": "B04", "sensor": "Sentinel-2"}, {"bands": ["B04"], "sensor": "Sentinel-2"}),
        ({"authors": ["Ada"]}, {"authors": [{"name": "Ada"}]}),
        ({"providers": ["ESA"]}, {"providers": [Provider(name="ESA")]}),
        ({"reviewers": [{"name": "Ada", "roles": "critic"}]}, {"reviewers": [Person(name="Ada", roles=("critic",))]}),
        (
            {"dimensions": {"input": ["C", "H"]}},
            {"dimensions": {"input": [Dimension(axis=0, name="C"), Dimension(axis=1, name="H")]}},
        ),
        (
            {"extent": {"bbox": [1, 2, 3, 4], "interval": ["2020-01-01T00:00:00Z", None]}},
            {"extent": {"bbox": [[1, 2, 3, 4]], "interval": [["2020-01-01T00:00:00Z", None]]}},
        ),
    ],
)
def test_what_can_only_be_meant_in_one_way_is_taken(short, whole):
    assert Collection(id="ponds", **short) == Collection(id="ponds", **whole)


def test_labels_of_one_name_are_not_counted():
    with pytest.raises(ValidationError, match="expected labels of different names"):
        Collection(id="ponds", labels=["water", "water"])

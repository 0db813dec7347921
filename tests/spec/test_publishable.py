"""What is checked before a collection is published, and what its publisher reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlstac_hf import Annotations, Band, Catalog, Collection
from mlstac_hf._spec import DataFile, TensorSchema, check_publishable
from mlstac_hf._spec._licenses import KNOWN_LICENSES, is_known_license, license_parts, near_licenses, needs_link
from mlstac_hf._spec._problems import doi_of, is_email, is_url, is_web_page

GOOD = {
    "id": "ponds",
    "title": "Ponds",
    "description": "Ponds from above",
    "license": "CC-BY-4.0",
    "task": ["TensorSegmentation"],
    "labels": {"water": 0},
}
FULL = GOOD | {
    "sensor": "Sentinel-2",
    "bands": ["B04", "B03", "B02"],
    "band_axis": 0,
    "dimensions": {"input": [{"axis": 0, "name": "C"}, {"axis": 1, "name": "H"}, {"axis": 2, "name": "W"}]},
    "splits": {name: Catalog(name=name, n_items=1) for name in ("train", "validation", "test")},
    "providers": [{"name": "ESA", "roles": ["producer"], "url": "https://www.esa.int"}],
    "authors": [{"name": "Ada", "organization": "X", "emails": [{"value": "ada@example.org"}], "url": "https://a.org"}],
    "reviewers": [{"name": "Bo", "organization": "X", "score": 5, "links": ["https://example.org/review"]}],
    "paper": "https://doi.org/10.1038/s41597-022-01878-2",
    "split_strategy": "random",
    "raw_data_url": "s3://bucket/raw",
    "links": [{"href": "https://example.org", "rel": "about"}],
    "extent": {"bbox": [[-4, 36, 0, 44]], "interval": [["2018-01-01T00:00:00Z", None]]},
    "annotations": Annotations(tensors={"input": TensorSchema(dtype="uint16", shape=(3, None, None))}),
}


def problems(layout=None, **fields):
    return check_publishable(Collection(**{**GOOD, **fields}), layout)


@pytest.mark.parametrize("fields", [GOOD, FULL, GOOD | {"license": "CC0-1.0 OR MIT", "id": "A.b_c-9"}])
def test_a_good_collection_has_no_problem(fields):
    assert check_publishable(Collection(**fields)) == []


def axes(*names):
    return {"input": [{"axis": number, "name": name} for number, name in enumerate(names)]}


SCHEMA = Annotations(tensors={"input": TensorSchema(dtype="uint8", shape=(2, 8, 8))})
PERSON = {"name": "Ada", "organization": "X"}
TRAIN = {name: Catalog(name=name, n_items=1) for name in ("train", "validation", "test")}


@pytest.mark.parametrize(
    ("fields", "code", "place", "message"),
    [
        ({"id": ""}, "id-missing", "id", "Give id="),
        ({"id": "../x"}, "id-unsafe", "id", "a folder's, found '../x'"),
        ({"id": ".."}, "id-unsafe", "id", "letters"),
        ({"id": " x"}, "id-unsafe", "id", "letters"),
        ({"id": "a\nb"}, "id-unsafe", "id", "letters"),
        ({"id": "é" * 101}, "id-long", "id", "found 202"),
        ({"title": ""}, "title", "title", "one line"),
        ({"title": "a\nb"}, "title", "title", "one line"),
        ({"license": "CC BY 4.0"}, "license-malformed", "license", "Did you mean CC-BY-4.0?"),
        ({"license": "ask the author!"}, "license-malformed", "license", "LicenseRef-"),
        ({"labels": {"a ": 0}}, "label-name", "labels['a ']", "blanks"),
        ({"bands": ["a", "a"]}, "band-name-double", "bands", "found 'a' more than once"),
        ({"bands": [Band(name="a", index=1), Band(name="b", index=1)]}, "band-index-double", "bands", "found 1"),
        ({"bands": [Band(name="a", index=1), Band(name="b")]}, "band-index", "bands", "found none for 'b'"),
        ({"bands": [Band(name="a", index=-1)]}, "band-index", "bands[0].index", "found -1"),
        ({"bands": [Band(name=" ")]}, "band-name", "bands[0].name", "such as 'B04'"),
        (
            {"bands": [Band(name="a", center_wavelength=0.0, unit="um")]},
            "band-wavelength",
            "bands[0].center_wavelength",
            "found 0.0",
        ),
        ({"dimensions": {"target": [{"axis": 1}]}}, "dimension-axes", "dimensions['target']", "0 to 0, once each"),
        ({"band_axis": -3}, "band-axis", "band_axis", "found -3"),
        ({"band_axis": 3, "dimensions": axes("C", "H", "W")}, "band-axis", "band_axis", "0: c, 1: h, 2: w"),
        ({"band_axis": 1, "dimensions": axes("a", "Height", "b")}, "band-axis", "band_axis", "one of them"),
        ({"band_axis": 0, "dimensions": axes("x", "bands")}, "band-axis", "band_axis", "Set band_axis to 1"),
        ({"band_axis": 3, "annotations": SCHEMA}, "band-axis", "band_axis", "(2, 8, 8)"),
        ({"dimensions": axes("C", "H"), "annotations": SCHEMA}, "dimension-count", "dimensions['input']", "found 2"),
        ({"band_axis": 0, "bands": ["a", "b", "c"], "annotations": SCHEMA}, "band-count", "bands", "bands 0 to 1"),
        ({"providers": [{"name": " "}]}, "provider-name", "providers[0].name", "Name the"),
        ({"providers": [{"name": "x", "url": "esa"}]}, "provider-url", "providers[0].url", "found 'esa'"),
        ({"authors": [PERSON | {"name": ""}]}, "person-name", "authors[0].name", "Name the person"),
        ({"reviewers": [PERSON, PERSON | {"score": 6}]}, "person-score", "reviewers[1].score", "from 0 to 5"),
        ({"reviewers": [PERSON | {"score": -1}]}, "person-score", "reviewers[0].score", "found -1"),
        ({"curators": [PERSON | {"email": "ada at x"}]}, "person-email", "curators[0].email", "found 'ada at x'"),
        ({"authors": [PERSON | {"emails": [{"value": "a@b"}]}]}, "person-email", "authors[0].emails[0]", "'a@b'"),
        ({"authors": [PERSON | {"links": [{"rel": "x"}]}]}, "person-url", "authors[0].links[0]", "found None"),
        ({"paper": "Smith (2020)"}, "paper", "paper", "a citation belongs into"),
        ({"discussion_url": "here"}, "discussion-url", "discussion_url", "found 'here'"),
        ({"links": [{"href": "a b", "rel": "x"}]}, "link-href", "links[0].href", "without blanks"),
        ({"links": [{"href": "", "rel": "x"}]}, "link-href", "links[0].href", "without blanks"),
        (
            {"splits": TRAIN | {"train": Catalog(name="train", data_files=(DataFile(href="a"),) * 2)}},
            "split-files",
            "splits['train'].data_files",
            "a double",
        ),
    ],
)
def test_an_error_says_where_what_was_expected_and_found_and_what_to_do(fields, code, place, message):
    found = problems(**fields)
    (problem,) = [problem for problem in found if problem.is_error]
    assert (problem.code, problem.place) == (code, place)
    assert message in problem.message
    assert str(problem) == f"{place}: {problem.message}"
    assert problem.message.startswith("expected ")


@pytest.mark.parametrize(
    ("fields", "code", "place", "message"),
    [
        ({"id": "my ponds"}, "id-odd", "id", "quoted"),
        ({"description": " "}, "description-missing", "description", "STAC asks for it"),
        ({"license": None}, "license-missing", "license", "nobody may use"),
        ({"task": []}, "task-missing", "task", "TensorSegmentation"),
        ({"providers": [{"name": "x", "roles": ["author"]}]}, "provider-roles", "providers[0].roles", "'author'"),
        ({"title": None}, "title-missing", "title", "The id is shown"),
        ({"license": "cc-by-4.0"}, "license-unknown", "license", "Did you mean CC-BY-4.0?"),
        ({"license": "MIT AND Zork-1.0"}, "license-unknown", "license", "found 'Zork-1.0'"),
        ({"license": "proprietary"}, "license-link", "links", "'rel': 'license'"),
        ({"license": "LicenseRef-ours"}, "license-link", "links", "'rel': 'license'"),
        ({"task": ["image segmentation"], "labels": {}}, "task-unknown", "task[0]", "Did you mean image-segmentation?"),
        ({"task": ["sorting"]}, "task-unknown", "task[0]", "Known are TensorClassification"),
        ({"labels": {}}, "labels-missing", "labels", "TensorSegmentation"),
        ({"labels": {"a": 3, "b": 3}}, "labels-double", "labels", "found 3 under 'a', 'b'"),
        ({"bands": ["B4", "red"], "sensor": "S2"}, "band-common-name-double", "bands", "'red'"),
        ({"bands": [Band(name="a", center_wavelength=665.0)]}, "band-unit", "bands[0].unit", "'nm' or 'um'"),
        ({"sensor": "Sentinel-22"}, "sensor-unknown", "sensor", "Did you mean Sentinel-2"),
        ({"splits": {"train": Catalog(name="train", n_items=1)}}, "split-missing", "splits", "found train"),
        ({"splits": TRAIN | {"x": Catalog(name="x", n_items=1)}}, "split-name", "splits['x']", "does not read it"),
        ({"splits": TRAIN | {"test": Catalog(name="test")}}, "split-count", "splits['test'].n_items", "found nothing"),
        (
            {"splits": TRAIN | {"test": Catalog(name="test", n_items=1, link="C:/me")}},
            "split-link",
            "splits['test'].link",
            "found 'C:/me'",
        ),
        ({"authors": [{"name": "Ada"}]}, "person-organization", "authors[0].organization", "where Ada works"),
        ({"authors": [PERSON | {"score": 3}]}, "person-score", "authors[0].score", "under reviewers"),
        ({"links": [{"href": "a"}]}, "link-rel", "links[0].rel", "'related' is written"),
        ({"extent": {"bbox": [[500000, 1, 2, 3]]}}, "extent-bbox", "extent.bbox", "500000"),
        ({"extent": {"interval": [["soon", None]]}}, "extent-interval", "extent.interval", "soon"),
    ],
)
def test_a_warning_keeps_nobody_from_publishing(fields, code, place, message):
    (problem,) = problems(**fields)
    assert (problem.code, problem.place, problem.is_error) == (code, place, False)
    assert message in problem.message


def test_labels_that_share_a_value_are_fine_where_the_description_names_them():
    assert problems(labels={"lake": 0, "pond": 0}, description="lake and pond are one class") == []


def test_a_licence_that_needs_a_link_is_fine_with_one():
    assert problems(license="proprietary", links=[{"href": "https://x.org/terms", "rel": "license"}]) == []


def test_containers_belong_into_their_layout():
    catalog = Catalog(name="train", data_files=(DataFile(href="a.mlstac", nbytes=1),))
    assert problems("container", splits=TRAIN | {"train": catalog}) == []
    assert [problem.code for problem in problems("samples", splits=TRAIN | {"train": catalog})] == ["split-layout"]


def test_a_count_that_was_misread_is_shown():
    document = Collection(**FULL).to_dict() | {"ml:train": {"n_items": "many"}}
    (problem,) = check_publishable(Collection.from_dict(document))
    assert "found many" in problem.message


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = [
    "id", "title", "links", "extent", "providers", "catalog", "train", "license", "mlhf:schema", "ml:task", "ml:labels",
    "ml:spectral", "ml:dimensions", "ml:authors", "ml:reviewers", "ml:train", "ml:catalog", "ml:paper",
]  # fmt: skip


@given(st.dictionaries(st.sampled_from(KEYS), json_values, max_size=5))
def test_whatever_was_read_can_be_checked(document):
    for problem in check_publishable(Collection.from_dict(document), "container"):
        assert problem.message.startswith("expected ")


@pytest.mark.parametrize("license_", KNOWN_LICENSES)
def test_known_licences_are_identifiers_found_again_without_case_and_punctuation(license_):
    assert license_parts(license_) == [license_]
    assert is_known_license(license_)
    assert near_licenses(license_.lower().replace("-", " ")) == [license_]


@pytest.mark.parametrize(
    ("text", "meant"),
    [("CC-BY", "CC-BY-4.0"), ("cc0", "CC0-1.0"), ("Apache 2.0 License", "Apache-2.0"), ("CC_BY_SA_4.0", "CC-BY-SA-4.0"),
     ("GPLv3", "GPL-3.0-only"), ("ODbL", "ODbL-1.0"), ("public domain", "CC0-1.0"), ("???", None)],
)  # fmt: skip
def test_what_is_often_written_is_understood(text, meant):
    assert near_licenses(text)[:1] == ([meant] if meant else [])


def test_an_expression_has_parts_and_an_own_licence_needs_a_link():
    assert license_parts("(MIT AND CC0-1.0) OR LicenseRef-x") == ["MIT", "CC0-1.0", "LicenseRef-x"]
    assert license_parts("") is None
    assert needs_link("MIT OR LicenseRef-x")
    assert not needs_link("MIT")


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (is_url, ["s3://b/x", "https://x.org"], ["https://x.org/a b", "x/y", "file:///x", None]),
        (is_web_page, ["http://localhost:8000/x", "https://x.org?a=1"], ["https://x", "ftp://x.org", "x.org", 3]),
        (is_email, ["a.b+c@x-y.org"], ["a@b", "a b@x.org", "@x.org", 3]),
    ],
)
def test_addresses_are_plausible_or_not(check, good, bad):
    assert [text for text in (*good, *bad) if check(text)] == good


def test_a_doi_is_found_in_its_spellings():
    assert {doi_of(f"{prefix}10.1000/x.y") for prefix in ("", "doi:", "DOI: ", "https://doi.org/")} == {"10.1000/x.y"}
    assert doi_of("11.1000/x") is None

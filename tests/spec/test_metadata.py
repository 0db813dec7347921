"""Sample metadata: typed values out of stored strings."""

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlstac_hf._spec import (
    format_datetime,
    parse_crs,
    parse_datetime,
    parse_geotransform,
    parse_key,
    text_columns,
    typed_metadata,
    user_keys,
)

numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(numbers, min_size=6, max_size=6), st.booleans())
def test_a_geotransform_as_upstream_joins_it_comes_back_exactly(values, brackets):
    text = " ,".join(map(str, values))
    assert parse_geotransform(f"[{text}]" if brackets else text) == tuple(values)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1 ,2 ,3 ,4 ,5",
        "1 ,2 ,3 ,4 ,5 ,6 ,7",
        "1 ,2 ,3 ,4 ,5 ,north",
        "1 ,2 ,3 ,4 ,5 ,nan",
        "1 ,2 ,3 ,4 ,5 ,inf",
        "__import__('os').system('true')",
        "1," * 5 + "1" * 1000,
        None,
        [1, 2, 3, 4, 5, 6],
    ],
)
def test_what_is_not_six_finite_numbers_is_no_geotransform(text):
    assert parse_geotransform(text) is None


@pytest.mark.parametrize("text", ["EPSG:32633", "ESRI:102001", "SR-ORG:7483", "IAU_2015:49900", "OGC:CRS84"])
def test_an_authority_and_code_is_a_crs(text):
    assert parse_crs(f" {text}\n") == text


@pytest.mark.parametrize(
    "text", ["", "32633", "EPSG:", ":4326", "EPSG 4326", "eval('x'):1", "É:1", "E:" + "1" * 1000, None, 4326]
)
def test_anything_else_is_no_crs(text):
    assert parse_crs(text) is None


EARLIEST, LATEST = datetime.fromisoformat("0002-01-01"), datetime.fromisoformat("9998-01-01")
offsets = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(EARLIEST, LATEST, timezones=offsets))
def test_any_aware_time_comes_back_in_utc(time):
    assert parse_datetime(time.isoformat()) == time
    assert parse_datetime(time.isoformat()).tzinfo is UTC


@given(st.datetimes())
def test_a_time_without_an_offset_is_utc_and_its_text_ends_in_z(time):
    parsed = parse_datetime(time.isoformat())
    assert parsed == time.replace(tzinfo=UTC)
    assert format_datetime(parsed) == time.isoformat() + "Z"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-01-02T03:04:05Z", "2020-01-02T03:04:05Z"),
        ("2020-01-02T03:04:05+02:00", "2020-01-02T01:04:05Z"),
        ("2020-01-02T03:04:05.25", "2020-01-02T03:04:05.250000Z"),
        ("2020-01-02T03:04:05.123456789", "2020-01-02T03:04:05.123456Z"),
        ("2020-01-02", "2020-01-02T00:00:00Z"),
        (" 2020-01-02T03:04:05 ", "2020-01-02T03:04:05Z"),
    ],
)
def test_iso_8601_with_fraction_and_offset_is_read(text, expected):
    assert format_datetime(parse_datetime(text)) == expected


@pytest.mark.parametrize(
    "text", ["", "yesterday", "0001-01-01T00:00:00+10:00", "2020-13-01", "2" * 2000, None, 1588500930]
)
def test_anything_else_is_no_time(text):
    assert parse_datetime(text) is None
    assert format_datetime(None) is None


@given(st.text())
def test_no_text_whatever_breaks_a_parser(text):
    geotransform = parse_geotransform(text)
    assert geotransform is None or all(map(math.isfinite, geotransform))
    time = parse_datetime(text)
    assert time is None or time.tzinfo is UTC
    assert parse_crs(text) in (None, text.strip())


@pytest.mark.parametrize(
    ("raw", "sizes", "task", "expected"),
    [
        ({"input": "a pond"}, {"input": 0, "target": 9}, (), {"input": "a pond"}),
        ({"input": "a pond"}, {"target": 9}, (), {"input": "a pond"}),
        ({"target": "a pond", "isText": "1"}, {"input": 9, "target": 9}, (), {"target": "a pond"}),
        ({"target": "a pond"}, {"input": 9, "target": 9}, ("TensorToText",), {"target": "a pond"}),
        ({"input": "a pond"}, {"input": 9, "target": 9}, ("TextToTensor",), {"input": "a pond"}),
        ({"target": "a pond"}, {"input": 9, "target": 9}, ("image-to-text",), {"target": "a pond"}),
        ({"target": "a pond"}, {"input": 9, "target": 9}, ("TensorSegmentation",), {}),
        ({"input": "", "target": ""}, {"input": 9, "target": 9}, (), {}),
        ({"input": "", "target": ""}, {"input": 9}, (), {}),
        ({"input": "", "target": "a pond", "isText": "1"}, {"input": 9, "target": 0}, (), {"target": "a pond"}),
        ({"extra": "a note", "id": "x"}, {"input": 9}, (), {}),
        ({}, {}, ("TensorToText",), {}),
    ],
)
def test_a_text_takes_the_tensors_place_where_flag_task_or_absence_says_so(raw, sizes, task, expected):
    assert text_columns(raw, sizes, task) == expected


def test_an_empty_text_never_hides_a_tensor_that_is_there():
    task = ("TensorSegmentation", "TensorToText")
    assert text_columns({"input": "", "target": ""}, {"input": 9, "target": 9}, task) == {}


def test_a_key_called_target_is_the_publishers_where_the_task_names_the_other_text():
    raw = {"input": "a river", "target": "maize", "isText": "1"}
    texts = text_columns(raw, {"input": 0, "target": 18}, ["TextToTensor"])
    assert texts == {"input": "a river"}
    assert user_keys(raw, texts) == {"target": "maize"}


def test_a_dummy_whose_text_is_missing_is_no_tensor():
    assert text_columns({}, {"input": 0, "target": 18}, ["TextToTensor"]) == {"input": ""}
    assert text_columns({}, {"target": 18}, ["TextToTensor"]) == {}


@pytest.mark.parametrize("number", ["1_0", "٣", "0x10", "nan", "1e"])
def test_numbers_that_only_python_reads_are_no_geotransform(number):
    assert parse_geotransform(f"{number} ,10 ,0 ,0 ,0 ,-10") is None


def test_user_keys_are_what_is_left_and_sorted():
    raw = {"z": "1", "id": "x", "crs": "EPSG:1", "isText": "1", "isSTAC": "0", "a": "2", "input": "text", "target": ""}
    assert list(user_keys(raw, {"input"}).items()) == [("a", "2"), ("z", "1")]
    assert user_keys({"target": "wheat"}, ()) == {"target": "wheat"}


def test_missing_and_unreadable_standard_keys_are_none():
    typed = typed_metadata({"crs": "eval(x)", "geotransform": "1,2", "start_datetime": "soon"}, (), "000000A")
    assert typed == {"id": "000000A", "crs": None, "geotransform": None, "start_datetime": None, "end_datetime": None}


def test_values_that_upstream_invented_are_none():
    raw = {"crs": "EPSG:4326", "geotransform": "[0 ,1 ,0 ,0 ,0 ,1]", "start_datetime": "1970-01-01T00:00:00"}
    invented = raw | {"end_datetime": "1970-01-01T00:00:00", "isSTAC": "0", "id": "x"}
    assert set(typed_metadata(invented, (), "y").values()) == {"x", None}
    kept = typed_metadata(raw | {"isSTAC": "1"}, (), "y")
    assert kept["crs"] == "EPSG:4326"
    assert kept["start_datetime"] == datetime(1970, 1, 1, tzinfo=UTC)


def test_an_end_the_publisher_gave_stays_though_the_start_was_invented():
    raw = {"isSTAC": "0", "start_datetime": "1970-01-01T00:00:00", "end_datetime": "2020-05-01T00:00:00"}
    assert typed_metadata(raw, (), "x")["end_datetime"] == datetime(2020, 5, 1, tzinfo=UTC)
    assert typed_metadata(raw, (), "x")["start_datetime"] is None


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("12", "int64", 12),
        ("1e-05", "double", 1e-05),
        ("inf", "double", float("inf")),
        ("true", "bool", True),
        ("false", "bool", False),
        ("1", "bool", None),
        ("x", "int64", None),
        ("9" * 5000, "int64", None),
        (str(2**63 - 1), "int64", 2**63 - 1),
        (str(2**63), "int64", None),
        ("12", "string", "12"),
        ("12", "timestamp", "12"),
    ],
)
def test_keys_that_are_declared_to_be_no_text(text, kind, expected):
    assert parse_key(text, kind) == expected
    found = typed_metadata({"id": "a", "n": text}, (), "a", {"n": kind})["n"]
    assert (found, type(found)) == (expected, type(expected))

"""CQL2 over tables: what may be said, and that it means what SQL says it means."""

from __future__ import annotations

import builtins
import json
import math
import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest

pytest.importorskip("cql2")
pa = pytest.importorskip("pyarrow")

from mlstac_hf import CollectionWarning, MissingExtraError, UnknownNameError  # noqa: E402 - skipped without cql2
from mlstac_hf._conditions._filter import (  # noqa: E402 - as above
    cast_columns,
    check_types,
    columns_of,
    matching,
    parse_filter,
)

BIG = 2**53 + 1
"""No float holds it."""
NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def table():
    """Four rows of every kind of column, with nulls."""
    return pa.table(
        {
            "id": ["a", "b", None, "é"],
            "n": pa.array([1, 2, None, BIG]),
            "x": pa.array([0.5, math.nan, None, -0.0]),
            "fixed": [True, False, None, True],
            "forest_fraction": ["0.5", " 1e3 ", "n/a", ""],
            "s2_date": pa.array([NEW_YEAR, NEW_YEAR.replace(year=2021, hour=12), None, NEW_YEAR.replace(year=2022)]),
            "day": [date(2020, 1, 1), None, date(2021, 5, 5), date(1, 1, 1)],
            "bands": [[1], None, [2], []],
            "my col": ["x", "y", "z", None],
            "nothing": pa.nulls(4),
        }
    )


def rows(condition, table, **options):
    """The rows that match, by position."""
    found = matching(parse_filter(condition), table, **options)
    assert found.dtype == bool
    assert found.shape == (table.num_rows,)
    return np.flatnonzero(found).tolist()


def op(name, *args):
    return {"op": name, "args": list(args)}


def prop(name):
    return {"property": name}


# ---------------------------------------------------------------- what a condition means


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        # comparisons, and nulls in them
        ("n = 1", [0]),
        ("1 = n", [0]),
        ("n <> 1", [1, 3]),
        ("n != 1", [1, 3]),
        ("NOT n = 1", [1, 3]),
        ("n < 2", [0]),
        ("2 > n", [0]),
        ("n <= 2", [0, 1]),
        ("n > 2", [3]),
        ("n >= 2", [1, 3]),
        ("n = NULL", []),
        ("n <> NULL", []),
        ("NOT (n = NULL)", []),
        ("NULL = NULL", []),
        ("NULL IS NULL", [0, 1, 2, 3]),
        ("n = x", []),
        ("n > x", [0, 3]),
        ("n = n", [0, 1, 3]),
        ("id >= 'b'", [1, 3]),
        ("id = 'é'", [3]),
        ("\"my col\" = 'x'", [0]),
        # nulls and NaN
        ("n IS NULL", [2]),
        ("n IS NOT NULL", [0, 1, 3]),
        ("x IS NULL", [1, 2]),
        ("x <> 0", [0]),
        ("NOT x = 0", [0]),
        ("(n = 1) IS NULL", [2]),
        ("nothing IS NULL", [0, 1, 2, 3]),
        ("nothing = 1", []),
        ("nothing LIKE 'a'", []),
        ("nothing + 1 = 1", []),
        ("casei(nothing) = 'a'", []),
        ("NOT nothing", []),
        # booleans
        ("fixed", [0, 3]),
        ("NOT fixed", [1]),
        ("fixed = FALSE", [1]),
        ("fixed <> TRUE", [1]),
        ("fixed IN (TRUE, NULL)", [0, 3]),
        ("(n = 1) = fixed", [0, 1]),
        ("TRUE", [0, 1, 2, 3]),
        ("FALSE", []),
        ("1 = 1", [0, 1, 2, 3]),
        # and, or, not in three values
        ("fixed AND n = 1", [0]),
        ("fixed OR n = 2", [0, 1, 3]),
        ("n = 2 OR NULL", [1]),
        ("NOT (n = 2 AND NULL)", [0, 3]),
        ("NOT (fixed OR NULL)", []),
        ("id = 'b' OR fixed AND n = 1", [0, 1]),
        ("NOT fixed AND n = 2", [1]),
        # between
        ("n BETWEEN 1 AND 2", [0, 1]),
        ("n NOT BETWEEN 2 AND 3", [0, 3]),
        ("n BETWEEN 2 AND 1", []),
        ("n BETWEEN 1 AND NULL", []),
        ("NOT (n BETWEEN 2 AND NULL)", [0]),
        ("2 BETWEEN n AND 5", [0, 1]),
        # in
        ("n IN (1, 7)", [0]),
        ("n IN (2)", [1]),
        ("n IN (1.0, 1.5)", [0]),
        ("n IN (1, NULL)", [0]),
        ("n NOT IN (1)", [1, 3]),
        ("n NOT IN (1, NULL)", []),
        ("n IN (NULL)", []),
        ("n IN (x, 2)", [1]),
        ("x IN (0, 0.5)", [0, 3]),
        ("id IN ('a', 'é')", [0, 3]),
        ("id NOT IN ('a')", [1, 3]),
        ("1 IN (n, 5)", [0]),
        (op("in", prop("n"), []), []),
        (op("not", op("in", prop("n"), [])), [0, 1, 2, 3]),
        # like
        ("id LIKE 'a%'", [0]),
        ("id LIKE '_'", [0, 1, 3]),
        ("id NOT LIKE 'a'", [1, 3]),
        ("id LIKE NULL", []),
        ("casei(id) LIKE casei('É%')", [3]),
        # functions
        ("casei(id) = casei('É')", [3]),
        ("CASEI(id) = 'B'", []),
        ("accenti(id) = 'e'", [3]),
        # arithmetic
        ("n + 1 = 2", [0]),
        ("-n < -1", [1, 3]),
        ("n * 2 - 1 = 3", [1]),
        ("n / 2 = 0.5", [0]),
        ("n / 0 > 0", []),
        ("NOT n / 0 > 0", []),
        ("n div 2 = 1", [1]),
        ("n DIV 0 = 0", []),
        ("n % 2 = 1", [0, 3]),
        ("n % 0 = 0", []),
        ("n ^ 2 = 4", [1]),
        ("x + 0.5 = 1", [0]),
        ("x % 0.2 < 0.11 AND x > 0", [0]),
        ("2 ^ 3 = 8", [0, 1, 2, 3]),
        ("x / 0 IS NULL", [0, 1, 2, 3]),
        ("(0 - x) ^ 0.5 IS NULL", [0, 1, 2]),
        # whole numbers beyond 2**53
        (f"n = {BIG}", [3]),
        (f"n = {BIG - 1}", []),
        (f"n = +{BIG}", [3]),
        (f"0 - n = -{BIG}", [3]),
        (f"0 - n = - {BIG}", [3]),
        (f"n - {BIG} = 0", [3]),
        (f"n -{BIG}=0", [3]),
        (f"n IN ({BIG - 1}, {BIG})", [3]),
        (f"n IN ({BIG - 1})", []),
        (f"n BETWEEN {BIG} AND {BIG + 1}", [3]),
        (f"n < {2**63} AND n > -{2**64}", [0, 1, 3]),
        (f"n < 1{'0' * 60}", [0, 1, 3]),
        (op("=", prop("n"), BIG), [3]),
        (json.dumps(op("=", prop("n"), BIG)), [3]),
        (op("in", prop("n"), [2**70, 1e300, BIG]), [3]),
        # times
        ("s2_date > '2020-06-01'", [1, 3]),
        ("s2_date = DATE('2020-01-01')", [0]),
        ("s2_date = TIMESTAMP('2021-01-01T12:00:00Z')", [1]),
        ("s2_date = '2021-01-01T14:00:00+02:00'", [1]),
        ("s2_date < '9999-12-31'", [0, 1, 3]),
        ("TIMESTAMP('2021-01-01T12:00:00Z') <= s2_date", [1, 3]),
        ("s2_date BETWEEN '2020-01-01' AND '2021-12-31'", [0, 1]),
        ("s2_date IN ('2020-01-01', DATE('2022-01-01'))", [0, 3]),
        ("s2_date = day", [0]),
        ("day = '2020-01-01'", [0]),
        ("day < TIMESTAMP('2020-01-01T00:00:01Z')", [0, 3]),
        ("'2020-01-01' = DATE('2020-01-01')", [0, 1, 2, 3]),
        # other types
        ("bands IS NULL", [1]),
        ("bands IS NOT NULL", [0, 2, 3]),
        # casts that lose nothing
        ("CAST(fixed AS int) = 1", [0, 3]),
        ("CAST(n AS text) = '1'", [0]),
        ("CAST(s2_date AS date) = DATE('2021-01-01')", [1]),
        ("CAST(s2_date AS text) = '2021-01-01T12:00:00Z'", [1]),
        ("CAST(day AS varchar(10)) = '2020-01-01'", [0]),
        ("CAST(fixed AS text) = 'true'", [0, 3]),
        ("CAST('1' AS bool)", [0, 1, 2, 3]),
        ("CAST(NULL AS float) IS NULL", [0, 1, 2, 3]),
        # white space, as it comes from a file
        ("n = 1\r\n\tOR n = 2", [0, 1]),
    ],
)
def test_conditions(condition, expected, table):
    assert rows(condition, table) == expected
    assert rows(json.dumps(parse_filter(condition)), table) == expected, "the tree says the same as JSON text"
    assert parse_filter(parse_filter(condition)) == parse_filter(condition)


@pytest.mark.parametrize("kind", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "+02:00"])
def test_every_kind_of_timestamp_is_compared_as_an_instant_in_utc(kind, zone):
    times = [datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC), None]
    table = pa.table({"t": pa.array(times, pa.timestamp(kind, "UTC")).cast(pa.timestamp(kind, zone))})
    assert rows("t = '2020-01-01T02:00:00+02:00'", table) == [0]
    assert rows("t < '9999-01-01' AND t > '0001-01-01'", table) == [0, 1]
    assert rows("t > '9999-01-01' OR t = '0001-01-01'", table) == []


def test_nanoseconds_count():
    table = pa.table({"t": pa.array([10**9, 10**9 + 1], pa.timestamp("ns"))})
    assert rows("t = '1970-01-01T00:00:01Z'", table) == [0]
    assert rows("t < '9999-12-31'", table) == [0, 1]
    assert rows("t <= '1970-01-01T00:00:01Z'", table) == [0]
    assert rows("CAST(t AS text) = '1970-01-01T00:00:01Z'", table) == [0, 1]


@pytest.mark.parametrize(
    "kind", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64"]
)
def test_every_kind_of_number(kind):
    values = np.ma.masked_array(np.array([1, 2, 0], kind), [False, False, True])
    table = pa.table({"n": pa.array(values)})
    assert str(table["n"].type) in {kind, "halffloat", "float", "double"}
    assert rows("n >= 2", table) == [1]
    assert rows("n IN (1, 5) OR n - 3 = -1", table) == [0, 1]


def test_numbers_beyond_int64_and_decimals_are_exact():
    table = pa.table(
        {
            "u": pa.array([1, 2**64 - 1, None], pa.uint64()),
            "money": pa.array([Decimal("0.10"), Decimal("2.50"), None]),
            "wide": pa.array([Decimal("0.10"), Decimal(-1), None], pa.decimal256(60, 3)),
            "n": [1, 2, 3],
        }
    )
    assert rows(f"n < {2**63}", pa.table({"n": [2**63 - 1, 0]})) == [0, 1]
    assert rows(f"u = {2**64 - 1}", table) == [1]
    assert rows(f"u = {2**64 - 2}", table) == []
    assert rows(f"u IN (1, {2**64 - 1})", table) == [0, 1]
    assert rows("u > n", table) == [1]
    assert rows("money = 0.1 OR money = 2.5", table) == [0, 1]
    assert rows("wide = money", table) == [0]
    assert rows("money * 2 = 5", table) == [1]
    assert rows(op("<", prop("money"), 10**37), table) == [0, 1]
    assert rows("CAST(money AS text) = '0.10'", table) == [0]


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int8(), pa.string()),
        pa.dictionary(pa.int32(), pa.large_string()),
        pa.run_end_encoded(pa.int32(), pa.string()),
    ],
    ids=str,
)
def test_every_kind_of_text(kind):
    array = pa.array(["a", None, "B"], pa.string_view() if kind == pa.string_view() else pa.string())
    if pa.types.is_run_end_encoded(kind):
        array = pytest.importorskip("pyarrow.compute").run_end_encode(array, run_end_type=pa.int32())
    elif pa.types.is_dictionary(kind):
        array = array.cast(kind.value_type).dictionary_encode().cast(kind)
    elif kind != array.type:
        array = array.cast(kind)
    table = pa.table({"s": pa.chunked_array([array, array])})
    assert rows("s = 'a' OR s LIKE 'B%'", table) == [0, 2, 3, 5]
    assert rows("s IS NULL", table) == [1, 4]
    assert rows("casei(s) IN ('b')", table) == [2, 5]


def test_dictionaries_of_numbers_and_extension_types_are_what_they_hold():
    numbers = pa.array([1, None, 1]).dictionary_encode()

    class Json(pa.ExtensionType):
        def __init__(self):
            super().__init__(pa.string(), "test.json")

        def __arrow_ext_serialize__(self):
            return b""

    kind = Json()  # pyarrow itself keeps no hold of it
    table = pa.table({"n": numbers, "j": pa.ExtensionArray.from_storage(kind, pa.array(["{}", None, "1"]))})
    assert rows("n = 1", table) == [0, 2]
    assert rows("j = '1'", table) == [2]


def test_a_table_without_rows(table):
    empty = table.slice(0, 0)
    assert rows("n = 1 AND fixed AND x IN (1) AND id LIKE 'a' OR s2_date > '2020-01-01' OR TRUE", empty) == []
    assert rows("CAST(forest_fraction AS float) + 1 > 2 AND casei(id) = 'a'", empty) == []
    with pytest.raises(UnknownNameError):
        rows("fixd", empty)
    no_chunks = pa.table({"n": pa.chunked_array([], pa.uint64()), "s": pa.chunked_array([], pa.string())})
    assert rows("n = 1 OR s = 'a'", no_chunks) == []


def test_chunks_make_no_difference(table):
    twice = pa.concat_tables([table, table])
    assert rows("fixed AND n = 1 OR casei(id) = 'b' OR s2_date IN ('2022-01-01')", twice) == [0, 1, 3, 4, 5, 7]


def test_like_against_its_definition():
    texts = ["", "a", "ab", "a\nb", "a%b", "a_b", "a\\b", "A", "é", "(a)", "a.b", "[a]", "\n"]
    table = pa.table({"s": texts})

    def like(text, pattern):
        if not pattern:
            return not text
        head, rest = pattern[0], pattern[1:]
        if head == "%":
            return any(like(text[i:], rest) for i in range(len(text) + 1))
        if head == "\\":
            head, rest = rest[0], rest[1:]
        elif head == "_":
            return bool(text) and like(text[1:], rest)
        return text[:1] == head and like(text[1:], rest)

    for pattern in [
        "",
        "%",
        "_",
        "a%",
        "%b",
        "a_b",
        "a\\%b",
        "a\\_b",
        "a\\\\b",
        "%\\\\%",
        "%\\b",
        "\\a%",
        "_%_",
        "(a)",
        "a.b",
        "[a]",
    ]:
        expected = [row for row, text in enumerate(texts) if like(text, pattern)]
        assert rows(op("like", prop("s"), pattern), table) == expected, pattern


# ---------------------------------------------------------------- types


def test_types_convert_columns_first(table):
    with pytest.warns(CollectionWarning, match=r"t\.parquet: 1 of 4 values of column 'forest_fraction'.*'n/a'"):
        assert rows("forest_fraction > 0.1", table, types={"forest_fraction": float}, where="t.parquet") == [0, 1]
    assert rows("n = '1'", table, types={"n": str}) == [0]
    assert rows("n = 1", table, types={"forest_fraction": float}) == [0], "unused ones are left alone, without warning"


@pytest.mark.parametrize(
    "cast",
    [
        "CAST(forest_fraction, 'float')",
        "CAST(forest_fraction AS float)",
        "cast( forest_fraction as DOUBLE )",
        "Cast(forest_fraction\n  AS  double  precision)",
        'CAST("forest_fraction" AS NUMERIC(10, 2))',
        "CAST(CAST(forest_fraction AS text) AS float)",
    ],
)
def test_cast_in_both_spellings(cast, table):
    with pytest.warns(CollectionWarning) as warned:
        assert rows(f"{cast} > 0.1 AND {cast} < 1", table) == [0]
    assert len(warned) == 1, "one warning for a column, however often it is cast"


def test_as_is_looked_for_in_casts_only():
    table = pa.table({"as": ["CAST(a AS b)", "x"], "cast": [1, 2], "a as b": [1, 2], "float": [1.0, 2.0]})
    assert rows("\"as\" = 'CAST(a AS b)'", table) == [0]
    assert rows("as = 'CAST(a AS b)' AND cast = 1", table) == [0]
    assert rows('CAST("a as b" AS float) = float', table) == [0, 1]
    assert rows("CAST(as AS text) = 'x'", table) == [1]
    assert rows("CAST(casei('A as B') AS text) = 'a as b'", table) == [0, 1]


NUMBERS = {
    "1": 1.0,
    " 2.5 ": 2.5,
    "+3": 3.0,
    "-4.": -4.0,
    ".5": 0.5,
    "1e3": 1000.0,
    "inf": math.inf,
    "-Infinity": -math.inf,
    "": None,
    "   ": None,
    "nan": None,
    "NaN": None,
}
NO_NUMBERS = ["1_000", "0x10", "1,5", "one", "1 2", "٣", "1e", "--1", "infinit", "9" * 1001, "1j", "True"]


def test_text_to_float():
    table = cast_columns(pa.table({"s": list(NUMBERS)}), {"s": float})  # no warning: an empty text is just missing
    assert table["s"].type == pa.float64()
    assert table["s"].to_pylist() == list(NUMBERS.values())
    with pytest.warns(CollectionWarning, match=rf"^here: {len(NO_NUMBERS)} of {len(NO_NUMBERS) + 1} values of column"):
        table = cast_columns(pa.table({"s": [*NO_NUMBERS, "5", None]}), {"s": "DOUBLE"}, "here")
    assert table["s"].to_pylist() == [None] * len(NO_NUMBERS) + [5.0, None]


def test_text_to_int():
    good = {"7": 7, "-7": -7, "7.0": 7, "7e2": 700, str(2**63 - 1): 2**63 - 1, f"{BIG}.0": BIG, "": None, "nan": None}
    table = cast_columns(pa.table({"s": list(good)}), {"s": int})
    assert table["s"].type == pa.int64()
    assert table["s"].to_pylist() == list(good.values())
    bad = ["1.5", str(2**63), "1e999999999", "1e-99999999999999999999", "inf", f"{BIG}.5", "x"]
    with pytest.warns(CollectionWarning, match="7 of 7 values of column 's' are no whole number"):
        assert cast_columns(pa.table({"s": bad}), {"s": int})["s"].null_count == 7


def test_text_to_bool():
    table = cast_columns(pa.table({"s": ["true", "FALSE", " 1 ", "0", "", None]}), {"s": bool})
    assert table["s"].to_pylist() == [True, False, True, False, None, None]
    with pytest.warns(CollectionWarning, match="3 of 3"):
        assert cast_columns(pa.table({"s": ["yes", "2", "t"]}), {"s": bool})["s"].null_count == 3


def test_text_to_times():
    texts = ["2020-01-02", "2020-01-02T03:04:05Z", "2020-01-02T03:04:05", "2020-01-02T01:00:00+02:00", "", None]
    midnight, full = datetime(2020, 1, 2, tzinfo=UTC), datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    table = cast_columns(pa.table({"s": texts}), {"s": datetime})
    assert table["s"].to_pylist() == [midnight, full, full, datetime(2020, 1, 1, 23, tzinfo=UTC), None, None]
    days = cast_columns(pa.table({"s": texts}), {"s": date})["s"].to_pylist()
    assert days == [date(2020, 1, 2)] * 3 + [date(2020, 1, 1), None, None]
    with pytest.warns(CollectionWarning, match="2 of 2 values of column 's' are no time, such as|count as missing"):
        assert cast_columns(pa.table({"s": ["yesterday", "0" * 5000]}), {"s": "timestamp"})["s"].null_count == 2


def test_casts_between_other_types():
    numbers = pa.table({"n": [0, 1, None]})
    assert cast_columns(numbers, {"n": bool})["n"].to_pylist() == [False, True, None]
    assert cast_columns(numbers, {"n": "text"})["n"].to_pylist() == ["0", "1", None]
    assert cast_columns(numbers, {"n": float})["n"].to_pylist() == [0.0, 1.0, None]
    assert cast_columns(pa.table({"x": [1.0, math.nan]}), {"x": int})["x"].to_pylist() == [1, None]
    assert cast_columns(pa.table({"x": [True, None]}), {"x": float})["x"].to_pylist() == [1.0, None]
    assert cast_columns(pa.table({"d": [date(2020, 1, 2)]}), {"d": datetime})["d"].to_pylist() == [
        datetime(2020, 1, 2, tzinfo=UTC)
    ]
    assert cast_columns(pa.table({"x": pa.nulls(2)}), {"x": date})["x"].type == pa.date32()
    with pytest.raises(ValueError, match=r"^here: x holds list.* which does not become float\. Columns: x"):
        cast_columns(pa.table({"x": [[1]]}), {"x": float}, "here")
    with pytest.warns(CollectionWarning, match=r"1 of 2 values of column 'x' are no whole number.*'1\.5'"):
        assert cast_columns(pa.table({"x": [1.5, 2.0]}), {"x": int})["x"].to_pylist() == [None, 2]


def test_years_that_python_does_not_know_compare_and_do_not_convert():
    table = pa.table({"d": pa.array([10**7, 0], pa.date32()), "t": pa.array([2**59, 0], pa.timestamp("us"))})
    assert rows("d > '9999-01-01' AND t > '9999-01-01'", table) == [0]
    for kind in ("datetime", "text", "date"):
        with pytest.warns(CollectionWarning, match=r"1 of 2 values of column '.' are no .* such as '\d{5}-"):
            assert cast_columns(table, {"t" if kind == "date" else "d": kind}).column(kind == "date").null_count == 1


def test_braces_in_names_are_just_braces():
    with pytest.warns(CollectionWarning, match=r"a\{0\}\.parquet: .*'\{x\}'"):
        cast_columns(pa.table({"{x}": ["a"]}), {"{x}": float}, "a{0}.parquet")


def test_check_types():
    known = {"a": float, "b": "Double Precision", "c": "BIGINT", "d": "varchar(20)", "e": bool, "f": "timestamp"}
    assert check_types(known) == {"a": "float", "b": "float", "c": "int", "d": "text", "e": "bool", "f": "datetime"}
    assert check_types({"a": str, "b": datetime, "c": date}) == {"a": "text", "b": "datetime", "c": "date"}
    for bad in ({"a": complex}, {"a": "blob"}, {"a": 5}, {"a": None}, ["a"]):
        with pytest.raises(ValueError, match="or the names bigint, bool"):
            check_types(bad)


# ---------------------------------------------------------------- what is refused, and how


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("forest_fraction > 0.5", ["t.parquet", "holds text", "0.5", "types={'forest_fraction': float}"]),
        ("forest_fraction > 0.5", ["CAST(forest_fraction, 'float')", "forest_fraction (text), s2_date (time)"]),
        ("0.5 < forest_fraction", ["forest_fraction holds text", "types={'forest_fraction': float}"]),
        ("forest_fraction = n", ["forest_fraction holds text", "types={'forest_fraction': float}"]),
        ("forest_fraction IN (1, 2)", ["types={'forest_fraction': float}"]),
        ("forest_fraction BETWEEN 1 AND 2", ["types={'forest_fraction': float}"]),
        ("forest_fraction + 1 > 2", ["+ needs numbers", "types={'forest_fraction': float}"]),
        ('"my col" = 1', ["CAST(\"my col\", 'float')"]),
        ("n = 'x'", ["n holds numbers", "'x'", "without quotes", "types={'n': str}"]),
        ("n IN ('x', 1)", ["n holds numbers"]),
        ("fixed = 1", ["fixed holds booleans", "the number 1"]),
        ("fixed = 'true'", ["fixed holds booleans", "'true'"]),
        ("s2_date > 2020", ["s2_date holds times", "the number 2020"]),
        ("s2_date > 'yesterday'", ["'yesterday' is no time", "'2020-01-31'"]),
        ("s2_date = id", ["id holds text", "types={'id': datetime}"]),
        ("id > TIMESTAMP('2020-01-01T00:00:00Z')", ["id holds text", "types={'id': datetime}"]),
        ("id > DATE('2020-01-01')", ["types={'id': datetime}", "CAST(id, 'datetime')"]),
        ("s2_date + 1 > 2", ["s2_date holds times"]),
        ("1 = 'a'", ["the text 'a'", "the number 1"]),
        ("bands = 1", ["bands holds list", "IS NULL"]),
        ("bands = NULL", ["bands holds list", "IS NULL"]),
        ("bands IN (1)", ["bands holds list", "IS NULL"]),
        ("CAST(bands AS float) = 1", ["bands holds list", "float"]),
        ("CAST(n AS datetime) = '2020-01-01'", ["n holds numbers", "datetime"]),
        ("n", ["n holds numbers", "no condition"]),
        ("id AND n = 1", ["id holds text", "no condition"]),
        ("n LIKE 'a'", ["LIKE needs text", "n holds numbers"]),
        ('id LIKE "my col"', ["LIKE needs a text", "my col"]),
        ("id LIKE 'a\\'", ["backslash"]),
        ("casei(n) = 'a'", ["CASEI needs text", "n holds numbers"]),
        ("n * 9223372036854775807 > 0", ["beyond int64", "'float'"]),
        ("a = b = n", ["no column"]),
    ],
)
def test_what_does_not_go_together(condition, words, table):
    with pytest.raises((ValueError, UnknownNameError)) as raised:
        matching(parse_filter(condition), table, where="t.parquet")
    message = str(raised.value)
    assert message.startswith("t.parquet: ")
    assert all(word in message for word in [*words, "Columns: id (text), n (number)"]), message
    assert len(message) < 500


def test_overflow_is_ours_and_floats_do_not_overflow(table):
    with pytest.raises(ValueError, match="beyond int64") as raised:
        rows("n + 9223372036854775807 > 0", table)
    assert type(raised.value) is ValueError
    smallest = pa.table({"n": [-(2**63)]})
    with pytest.raises(ValueError, match="beyond int64"):
        rows("n div -1 > 0", smallest)
    assert rows("n % -1 = 0", smallest) == [0]
    assert rows("CAST(n AS float) * 9223372036854775807 > 0", table) == [0, 1, 3]


@pytest.mark.parametrize("condition", ["fixd", "fixd IS NULL", "n = 1 OR fixd", "CAST(fixd AS int) = 1"])
def test_unknown_columns(condition, table):
    with pytest.raises(UnknownNameError) as raised:
        matching(parse_filter(condition), table, where="train/metadata.parquet")
    assert str(raised.value) == (
        "train/metadata.parquet: no column 'fixd'. Did you mean 'fixed'? Columns: id (text), n (number), x (number), "
        "fixed (boolean), forest_fraction (text), s2_date (time), day (time), bands (list<element: int64>), "
        "my col (text), nothing (null)"
    ).replace("element", table.schema.field("bands").type.value_field.name)
    with pytest.raises(UnknownNameError, match="no column 'nn'"):
        matching(parse_filter("n = 1"), table, {"nn": float})


def test_many_columns_are_not_all_listed():
    wide = pa.table({f"c{i}": [i] for i in range(5000)})
    with pytest.raises(UnknownNameError, match="and 4,900 more"):
        rows("c5001 = 1", wide)


def test_two_columns_of_one_name():
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["n", "n"])
    with pytest.raises(ValueError, match="2 columns are called 'n'"):
        rows("n = 1", twice)


@pytest.mark.parametrize(
    "condition",
    [
        "s_intersects(geometry, POINT(1 2))",
        "s_intersects(geometry, POLYGON((0 0, 1 0, 1 1, 0 0)))",
        "t_during(s2_date, INTERVAL('2020-01-01', '2020-02-01'))",
        "a_contains(bands, (1, 2))",
        "sqrt(n) = 2",
        "n = POINT(1 2)",
        "n = INTERVAL('2020-01-01', '..')",
        "n = bbox(1, 2, 3, 4)",
        {"op": "eq", "args": [1, 1]},
        {"op": ["="], "args": [1, 1]},
        {"type": "Point", "coordinates": [1, 2]},
        {},
    ],
)
def test_other_operators_say_what_there_is(condition):
    with pytest.raises(ValueError, match=r"filter: .* is not known here. Known are AND, OR, NOT.*bbox=.*datetime="):
        parse_filter(condition)


@pytest.mark.parametrize(
    "condition",
    [
        "1 + 2",
        "'a'",
        "3",
        "NULL",
        "casei(id)",
        "CAST(n AS float)",
        "DATE('2020-01-01')",
        "n AND 3",
        "NOT 'a'",
        "n = 1 OR id || 'b'",
        op("and", 1),
        op("not", op("+", 1, 2)),
        {"property": 5},
        {"property": ""},
    ],
)
def test_what_is_no_condition(condition):
    with pytest.raises(ValueError, match=r"^filter: "):
        parse_filter(condition)


@pytest.mark.parametrize(
    ("text", "at", "line", "caret"),
    [
        ("a = ", 4, "  a = ", "     ^--- expected "),
        ("CAST(a AS float) > > 1", 20, "  CAST(a AS float) > > 1", " " * 21 + "^--- expected "),
        (f"n = {BIG} AND )", 26, f"  n = {BIG} AND )", " " * 27 + "^---"),
        ("n = 1\nAND id = = 2", 16, "  n = 1 AND id = = 2", " " * 17 + "^---"),
        ("id = '\n\n' AND = 2", 15, "  id = '  ' AND = 2", " " * 16 + "^---"),
        ("id = 'it''s' oops", 14, "  id = 'it''s' oops", " " * 15 + "^---"),
        ("a = 1;", 6, "  a = 1;", " " * 7 + "^---"),
        ("a = 'x", 5, "  a = 'x", " " * 6 + "^---"),
    ],
)
def test_a_wrong_text_is_shown_with_a_caret(text, at, line, caret):
    with pytest.raises(ValueError, match="no CQL2") as raised:
        parse_filter(text)
    first, shown, below = str(raised.value).split("\n")
    assert first == f"filter: no CQL2 at character {at}"
    assert shown == line
    assert below.startswith(caret)


def test_of_a_long_text_only_the_place_is_shown():
    with pytest.raises(ValueError, match="at character 20000") as raised:
        parse_filter("n IN (" + "1," * 9_995 + "1) oops" + " " * 20_000)
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        (None, "found NoneType"),
        (5, "found int"),
        (["n = 1"], "found list"),
        (b"n = 1", "found bytes"),
        ("n = 'a\0b'", "NUL character stands at position 7"),
        ("n = '\ud800'", "filter: "),
        (op("=", prop("n"), "\ud800"), "no Unicode"),
        ("[1]", "an object"),
        ('{"op":', "no JSON"),
        ('{"op": "=", "args": [{"property": "n"}, NaN]}', "NaN"),
        ('{"op": "=", "args": [{"property": "n"}, 1e999]}', "infinite"),
        ("n = 1e999", "infinite"),
        ("n = " + "1" * 400, "infinite"),
        (op("=", prop("n"), 10**5000), "too large"),
        (op("=", prop("n"), math.nan), "no number"),
        (op("=", prop("n")), "= takes 2 arguments, found 1"),
        (op("between", prop("n"), [0, 1]), "between takes 3 arguments, found 2"),
        (op("and"), "1 or more"),
        ({"op": "=", "args": "ab"}, "found 'ab'"),
        ({"op": "="}, "found None"),
        (op("in", prop("n"), 1), "IN takes a list"),
        (op("=", prop("n"), [1]), "no value"),
        (op("=", prop("n"), b"a"), "no value"),
        (op("=", prop("n"), {"date": "2020-01-01T00:00:00Z"}), "no date"),
        (op("=", prop("n"), {"date": 5}), "no date"),
        (op("=", prop("n"), {"timestamp": "soon"}), "no timestamp"),
        ("n = DATE('x')", "no date"),
        ("n = TIMESTAMP()", "missing a required argument"),
        ("CAST(n AS blob) = 1", "unknown type 'blob'"),
        (op("=", op("cast", prop("n"), 5), 1), "unknown type 5"),
        ("n IN ()", "no CQL2"),
        ("n == 1", "no CQL2"),
        ("n = 1; DROP TABLE students", "no CQL2"),
    ],
)
def test_what_is_no_filter(condition, words):
    with pytest.raises(ValueError, match=r"^filter: ") as raised:
        parse_filter(condition)
    assert words in str(raised.value)
    assert len(str(raised.value)) < 600


def test_numbers_as_numpy_has_them(table):
    assert rows(op("in", prop("n"), [np.int64(1), np.float32(2), None]), table) == [0, 1]


# ---------------------------------------------------------------- robustness

HOSTILE = {
    "parentheses": "(" * 10_000 + "n = 1" + ")" * 10_000,
    "open parentheses": "(" * 30,
    "not": "NOT " * 10_000 + "n = 1",
    "minus": "n = " + "-" * 60_000 + "1",
    "plus": "n" + "+n" * 30_000 + " = 1",
    "equals": "n" + "=n" * 30_000,
    "like": "n" + " like n" * 9_000,
    "or": "n = 1" + " or n = 1" * 7_000,
    "functions": "casei(" * 10_000 + "n" + ")" * 10_000,
    "and as a name": "and" + "+and" * 15_000 + " = 1",
    "glued": "and" + " innot and" * 6_000,
    "glued, but not often": "and" + " innot and" * 900,
    "betweens": ("not " * 85 + "a between 1 and (") * 9 + "a" + ")" * 9,
    "lists": "n in " + "(" * 20_000 + "1" + ",2)" * 10_000,
    "collections": "n = " + "GEOMETRYCOLLECTION(" * 3_000,
    "long": "n = 1 " + " " * 70_000,
    "json": '{"op":"not","args":[' * 3_000 + "true" + "]}" * 3_000,
    "json lists": '{"op":"and","args":' + "[" * 60_000,
}


def test_hostile_texts_are_refused_and_end_no_process():
    """In a thread with a stack of 1 MiB, as some platforms have: an overflow would end the process."""
    allowed = {
        "not": "NOT " * 97 + "n = 1",
        "equals": "n" + "=n" * 98,
        "or": "n = 1" + " or n = 1" * 1000,
        "and": "n = 1" + " and not n = 1" * 1000,
        "parentheses": "(" * 16 + "n = 1" + ")" * 16,
        "right": "n = 1 and (" * 15 + "n = 1" + ")" * 15,
        "list": "n in (" + "1," * 30_000 + "1)",
        "casts": " AND ".join(["CAST(n AS double precision) > 1"] * 300),
        "betweens": " AND ".join(["n between 1 and 2"] * 400),
    }
    code = (
        "import json, sys, threading\n"
        "from mlstac_hf._conditions._filter import parse_filter\n"
        "hostile, allowed = json.load(sys.stdin)\n"
        "def run():\n"
        "    for name, text in hostile.items():\n"
        "        try:\n"
        "            parse_filter(text)\n"
        "        except ValueError as error:\n"
        "            assert str(error).startswith('filter: '), error\n"
        "        else:\n"
        "            raise SystemExit(name)\n"
        "    for name, text in allowed.items():\n"
        "        parse_filter(text)\n"
        "    print('fine')\n"
        "threading.stack_size(2**20)\n"
        "thread = threading.Thread(target=run)\n"
        "thread.start()\n"
        "thread.join()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps([HOSTILE, allowed]), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr[-2000:]


def test_deep_mappings_are_refused():
    deep = prop("n")
    for _ in range(100_000):
        deep = op("not", deep)
    with pytest.raises(ValueError, match="nests too deep"):
        parse_filter(deep)
    circle = op("not", True)
    circle["args"][0] = circle
    with pytest.raises(ValueError, match="nests too deep"):
        parse_filter(circle)
    weird = {"op": deep, "args": deep}
    with pytest.raises(ValueError, match="not known here"):
        parse_filter(weird)
    while isinstance(deep, dict):  # taken apart by hand, for Python's own stack
        deep = deep["args"].pop() if "args" in deep else None


def test_a_long_list_goes_in_as_a_mapping():
    table = pa.table({"id": [f"ROI_{i:06}" for i in range(1000)], "n": range(1000)})
    ids = [f"ROI_{i:06}" for i in range(0, 200_000, 10)]
    assert len(rows(op("in", prop("id"), ids), table)) == 100
    assert len(rows(op("in", prop("n"), list(range(500, 100_000))), table)) == 500


def test_nothing_is_evaluated(table, monkeypatch):
    inputs = [
        "__import__('os')",
        "__import__('os').system('true') = 1",
        "n = '__import__(\"os\")'",
        "eval('1') = 1",
        "exec = 1",
        "casei(\"__import__('os')\") = 'a'",
        "CAST(n AS __import__) = 1",
        "n = {0.__class__}",
        op("__import__", "os"),
        op("=", prop("__import__('os')"), 1),
        op("=", prop("id"), "{id.__class__}"),
    ]
    rows("casei(id) = 'a' AND CAST(id AS text) LIKE 'a' AND s2_date > '2020-01-01'", table)  # imports what it needs

    def refuse(*_):
        raise AssertionError("evaluated")

    def outcome(condition):
        try:
            return rows(condition, table)
        except (ValueError, LookupError) as error:
            return str(error)

    before = list(map(outcome, inputs))
    with monkeypatch.context() as patched:
        for name in ("eval", "exec", "compile"):
            patched.setattr(builtins, name, refuse)
        after = list(map(outcome, inputs))
    assert after == before
    assert all(isinstance(text, str) or text == [] for text in after)


def test_a_text_and_its_json_are_the_same_tree():
    tree = op("or", op("=", prop("n"), 1), op("<", prop("x"), 1.5), op("in", prop("id"), ["a", None]))
    for given in (tree, json.dumps(tree), f"  {json.dumps(tree)}\n", "n = 1 OR x < 1.5 OR id IN ('a', NULL)"):
        parsed = parse_filter(given)
        assert json.dumps(parsed, sort_keys=True) == json.dumps(tree, sort_keys=True), "1 is no 1.0"
    assert parse_filter({"op": "ISNULL", "args": (prop("n"),)}) == op("isNull", prop("n"))
    assert parse_filter({"op": "!=", "args": [prop("n"), {"date": "2020-01-01"}]})["op"] == "<>"


def test_what_arrow_cannot_compute_is_a_value_error(table):
    with pytest.raises(ValueError, match=r"^t: the filter cannot be computed: ") as raised:
        matching(parse_filter(op("like", prop("id"), "_a" * 1_000_000)), table, where="t")
    assert type(raised.value) is ValueError


def test_columns_of():
    condition = parse_filter("b = 1 AND (a > c OR b IN (d, 2)) AND casei(\"my col\") LIKE 'b' AND CAST(e AS int) = 1")
    assert columns_of(condition) == ("b", "a", "c", "d", "my col", "e")
    assert columns_of(parse_filter("TRUE")) == ()


@pytest.mark.parametrize("missing", ["cql2", "pyarrow", "pyarrow.compute"])
def test_missing_packages_are_named(missing, table, monkeypatch):
    monkeypatch.setitem(sys.modules, missing, None)
    line = "filter= needs cql2 and pyarrow, which are not installed. Install them with: pip install 'mlstac-hf[select]'"
    with pytest.raises(MissingExtraError) as raised:
        matching(parse_filter("n = 1"), table)
    assert str(raised.value) == line


def test_nothing_is_imported_before_it_is_needed():
    code = (
        "import sys; import mlstac_hf._conditions._filter as f; f.parse_filter({'op': 'isNull', 'args': [1]}); "
        "assert not {'cql2', 'pyarrow'} & set(sys.modules), 'imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

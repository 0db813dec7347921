"""Random conditions on random tables, as CQL2 JSON and text, against sqlite3 and against pandas with nullable types."""

from __future__ import annotations

import functools
import math
import operator
import sqlite3
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import pytest

pytest.importorskip("cql2")
pa = pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")

from hypothesis import given  # noqa: E402 - skipped without the three
from hypothesis import strategies as st  # noqa: E402 - as above

from mlstac_hf import UnknownNameError  # noqa: E402 - as above
from mlstac_hf._conditions._filter import matching, parse_filter  # noqa: E402 - as above

COLUMNS = {
    "i": st.integers(-4, 4),
    "j": st.integers(-4, 4),
    "big": st.sampled_from([2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 0]),
    "x": st.sampled_from([-1.5, -0.0, 0.0, 0.5, 2.0, math.nan]),
    "y": st.sampled_from([-1.0, 0.5, 3.0, math.nan]),
    "s": st.text("ab%_\\É'", max_size=3),
    "r": st.text("ab'", max_size=2),
    "b": st.booleans(),
    "c": st.booleans(),
}
KINDS = {"i": "int", "j": "int", "big": "int", "x": "float", "y": "float", "s": "text", "r": "text"} | dict.fromkeys(
    "bc", "bool"
)
ARROW = {"int": pa.int64(), "float": pa.float64(), "text": pa.string(), "bool": pa.bool_()}
SQL = {"int": "INTEGER", "float": "REAL", "text": "TEXT", "bool": "INTEGER"}
PANDAS = {"int": "Int64", "float": "Float64", "text": "string", "bool": "boolean"}

tables = st.lists(
    st.fixed_dictionaries({name: st.none() | values for name, values in COLUMNS.items()}), max_size=12
).map(lambda rows: {name: [row[name] for row in rows] for name in COLUMNS})


@dataclass(frozen=True)
class Column:
    name: str


@dataclass(frozen=True)
class Node:
    op: str
    args: tuple


def columns(*names):
    return st.sampled_from(names).map(Column)


small = st.none() | st.integers(-5, 5) | st.sampled_from([-1.5, 0.5, 2.5])
texts = st.none() | st.text("ab%_É'", max_size=2)
comparisons = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])


def numbers(arithmetic):
    leaves = columns("i", "j", "x", "y") | small
    return st.recursive(
        leaves, lambda part: st.builds(Node, st.sampled_from(arithmetic), st.tuples(part, part)), max_leaves=4
    )


def conditions(arithmetic):
    """Conditions whose sides go together."""
    number = numbers(arithmetic)
    exact = columns("big", "i") | COLUMNS["big"]
    text = columns("s", "r") | texts
    truth = columns("b", "c") | st.sampled_from([None, True, False])
    leaves = st.one_of(
        columns("b", "c"),
        st.sampled_from([True, False, None]),
        st.builds(Node, comparisons, st.one_of(*(st.tuples(side, side) for side in (number, exact, text)))),
        st.builds(Node, st.sampled_from(["=", "<>"]), st.tuples(truth, truth)),
        st.builds(Node, st.just("between"), st.one_of(*(st.tuples(s, s, s) for s in (number, exact, text)))),
        st.builds(
            Node,
            st.just("in"),
            st.one_of(
                *(
                    st.tuples(side, st.lists(item, min_size=1, max_size=4).map(tuple))
                    for side, item in ((number, small), (number, number), (exact, exact), (text, texts), (text, text))
                )
            ),
        ),
        st.builds(Node, st.just("like"), st.tuples(columns("s", "r"), st.text("ab%_", max_size=3))),
        st.builds(Node, st.just("isNull"), st.tuples(number | text | truth)),
    )
    return st.recursive(
        leaves,
        lambda part: st.one_of(
            st.builds(Node, st.sampled_from(["and", "or"]), st.tuples(part, part)),
            st.builds(Node, st.just("not"), st.tuples(part)),
        ),
        max_leaves=6,
    )


def as_json(node):
    if isinstance(node, Column):
        return {"property": node.name}
    if isinstance(node, tuple):
        return list(map(as_json, node))
    return {"op": node.op, "args": list(map(as_json, node.args))} if isinstance(node, Node) else node


def as_text(node):
    """CQL2 text, which is SQL but for the escape of LIKE; parentheses around all that has parts."""
    if isinstance(node, Column):
        return node.name
    if isinstance(node, tuple):
        return f"({', '.join(map(as_text, node))})"
    if isinstance(node, Node):
        pattern = {"between": "({} BETWEEN {} AND {})", "isNull": "({} IS NULL)", "not": "(NOT {})"}
        return pattern.get(node.op, f"({{}} {node.op.upper()} {{}})").format(*map(as_text, node.args))
    if isinstance(node, str):
        return "'" + node.replace("'", "''") + "'"
    return {"None": "NULL", "True": "TRUE", "False": "FALSE"}.get(repr(node), repr(node))


def as_sql(node):
    """As text, where sqlite says it otherwise: x / y of whole numbers is whole, and big numbers are floats."""
    if isinstance(node, tuple):
        return f"({', '.join(map(as_sql, node))})"
    if isinstance(node, Node):
        sides = [Column(as_sql(arg)) for arg in node.args]
        if node.op == "/":
            sides[0] = Column(f"CAST({sides[0].name} AS REAL)")
        return as_text(Node({"div": "/"}.get(node.op, node.op), tuple(sides)))
    return "(-9223372036854775807 - 1)" if node == -(2**63) and not isinstance(node, Column) else as_text(node)


def arrow_table(values):
    return pa.table({name: pa.array(column, ARROW[KINDS[name]]) for name, column in values.items()})


def by_sql(node, values):
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("PRAGMA case_sensitive_like = ON")
        fields = ", ".join(f"{name} {SQL[KINDS[name]]}" for name in values)
        connection.execute(f"CREATE TABLE t (row INTEGER, {fields})")
        marks = ", ".join("?" * (len(values) + 1))
        connection.executemany(f"INSERT INTO t VALUES ({marks})", list(zip(*_with_rows(values), strict=True)))
        found = connection.execute(f"SELECT row FROM t WHERE {as_sql(node)} ORDER BY row").fetchall()
    return [row for (row,) in found]


def _with_rows(values):
    return [range(len(values["i"])), *values.values()]


def by_pandas(node, values):
    """The rows where the node is true, by pandas' own three-valued logic."""
    count = len(values["i"])

    def series(value, kind):
        return pd.Series(pd.array([value] * count, dtype=PANDAS[kind]))

    def side(part):
        if isinstance(part, Column):
            column = [None if isinstance(v, float) and math.isnan(v) else v for v in values[part.name]]
            return pd.Series(pd.array(column, dtype=PANDAS[KINDS[part.name]]))
        if isinstance(part, Node):
            return computed(part) if part.op in {"+", "-", "*", "/"} else truth(part)
        kinds = {bool: "bool", int: "int", float: "float", str: "text", type(None): None}
        return None if part is None else series(part, kinds[type(part)])

    def computed(part):
        left, right = map(side, part.args)
        if left is None or right is None:
            return None
        if part.op == "/":
            return left.astype("Float64") / right.astype("Float64").mask(right == 0)
        return {"+": operator.add, "-": operator.sub, "*": operator.mul}[part.op](left, right)

    def compare(name, left, right):
        if left is None or right is None:
            return series(None, "bool")
        functions = {"=": "eq", "<>": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
        return getattr(operator, functions[name])(left, right).astype("boolean")

    def is_null(part):
        found = side(part)
        return series(True, "bool") if found is None else found.isna().astype("boolean")

    def is_in(part, items):
        results = [compare("=", side(part), side(item)) for item in items]
        return functools.reduce(operator.or_, results)

    def is_like(part, pattern):
        pattern = "".join({"%": ".*", "_": "."}.get(char, char) for char in pattern)
        return side(part).str.fullmatch(f"(?s:{pattern})").astype("boolean")

    def is_between(part, low, high):
        return compare(">=", side(part), side(low)) & compare("<=", side(part), side(high))

    predicates = {"isNull": is_null, "in": is_in, "like": is_like, "between": is_between}

    def truth(part):
        if not isinstance(part, Node):
            found = side(part)
            return series(None, "bool") if found is None else found
        if part.op in predicates:
            return predicates[part.op](*part.args)
        if part.op == "not":
            return ~truth(part.args[0])
        if part.op in {"and", "or"}:
            return (operator.and_ if part.op == "and" else operator.or_)(*map(truth, part.args))
        return compare(part.op, *map(side, part.args))

    return np.flatnonzero(truth(node).fillna(False).to_numpy(dtype=bool)).tolist()


def by_filter(condition, values):
    return np.flatnonzero(matching(parse_filter(condition), arrow_table(values))).tolist()


def is_condition(node):
    """NULL alone is none."""
    return node is not None


@given(node=conditions(["+", "-", "*", "/"]).filter(is_condition), values=tables)
def test_conditions_are_those_of_pandas(node, values):
    expected = by_pandas(node, values)
    condition = as_json(node)
    if not isinstance(node, bool):
        assert by_filter(condition, values) == expected
    assert by_filter(as_text(node), values) == expected


def has_whole_sides(node):
    """Whether % and DIV stand between whole numbers only, which is where sqlite knows them."""
    if isinstance(node, tuple):
        return all(map(has_whole_sides, node))
    if not isinstance(node, Node):
        return True
    return all(map(has_whole_sides, node.args)) and (node.op not in {"%", "div"} or all(map(is_whole, node.args)))


def is_whole(node):
    if isinstance(node, Node):
        return node.op != "/" and all(map(is_whole, node.args))
    return KINDS[node.name] == "int" if isinstance(node, Column) else not isinstance(node, float)


@given(node=conditions(["+", "-", "*", "/", "%", "div"]).filter(is_condition).filter(has_whole_sides), values=tables)
def test_conditions_are_those_of_sql(node, values):
    expected = by_sql(node, values)
    condition = as_json(node)
    if not isinstance(node, bool):
        assert by_filter(condition, values) == expected
    assert by_filter(as_text(node), values) == expected


@given(
    pattern=st.text("ab%_\\É'", max_size=4).filter(lambda text: (len(text) - len(text.rstrip("\\"))) % 2 == 0),
    values=tables,
)
def test_like_is_that_of_sql(pattern, values):
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("PRAGMA case_sensitive_like = ON")
        expected = [
            row
            for row, text in enumerate(values["s"])
            if connection.execute("SELECT ? LIKE ? ESCAPE '\\'", (text, pattern)).fetchone()[0]
        ]
    assert by_filter({"op": "like", "args": [{"property": "s"}, pattern]}, values) == expected


FLAT = st.lists(
    st.tuples(
        st.sampled_from(["i = 1", "NOT b", "c", "i + j * 2 > 3", "x - 1 - y < 0", "s LIKE 'a%'", "j BETWEEN -1 AND 2"])
        | st.sampled_from(
            ["i IN (1, NULL)", "x IS NOT NULL", "NOT i - j = 0 ", "-i < j", "s NOT LIKE 'a%'", "i % 2 = 1"]
        ),
        st.sampled_from(["AND", "OR"]),
    ),
    min_size=1,
    max_size=6,
).map(lambda parts: " ".join(f"{text} {joint}" for text, joint in parts).rpartition(" ")[0])


@given(text=FLAT, values=tables)
def test_what_binds_stronger_is_as_in_sql(text, values):
    assert by_filter(text, values) == by_sql(Column(text), values)


def outcome(call):
    """What a call gives, or its error."""
    try:
        return call()
    except (ValueError, UnknownNameError) as error:
        return error


@given(text=st.text("abn01 ()=<>'\"+-*/,.%^\n\0é", max_size=30) | st.text(max_size=30))
def test_any_text_is_a_filter_or_a_value_error(text):
    condition = outcome(lambda: parse_filter(text))
    if isinstance(condition, dict):
        assert parse_filter(condition) == condition
    else:
        assert str(condition).startswith("filter: ")


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
names = st.sampled_from(
    ["and", "or", "not", "=", "<>", "in", "like", "between", "isNull", "+", "%", "^", "casei", "cast", "foo"]
)
trees = st.recursive(
    scalars | st.builds(lambda name: {"property": name}, st.sampled_from("ijxsb")),
    lambda part: (
        st.lists(part, max_size=3)
        | st.builds(lambda name, args: {"op": name, "args": args}, names, st.lists(part, max_size=3))
        | st.dictionaries(st.sampled_from(["op", "args", "property", "date", "timestamp", "type"]), part, max_size=2)
    ),
    max_leaves=10,
)


@given(tree=trees, values=tables)
def test_any_tree_is_a_filter_or_a_value_error(tree, values):
    found = outcome(lambda: matching(parse_filter(tree), arrow_table(values)))
    if isinstance(found, np.ndarray):
        assert found.dtype == bool
        assert found.shape == (len(values["i"]),)
    else:
        assert type(found) in {ValueError, UnknownNameError}, "no error of Arrow's or of Python's own"

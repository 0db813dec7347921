"""Schemas, and how rows are dealt into tables and shards."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlstac_hf import SchemaMismatchError
from mlstac_hf._hf._schema import Schema, Tensor, chunks, joined, merge, ranges, unify

rows = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=60)


@given(rows, st.integers(1, 100), st.integers(20, 60))
def test_chunks_hold_every_row_once_within_both_limits(sizes, max_nbytes, max_elements):
    nbytes, elements = [n for n, _ in sizes], [e for _, e in sizes]
    runs = list(chunks(nbytes, elements, max_nbytes, max_elements))
    assert [row for start, stop in runs for row in range(start, stop)] == list(range(len(sizes)))
    for start, stop in runs:
        assert sum(elements[start:stop]) <= max_elements
        # a table is over its bytes only by what two rows, or a lone last one, make it
        assert sum(nbytes[start : stop - 1]) <= max_nbytes or stop - start == 2 or stop == len(sizes)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=60), st.integers(1, 100))
def test_no_table_has_one_row_where_elements_allow(nbytes, max_nbytes):
    assert all(stop - start >= 2 for start, stop in chunks(nbytes, [0] * len(nbytes), max_nbytes))


@given(st.integers(0, 1000), st.integers(1, 200))
def test_ranges_deal_every_row_once_and_evenly(count, parts):
    dealt = ranges(count, parts)
    assert [row for start, stop in dealt for row in range(start, stop)] == list(range(count))
    sizes = [stop - start for start, stop in dealt]
    assert max(sizes) - min(sizes) <= 1
    assert list(joined(dealt)) == [(0, count)]


def test_runs_with_a_gap_stay_apart():
    assert list(joined([(0, 2), (2, 3), (5, 6), (6, 9)])) == [(0, 3), (5, 9)]
    assert list(joined([])) == []


shapes = st.lists(st.integers(0, 4) | st.none(), min_size=2, max_size=2).map(tuple)


@given(st.lists(shapes, min_size=1, max_size=6))
def test_merging_is_the_same_in_any_order(found):
    def all_of(order):
        merged = {"input": Tensor("uint8", order[0])}
        for shape in order[1:]:
            merged = merge(merged, {"input": Tensor("uint8", shape)}, "here")
        return merged

    assert all_of(found) == all_of(found[::-1])
    for axis, length in enumerate(all_of(found)["input"].shape):
        assert length == (found[0][axis] if len({shape[axis] for shape in found}) == 1 else None)


def test_text_and_tensors_do_not_merge():
    tensor = {"input": Tensor("uint8", (1,))}
    assert merge({"input": None}, {"input": None}, "here") == {"input": None}
    with pytest.raises(SchemaMismatchError, match=r"here: 'input' is text, in those before it a tensor"):
        merge(tensor, {"input": None}, "here")
    with pytest.raises(SchemaMismatchError, match=r"here: 'input' is a tensor, in those before it text"):
        merge({"input": None}, tensor, "here")


def test_splits_unify_over_keys_and_shapes_and_empty_ones_fit_any():
    train = Schema({"input": Tensor("uint8", (3, 4))}, {"a": "string", "b": "string"})
    test = Schema({"input": Tensor("uint8", (5, 4))}, {"b": "string", "c": "string"})
    assert unify({"train": train, "test": test, "validation": Schema()}) == Schema(
        {"input": Tensor("uint8", (None, 4))}, dict.fromkeys("abc", "string")
    )
    assert unify({"train": Schema()}) == Schema()
    with pytest.raises(SchemaMismatchError, match="split 'test': 'a' is int64, in others string"):
        unify({"train": train, "test": Schema({"input": Tensor("uint8", (5, 4))}, {"a": "int64"})})


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=5),
        st.none() | st.builds(Tensor, st.sampled_from(["uint8", "bfloat16"]), shapes),
        max_size=4,
    ),
    st.dictionaries(st.text(max_size=5), st.sampled_from(["string", "int64"]), max_size=4),
    st.lists(st.text(max_size=5), max_size=3).map(tuple),
)
def test_a_schema_survives_the_cache(columns, keys, taken):
    assert Schema.from_json(Schema(columns, keys, taken).to_json()) == Schema(columns, keys, taken)


def test_keys_named_like_columns_get_names_of_their_own():
    schema = Schema({"target": None, "crs": None}, dict.fromkeys(["meta_target", "target", "zone"], "string"))
    names = schema.metadata_columns()
    assert len(names) == len(set(names)) == 8
    assert names["meta_crs"] == "crs"
    assert names["meta_target"] == "meta_target"
    assert names["meta_meta_target"] == "target"

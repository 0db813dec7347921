"""Parts of a file that are fetched by one request: right bytes, in memory of their own or that cannot be changed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlstac_hf import StoreError
from mlstac_hf._reading._merged import Fetched
from mlstac_hf._reading._source import Location
from mlstac_hf._stores import HttpStore, LocalStore

DATA = np.random.default_rng(7).bytes(5000)


@pytest.fixture(params=["http", "disk"])
def store(request, server, tmp_path):
    (tmp_path / "file").write_bytes(DATA)
    return HttpStore(server.url) if request.param == "http" else LocalStore(tmp_path)


def fetched(store, parts):
    start, stop = min(part.start for part in parts), max(part.stop for part in parts)
    return Fetched(store, Location(store.url, "file", start, stop - start), parts)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 4500), st.integers(1, 400)), min_size=1, max_size=6))
def test_each_part_is_what_lies_there(store, places):
    parts = [range(start, start + nbytes) for start, nbytes in places]
    piece = fetched(store, parts)
    views = [piece.view("file", part.start, part.stop) for part in parts]
    assert [bytes(view) for view in views] == [DATA[part.start : part.stop] for part in parts]
    own = [np.asarray(view) for view in views if not view.readonly]
    assert not any(np.shares_memory(one, other) for one, other in itertools.combinations(own, 2))


def test_parts_over_http_are_memory_of_their_own_and_what_is_asked_for_twice_is_nobodys(store):
    is_http = isinstance(store, HttpStore)
    apart = [range(900, 1000), range(10, 500)]
    piece = fetched(store, apart)
    assert [piece.view("file", part.start, part.stop).readonly for part in apart] == [not is_http] * 2
    assert piece.view("file", 10, 500) is None  # it was handed out
    assert piece.view("other", 10, 500) is None
    for shared in ([range(10, 500), range(10, 500)], [range(10, 500), range(400, 600)]):
        piece = fetched(store, shared)
        assert all(piece.view("file", part.start, part.stop).readonly for part in shared)


def test_of_a_file_that_ends_before_there_is_less(store):
    parts = [range(4000, 4900), range(4900, 5100), range(5200, 5300)]
    piece = fetched(store, parts)
    assert [len(piece.view("file", part.start, part.stop)) for part in parts] == [900, 100, 0]


def test_what_cannot_be_fetched_is_asked_for_once(server):
    store = HttpStore(server.url)
    piece = fetched(store, [range(10), range(10, 20)])
    for start in (0, 10):
        with pytest.raises((StoreError, FileNotFoundError)):
            piece.view("file", start, start + 10)
    assert server.seen["/file"] == 1

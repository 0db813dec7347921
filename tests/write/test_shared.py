"""Memory that is shared: what is taken stays as it is until it is let go, in order."""

from __future__ import annotations

import os
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlstac_hf._write import _shared
from mlstac_hf._write._shared import Shared

SIZE = 4096


@given(st.lists(st.one_of(st.integers(1, SIZE), st.just(None)), max_size=60))
def test_what_is_taken_stays_until_it_is_let_go(steps):
    """Numbers are sizes to take, None is to let the first go."""
    shared, taken = Shared(SIZE), deque()
    try:
        for number, nbytes in enumerate(steps):
            if nbytes is None:
                if taken:
                    shared.let_go(taken.popleft()[0])
                continue
            content = bytes([number]) * nbytes
            space = shared.take([content[: nbytes // 2], content[nbytes // 2 :]], nbytes)
            assert space is not None or taken  # all of it is there for the first
            if space is not None:
                taken.append((space, content))
            for known, expected in taken:
                assert known.view == expected
    finally:
        shared.close()


@given(st.lists(st.integers(1, 512), max_size=80))
def test_there_is_always_room_for_what_is_taken_together(sizes):
    """As containers do: what is in use never exceeds what was said."""
    shared, taken, used = Shared(SIZE, 2048), deque(), 0
    aligned = [64 * -(-nbytes // 64) for nbytes in sizes]
    try:
        for nbytes in aligned:
            while used + nbytes > 2048:
                space = taken.popleft()
                used -= len(space.view)
                shared.let_go(space)
            taken.append(shared.take([bytes(nbytes)], nbytes))
            assert taken[-1] is not None
            used += nbytes
    finally:
        shared.close()


def test_what_was_let_go_is_taken_again_first():
    shared = Shared(SIZE)
    first, second, third = (shared.take([b"x"], 1) for _ in range(3))
    assert (first.start, second.start, third.start) == (0, 64, 128)
    shared.let_go(first)
    assert shared.take([b"y"], 1).start == 0
    with pytest.raises(AssertionError, match="in the order in which they were taken"):
        shared.let_go(third)
    shared.close()


def test_there_is_no_more_than_there_is():
    shared = Shared(SIZE)
    assert shared.take([bytes(SIZE + 1)], SIZE + 1) is None
    whole = shared.take([bytes(SIZE)], SIZE)
    assert shared.take([b"x"], 1) is None
    shared.let_go(whole)
    assert shared.take([b"x"], 1) is not None
    shared.close()


def test_systems_without_files_in_memory(monkeypatch):
    monkeypatch.setattr(_shared, "IS_CHEAP", False)
    shared = Shared(3 << 20)
    assert os.fstat(shared.descriptor).st_blocks * 512 >= 3 << 20  # all there: a full disk is found out now
    space = shared.take([b"abc", b"def"], 6)
    assert os.pread(shared.descriptor, 6, space.start) == b"abcdef"
    descriptor = shared.descriptor
    shared.close()
    shared.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    assert space.view == b"abcdef"

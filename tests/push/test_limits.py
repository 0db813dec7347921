"""What the Hub does not take is refused by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlstac_hf._push._limits import MAX_ENTRIES, MAX_FILE_NBYTES, check_limits
from mlstac_hf._push._planned import PlannedFile

NAMES = st.text("abc.", min_size=1, max_size=3).filter(lambda name: name not in (".", ".."))
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


def planned(*paths, nbytes=1):
    return [PlannedFile(path=path, key=path, nbytes=nbytes, make=lambda path: None) for path in paths]


@given(paths=st.lists(PATHS, unique=True), there=st.lists(PATHS))
def test_sound_plans_pass_and_a_file_is_no_folder(paths, there):
    every = {*paths, *there}
    if any(other.startswith(f"{path}/") for path in every for other in every):
        with pytest.raises(ValueError, match="would be a file and a folder"):
            check_limits(planned(*paths), there)
    else:
        check_limits(planned(*paths), there)


@pytest.mark.parametrize(
    "path", ["", "/a", "a/", "a//b", "../a", "a/../b", "a/..", "./a", ".git/config", "a/.cache/b", "a\0", "a\nb"]
)
def test_paths_that_are_none(path):
    with pytest.raises(ValueError, match="is no path of a file in a repository"):
        check_limits(planned(path), [])


def test_how_many_entries_a_folder_takes():
    paths = [f"data/{number}" for number in range(MAX_ENTRIES - 1)]
    check_limits(planned(*paths), ["data/theirs/a", "data/theirs/b"])
    with pytest.raises(ValueError, match="folder 'data' would have 10,000 entries, the Hub takes fewer than 10,000"):
        check_limits(planned(*paths), ["data/theirs/a", "data/more"])


def test_how_large_a_file_may_be():
    check_limits(planned("a", nbytes=MAX_FILE_NBYTES), [])
    with pytest.raises(ValueError, match="a would have 5,000,000,001 bytes"):
        check_limits(planned("a", nbytes=MAX_FILE_NBYTES + 1), [])


def test_a_path_that_is_planned_twice():
    with pytest.raises(ValueError, match="a/b is planned twice"):
        check_limits(planned("a/b", "c", "a/b"), [])

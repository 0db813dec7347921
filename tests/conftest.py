"""Fixtures for all tests: made collections, servers, what is installed."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest
from made import TRAITS, plain
from serving import serve_folder

# the machines that run this are slow now and then, which is no fault of an example
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")


@pytest.fixture(params=TRAITS)
def trait(request, tmp_path):
    """Each collection of `made.TRAITS` in turn."""
    made = TRAITS[request.param](tmp_path)
    yield made
    made.close()


@pytest.fixture
def collection(tmp_path):
    """An image, a mask and elevation in plain files: 5, 3 and 2 samples."""
    return plain(tmp_path / "plain")


@pytest.fixture
def server(tmp_path):
    """The folder `tmp_path` on loopback."""
    running = serve_folder(tmp_path)
    yield running
    running.stop()


@pytest.fixture(scope="session")
def real_data():
    """Collections written by the upstream packages."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data")
    return folder


@pytest.fixture(autouse=True)
def _cache_of_its_own(tmp_path_factory, monkeypatch):
    """What is kept between calls, kept for one test."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))  # of processes that a test starts
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_: folder)

"""Fixtures for all tests: made collections, servers, what is installed."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import hypothesis
import pytest
from hub import Hub
from made import TRAITS, plain
from required import left_out
from serving import serve_folder

os.environ |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}  # read when huggingface_hub is imported

# what this process left to be collected stays: iterators of tensorflow would wait for threads that a forked one lacks
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=gc.freeze)

LEFT_OUT = "MLSTAC_HF_LEFT_OUT"
# the machines that run this are slow now and then, which is no fault of an example
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")


def pytest_terminal_summary(terminalreporter):
    """What was left out, at the end, and in a file for who runs pytest several times."""
    counts = left_out(terminalreporter.stats.get("skipped", []))
    if not counts:
        return
    terminalreporter.section("left out")
    lines = [f"{count} tests: {reason}" for reason, count in counts.items()]
    for line in lines:
        terminalreporter.line(line)
    if LEFT_OUT in os.environ:
        with Path(os.environ[LEFT_OUT]).open("a") as file:
            file.writelines(f"{line}\n" for line in lines)


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


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub on loopback, in place of huggingface.co for all that ask for it when they are called."""
    with Hub() as running:
        for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
        yield running


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

"""Fixtures for tests of datasets: a cache of its own, quiet bars, the frameworks that are fully tested here."""

from __future__ import annotations

import pytest

datasets = pytest.importorskip("datasets")


def pytest_generate_tests(metafunc):
    """`framework`: all of them on the newest datasets, numpy and torch elsewhere (paddle has a process of its own)."""
    if "framework" in metafunc.fixturenames:
        newest = int(datasets.__version__.partition(".")[0]) >= 5
        names = ["numpy", "torch", *(["tf", "jax"] if newest else [])]
        params = [*names, *([pytest.param("paddle", marks=pytest.mark.paddle)] if newest else [])]
        metafunc.parametrize("framework", params)


@pytest.fixture(autouse=True)
def _quiet():
    datasets.disable_progress_bars()


@pytest.fixture
def cache(tmp_path):
    """A cache folder of the test's own."""
    return str(tmp_path / "cache")

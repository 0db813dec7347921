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


_TABLES = (
    "_PACKAGED_DATASETS_MODULES",
    "_EXTENSION_TO_MODULE",
    "_MODULE_TO_EXTENSIONS",
    "_MODULE_TO_METADATA_FILE_NAMES",
    "_MODULE_TO_METADATA_EXTENSIONS",
    "_ALL_ALLOWED_EXTENSIONS",
    "ALL_ALLOWED_EXTENSIONS",
)


@pytest.fixture
def tables(monkeypatch):
    """The tables of datasets that say which builder is for which files, as they were when the test is over."""
    found = {name: table for name in _TABLES if (table := getattr(datasets.load, name, None)) is not None}
    before = {name: table.copy() for name, table in found.items()}
    for place, name in (
        (datasets.load, "infer_module_for_data_files"),
        (datasets.load, "load_dataset_builder"),
        (datasets, "load_dataset_builder"),
    ):
        monkeypatch.setattr(place, name, getattr(place, name))
    yield lambda: found
    for name, table in found.items():
        table.clear()
        (table.update if isinstance(table, dict) else table.extend)(before[name])

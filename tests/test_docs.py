"""Every example that is shown is run: docstrings, README and the pages of docs/."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import pkgutil
import re
from pathlib import Path

import pytest
from hub_process import run_with_hub

import mlstac_hf
from mlstac_hf._demo import make_collection

ROOT = Path(__file__).parents[1]
PUBLISH = ROOT / "docs" / "publish.md"
PAGES = [ROOT / "README.md", *sorted({*(ROOT / "docs").glob("*.md")} - {PUBLISH})]
MODULES = sorted(module.name for module in pkgutil.walk_packages(mlstac_hf.__path__, "mlstac_hf."))
NEEDS = {
    "load_dataset(": "datasets",
    "torch": "torch",
    "torchdata": "torchdata",
    "SampleNode": "torchdata",
    "_node": "torchdata",
    "datasets.distributed": "datasets",
    'framework="jax"': "jax",
    "mlstac_tf": "tensorflow",
    "filter=": "cql2",
    "bbox=": "shapely",
    "resplit(": "pyarrow",
    "convert(": "shapely",
    'layout="container"': "pyarrow",
}
"""The package that an example needs, by a word in it."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The address that examples call `demo`."""
    return str(make_collection(tmp_path_factory.mktemp("docs") / "demo"))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    if importlib.util.find_spec("datasets"):
        import datasets

        datasets.disable_progress_bars()
        monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)


def skip_what_is_missing(text):
    for word, package in NEEDS.items():
        if word in text:
            pytest.importorskip(package)


def blocks(page):
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_of_the_pages_run(page, demo):
    """The blocks of a page one after the other, as a reader would type them."""
    names = {"demo": demo}
    for code in blocks(page):
        skip_what_is_missing(code)
        exec(compile(code, page.name, "exec"), names)  # our own pages


def test_examples_of_publishing_run_with_a_hub(demo, hub, tmp_path):
    """In a process of their own, since clients read the address of the Hub once."""
    for package in ("datasets", "shapely", "cql2", "matplotlib", "PIL"):
        pytest.importorskip(package)
    code = "".join(blocks(PUBLISH))
    told = 'import json\nprint(json.dumps([some[0]["input"].shape, sorted(rows.column_names)]))'
    shape, columns = run_with_hub(hub, tmp_path, f"demo = {demo!r}\n{code}\n{told}", HF_TOKEN=hub.token("user"))
    assert shape == [2, 64, 64]
    assert {"geometry", "mlhf:shard", "mlhf:group", "mlhf:row"} < set(columns)


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_docstrings_run(name, demo):
    rooms = {
        "mlstac_hf._hf._": "load_dataset(",
        "mlstac_hf._push._": "load_dataset(",
        "mlstac_hf._convert._": "convert(",
    }
    needed = [word for room, word in rooms.items() if name.startswith(room)]
    skip_what_is_missing("".join(needed) or name.partition(".")[2])
    module = importlib.import_module(name)
    shown = {"demo": demo, **{public: getattr(mlstac_hf, public) for public in mlstac_hf.__all__}}
    for example in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        skip_what_is_missing(example.docstring)
        example.globs.update(shown)
        assert doctest.DocTestRunner().run(example).failed == 0

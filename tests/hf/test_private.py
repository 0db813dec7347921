"""What is private in datasets: looked for by name, and nothing is changed where a name is missing."""

import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import datasets
import pytest

import mlstac_hf
from mlstac_hf import MLSTACError
from mlstac_hf._hf import _private

SPELLING = "" if hasattr(datasets.load, "ALL_ALLOWED_EXTENSIONS") else "_"
TABLES = (
    ("datasets.packaged_modules", "_PACKAGED_DATASETS_MODULES"),
    ("datasets.packaged_modules", "_EXTENSION_TO_MODULE"),
    ("datasets.packaged_modules", "_MODULE_TO_EXTENSIONS"),
    ("datasets.packaged_modules", "_MODULE_TO_METADATA_FILE_NAMES"),
    ("datasets.load", "infer_module_for_data_files"),
    ("datasets.load", "load_dataset_builder"),
    ("datasets.load", f"{SPELLING}ALL_ALLOWED_EXTENSIONS"),
)
FORMATS = (("datasets.formatting", "_register_formatter"), ("datasets.formatting", "_FORMAT_TYPES"))


@pytest.mark.parametrize(("module", "name"), [*TABLES, *FORMATS])
def test_every_name_is_there(module, name):
    assert getattr(importlib.import_module(module), name)


@pytest.mark.parametrize(("module", "name"), TABLES)
def test_where_a_table_is_missing_the_public_way_is_named_and_nothing_is_changed(tables, monkeypatch, module, name):
    monkeypatch.delattr(f"{module}.{name}")
    before = repr(tables())
    with pytest.raises(MLSTACError, match=r"mlstac_hf\.load_dataset\(address\), or datasets 3\.6 to 5\.2"):
        mlstac_hf.register()
    assert repr(tables()) == before


@pytest.mark.parametrize(("module", "name"), FORMATS)
def test_where_formats_cannot_be_registered_load_is_named(monkeypatch, module, name):
    monkeypatch.delattr(f"{module}.{name}")
    with pytest.raises(MLSTACError, match=r"no way to register formats that we know\. Use mlstac_hf\.load\(\)"):
        mlstac_hf.register()


def test_registering_again_changes_nothing(tables):
    mlstac_hf.register()
    before, infer, build = repr(tables()), datasets.load.infer_module_for_data_files, datasets.load_dataset_builder
    mlstac_hf.register()
    assert repr(tables()) == before
    assert datasets.load.infer_module_for_data_files is infer
    assert datasets.load_dataset_builder is datasets.load.load_dataset_builder is build


def test_a_builder_writes_nothing_beside_the_package(collection, tmp_path):
    site = tmp_path / "site"
    shutil.copytree(Path(mlstac_hf.__file__).parent, site / "mlstac_hf", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (site, *(path for path in site.rglob("*") if path.is_dir())):
        folder.chmod(0o555)
    code = (
        "import sys; sys.dont_write_bytecode = True\n"
        f"sys.path.insert(0, {str(site)!r})\n"
        "import mlstac_hf, datasets\n"
        f"assert mlstac_hf.__file__.startswith({str(site)!r})\n"
        f"mlstac_hf.load_dataset({str(collection.folder)!r}, cache_dir={str(tmp_path / 'cache')!r})\n"
        "mlstac_hf.register()\n"
        f"datasets.load_dataset('mlstac', data_dir={str(collection.folder)!r}, cache_dir={str(tmp_path / 'cache')!r})\n"
    )
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stderr
        assert [path.name for path in site.rglob("*") if path.suffix != ".py" and path.is_file()] == ["py.typed"]
    finally:
        for folder in (site, *(path for path in site.rglob("*") if path.is_dir())):
            folder.chmod(0o755)


@pytest.mark.skipif(not hasattr(datasets.streaming, "lock_importable_file"), reason="datasets 4 and later take no lock")
def test_scripts_of_others_are_locked_as_ever(tmp_path):
    _private.write_no_lock()
    script = tmp_path / "name" / "hash" / "script.py"
    with datasets.streaming.lock_importable_file(str(script)):
        assert (tmp_path / "name.lock").exists()

"""What the package shows, and what it does not import."""

import subprocess
import sys

import pytest

import mlstac_hf

HEAVY = (
    "torch",
    "tensorflow",
    "jax",
    "paddle",
    "datasets",
    "pyarrow",
    "rasterio",
    "h5py",
    "pandas",
    "torchdata",
    "keras",
)


def test_public_names_are_pinned():
    assert sorted(mlstac_hf.__all__) == [
        "Annotations",
        "Band",
        "Catalog",
        "Collection",
        "CollectionError",
        "CollectionNotFoundError",
        "CollectionWarning",
        "CorruptSampleError",
        "DownloadResult",
        "Finding",
        "InvalidCollectionError",
        "JaxBatches",
        "LinkRefusedError",
        "MLSTACError",
        "Metadata",
        "MissingExtraError",
        "MissingSampleError",
        "Payload",
        "PushResult",
        "PushedFile",
        "Report",
        "Sample",
        "SampleError",
        "SchemaMismatchError",
        "Split",
        "StoreError",
        "TensorForm",
        "UnknownNameError",
        "UnsupportedDtypeError",
        "__version__",
        "bands_of",
        "convert",
        "download",
        "load",
        "load_dataset",
        "open_collection",
        "push",
        "register",
        "register_decoder",
        "resplit",
        "to_jax",
        "to_tf",
        "validate",
        "write",
    ]


def test_every_public_name_is_there_documented_and_listed_once():
    assert len(set(mlstac_hf.__all__)) == len(mlstac_hf.__all__)
    for name in mlstac_hf.__all__:
        assert getattr(mlstac_hf, name).__doc__
    assert set(mlstac_hf.__all__) <= set(dir(mlstac_hf))


def in_fresh_interpreter(code):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize(
    "work", ["", "split = mlstac_hf.load({address!r}, 'numpy'); split[0]; split[1:3]; split.metadata[0]"]
)
def test_importing_and_reading_imports_no_framework(collection, work):
    code = "import sys, mlstac_hf\n" + work.format(address=collection.address)
    code += f"\nprint(sorted(set({HEAVY!r}) & set(sys.modules)))"
    assert in_fresh_interpreter(code) == "[]\n"


def test_load_stays_the_function_after_everything_private_is_imported():
    code = """
import mlstac_hf, importlib, pkgutil
for module in pkgutil.iter_modules(mlstac_hf.__path__, "mlstac_hf."):
    if module.name.split(".")[1].startswith("_") and module.name not in ("mlstac_hf._hf", "mlstac_hf._demo"):
        importlib.import_module(module.name)
print(callable(mlstac_hf.load), callable(mlstac_hf.open_collection))
"""
    assert in_fresh_interpreter(code) == "True True\n"


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing_of_ours"):
        _ = mlstac_hf.nothing_of_ours


def test_the_package_says_that_it_is_typed():
    from importlib.resources import files

    assert files("mlstac_hf").joinpath("py.typed").is_file()


def test_the_torch_rooms_say_which_line_installs_torch():
    code = (
        "import sys; sys.modules['torch'] = None\ntry:\n import mlstac_hf.torch\n"
        "except ImportError as error:\n print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("MissingExtraError")
    assert "pip install 'mlstac-hf[torch]'" in done.stdout

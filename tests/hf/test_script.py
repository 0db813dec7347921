"""The builder that scripts are made of, as scripts that lie in repositories name it."""

import pytest

import mlstac_hf
from mlstac_hf import UnknownNameError
from mlstac_hf._hf._script import Script


class Any(Script):
    """As in builder_scripts/mlstac.py."""


class OfRepository(Script):
    """As `push` writes it."""

    repository = "user/demo"
    branch = "v2"


def rows(loaded):
    return {name: repr(list(split)) for name, split in loaded.items()}


def test_a_folder_is_built_and_streamed(collection, cache):
    ours = rows(mlstac_hf.load_dataset(collection.address, cache_dir=cache))
    builder = Any(cache_dir=f"{cache} of theirs", base_path="folder/of/script", data_dir=str(collection.folder))
    builder.download_and_prepare()
    assert rows(builder.as_dataset()) == ours
    assert rows(builder.as_streaming_dataset()) == ours
    files = Any(cache_dir=f"{cache} of theirs", data_files=str(collection.folder / "main.json"))
    assert rows(files.as_streaming_dataset()) == ours


def test_a_repository_is_read_at_its_branch(hub, collection, cache):
    repository = hub.add_repository("user/demo", collection.folder, private=True)
    repository.branches["v2"] = repository.at("main")
    repository.commit("main", {"main.json": b"{}"})
    ours = rows(mlstac_hf.load_dataset(collection.address, cache_dir=cache))
    builder = OfRepository(cache_dir=f"{cache} of theirs", token=hub.token("user"))
    builder.download_and_prepare()
    assert rows(builder.as_dataset()) == ours
    some = OfRepository(cache_dir=f"{cache} of theirs", token=hub.token("user"), limit=1, columns=["id"])
    assert list(some.as_streaming_dataset(split="test")) == [{"id": "0000001"}]


def test_what_means_nothing_is_refused(hub, collection, cache):
    hub.add_repository("user/demo", collection.folder)
    place = {"cache_dir": cache}
    with pytest.raises(ValueError, match=r'without a script: datasets.load_dataset\("user/demo", "metadata"\)$'):
        OfRepository(config_name="metadata", **place)
    with pytest.raises(ValueError, match="reads user/demo at v2, and takes neither data_dir nor data_files"):
        OfRepository(data_dir=str(collection.folder), **place)
    with pytest.raises(ValueError, match=r"its one config is 'default', got 'metadata'.* without a script$"):
        Any(config_name="metadata", data_dir=str(collection.folder), **place)
    with pytest.raises(UnknownNameError):
        Any(data_dir=str(collection.folder), columns=["nothing"], **place).download_and_prepare()

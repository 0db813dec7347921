"""Which files the card of a repository, or of a folder, says that `datasets` reads.

Owns: telling a card that offers no more than tables of metadata from one that offers data. Leaves to others: what is
read instead (`_packaged`), which requests it is asked for (`_private`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from huggingface_hub import DatasetCard
from yaml import YAMLError

from mlstac_hf._errors import MLSTACError
from mlstac_hf._hf._data_files import is_collection
from mlstac_hf._stores import Access, hub_address, open_address

CARD = "README.md"
DEFAULT = "default"
_METADATA = "metadata"
_HUB = "hf://datasets/"


def folder_of_samples(path: str, revision: str | None, token: str | None) -> str | None:
    """Where the samples of a raw collection lie whose card offers only its tables.

    Args:
        path: of a folder, or `user/repo`, as `datasets` takes it; a folder that is there wins.
        revision: of a repository.
        token: for the Hub.

    Returns:
        The folder, or the repository at the commit that was found; None where this is no such collection, or cannot be
        found out: `datasets` then says what there is to say.
    """
    if not os.path.isdir(path):
        found = hub_address(path if path.startswith(_HUB) else f"{_HUB}{path}")
        if os.path.exists(path) or found is None or found.path:
            return None
        path = found.url
    try:
        store, _ = open_address(path, Access(revision=revision, token=token))
        if not offers_only_metadata(store.read(CARD).decode()):
            return None
    except (MLSTACError, OSError, ValueError, YAMLError, RecursionError):  # not there, or not to be read
        return None
    return store.url if is_collection(store.url, token) else None


def offers_only_metadata(card: str) -> bool:
    """Whether what a card has `load_dataset` open by default is tables of metadata, as their paths say.

    Args:
        card: its text.

    Raises:
        ValueError, YAMLError, RecursionError: its YAML cannot be read.
    """
    listed = getattr(DatasetCard(card).data, "configs", None)
    configs = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    chosen = [one for one in configs if one.get("default") or one.get("config_name", DEFAULT) == DEFAULT] or configs
    paths = [path for one in chosen for path in _paths(one.get("data_files"))]
    return bool(paths) and all(_METADATA in path.lower() for path in paths)


def _paths(data_files: Any) -> Iterator[str]:
    """Of a config, in each of the ways in which a card may say it."""
    match data_files:
        case str():
            yield data_files
        case list():
            for one in data_files:
                yield from _paths(one)
        case {"path": path}:
            yield from _paths(path)

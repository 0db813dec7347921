"""What is private in `datasets` and used all the same, because there is no public way.

Owns: every such name, looked for before it is used, and what is said where it is missing. Known in `datasets` 3.6 to
5.2. `_builder` tells `datasets` besides, by an attribute of the module, that it opens files through stores of its own.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import wraps
from inspect import signature
from pathlib import Path
from typing import Any

import datasets

from mlstac_hf._errors import MLSTACError

_OURS = Path(__file__).resolve().parents[1]
_PACKAGED = "datasets.packaged_modules"
_INFER = "infer_module_for_data_files"
_BUILDER = "load_dataset_builder"
_READS = "load raw ML-STAC collections by datasets.load_dataset", "mlstac_hf.load_dataset(address)"


def format_tables() -> tuple[Callable[..., None], dict[str, Any]]:
    """What registers a format, and the formats there are.

    Raises:
        MLSTACError: this version of `datasets` has no place to register a format.
    """
    places = "register formats", "mlstac_hf.load()"
    return (
        _found("datasets.formatting", "_register_formatter", *places),
        _found("datasets.formatting", "_FORMAT_TYPES", *places),
    )


def write_no_lock() -> None:
    """Keep `datasets` 3.6 from writing a lock file beside this package whenever a builder is made.

    It guards scripts that are downloaded, and takes every builder that is not its own for one.
    """
    streaming = importlib.import_module("datasets.streaming")
    lock = getattr(streaming, "lock_importable_file", None)
    if lock is None or getattr(lock, "ours", False):
        return

    def lock_if_not_ours(importable_local_file: str) -> Any:
        is_ours = Path(importable_local_file).resolve().is_relative_to(_OURS)
        return nullcontext() if is_ours else lock(importable_local_file)

    lock_if_not_ours.ours = True  # type: ignore[attr-defined]
    streaming.lock_importable_file = lock_if_not_ours  # type: ignore[attr-defined]


def add_packaged_module(
    name: str,
    module: str,
    version: str,
    *,
    extensions: Sequence[str],
    file_names: Sequence[str],
    is_ours: Callable[[Any, Any], bool],
    builder_of: Callable[[dict[str, Any]], Any | None],
) -> None:
    """Make a builder known by a name, and as the one for its own files. Doing it again changes nothing.

    Args:
        name: for `datasets.load_dataset`.
        module: that holds the builder.
        version: changes when what it builds does.
        extensions: of the files that are data.
        file_names: of files that belong to the data, whatever their extension.
        is_ours: says so, by the data files of all splits and a DownloadConfig; asked before their extensions are
            counted, which a few stray files can decide.
        builder_of: makes the builder that `datasets.load_dataset_builder` gives, by its arguments; None of what is not
            ours.

    Raises:
        MLSTACError: this version of `datasets` keeps its builders elsewhere; nothing was changed.
    """
    load = importlib.import_module("datasets.load")
    modules = _found(_PACKAGED, "_PACKAGED_DATASETS_MODULES", *_READS)
    by_extension = _found(_PACKAGED, "_EXTENSION_TO_MODULE", *_READS)
    known_extensions = _found(_PACKAGED, "_MODULE_TO_EXTENSIONS", *_READS)
    known_names = _found(_PACKAGED, "_MODULE_TO_METADATA_FILE_NAMES", *_READS)
    infer = _found("datasets.load", _INFER, *_READS)
    builder = _found("datasets.load", _BUILDER, *_READS)
    spelling = "" if hasattr(load, "ALL_ALLOWED_EXTENSIONS") else "_"  # from 4 on
    allowed = _found("datasets.load", f"{spelling}ALL_ALLOWED_EXTENSIONS", *_READS)
    modules[name] = (module, version)
    known_extensions[name] = list(extensions)
    known_names[name] = list(file_names)
    getattr(load, "_MODULE_TO_METADATA_EXTENSIONS", {})[name] = []  # from 4 on
    for extension in extensions:
        by_extension[extension] = (name, {})
        if extension not in allowed:
            allowed.append(extension)
    if not getattr(infer, "ours", False):

        def infer_ours_first(data_files: Any, path: Any = None, download_config: Any = None) -> Any:
            if is_ours(data_files, download_config):
                return name, {}
            return infer(data_files, path=path, download_config=download_config)

        infer_ours_first.ours = True  # type: ignore[attr-defined]
        setattr(load, _INFER, infer_ours_first)
    if not getattr(builder, "ours", False):

        @wraps(builder)
        def build_ours_first(*args: Any, **kwargs: Any) -> Any:
            asked = _named(builder, args, kwargs)
            ours = None if asked.get("path", name) in modules else builder_of(asked)
            return builder(*args, **kwargs) if ours is None else ours

        build_ours_first.ours = True  # type: ignore[attr-defined]
        setattr(load, _BUILDER, build_ours_first)
        setattr(datasets, _BUILDER, build_ours_first)


def _named(function: Callable[..., Any], args: Any, kwargs: Any) -> dict[str, Any]:
    """The arguments of a call by their names; none where it cannot be called so."""
    try:
        return dict(signature(function).bind(*args, **kwargs).arguments)
    except TypeError:
        return {}


def _found(module: str, name: str, purpose: str, instead: str) -> Any:
    value = getattr(importlib.import_module(module), name, None)
    if value is None:
        raise MLSTACError(
            f"datasets {datasets.__version__} has no {module}.{name}, so it has no way to {purpose} that we know. Use "
            f"{instead}, or datasets 3.6 to 5.2."
        )
    return value

"""The builder that `datasets.load_dataset` finds by the name `mlstac`, and for raw collections, after `register()`.

Owns: from what `datasets` knows of a request to a plan. Leaves to others: which collection its files are of
(`_data_files`), which cards offer only tables (`_card_files`), what there is to build (`_plan`), building (`_builder`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import datasets

from mlstac_hf._hf import _builder
from mlstac_hf._hf._card_files import DEFAULT, folder_of_samples
from mlstac_hf._hf._data_files import EXTENSIONS, address_of, is_ours, named_samples
from mlstac_hf._hf._plan import NAME, Options, Plan, digest
from mlstac_hf._hf._private import add_packaged_module
from mlstac_hf._reading import (
    BBox,
    DatetimeLike,
    Filter,
    Normalize,
    PlaneNames,
    Scale,
    Selection,
    Types,
    check_columns,
    check_on_error,
    open_collection,
)
from mlstac_hf._reading import streaming as streaming_collection
from mlstac_hf._spec import Collection
from mlstac_hf._stores import MAIN, hub_address
from mlstac_hf._version import __version__

_VERSION = digest(__version__)[:16]
_patched_for_streaming = True
"""As in `_builder`."""


@dataclass
class MLSTACConfig(datasets.BuilderConfig):
    """What may be passed to `datasets.load_dataset` besides its own arguments; as in `mlstac_hf.load_dataset`."""

    columns: Sequence[str] | None = None
    bands: PlaneNames | None = None
    target: PlaneNames | None = None
    filter: Filter | None = None
    bbox: BBox | None = None
    intersects: Any = None
    datetime: DatetimeLike | None = None
    limit: int | None = None
    types: Types | None = None
    scale: Scale | None = None
    crop: bool = False
    normalize: Normalize | None = None
    splits: str | None = None
    on_error: Literal["raise", "skip"] = "raise"
    trust_links: bool = False

    def options(self) -> Options:
        """What changes the rows.

        Raises:
            ValueError, UnknownNameError: an argument that means nothing here.
        """
        check_on_error(self.on_error)
        selection = Selection(
            bands=self.bands,
            target=self.target,
            filter=self.filter,
            bbox=self.bbox,
            intersects=self.intersects,
            datetime=self.datetime,
            limit=self.limit,
            types=self.types,
            scale=self.scale,
            crop=self.crop,
            normalize=self.normalize,
        )
        return Options(selection=selection, columns=check_columns(self.columns), on_error=self.on_error)


class Packaged(_builder.MLSTAC):
    """Builds all splits of the collection that its data files are of."""

    BUILDER_CONFIG_CLASS = MLSTACConfig

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**{**arguments, "info": None})  # what the Hub knows is of the tables beside the samples

    def _create_builder_config(self, *args: Any, **kwargs: Any) -> tuple[MLSTACConfig, str]:
        """The config, and the id of the cache: of the collection as it is now, and of this version."""
        config, config_id = super()._create_builder_config(*args, **kwargs)
        collection = self._collection(config)
        self._plan = Plan(collection=collection, options=config.options(), notes=None)
        self._parts = self._plan.parts(list(collection.splits), strict=False)
        return config, f"{config_id}-{digest(*(part.version for part in self._parts))[:16]}"

    def _collection(self, config: MLSTACConfig) -> Collection:
        """What is to be built."""
        data_files: Mapping[str, Sequence[str]] = config.data_files or {}
        return named_samples(address_of(data_files, self._root(config), self._opens(config)), data_files)

    def _opens(self, config: MLSTACConfig) -> partial[Collection]:
        """What opens an address."""
        return partial(
            open_collection,
            token=self.token if isinstance(self.token, str) else None,
            storage_options=self.storage_options or None,
            trust_links=config.trust_links,
            splits=config.splits,
        )

    def _root(self, config: MLSTACConfig) -> str | None:
        """The folder or repository that was asked for."""
        folder: str | None = config.data_dir
        if self.base_path is None:
            return folder
        base = str(self.base_path).rstrip("/")
        return base if not folder or base.endswith(f"/{folder.strip('/')}") else f"{base}/{folder}"

    def download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        """See `datasets`; remote samples are on this disk meanwhile."""
        with ExitStack() as stack:
            self._stack: ExitStack | None = stack
            try:
                super().download_and_prepare(*args, **kwargs)
            except _builder.GenerationError as error:
                raise error.error from None
            finally:
                self._stack = None
                self.jobs = {}

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        streaming = isinstance(dl_manager, datasets.StreamingDownloadManager)
        cache = None if streaming else Path(self._cache_dir_root)
        stack, self._stack = getattr(self, "_stack", None) or ExitStack(), None  # which no process could be handed
        plan, parts = self._plan, [replace(part) for part in self._parts]
        if streaming:
            plan = replace(plan, collection=streaming_collection(plan.collection))
            parts = plan.parts([part.source.split for part in parts], strict=True, streaming=True)
        for part in parts:
            plan.describe(part, cache, stack)
        schemas = plan.schemas(parts, joined=True)
        self.jobs = {
            part.source.split: plan.job(part, schema, cache, stack, bar=False)
            for part, schema in zip(parts, schemas, strict=True)
        }
        return super()._split_generators(dl_manager)


def builder_of(asked: Mapping[str, Any]) -> Packaged | None:
    """The builder of the samples, where `datasets` would give the rows of the tables beside them.

    Args:
        asked: arguments of `datasets.load_dataset_builder`.

    Returns:
        None where something else is asked for: another config, files by name, what is no raw collection.
    """
    if asked.get("data_dir") or asked.get("data_files") or asked.get("name") not in (None, DEFAULT):
        return None
    token = asked.get("token") or getattr(asked.get("download_config"), "token", None)
    revision = None if asked.get("revision") is None else str(asked["revision"])
    folder = folder_of_samples(asked["path"], revision, token if isinstance(token, str) else None)
    if folder is None:
        return None
    on_hub = hub_address(folder)
    return Packaged(
        cache_dir=asked.get("cache_dir"),
        dataset_name=Path(asked["path"]).resolve().name if on_hub is None else on_hub.repository.partition("/")[2],
        config_name=DEFAULT,
        hash=_VERSION,
        base_path=folder,
        features=asked.get("features"),
        token=token,
        repo_id=None if on_hub is None else on_hub.repository,
        storage_options=asked.get("storage_options"),
        **asked.get("config_kwargs", {}),
    )


def register_packaged() -> None:
    """Make `datasets.load_dataset` find this builder. Calling it again changes nothing.

    Raises:
        MLSTACError: this version of `datasets` keeps its builders where we do not know.
    """
    add_packaged_module(
        NAME,
        Packaged.__module__,
        _VERSION,
        extensions=EXTENSIONS,
        file_names=[MAIN],
        is_ours=lambda data_files, download: is_ours(data_files, download and download.token),
        builder_of=builder_of,
    )

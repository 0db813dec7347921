"""The builder that loading scripts are made of, which `datasets` before 4 runs.

Owns: what a script may be asked. Leaves to others: all else (`_packaged`), the scripts themselves (`builder_scripts/`,
`_push._script`). Scripts lie in repositories that nobody changes any more: the name of this module, of `Script` and of
its two attributes stay as they are.
"""

from __future__ import annotations

from typing import Any, ClassVar

import datasets

from mlstac_hf._hf import _packaged
from mlstac_hf._spec import Collection

_patched_for_streaming = True
"""As in `_builder`."""


class Script(_packaged.Packaged):
    """Builds the collection of a repository, or the one that `data_dir` or `data_files` name."""

    repository: ClassVar[str | None] = None
    """`user/repo`; None where the caller says what to read."""
    branch: ClassVar[str] = "main"
    """Of that repository."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**{**arguments, "base_path": None})  # of the script, where no data lies

    def _collection(self, config: _packaged.MLSTACConfig) -> Collection:
        if self.repository is None:
            self._check_name(config, "")
            return super()._collection(config)
        self._check_name(config, f': datasets.load_dataset("{self.repository}", "{config.name}")')
        if config.data_dir or config.data_files:
            raise ValueError(
                f"this script reads {self.repository} at {self.branch}, and takes neither data_dir nor data_files. "
                "Choose samples by split=, filter=, bbox=, intersects=, datetime= or limit="
            )
        return self._opens(config)(f"hf://datasets/{self.repository}", revision=self.branch)

    def _check_name(self, config: _packaged.MLSTACConfig, instead: str) -> None:
        known = datasets.BuilderConfig().name
        if config.name != known:
            raise ValueError(
                f"this script gives samples, its one config is {known!r}, got {config.name!r}. Other configs of a "
                f"repository are read without a script{instead}"
            )

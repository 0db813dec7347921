"""Remote samples, brought to this disk for as long as a dataset is built from them.

Owns: the temporary folder. Leaves to others: fetching and what is fetched (`reading`).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlstac_hf._reading import Source


@contextmanager
def staged(source: Source, cache: Path) -> Iterator[Source]:
    """The samples of `source` as files of this disk; `source` itself where they already are."""
    if source.is_local:
        yield source
        return
    cache.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="mlstac-staging-", dir=cache))
    try:
        yield source.brought(folder, range(len(source)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)

"""Remote samples, brought to this disk for as long as a dataset is built from them.

Owns: the temporary copy. Leaves to others: requests and retries (`stores`), what is in the files (`reading`).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tqdm.auto import tqdm

from mlstac_hf._reading import SampleFolder
from mlstac_hf._stores import LocalStore


@contextmanager
def staged(source: SampleFolder, count: int, cache: Path) -> Iterator[SampleFolder]:
    """The first `count` samples of `source` as files of this disk; `source` itself where they already are.

    A sample that is not there stays away, for the reader to name.
    """
    if isinstance(source.store, LocalStore):
        yield source
        return
    cache.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="mlstac-staging-", dir=cache))
    try:
        fetched = source.each(lambda index: _fetch(source, index, folder), range(count))
        bar = tqdm(fetched, f"{source.split}: fetching", count, unit=" samples", disable=None, delay=2, leave=False)
        names = [name for name, _ in bar]
        store = LocalStore(folder)
        entries = {entry.name: entry for entry in store.list("")}
        yield replace(source, store=store, prefix="", names=names, versions=entries)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fetch(source: SampleFolder, index: int, folder: Path) -> tuple[str, Path | None]:
    name, data = source.fetch(index)
    if data is None:
        return name, None
    (folder / name).write_bytes(data)
    return name, folder / name

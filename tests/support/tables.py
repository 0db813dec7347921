"""Collections published as tables into a folder, as they would lie in a repository, and read there without us."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlstac_hf._push._planned import PlannedFile, StoredFile
from mlstac_hf._push._publication import Publication, plan
from mlstac_hf._reading import Selection, open_collection, select


def publish(address: Any, folder: Path, form: str, *, shard_nbytes: int = 20_000, **selection: Any) -> Publication:
    """All that `push` would bring up but for the card, made in a folder."""
    collection = open_collection(address, trust_links=True)
    sources = {name: select(collection, name, Selection(**selection)) for name in collection.splits}
    publication = plan(collection, sources, form, shard_nbytes=shard_nbytes)
    stored = dict(make(file, folder) for file in publication.files)
    make(publication.main(stored), folder)
    return publication


def make(file: PlannedFile, folder: Path) -> tuple[str, StoredFile]:
    """One planned file in a folder."""
    path = folder / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    file.make(path)
    return file.path, StoredFile(path=file.path, sha256="", nbytes=path.stat().st_size)


_STRANGER = """
import json, sys
sys.modules["mlstac_hf"] = None  # whoever imports it gets an ImportError
import datasets
datasets.disable_progress_bars()
answers = []
for call in json.loads(sys.argv[1]):
    answer = {}
    for streaming in (False, True):
        loaded = datasets.load_dataset(**call, streaming=streaming, cache_dir=sys.argv[2])
        answer[str(streaming)] = {split: [dict(row) for row in rows] for split, rows in loaded.items()}
    answers.append(answer)
print(json.dumps(answers, default=str))
"""


def read_as_a_stranger(cache: Path, calls: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What `datasets.load_dataset` gives to somebody who has not installed this package.

    Args:
        cache: a folder.
        calls: arguments of each call.

    Returns:
        Of each call, under "False" and "True" for cached and streaming, the rows by split.
    """
    command = [sys.executable, "-c", _STRANGER, json.dumps(calls), str(cache)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def box_of(table: Path, row: int) -> tuple[float, float, float, float]:
    """A box well inside the outline of one sample, by the table beside the shards."""
    import pyarrow.parquet as pq
    import shapely

    west, south, east, north = shapely.from_wkb(pq.read_table(table).column("geometry")[row].as_py()).bounds
    width, height = (east - west) / 4, (north - south) / 4
    return west + width, south + height, east - width, north - height

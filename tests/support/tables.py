"""Collections published as tables into a folder, as they would lie in a repository, and read there without us."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlstac_hf._formats import widen
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

def dtype_of(kind):
    kind = getattr(kind, "storage_type", kind)
    while hasattr(kind, "value_type") or kind.num_fields and kind.get_field_index("data") >= 0:
        kind = kind.value_type if hasattr(kind, "value_type") else kind.field("data").type
    return str(kind)

answers = []
for call in json.loads(sys.argv[1]):
    answer = {}
    for streaming in (False, True):
        loaded = datasets.load_dataset(**call, streaming=streaming, cache_dir=sys.argv[2])
        answer[str(streaming)] = {split: [dict(row) for row in rows] for split, rows in loaded.items()}
        if not streaming:
            rows = next(iter(loaded.values()))
            answer["dtypes"] = {name: dtype_of(rows.data.schema.field(name).type) for name in rows.column_names}
    answers.append(answer)
print(json.dumps(answers, default=str))
"""


def read_as_a_stranger(
    cache: Path, calls: Sequence[dict[str, Any]], environment: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """What `datasets.load_dataset` gives to somebody who has not installed this package.

    Args:
        cache: a folder.
        calls: arguments of each call.
        environment: variables of the process. Default: ours.

    Returns:
        Of each call, under "False" and "True" for cached and streaming, the rows by split; under "dtypes", the
        type of the numbers in each column.
    """
    command = [sys.executable, "-c", _STRANGER, json.dumps(calls), str(cache)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def box_of(table: Path, row: int) -> tuple[float, float, float, float]:
    """A box well inside the outline of one sample, by the table beside the shards."""
    import pyarrow.parquet as pq
    import shapely

    west, south, east, north = shapely.from_wkb(pq.read_table(table).column("geometry")[row].as_py()).bounds
    width, height = (east - west) / 4, (north - south) / 4
    return west + width, south + height, east - width, north - height


def as_row(value: Any) -> list[str]:
    """What a plain row holds of a tensor: its values, widened, in order."""
    return [repr(value)] if isinstance(value, str) else flat(widen(np.asarray(value)).tolist())


def flat(value: Any) -> list[str]:
    """Nested lists as one; of data and shape the data."""
    if isinstance(value, dict):
        value = value["data"]
    return [item for part in value for item in flat(part)] if isinstance(value, list) else [repr(value)]

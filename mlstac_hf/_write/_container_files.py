"""The container layout: many payloads a file, and a table beside the files.

Owns: when a file is full, its header, the rows of the table. Leaves to others: payloads (`_encode`, `_raster_payload`),
the order of the work (`_run`).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any

from mlstac_hf._errors import MissingExtraError
from mlstac_hf._formats import CONTAINER_PREFIX, container_header
from mlstac_hf._formats._saving import starts_of, views_of
from mlstac_hf._reading._metadata_table import FOOTPRINT, PLUMBING
from mlstac_hf._spec import Catalog, DataFile, address_in, format_datetime, parse_datetime
from mlstac_hf._write._destination import remove_strays
from mlstac_hf._write._encode import encode
from mlstac_hf._write._extent import footprints, outlines
from mlstac_hf._write._facts import Totals, facts_of
from mlstac_hf._write._helpers import Helpers, Order, Put
from mlstac_hf._write._journal import Journal
from mlstac_hf._write._measure import Facts
from mlstac_hf._write._pipeline import Job
from mlstac_hf._write._plan import Done, Outcome, Plan
from mlstac_hf._write._raster_payload import encode_raster, stack
from mlstac_hf._write._sample import Checked
from mlstac_hf._write._shared import Space
from mlstac_hf._write._under_way import UnderWay, put_under_way

TABLE = "metadata.parquet"
AHEAD = 1_000_000
"""Bytes that may be held beyond those of one container, while one is put and the next one fills."""
_GROUP = 10_000
"""Rows that are read together where the table lies elsewhere: about a megabyte."""


def import_arrow() -> Any:
    """pyarrow, which writes the table.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtraError(
            'layout="container" needs pyarrow, which is not installed. Install it with: '
            "pip install 'mlstac-hf[geotiff]'"
        ) from None
    return pa, pq


class ContainerFiles:
    """Writes a split in the container layout.

    Args:
        plan: the call.
        journal: of the split; an entry a container.
        helpers: of the call.
        planes: of the input and of the target, as the splits that are there have them, in rasters.
    """

    def __init__(self, plan: Plan, journal: Journal, helpers: Helpers, planes: tuple[int, int] | None = None) -> None:
        import_arrow()
        self._plan, self._journal, self._helpers, self._planes = plan, journal, helpers, planes
        self._files: list[tuple[str, int, str, int]] = []
        self._rows: list[dict[str, Any]] = []
        self._waiting: list[Done] = []
        self._nbytes = 0
        self._under_way: UnderWay | None = None
        self._entry: dict[str, Any] = {}

    def resume(self, totals: Totals) -> list[str]:
        """See `Writer`."""
        sizes = {}
        if self._journal.entries:
            sizes = {entry.name: entry.nbytes for entry in self._plan.store.list(self._plan.split) or ()}
        for number, entry in enumerate(self._journal.entries):
            if sizes.get(entry["file"], -1) not in (entry["nbytes"], None):
                self._journal.keep(number)
                break
            for facts in entry["facts"]:
                totals.add(facts)
                if self._plan.payload == "geotiff":
                    shapes = {name: shape for name, (_, shape) in facts["tensors"].items()}
                    self._planes = (shapes["input"][0], shapes.get("target", [0])[0])
            self._add(entry["file"], entry["nbytes"], entry["sha256"], entry["rows"])
        return [row["datapoint_id"] for row in self._rows]

    def _add(self, file: str, nbytes: int, digest: str, rows: Sequence[dict[str, Any]]) -> None:
        self._files.append((file, nbytes, digest, len(rows)))
        self._rows += rows

    def prepare(self, sample: Checked, name: str) -> Job[Done]:
        """See `Writer`."""
        taken = sorted(PLUMBING & sample.keys.keys() | {key for key in sample.keys if key.startswith("mlhf:")})
        if taken:
            raise ValueError(
                f'{sample.place}: {", ".join(map(repr, taken))}: expected other names in layout="container", whose '
                "table has such columns of its own"
            )
        if self._plan.payload == "geotiff":
            return self._prepare_raster(sample, name)
        parts = encode(sample, name, self._plan.task)
        nbytes = sum(map(len, parts))
        self._helpers.count(nbytes)
        payload = self._helpers.take(parts, nbytes) or b"".join(parts)
        data, survey = payload.view if isinstance(payload, Space) else payload, self._plan.survey

        def done(put: Put | None = None) -> Done:
            known = put.measured if put else None
            measured = known or survey.measure(views_of(data, sample.tensors), sample.index)
            return self._done(sample, name, measured, payload, nbytes)

        asked = None
        if isinstance(payload, Space):
            starts = starts_of(payload.start, nbytes, sample.tensors)
            asked = survey.ask(sample.tensors, starts, sample.index)
        return Job(nbytes, done, Order("", (), measure=asked) if asked else None, done)

    def _prepare_raster(self, sample: Checked, name: str) -> Job[Done]:
        array = stack(sample)
        planes = (len(sample.tensors["input"]), len(sample.tensors.get("target", ())))
        if self._planes is not None and self._planes != planes:
            raise ValueError(
                f"{sample.place}: expected {self._planes[0]} planes of input and {self._planes[1]} of target, as in "
                f'the samples before it, found {planes[0]} and {planes[1]}. payload="safetensors" holds such samples'
            )
        self._planes = planes

        def make() -> Done:
            tensors = {"input": array[: planes[0]]} | ({"target": array[planes[0] :]} if planes[1] else {})
            payload = encode_raster(sample, array)
            measured = self._plan.survey.measure(tensors, sample.index)
            return self._done(sample, name, measured, payload, len(payload))

        return Job(2 * array.nbytes, make)

    def _done(self, sample: Checked, name: str, measured: Facts, payload: bytes | Space, nbytes: int) -> Done:
        own = name if sample.id is None else sample.id
        row = {
            "datapoint_id": own,
            "crs": sample.crs,
            "geotransform": sample.geotransform,
            "start_datetime": format_datetime(sample.start),
            "end_datetime": format_datetime(sample.end),
            "keys": {k: format_datetime(v) if isinstance(v, datetime) else v for k, v in sample.keys.items()},
        }
        return Done(own, sample.index, facts_of(sample) | measured, "", nbytes, "", payload, row)

    def settle(self, done: Done) -> None:
        """See `Writer`."""
        if self._waiting and self._nbytes + done.nbytes > self._plan.shard_nbytes:
            self._flush()
        self._waiting.append(done)
        self._nbytes += done.nbytes
        if self._under_way is not None:
            self._under_way.wait(self._plan.shard_nbytes + AHEAD - self._nbytes)

    def _flush(self) -> None:
        """Put what waits, in a thread, while samples of the next container come in."""
        self.rest()
        plan, waiting = self._plan, self._waiting
        head = container_header({done.id: done.nbytes for done in waiting})
        begins = list(accumulate((done.nbytes for done in waiting), initial=0))
        file = f"{plan.split}_{len(self._files):04d}.mlstac"
        rows = [
            {
                "datapoint_id": done.id,
                "begin": begin,
                "length": done.nbytes,
                "metadata_length": len(head) - CONTAINER_PREFIX,
                "url": address_in(plan.url, f"{plan.split}/{file}"),
                "split": plan.split,
                **done.row,
            }
            for done, begin in zip(waiting, begins[:-1], strict=True)
        ]
        facts = [done.facts for done in waiting]
        entry = {"file": file, "nbytes": len(head) + begins[-1], "rows": rows, "facts": facts}
        payloads = [done.payload for done in waiting]
        self._waiting, self._nbytes = [], 0
        self._under_way = put_under_way(plan.store, self._helpers, f"{plan.split}/{file}", head, payloads)
        self._entry = entry

    def rest(self) -> None:
        """See `Writer`."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            entry = {**self._entry, "sha256": under_way.result().digest}
            self._journal.append(entry)
            self._add(entry["file"], entry["nbytes"], entry["sha256"], entry["rows"])

    def finish(self, totals: Totals) -> Outcome:
        """See `Writer`."""
        plan = self._plan
        if self._waiting or not self._files:
            self._flush()
        self.rest()
        self._helpers.close()
        table = table_bytes(self._rows, totals)
        plan.store.put(f"{plan.split}/{TABLE}", table)
        remove_strays(plan.store, plan.split, {file for file, *_ in self._files})
        sums = {f"{plan.split}/{file}": digest for file, _, digest, _ in self._files}
        sums[f"{plan.split}/{TABLE}"] = hashlib.sha256(table).hexdigest()
        files = tuple(
            DataFile(href=f"{plan.split}/{file}", nbytes=nbytes, description=f"{count} samples")
            for file, nbytes, _, count in self._files
        )
        planes = self._planes if plan.payload == "geotiff" else None
        return Outcome(
            catalog=Catalog(
                name=plan.split,
                n_items=totals.n_items,
                data_files=files,
                metadata_file=f"{plan.split}/{TABLE}",
                metadata_checksum=len(table),  # type: ignore[call-arg] # kept as it is, like all keys of others
            ),
            checksums={path: f"sha256:{digest}" for path, digest in sums.items()},
            target_planes=tuple(range(planes[0], sum(planes))) if planes and planes[1] else None,
        )


def table_bytes(rows: Sequence[Mapping[str, Any]], totals: Totals) -> bytes:
    """`metadata.parquet`: a row a sample."""
    pa, pq = import_arrow()
    moment = pa.timestamp("us", "UTC")
    kinds = {"bool": pa.bool_(), "int": pa.int64(), "long": pa.int64(), "float": pa.float64(), "time": moment}
    columns = {
        "datapoint_id": pa.string(),
        "begin": pa.int64(),
        "length": pa.int64(),
        "metadata_length": pa.int64(),
        "url": pa.string(),
        "split": pa.string(),
        "crs": pa.string(),
        "geotransform": pa.list_(pa.float64(), 6),
        "start_datetime": pa.string(),
        "end_datetime": pa.string(),
    }
    arrays = {name: pa.array([row[name] for row in rows], kind) for name, kind in columns.items()}
    for key, kind in sorted(totals.kinds.items()):
        values = [row["keys"].get(key) for row in rows]
        if kind == "time":
            values = [None if value is None else parse_datetime(value) for value in values]
        arrays[key] = pa.array(values, pa.null() if kind == "null" else kinds.get(kind, pa.string()))
    shapes = footprints(totals.places)
    if shapes is not None:
        arrays[FOOTPRINT] = pa.array(outlines(shapes), pa.string())
    file = io.BytesIO()
    pq.write_table(pa.table(arrays), file, row_group_size=_GROUP, compression="zstd")
    return file.getvalue()

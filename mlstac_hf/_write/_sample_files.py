"""The sample layout: one file a sample.

Owns: names, and what is noted of a file that is in place. Leaves to others: its bytes (`_encode`), the order of the
work (`_run`).
"""

from __future__ import annotations

import hashlib

from mlstac_hf._formats._saving import starts_of, views_of
from mlstac_hf._spec import PLAIN, SUFFIXES, SUMS, Catalog, encode_name, sums_bytes
from mlstac_hf._stores import LocalStore
from mlstac_hf._write._destination import names_of, remove_parts, remove_strays
from mlstac_hf._write._encode import encode
from mlstac_hf._write._facts import Totals, facts_of
from mlstac_hf._write._helpers import Helpers, Order, Put
from mlstac_hf._write._journal import Journal
from mlstac_hf._write._packed import compress
from mlstac_hf._write._pipeline import Job
from mlstac_hf._write._plan import Done, Outcome, Plan
from mlstac_hf._write._sample import Checked
from mlstac_hf._write._shared import Space


class SampleFiles:
    """Writes a split in the sample layout.

    Args:
        plan: the call.
        journal: of the split.
        helpers: of the call.
    """

    def __init__(self, plan: Plan, journal: Journal, helpers: Helpers) -> None:
        self._plan, self._journal, self._helpers = plan, journal, helpers
        self._spaces: dict[int, Space] = {}
        self._suffix = SUFFIXES[1] if plan.compress else PLAIN
        self._sums: list[tuple[str, str]] = []

    def resume(self, totals: Totals) -> list[str]:
        """See `Writer`."""
        sizes = {}
        if self._journal.entries:
            sizes = {entry.name: entry.nbytes for entry in self._plan.store.list(self._plan.split) or ()}
        ids = []
        for number, entry in enumerate(self._journal.entries):
            if sizes.get(entry["file"], -1) not in (entry["nbytes"], None):
                self._journal.keep(number)
                break
            totals.add(entry["facts"])
            self._sums.append((entry["sha256"], entry["file"]))
            ids.append(str(entry["id"]))
        return ids

    def prepare(self, sample: Checked, name: str) -> Job[Done]:
        """See `Writer`."""
        plan, helpers = self._plan, self._helpers
        parts = encode(sample, name, plan.task)
        nbytes = sum(map(len, parts))
        helpers.count(nbytes)
        space = helpers.take(parts, nbytes)
        data = b"".join(parts) if space is None else space.view
        facts = facts_of(sample)
        file = f"{name}{self._suffix}"
        path = f"{plan.split}/{file}"

        def done(put: Put) -> Done:
            measured = put.measured or plan.survey.measure(views_of(data, sample.tensors), sample.index)
            id_ = name if sample.id is None else sample.id
            return Done(id_, sample.index, facts | measured, file, put.nbytes, put.digest)

        order = None
        if space is not None and isinstance(plan.store, LocalStore):
            self._spaces[sample.index] = space
            starts = starts_of(space.start, nbytes, sample.tensors)
            asked = plan.survey.ask(sample.tensors, starts, sample.index)
            order = Order(plan.store.locate(path), (space,), compress=plan.compress, measure=asked)
        return Job(2 * nbytes, lambda: done(self._put(path, data)), order, done)

    def _put(self, path: str, data: bytes | memoryview) -> Put:
        stored = compress(data) if self._plan.compress else data
        self._plan.store.put(path, stored)
        return Put(len(stored), hashlib.sha256(stored).hexdigest())

    def settle(self, done: Done) -> None:
        """See `Writer`."""
        space = self._spaces.pop(done.index, None)
        if space is not None:
            self._helpers.let_go(space)
        name = encode_name(done.index)
        self._journal.append(
            {
                "name": name,
                "id": done.id,
                "file": done.file,
                "nbytes": done.nbytes,
                "sha256": done.digest,
                "facts": done.facts,
            }
        )
        self._sums.append((done.digest, done.file))

    def rest(self) -> None:
        """See `Writer`: what was settled is in place."""

    def finish(self, totals: Totals) -> Outcome:
        """See `Writer`."""
        self._helpers.dismiss()
        plan = self._plan
        checksums = {}
        if self._sums:
            sums = sums_bytes((file, digest) for digest, file in self._sums)
            plan.store.put(f"{plan.split}/{SUMS}", sums)
            checksums[f"{plan.split}/{SUMS}"] = f"sha256:{hashlib.sha256(sums).hexdigest()}"
        if len(names_of(plan.store, plan.split)) > len(self._sums) + 1:
            remove_parts(plan.store, plan.split)
            remove_strays(plan.store, plan.split, {file for _, file in self._sums})
        return Outcome(
            catalog=Catalog(name=plan.split, n_items=totals.n_items, link=f"{plan.split}/"), checksums=checksums
        )

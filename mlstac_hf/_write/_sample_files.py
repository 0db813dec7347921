"""The sample layout: one file a sample.

Owns: names, and what is noted of a file that is in place. Leaves to others: its bytes (`_encode`), the order of the
work (`_run`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from mlstac_hf._formats._saving import views_of
from mlstac_hf._spec import PLAIN, SUFFIXES, SUMS, Catalog, encode_name, sums_bytes
from mlstac_hf._write._destination import names_of, remove_strays
from mlstac_hf._write._encode import compress, encode
from mlstac_hf._write._facts import Totals, facts_of
from mlstac_hf._write._journal import Journal
from mlstac_hf._write._plan import Done, Outcome, Plan
from mlstac_hf._write._sample import Checked


class SampleFiles:
    """Writes a split in the sample layout.

    Args:
        plan: the call.
        journal: of the split.
    """

    def __init__(self, plan: Plan, journal: Journal) -> None:
        self._plan, self._journal = plan, journal
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

    def prepare(self, sample: Checked, name: str) -> tuple[int, Callable[[], Done]]:
        """See `Writer`."""
        data = encode(sample, name, self._plan.task)
        return 2 * len(data), lambda: self._put(sample, name, data)

    def _put(self, sample: Checked, name: str, data: bytes) -> Done:
        plan = self._plan
        facts = facts_of(sample, views_of(data, sample.tensors), plan.survey)
        file = f"{name}{self._suffix}"
        stored = compress(data) if plan.compress else data
        plan.store.put(f"{plan.split}/{file}", stored)
        digest = hashlib.sha256(stored).hexdigest()
        own = name if sample.id is None else sample.id
        return Done(own, sample.index, facts, file, len(stored), digest)

    def settle(self, done: Done) -> None:
        """See `Writer`."""
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
        plan = self._plan
        checksums = {}
        if self._sums:
            sums = sums_bytes((file, digest) for digest, file in self._sums)
            plan.store.put(f"{plan.split}/{SUMS}", sums)
            checksums[f"{plan.split}/{SUMS}"] = f"sha256:{hashlib.sha256(sums).hexdigest()}"
        if len(names_of(plan.store, plan.split)) > len(self._sums) + 1:
            remove_strays(plan.store, plan.split, {file for _, file in self._sums})
        return Outcome(
            catalog=Catalog(name=plan.split, n_items=totals.n_items, link=f"{plan.split}/"), checksums=checksums
        )

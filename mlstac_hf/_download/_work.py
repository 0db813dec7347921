"""The work of a download: bring what is not there, put it in place, `main.json` last.

Owns: the order of things, room on the disk, which files are there, what is said of samples that are left out. Leaves to
others: which files there are (`_samples`, `_containers`, `_shards`), fetching them (`_fetch`), `main.json` (`_main`).
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence

from tqdm.auto import tqdm

from mlstac_hf._download._fetch import fetch
from mlstac_hf._download._main import main_bytes
from mlstac_hf._download._planned import Faults, PlannedFile, SplitPlan
from mlstac_hf._download._result import DownloadResult
from mlstac_hf._download._samples import SamplesPlan
from mlstac_hf._download._staging import Skipped, Staging
from mlstac_hf._errors import MissingSampleError, StoreError, warn_skipped
from mlstac_hf._reading import origin_of
from mlstac_hf._reading._asking import WINDOW
from mlstac_hf._reading._origin import main_location
from mlstac_hf._spec import Collection
from mlstac_hf._stores import MAIN
from mlstac_hf._terminal import size
from mlstac_hf._write._destination import check_case

logger = logging.getLogger("mlstac_hf")

_SPARE = 64 << 20
"""Bytes of a disk that are left alone."""


class Work:
    """One call, once all is known that has to be.

    Args:
        collection: an open one.
        plans: of the splits that were asked for.
        staging: where to.
        skip: whether bad samples are left out.
    """

    def __init__(self, collection: Collection, plans: Sequence[SplitPlan], staging: Staging, *, skip: bool) -> None:
        self._collection, self._plans, self._staging, self._skip = collection, plans, staging, skip
        self._fetched = self._nbytes = 0

    @property
    def _size(self) -> int | None:
        sizes = [plan.nbytes for plan in self._plans]
        return None if None in sizes else sum(nbytes or 0 for nbytes in sizes)

    @property
    def _about(self) -> int:
        return sum(plan.about or 0 for plan in self._plans)

    def would(self) -> DownloadResult:
        """What would come."""
        known = self._size
        about = self._about or None
        counts = {plan.split: plan.count for plan in self._plans}
        files = sum(plan.n_files for plan in self._plans)
        return self._result(counts, files, about if known is None else known, dry_run=True)

    def run(self) -> DownloadResult:
        """Bring what is not there, and put it in place."""
        staging = self._staging
        lacking = max(0, self._about - staging.nbytes_there()) if not staging.is_done else 0
        self._check_room(lacking)
        for plan in self._plans:
            if isinstance(plan, SamplesPlan) and plan.count:
                staging.root.mkdir(parents=True, exist_ok=True)
                check_case(staging.store, plan.count, "Choose a disk that tells case apart")
        with staging.begun():
            skipped = self._skipped()
            self._announce(lacking)
            self._bring(skipped)
            if sum(map(len, skipped.values())) and staging.skipped is None:
                warn_skipped([reason for reasons in skipped.values() for reason in reasons.values()])
            if not staging.is_done or self._fetched or self._lacks_tables():
                self._land(skipped)
            staging.finish()
            return self._done(skipped)

    def _check_room(self, lacking: int) -> None:
        folder = self._staging.root
        while not folder.exists():
            folder = folder.parent
        free = shutil.disk_usage(folder).free
        if lacking + _SPARE > free and lacking:
            raise StoreError(
                f"{self._staging.root}: {size(lacking)} are to come, and the disk has {size(free)} left. Make room, "
                "choose another destination, or ask for less with split=, limit= or filter="
            )

    def _announce(self, lacking: int) -> None:
        counts = ", ".join(f"{plan.split} {plan.count:,}" for plan in self._plans)
        files = sum(plan.n_files for plan in self._plans)
        about = "" if self._size is not None else "about "
        logger.info(
            "downloading %s to %s: %s samples, %s files, %s%s, of which %s are to come",
            *(self._collection.id, self._staging.root, counts, f"{files:,}", about, size(self._about), size(lacking)),
        )

    def _skipped(self) -> Skipped:
        """What is left out so far: what the note says, or what is known before a file is fetched."""
        if self._staging.skipped is not None:
            return {plan.split: dict(self._staging.skipped.get(plan.split, {})) for plan in self._plans}
        found: Skipped = {plan.split: {} for plan in self._plans}
        for plan in self._plans:
            self._note(found, plan, plan.faults())
        return found

    def _note(self, skipped: Skipped, plan: SplitPlan, faults: Faults) -> None:
        """Raise what is wrong with samples, or note it."""
        for key in sorted(faults):
            if not self._skip or self._staging.skipped is not None:
                raise faults[key]
            place, reason = plan.place(key), str(faults[key])
            skipped[plan.split][key] = reason if reason.startswith(place) else f"{place}: {reason}"

    def _bring(self, skipped: Skipped) -> None:
        with tqdm(
            desc="downloading",
            total=self._size,
            initial=min(self._staging.nbytes_there(), self._size or 0),
            unit="B",
            unit_scale=True,
            disable=None,
            delay=2,
        ) as bar:
            for plan in self._plans:
                lost = 0
                for outcome in fetch(self._lacking(plan, skipped[plan.split]), self._staging, skip=self._skip):
                    self._note(skipped, plan, outcome.faults)
                    is_lost = any(isinstance(error, MissingSampleError) for error in outcome.faults.values())
                    lost = lost + 1 if is_lost else 0
                    if lost == WINDOW:  # the number that main.json claims would keep us forever
                        raise next(iter(outcome.faults.values()))
                    if outcome.is_last and not outcome.faults:
                        self._fetched += 1
                    self._nbytes += outcome.nbytes
                    bar.update(outcome.nbytes)

    def _lacking(self, plan: SplitPlan, skipped: Mapping[int, str]) -> Iterator[PlannedFile]:
        """The files of a split that are not there yet."""
        settled, frozen = self._staging.skipped is not None, dict(skipped)
        brought = _Sizes(self._staging, landed=False)
        for file, found in self._in_place(plan, frozen) if settled else ((f, None) for f in plan.files(frozen)):
            if found is None and all(brought.of(path, file.nbytes) is None for _, path in file.ways):
                yield file

    def _in_place(self, plan: SplitPlan, skipped: Mapping[int, str]) -> Iterator[tuple[PlannedFile, int | None]]:
        """The files of a split, each with its size where it is in place."""
        landed, order = _Sizes(self._staging, landed=True), sorted(skipped)
        for file in plan.files(skipped):
            sizes = (landed.of(*plan.final(file, path, order)) for _, path in file.ways)
            yield file, next((nbytes for nbytes in sizes if nbytes is not None), None)

    def _lacks_tables(self) -> bool:
        """Whether something that lay beside samples is gone."""
        landed = _Sizes(self._staging, landed=True)
        return any(landed.of(path, None) is None for plan in self._plans for path in plan.beside())

    def _land(self, skipped: Skipped) -> None:
        """Put all in place, `main.json` last."""
        staging = self._staging
        was_done = staging.is_done
        staging.settle(skipped)
        landed = {plan.split: plan.land(staging, skipped[plan.split]) for plan in self._plans}
        if not was_done:
            staging.store.put(MAIN, main_bytes(self._collection, self._published(), landed))

    def _published(self) -> bytes:
        """`main.json` once more.

        Raises:
            StoreError: it changed since it was opened.
        """
        origin, where = origin_of(self._collection), main_location(self._collection)
        data = origin.store.read(where.path)
        if hashlib.sha256(data).hexdigest() != origin.digest:
            raise StoreError(
                f"{where.folder}/{where.path} changed while its samples were downloaded; call download again"
            )
        return data

    def _done(self, skipped: Skipped) -> DownloadResult:
        counts, sizes = {}, list[int]()
        for plan in self._plans:
            counts[plan.split] = plan.count - len(skipped[plan.split])
            sizes += [nbytes or 0 for _, nbytes in self._in_place(plan, skipped[plan.split])]
        return self._result(counts, len(sizes), sum(sizes), skipped=skipped)

    def _result(
        self,
        counts: Mapping[str, int],
        files: int,
        nbytes: int | None,
        *,
        skipped: Skipped | None = None,
        dry_run: bool = False,
    ) -> DownloadResult:
        return DownloadResult(
            path=str(self._staging.root),
            samples=counts,
            files=files,
            nbytes=nbytes,
            fetched=self._fetched,
            fetched_nbytes=self._nbytes,
            skipped=tuple(reason for reasons in (skipped or {}).values() for reason in reasons.values()),
            dry_run=dry_run,
        )


class _Sizes:
    """Bytes of files of this disk, each folder looked at once."""

    def __init__(self, staging: Staging, *, landed: bool) -> None:
        self._staging, self._landed = staging, landed
        self._folders: dict[str, dict[str, int]] = {}

    def of(self, path: str, expected: int | None) -> int | None:
        """Of a file; None where it is not there, or has another size than expected."""
        folder, _, name = path.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = self._staging.sizes(folder, landed=self._landed)
        found = self._folders[folder].get(name)
        return found if expected in (None, found) else None

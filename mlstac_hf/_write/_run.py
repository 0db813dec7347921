"""From samples to a split in place, whatever its layout.

Owns: the order of the work: what is passed over, checked, handed to threads, noted. Leaves to others: how samples are
laid out (`_sample_files`, `_container_files`), `main.json` (`_main`).
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from tqdm.auto import tqdm

from mlstac_hf._errors import warn
from mlstac_hf._formats import dtype_name
from mlstac_hf._spec import Collection, Form, check_planes, check_sample_shapes, encode_name
from mlstac_hf._write._facts import NAMED, Totals, join_kinds, kind_of
from mlstac_hf._write._helpers import Helpers
from mlstac_hf._write._items import count_of, items_of
from mlstac_hf._write._pipeline import Job, in_order
from mlstac_hf._write._plan import HELD, Done, Plan, Writer
from mlstac_hf._write._sample import Checked, as_mapping, check, id_of, place_of


class Uniformity:
    """What the samples of a split have in common, checked before one is written: ids that differ, keys of one type.

    The first that does not have the form of its task, and the first whose tensors are not those of the samples before
    it, are warned of.

    Args:
        ids: of the samples that are in place.
        kinds: of keys, as the samples in place and the splits that are there have them.
        collection: with its tasks, of several of which the form of one will do, and its bands.
        forms: dtype and shape by tensor of the splits that are there, where they have them in common.
        tensors: the same of the samples in place; None where they differ.
    """

    def __init__(
        self,
        ids: list[str],
        kinds: Mapping[str, str],
        collection: Collection,
        forms: Mapping[str, Form] | None,
        tensors: Mapping[str, Form | None],
    ) -> None:
        task = collection.task
        self._ids = {name: index for index, name in enumerate(ids)}
        self._kinds = dict(kinds)
        # where those that are there do not have it either, it was told
        self._task = () if forms is not None and _misfit(task, forms, ()) else tuple(task)
        self._bands = None if forms is not None and _short_of_planes(collection, forms) else collection
        self._fits: tuple[object, ...] | None = None
        known = {**(forms or {}), **tensors}
        self._dtypes: dict[str, str] | None = {
            name: str(form.dtype) for name, form in known.items() if form is not None
        }
        self._columns: set[str] = set()

    def check(self, sample: Checked, name: str) -> None:
        """One more sample.

        Raises:
            ValueError: its id was given before, or a key is of another type; the message names the samples.
        """
        own = name if sample.id is None else sample.id
        other = self._ids.setdefault(own, sample.index)
        if other != sample.index:
            raise ValueError(
                f"{place_of(sample.index, own)}: sample {other} has the same id; expected ids that differ in a split"
            )
        for key, value in sample.keys.items():
            kind, known = kind_of(value), self._kinds.get(key, "null")
            joined = join_kinds(known, kind)
            if joined is None:
                raise ValueError(
                    f"{sample.place}: {key!r}: expected {NAMED[known]}, as in other samples of the collection, found "
                    f"{NAMED[kind]}, {value!r:.80}. A key has one type"
                )
            self._kinds[key] = joined
        self._check_form(sample)

    def _check_form(self, sample: Checked) -> None:
        form = (*sample.texts, *((name, array.dtype, array.shape) for name, array in sample.tensors.items()))
        if form == self._fits:  # as the one before
            return
        misfit = _misfit(self._task, sample.tensors, sample.texts)
        if misfit:
            self._task = ()
            warn(f"{sample.place}: {misfit} It is written as it is; later samples are not looked at")
        fault = _short_of_planes(self._bands, sample.tensors)
        if fault:
            self._bands = None
            warn(f"{sample.place}: {fault}. It is written as it is; say in the collection which bands there are")
        fault = self._differs(sample)
        if fault:
            self._dtypes = None
        if fault and not misfit:
            warn(f"{sample.place}: {fault}. It is written as it is; readers that stack samples stop there")
        self._fits = form

    def _differs(self, sample: Checked) -> str | None:
        """Why a sample cannot be stacked with those before it, whatever its shapes; None where it was told."""
        if self._dtypes is None:
            return None
        for name, array in sample.tensors.items():
            own = dtype_name(array.dtype)
            known = self._dtypes.setdefault(name, own)
            if own != known:
                return f"{name} is {own}; in samples before it {known}"
        columns = {*sample.texts, *sample.tensors}
        self._columns = self._columns or columns
        if columns != self._columns:
            own, known = (", ".join(sorted(names)) for names in (columns, self._columns))
            return f"it has {own}; samples before it have {known}"
        return None


def _short_of_planes(collection: Collection | None, forms: Mapping[str, Form]) -> str | None:
    """Why the planes of a sample are not enough for the bands; more may hold a target."""
    form = forms.get("input")
    if collection is None or form is None or None in form.shape:
        return None
    return check_planes(collection, form.shape, more=True)


def _misfit(task: Sequence[str], forms: Mapping[str, Form], texts: Container[str]) -> str | None:
    """Why a sample has the form of none of the tasks."""
    faults = [check_sample_shapes(name, forms, texts) for name in task]
    return faults[0] if faults and all(faults) else None


def run(
    samples: Any,
    plan: Plan,
    writer: Writer,
    helpers: Helpers,
    kinds: Mapping[str, str],
    forms: Mapping[str, Form] | None,
) -> Totals:
    """Write all samples that are not in place.

    Args:
        samples: as the caller gave them.
        plan: the call.
        writer: of its layout.
        helpers: of the call.
        kinds: of the publisher's keys in the splits that are there.
        forms: dtype and shape by tensor of the splits that are there, where they have them in common.

    Raises:
        ValueError, TypeError: a sample that cannot be written; those before it are in place, and noted.
    """
    totals = Totals()
    ids = writer.resume(totals)
    joined = {key: join_kinds(kinds.get(key, "null"), kind) or "text" for key, kind in totals.kinds.items()}
    uniform = Uniformity(ids, {**kinds, **joined}, plan.collection, forms, totals.tensors)
    jobs = _jobs(items_of(samples), ids, plan, writer, uniform)
    bar = tqdm(desc=f"{plan.split}: writing", total=count_of(samples), unit=" samples", disable=None, delay=2)
    with bar, closing(in_order(jobs, plan.workers, HELD, helpers)) as results:
        bar.update(len(ids))
        try:
            for done in results:
                writer.settle(done)
                totals.add(done.facts)
                bar.update()
        finally:
            writer.rest()
    return totals


def _jobs(items: Iterator[Any], ids: list[str], plan: Plan, writer: Writer, uniform: Uniformity) -> Iterator[Job[Done]]:
    count = 0
    for index, item in enumerate(items):
        count += 1
        name = encode_name(index)
        if index < len(ids):
            given = id_of(as_mapping(item, index), index)
            if given not in (None, ids[index]) or (given is None and ids[index] != name):
                raise ValueError(
                    f"{place_of(index, given)}: expected id {ids[index]!r}, which is in place there: a write of split "
                    f"{plan.split!r} was broken off, and these are other samples. Pass the same ones in the same "
                    "order, or remove what is there"
                )
            continue
        sample = check(item, index)
        uniform.check(sample, name)
        yield writer.prepare(sample, name)
    if count < len(ids):
        raise ValueError(
            f"expected at least {len(ids)} samples, which are in place from a write of split {plan.split!r} that was "
            f"broken off; got {count}. Pass the same samples in the same order, or remove what is there"
        )

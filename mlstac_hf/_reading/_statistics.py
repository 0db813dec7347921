"""Mean and standard deviation of every band of `input` over the training split: stored, or computed once.

Owns: computing them in one pass, and keeping them. Leaves to others: subtracting and dividing (`_scale`).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from mlstac_hf._errors import BAD_SAMPLE, InvalidCollectionError, warn_skipped
from mlstac_hf._formats import Array
from mlstac_hf._reading._find_containers import Wanted
from mlstac_hf._reading._index import known_by
from mlstac_hf._reading._notes import Notes
from mlstac_hf._reading._open import open_split
from mlstac_hf._reading._origin import origin_of
from mlstac_hf._reading._scale import INPUT, Step
from mlstac_hf._reading._size import announce
from mlstac_hf._reading._source import Source
from mlstac_hf._reading._view import MAX_PLANES, View
from mlstac_hf._spec import Collection
from mlstac_hf._version import __version__

TRAIN = "train"


@dataclass
class Moments:
    """Count, mean and sum of squared deviations a band, merged as Chan, Golub and LeVeque (1979) do."""

    count: np.ndarray[Any, Any]
    mean: np.ndarray[Any, Any]
    squares: np.ndarray[Any, Any]

    @classmethod
    def of(cls, values: Array, axis: int) -> Moments:
        """Of the finite values of one array, a band being one place along `axis`."""
        with np.errstate(all="ignore"):  # sums that are too large for a float64 are found to be later
            moments = [_moments(band) for band in np.moveaxis(values, axis, 0)]
        return cls(*np.array(moments, np.float64).reshape(-1, 3).T)

    def merge(self, other: Moments) -> Moments:
        """Of both together."""
        count = self.count + other.count
        difference, weight = other.mean - self.mean, other.count / np.maximum(count, 1)
        return Moments(
            count,
            self.mean + difference * weight,
            self.squares + other.squares + difference**2 * self.count * weight,
        )

    @property
    def std(self) -> np.ndarray[Any, Any]:
        """Of the population."""
        return np.asarray(np.sqrt(self.squares / np.maximum(self.count, 1)))


def _moments(band: Array) -> tuple[float, float, float]:
    """Count, mean and sum of squared deviations; exactly the value and 0 where all values are one."""
    values = band.astype(np.float64).reshape(-1)
    finite = np.isfinite(values)
    values = values if finite.all() else values[finite]
    if not values.size:
        return 0.0, 0.0, 0.0
    first = values[0]
    values -= first
    mean = values.mean()
    values -= mean
    return float(values.size), float(first + mean), float(values @ values)


def statistics_steps(
    collection: Collection, view: View, *, skip: bool = False, cache_dir: str | Path | None = None
) -> tuple[Step, ...]:
    """What normalises `input`: minus the mean, over the standard deviation, one number a stored plane.

    A band that never changes is divided by one.

    Args:
        collection: an open one.
        view: what of each sample is handed out.
        skip: leave bad samples out, with a warning.
        cache_dir: where what was computed is kept; default the platform's cache folder of the user.

    Raises:
        InvalidCollectionError: no statistics are stored, and there is no training split to compute them from.
        SampleError, StoreError: a sample of the training split cannot be read.
    """
    stored = (collection.annotations.statistics or {}).get(INPUT)
    if stored:
        means: Sequence[float] = [band.mean for band in stored]
        deviations: Sequence[float] = [band.std for band in stored]
    else:
        means, deviations = _kept(collection, replace(view, bands=None), skip, cache_dir)
    if not _make_sense(means, deviations):
        raise InvalidCollectionError(
            f'normalize="collection": {collection.id!r} has a band whose mean or standard deviation is no finite '
            "number, or is negative. Mend mlhf:statistics in main.json, or the values that stand for no data."
        )
    return Step("subtract", tuple(means)), Step("divide", tuple(value or 1.0 for value in deviations))


def _kept(
    collection: Collection,
    view: View,
    skip: bool,  # noqa: FBT001 - one caller
    cache_dir: str | Path | None,
) -> tuple[Sequence[float], Sequence[float]]:
    if TRAIN not in collection.splits:
        raise InvalidCollectionError(
            f'normalize="collection": {collection.id!r} stores no statistics (mlhf:statistics), and has no split '
            f"{TRAIN!r} to compute them from. Pass scale= and shift the values yourself."
        )
    source = open_split(collection, TRAIN, Wanted(view=view, time_column=collection.annotations.time_column))
    digest = origin_of(collection).digest
    known = [digest, known_by(source, digest), repr(view), __version__]
    name = f"statistics/{hashlib.sha256(chr(0).join(known).encode()).hexdigest()[:32]}.json"
    notes = Notes(cache_dir)
    kept = notes.get(name)
    if kept is not None:
        with suppress(ValueError, KeyError, TypeError, RecursionError):  # damaged: compute again
            found = json.loads(kept)
            if _make_sense(found["mean"], found["std"]):
                return found["mean"], found["std"]
    announce(source, f"{collection.id}, statistics for normalize=")
    faults: list[str] = []
    moments = compute(source, view, faults if skip else None)
    means, deviations = moments.mean.tolist(), moments.std.tolist()
    if faults:
        warn_skipped(faults)
    else:
        notes.put(name, json.dumps({"mean": means, "std": deviations}).encode())
    return means, deviations


def _make_sense(means: Sequence[float], deviations: Sequence[float]) -> bool:
    """Whether they are finite numbers, one a band, no deviation negative."""
    return 0 < len(means) == len(deviations) and all(map(math.isfinite, (*means, *deviations))) and min(deviations) >= 0


def compute(source: Source, view: View, faults: list[str] | None = None) -> Moments:
    """Mean and deviation of every band of `input`, in one pass over a split.

    Args:
        source: the split.
        view: what of each sample is handed out.
        faults: why samples were left out; without it, a bad sample raises.

    Raises:
        InvalidCollectionError: its samples have no `input` of numbers, or differ in their number of bands.
    """
    moments: Moments | None = None
    bar = tqdm(range(len(source)), f"{source.split}: statistics", unit=" samples", disable=None, delay=2, leave=False)
    for index in bar:
        try:
            sample = source.read(index, [INPUT])
        except BAD_SAMPLE as error:
            if faults is None:
                raise
            faults.append(str(error))
            continue
        array = sample.values.get(INPUT)
        if not isinstance(array, np.ndarray) or array.dtype.kind == "c":
            raise InvalidCollectionError(f'{source.place(index)}: normalize="collection" needs an input of numbers')
        piece = sample.head.pieces.get(INPUT)
        axis = piece.axis if piece is not None and piece.total else -3 if view.axis is None else view.axis
        if not -array.ndim <= axis < array.ndim:
            array, axis = array.reshape(1, -1), 0  # no bands: one number for all
        if array.shape[axis] > MAX_PLANES:
            raise InvalidCollectionError(f"{source.place(index)}: input claims {array.shape[axis]} bands")
        own = Moments.of(array, axis)
        if moments is not None and own.mean.shape != moments.mean.shape:
            raise InvalidCollectionError(
                f"{source.place(index)}: input has {own.mean.size} bands, those before it {moments.mean.size}, so "
                "there is no one mean a band"
            )
        moments = own if moments is None else moments.merge(own)
    if moments is None:
        raise InvalidCollectionError(f'normalize="collection": split {source.split!r} has no sample to compute from')
    return moments

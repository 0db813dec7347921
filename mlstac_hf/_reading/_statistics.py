"""Mean and standard deviation of every band of `input` over the training split: stored, or computed once.

Owns: computing them in one pass, and keeping them. Leaves to others: subtracting and dividing (`_scale`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from mlstac_hf._errors import InvalidCollectionError
from mlstac_hf._formats import Array
from mlstac_hf._reading._find_containers import Wanted
from mlstac_hf._reading._notes import Notes
from mlstac_hf._reading._open import open_split, origin_of
from mlstac_hf._reading._scale import INPUT, Step
from mlstac_hf._reading._size import announce
from mlstac_hf._reading._source import Source
from mlstac_hf._reading._view import View
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
        bands = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1).astype(np.float64)
        finite = np.isfinite(bands)
        count = finite.sum(axis=1).astype(np.float64)
        known = np.where(finite, bands, 0.0)
        mean = known.sum(axis=1) / np.maximum(count, 1)
        squares = np.where(finite, (known - mean[:, None]) ** 2, 0.0).sum(axis=1)
        return cls(count, mean, squares)

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


def statistics_steps(collection: Collection, view: View, cache_dir: str | Path | None) -> tuple[Step, ...]:
    """What normalises `input`: minus the mean, over the standard deviation, one number a stored plane.

    A band that never changes is divided by one.

    Raises:
        InvalidCollectionError: no statistics are stored, and there is no training split to compute them from.
        SampleError, StoreError: a sample of the training split cannot be read.
    """
    stored = (collection.annotations.statistics or {}).get(INPUT)
    if stored:
        means: Sequence[float] = [band.mean for band in stored]
        deviations: Sequence[float] = [band.std for band in stored]
    else:
        means, deviations = _kept(collection, replace(view, bands=None), cache_dir)
    return Step("subtract", tuple(means)), Step("divide", tuple(value or 1.0 for value in deviations))


def _kept(collection: Collection, view: View, cache_dir: str | Path | None) -> tuple[Sequence[float], Sequence[float]]:
    if TRAIN not in collection.splits:
        raise InvalidCollectionError(
            f'normalize="collection": {collection.id!r} stores no statistics (mlhf:statistics), and has no split '
            f"{TRAIN!r} to compute them from. Pass scale= and shift the values yourself."
        )
    source = open_split(collection, TRAIN, Wanted(view=view, time_column=collection.annotations.time_column))
    known = [origin_of(collection).digest, source.fingerprint(), repr(view), __version__]
    name = f"statistics/{hashlib.sha256(chr(0).join(known).encode()).hexdigest()[:32]}.json"
    notes = Notes(cache_dir)
    kept = notes.get(name)
    if kept is not None:
        with suppress(ValueError, KeyError, TypeError):  # damaged: compute again
            found = json.loads(kept)
            return found["mean"], found["std"]
    announce(source, f"{collection.id}, statistics for normalize=")
    moments = compute(source, view)
    means, deviations = moments.mean.tolist(), moments.std.tolist()
    notes.put(name, json.dumps({"mean": means, "std": deviations}).encode())
    return means, deviations


def compute(source: Source, view: View) -> Moments:
    """Mean and deviation of every band of `input`, in one pass over a split.

    Raises:
        InvalidCollectionError: its samples have no `input` of numbers, or differ in their number of bands.
    """
    moments: Moments | None = None
    bar = tqdm(range(len(source)), f"{source.split}: statistics", unit=" samples", disable=None, delay=2, leave=False)
    for index in bar:
        sample = source.read(index, [INPUT])
        array = sample.values.get(INPUT)
        if not isinstance(array, np.ndarray) or array.dtype.kind == "c":
            raise InvalidCollectionError(f'{source.place(index)}: normalize="collection" needs an input of numbers')
        piece = sample.head.pieces.get(INPUT)
        axis = piece.axis if piece is not None and piece.total else -3 if view.axis is None else view.axis
        if not -array.ndim <= axis < array.ndim:
            array, axis = array.reshape(1, -1), 0  # no bands: one number for all
        own = Moments.of(array, axis)
        if moments is not None and own.mean.shape != moments.mean.shape:
            raise InvalidCollectionError(
                f"{source.place(index)}: input has {own.mean.size} bands, those before it {moments.mean.size}, so "
                "there is no one mean a band"
            )
        moments = own if moments is None else moments.merge(own)
    if moments is None:
        raise InvalidCollectionError(f'normalize="collection": split {source.split!r} has no samples')
    return moments

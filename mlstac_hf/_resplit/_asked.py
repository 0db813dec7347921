"""What is asked of new splits: arguments, checked before anything is opened.

Owns: what each argument may be, and what has to be installed for it. Leaves to others: whether the collection has it
(`_drawn`), whether the destination will do (`_split_files`).
"""

from __future__ import annotations

import importlib.util
import math
import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

from mlstac_hf._errors import MissingExtraError
from mlstac_hf._reading import OnError, PlaneNames, check_on_error
from mlstac_hf._reading._split_files import check_split_name, in_order

TARGET = "target"
"""What `stratify` calls the tensor; every other name is a column of the metadata."""

_TINY = 1e-6


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked of samples; see `mlstac_hf.resplit` for each.

    Raises:
        ValueError: an `on_error` that there is not, or a target that nobody asks for.
        MissingExtraError: a package is not installed without which the answer cannot be had.
    """

    distance_m: float | None
    group: str | None
    stratify: str | None
    target: PlaneNames | None
    on_error: OnError
    cache_dir: str | Path | None

    def __post_init__(self) -> None:
        check_on_error(self.on_error)
        if self.target is not None and self.stratify != TARGET:
            raise ValueError(
                f'target= is read for stratify="target" alone, got target={self.target!r} and stratify='
                f"{self.stratify!r}. Leave out target=, or pass both."
            )
        needed = ["pyarrow"] if self.columns else []
        needed += ["pyarrow", "pyproj", "shapely"] if self.distance_m is not None else []
        lacking = sorted(name for name in set(needed) if importlib.util.find_spec(name) is None)
        if lacking:
            raise MissingExtraError(
                f"distance_m=, group= and stratify= need {' and '.join(lacking)}, which is not installed. Install it "
                "with: pip install 'mlstac-hf[select]'"
            )

    @property
    def columns(self) -> dict[str, str]:
        """Of the metadata, by the argument that names them."""
        columns = {"group": self.group, "stratify": None if self.stratify == TARGET else self.stratify}
        return {argument: name for argument, name in columns.items() if name is not None}

    @property
    def skip(self) -> bool:
        """Whether bad samples are left out."""
        return self.on_error == "skip"


def check_fractions(fractions: Any) -> dict[str, float]:
    """Fractions whose sum is 1, train, validation and test first.

    Raises:
        TypeError: no mapping, or no numbers.
        ValueError: names that no split may have, numbers below 0, or another sum.
    """
    example = '{"train": 0.8, "test": 0.2}'
    if not isinstance(fractions, Mapping):
        raise TypeError(
            f"expected fractions to be a mapping of new splits to numbers, such as {example}, got {fractions!r}"
        )
    numbers: dict[str, float] = {}
    for name, fraction in fractions.items():
        check_split_name(name)
        number = _number(fraction)
        if number is None:
            raise TypeError(f"expected each fraction to be a number, such as {example}, got {name}: {fraction!r}")
        if not (math.isfinite(number) and number >= 0):
            raise ValueError(f"expected each fraction to be 0 or more, got {name}: {fraction!r}")
        numbers[name] = number
    total = math.fsum(numbers.values())
    if abs(total - 1) > _TINY:
        raise ValueError(f"expected fractions whose sum is 1, got {dict(fractions)!r}, whose sum is {total:g}")
    return {name: numbers[name] / total for name in in_order(numbers)}


def check_distance(distance_m: Any) -> float | None:
    """A distance in metres, or None.

    Raises:
        TypeError: no number.
        ValueError: a number that is no distance.
    """
    if distance_m is None:
        return None
    metres = _number(distance_m)
    if metres is None:
        raise TypeError(f"expected distance_m to be a number of metres, such as 5000, got {distance_m!r}")
    if not (math.isfinite(metres) and metres >= 0):
        raise ValueError(f"expected distance_m to be in metres, 0 or more, got {distance_m!r}")
    return metres


def check_column(name: Any, argument: str) -> str | None:
    """The name of one column, or None.

    Raises:
        TypeError: no text.
    """
    if name is not None and not isinstance(name, str):
        raise TypeError(f"expected {argument} to be the name of one column of the metadata, got {name!r}")
    return name


def check_seed(seed: Any) -> int:
    """A whole number.

    Raises:
        TypeError: it is none.
        ValueError: it is negative.
    """
    try:
        number = None if isinstance(seed, bool) else operator.index(seed)
    except TypeError:
        number = None
    if number is None:
        raise TypeError(f"expected seed to be a whole number, such as 0, got {seed!r}")
    if number < 0:
        raise ValueError(f"expected seed to be 0 or more, got {seed!r}")
    return number


def check_splits(splits: Any) -> tuple[str, ...] | None:
    """Names of splits, or None for all.

    Raises:
        TypeError: no names.
        ValueError: none is named.
    """
    if splits is None:
        return None
    names = (splits,) if isinstance(splits, str) else tuple(splits) if isinstance(splits, Iterable) else (splits,)
    if not all(isinstance(name, str) for name in names):
        raise TypeError(f'expected splits to be names of splits, such as ["train"], got {splits!r}')
    if not names:
        raise ValueError("expected splits to name at least one split to draw samples from, got none")
    return names


def _number(value: Any) -> float | None:
    """A number as one of Python's; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer of hundreds of digits
        return math.inf

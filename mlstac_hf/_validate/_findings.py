"""Where checks put what they find: no more of each code than anybody reads.

Owns: the cap, and what an error of ours is as a finding. Leaves to others: what the codes mean (`_codes`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

from mlstac_hf._errors import (
    CollectionNotFoundError,
    CorruptSampleError,
    InvalidCollectionError,
    LinkRefusedError,
    MissingExtraError,
    MissingSampleError,
    MLSTACError,
    SampleError,
    StoreError,
)
from mlstac_hf._validate._codes import CODES, SEVERITIES
from mlstac_hf._validate._report import Finding, Place

MOST = 20
"""Findings of one code that are kept; others are counted."""
LONGEST = 600
"""Characters of a message; what a collection holds may be longer."""

_NOWHERE = Place()
_CODE_OF: tuple[tuple[type[MLSTACError], str], ...] = (
    (CollectionNotFoundError, "E101"),
    (InvalidCollectionError, "E102"),
    (MissingSampleError, "E302"),
    (CorruptSampleError, "E301"),
    (SampleError, "E301"),
    (LinkRefusedError, "E105"),
    (StoreError, "E103"),
    (MissingExtraError, "E104"),
)


def code_of(error: MLSTACError) -> str:
    """The code of an error that a reader raised."""
    return next((code for kind, code in _CODE_OF if isinstance(error, kind)), "E102")


class Findings:
    """All that was found so far."""

    def __init__(self) -> None:
        self._kept: dict[str, list[Finding]] = {}
        self.left_out: Counter[str] = Counter()

    def say(self, code: str, message: str, place: Place = _NOWHERE, *, remedy: str | None = None) -> None:
        """Put down one finding.

        Args:
            code: one of `CODES`.
            message: what was expected, and what was found.
            place: where.
            remedy: what to do, where that is not what the table of codes has.
        """
        kept = self._kept.setdefault(code, [])
        if len(kept) >= MOST:
            self.left_out[code] += 1
            return
        clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in message[: LONGEST + 1])
        text = clean if len(clean) <= LONGEST else f"{clean[: LONGEST - 3]}..."
        advice = CODES[code].remedy if remedy is None else remedy
        kept.append(Finding(code=code, severity=SEVERITIES[code[0]], message=text, place=place, remedy=advice))

    def error(self, error: MLSTACError, place: Place = _NOWHERE, code: str | None = None) -> None:
        """Put down an error of ours."""
        self.say(code or code_of(error), str(error), place)

    def more(self, code: str, count: int) -> None:
        """Findings of a code that are counted, and were never written out."""
        if count > 0:
            self.left_out[code] += count

    def all(self) -> tuple[Finding, ...]:
        """Errors first, then warnings and notes, by code."""
        order = sorted(self._kept, key=lambda code: ("EWN".index(code[0]), code))
        return tuple(finding for code in order for finding in self._kept[code])


class Tally:
    """Which values occur, how often, and where first: so that the few can be told from the many."""

    def __init__(self, most: int = 256) -> None:
        self.counts: Counter[Hashable] = Counter()
        self._places: dict[Hashable, list[Place]] = {}
        self._most = most

    def add(self, value: Hashable, place: Place) -> None:
        """Count a value; of more different ones than anybody reads, the later are passed over."""
        if value not in self.counts and len(self.counts) >= self._most:
            return
        self.counts[value] += 1
        places = self._places.setdefault(value, [])
        if len(places) < MOST:
            places.append(place)

    @property
    def is_full(self) -> bool:
        """Whether there may have been other values."""
        return len(self.counts) >= self._most

    @property
    def usual(self) -> Hashable:
        """The value that occurs most often, the first of these; None where there is none."""
        return max(self.counts, key=self.counts.__getitem__, default=None)

    def others(self) -> list[tuple[Hashable, int, list[Place]]]:
        """Values that are not the usual one: how often, and where first."""
        usual = self.usual
        return [(value, count, self._places[value]) for value, count in self.counts.items() if value != usual]

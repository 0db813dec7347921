"""How far samples of one split are from those of another, as the card says it.

Owns: what is compared: places and ids. Leaves to others: the comparison (`_validate`), the words (`_card_text`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from mlstac_hf._conditions._wgs84 import unknown
from mlstac_hf._push._survey import SplitSurvey
from mlstac_hf._validate._nearness import compare
from mlstac_hf._validate._report import Distance


@dataclass(frozen=True, kw_only=True)
class Leakage:
    """What two splits at a time have in common."""

    distances: tuple[Distance, ...]
    """Of those whose places are known."""
    shared_ids: Mapping[tuple[str, str], int]
    """How many samples of the second have an id of the first; of every two splits that have ids of their own."""


def leakage_of(surveys: Mapping[str, SplitSurvey]) -> Leakage:
    """Compare every two splits."""
    ground = {name: seen.places[~unknown(seen.places)] for name, seen in surveys.items()}
    ids = {name: [one for one in seen.ids if one is not None] for name, seen in surveys.items()}
    return Leakage(
        distances=tuple(
            compare(a, b, ground[a], ground[b])[0]
            for a, b in combinations([name for name, found in ground.items() if len(found)], 2)
        ),
        shared_ids={
            (a, b): sum(one in known for one in ids[b])
            for a, b in combinations([name for name, found in ids.items() if found], 2)
            for known in [set(ids[a])]
        },
    )

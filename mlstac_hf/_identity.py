"""Which samples an order is of, told without a look at any of them.

Owns: what makes two selections the same to a state. Leaves to others: orders and states (`_order`), what was selected
(`_reading`).
"""

from __future__ import annotations

import hashlib

from mlstac_hf._order import Identity
from mlstac_hf._reading import Selection, Source, origin_of
from mlstac_hf._spec import Collection


def identity_of(collection: Collection, source: Source, selection: Selection) -> Identity:
    """The identity of the samples that a selection left of a split. Asks no server.

    What is read of a sample (bands, columns, arithmetic) makes no difference to it. Nor does a sample that was replaced
    by another of the same number, unless `main.json` changed too.
    """
    return Identity(
        collection=origin_of(collection).digest,
        split=source.split,
        selection=hashlib.sha256(selection.choosing().text().encode()).hexdigest(),
        samples=len(source),
    )


def typical_nbytes(source: Source) -> int | None:
    """Mean size of a few samples as stored; None where nobody knows without asking."""
    if not len(source):
        return None
    places = sorted({len(source) * number // _ASKED for number in range(_ASKED)})
    sizes = [nbytes for place in places if (nbytes := source.nbytes(place)) is not None]
    return sum(sizes) // len(sizes) if sizes else None


_ASKED = 64

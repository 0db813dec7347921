"""Which samples an order is of, told without a look at any of them.

Owns: what makes two selections the same to a state. Leaves to others: orders and states (`_order`), what was selected
(`_reading`).
"""

from __future__ import annotations

import hashlib
from typing import Any

from mlstac_hf._load import LoadArguments, load
from mlstac_hf._order import Identity
from mlstac_hf._reading import Address, Selection, SelectionArguments, Source, check_names, origin_of
from mlstac_hf._spec import Collection
from mlstac_hf._split import Split


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


def opened(address: Address, framework: str, split: str, arguments: LoadArguments, call: str) -> tuple[Split, Identity]:
    """A split, opened for training, and its identity.

    Args:
        address: of the collection.
        framework: that samples are handed over to.
        split: its name.
        arguments: of `load`.
        call: the name of the function or class that the user called.

    Raises:
        TypeError: an argument that is none of these.
        ValueError, CollectionNotFoundError, UnknownNameError, …: see `load`.
    """
    check_names(arguments, LoadArguments.__annotations__, call, "Samples are opened with")
    found = load(address, framework, split=split, **arguments)
    chosen: Any = {name: arguments[name] for name in SelectionArguments.__annotations__ if name in arguments}  # type: ignore[literal-required]
    return found, identity_of(found.collection, found._source, Selection(**chosen))


def typical_nbytes(source: Source) -> int | None:
    """Mean size of a few samples as stored; None where nobody knows without asking."""
    if not len(source):
        return None
    places = sorted({len(source) * number // _ASKED for number in range(_ASKED)})
    sizes = [nbytes for place in places if (nbytes := source.nbytes(place)) is not None]
    return sum(sizes) // len(sizes) if sizes else None


_ASKED = 64

"""How much a split is, and word of it before much of it comes over a network.

Owns: counting samples and bytes as stored. Leaves to others: where they come from.
"""

from __future__ import annotations

import logging

from mlstac_hf._reading._containers import ContainerFolder
from mlstac_hf._reading._folder import SampleFolder
from mlstac_hf._reading._joined import Joined
from mlstac_hf._reading._selected import Through
from mlstac_hf._reading._source import Source

logger = logging.getLogger("mlstac_hf")

LARGE = 10**9
"""Bytes; before more than this is read over a network, the log says so."""


def nbytes_of(source: Source) -> int | None:
    """Bytes of a split as stored; None where the store does not say."""
    if not len(source):
        return 0
    if source.nbytes(0) is None:
        return None
    return sum(source.nbytes(index) or 0 for index in range(len(source)))


def whole_of(source: Source) -> tuple[int, int | None]:
    """Samples and bytes of the split that a source was selected from."""
    while isinstance(source, Through):
        source = source.source
    if isinstance(source, Joined):
        parts = [whole_of(part) for part in source.sources]
        known = [nbytes for _, nbytes in parts if nbytes is not None]
        return sum(count for count, _ in parts), sum(known) if len(known) == len(parts) else None
    if isinstance(source, ContainerFolder) and source.whole is not None:
        return source.whole
    return len(source), nbytes_of(source)


def announce(source: Source, purpose: str) -> None:
    """Say how much is about to come over the network, before it does.

    Args:
        source: what is selected.
        purpose: what it is for.
    """
    if source.is_local:
        return
    size, (count, total), about = nbytes_of(source), whole_of(source), ""
    if size is None or total is None:  # nothing can be listed; one file was asked about
        each = _typical_nbytes(source)
        size, total, about = each * len(source), each * count, "about "
    if size <= LARGE:
        return
    logger.warning(
        "%s: %s of %s samples of split %s, %s%.1f of %.1f GB, are read over the network",
        purpose,
        f"{len(source):,}",
        f"{count:,}",
        source.split,
        about,
        size / 1e9,
        total / 1e9,
    )


def _typical_nbytes(source: Source) -> int:
    while isinstance(source, Through):
        source = source.source
    if isinstance(source, Joined):
        return max(map(_typical_nbytes, source.sources), default=0)
    if isinstance(source, ContainerFolder) and source.whole is not None:
        count, nbytes = source.whole
        return (nbytes or 0) // max(1, count)
    return (source.typical_nbytes or 0) if isinstance(source, SampleFolder) else 0

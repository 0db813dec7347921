"""Many samples asked about at once, in order.

Owns: how many, and that no more are ahead than a window. Leaves to others: what is asked, and what an answer means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Answer = TypeVar("Answer")

CONNECTIONS = 16
WINDOW = 256
"""Samples of one window; as many missing in a row are taken for the end."""


def in_windows(
    ask: Callable[[int], Answer], indices: Sequence[int], *, is_local: bool = False, size: int = WINDOW
) -> Iterator[tuple[Sequence[int], list[Answer]]]:
    """The answers for each window of samples.

    Args:
        ask: called for each; in threads unless the samples lie on this disk, where that gains nothing.
        indices: of the samples, in order.
        is_local: whether they lie on this disk.
        size: samples of a window.
    """
    with ThreadPoolExecutor(1 if is_local else CONNECTIONS) as pool:
        for start in range(0, len(indices), size):
            window = indices[start : start + size]
            yield window, list(map(ask, window) if is_local else pool.map(ask, window))

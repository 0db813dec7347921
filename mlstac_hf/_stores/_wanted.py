"""Whether anybody still waits for what a thread reads.

Owns: the pauses before another try, which end when nobody does. Leaves to others: who waits (`_reading`), which tries
there are (`_http_client`, `_fsspec`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import thread as executors
from contextlib import contextmanager

from mlstac_hf._errors import StoreError

_SLICE_S = 0.1
"""How soon a pause is over when nobody waits any more."""


class Consumer:
    """Who takes what threads read ahead. No lock is held here, so a process may be forked at any moment."""

    def __init__(self) -> None:
        self._has_left = False

    def leave(self) -> None:
        """Want nothing more."""
        self._has_left = True

    @property
    def is_gone(self) -> bool:
        """Whether it has left, or the interpreter is ending, which waits for its threads.

        While it waits for those of executors, the main thread is still alive, and no hook of `atexit` was called.
        """
        return self._has_left or getattr(executors, "_shutdown", False)


class _Thread(threading.local):
    consumer: Consumer | None = None


_this_thread = _Thread()


def read_for(consumer: Consumer) -> None:
    """From now on this thread reads for that consumer, and for nobody else."""
    _this_thread.consumer = consumer


def consumer_here() -> Consumer | None:
    """For whom this thread reads, if for one alone."""
    return _this_thread.consumer


@contextmanager
def reading_for(consumer: Consumer | None) -> Iterator[None]:
    """Read for that consumer in a thread that others use too."""
    before = _this_thread.consumer
    _this_thread.consumer = consumer
    try:
        yield
    finally:
        _this_thread.consumer = before


def check_wanted(what: str) -> None:
    """Begin no request that nobody waits for.

    Raises:
        StoreError: whom this thread reads for is gone.
    """
    consumer = _this_thread.consumer
    if consumer is not None and consumer.is_gone:
        raise StoreError(f"{what} is not asked for: what it was read ahead for has ended")


def sleep(seconds: float) -> None:
    """Wait so long, or until nobody waits for this thread."""
    consumer = _this_thread.consumer
    if consumer is None:
        time.sleep(seconds)
        return
    latest = time.monotonic() + seconds
    while not consumer.is_gone and (left := latest - time.monotonic()) > 0:
        time.sleep(min(left, _SLICE_S))

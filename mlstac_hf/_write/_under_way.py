"""A full container that is put while the next one fills.

Owns: who puts it, a helper or a thread, and that its payloads are let go one by one. Leaves to others: what is in it
(`_container_files`), helpers (`_helpers`).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from mlstac_hf._stores import LocalStore, WritableStore
from mlstac_hf._write._helpers import Helpers, Order, Put
from mlstac_hf._write._packed import Passing
from mlstac_hf._write._shared import Space


class UnderWay(Protocol):
    """A file that is being put."""

    def wait(self, nbytes: int) -> None:
        """Until no more bytes than this are left to put."""

    def result(self) -> Put:
        """What is known of it, once it is in place.

        Raises:
            StoreError: it could not be put.
        """


def put_under_way(
    store: WritableStore, helpers: Helpers, path: str, head: bytes, payloads: Sequence[bytes | Space]
) -> UnderWay:
    """Put a file beside the caller's thread.

    Args:
        store: where to.
        helpers: of the call; where none has time, a thread does it.
        path: of the file in the store.
        head: what it begins with.
        payloads: what comes then; parts of the shared memory in the order in which they were taken.
    """
    spaces = [payload for payload in payloads if isinstance(payload, Space)]
    if isinstance(store, LocalStore) and len(spaces) == len(payloads):
        order = Order(store.locate(path), spaces, head)
        if helpers.send(order):
            return _ByHelper(store, helpers, path, order)
    return _ByThread(store, helpers, path, [head, *payloads])


class _ByHelper:
    """Put by a process, which says now and then how far it is."""

    def __init__(self, store: LocalStore, helpers: Helpers, path: str, order: Order) -> None:
        self._store, self._helpers, self._path, self._order = store, helpers, path, order
        self._spaces = deque(order.parts)
        self._left = sum(len(space.view) for space in order.parts)

    def wait(self, nbytes: int) -> None:
        self._let_go()
        while self._left > nbytes and self._order.outcome is None:
            self._helpers.listen(wait=True)
            self._let_go()

    def _let_go(self) -> None:
        keep = 0 if self._order.outcome is not None else len(self._order.parts) - self._order.taken
        while len(self._spaces) > keep:
            space = self._spaces.popleft()
            self._left -= len(space.view)
            self._helpers.let_go(space)

    def result(self) -> Put:
        self.wait(-1)
        outcome = self._order.outcome
        if isinstance(outcome, Put):
            return outcome
        assert outcome is not None
        with self._store.failing_as("write", self._path):
            raise outcome


class _ByThread:
    """Put by a thread, which lets payloads go as it puts them."""

    def __init__(self, store: WritableStore, helpers: Helpers, path: str, parts: Sequence[bytes | Space]) -> None:
        self._helpers, self._parts = helpers, deque(parts)
        self._spaces = [part for part in parts if isinstance(part, Space)]
        self._left, self._less = sum(map(_nbytes, parts)), threading.Condition()
        pool = ThreadPoolExecutor(1, thread_name_prefix="mlstac-write")
        self._future = pool.submit(self._put, store, path)
        pool.shutdown(wait=False)  # its thread ends with this job

    def _put(self, store: WritableStore, path: str) -> Put:
        passing = Passing(self._taken())
        try:
            store.put_parts(path, passing)
        finally:
            self._less_by(self._left)
        return Put(passing.nbytes, passing.digest)

    def _taken(self) -> Iterator[bytes | memoryview]:
        while self._parts:
            part = self._parts.popleft()
            yield part.view if isinstance(part, Space) else part
            self._less_by(_nbytes(part))

    def _less_by(self, nbytes: int) -> None:
        with self._less:
            self._left -= nbytes
            self._less.notify_all()

    def wait(self, nbytes: int) -> None:
        with self._less:
            self._less.wait_for(lambda: self._left <= nbytes)

    def result(self) -> Put:
        try:
            return self._future.result()
        finally:
            for space in self._spaces:
                self._helpers.let_go(space)


def _nbytes(part: bytes | Space) -> int:
    return len(part.view if isinstance(part, Space) else part)

"""A full container that is put while the next one fills.

Owns: who puts it, a helper or a thread, and that its payloads are let go one by one. Leaves to others: what is in it
(`_container_files`), helpers (`_helpers`).
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from mlstac_hf._stores import LocalStore, WritableStore
from mlstac_hf._write._helpers import Helpers, Order, Put
from mlstac_hf._write._packed import Passing
from mlstac_hf._write._shared import Space


class UnderWay(ABC):
    """A file that is being put, and whose payloads are let go one by one.

    Args:
        helpers: of the call, and of the memory that payloads lie in.
        payloads: what is in it.
    """

    def __init__(self, helpers: Helpers, payloads: Sequence[bytes | Space]) -> None:
        self._helpers, self._payloads = helpers, deque(payloads)
        self._count, self._left = len(payloads), sum(map(_nbytes, payloads))

    @property
    @abstractmethod
    def is_done(self) -> bool:
        """Whether nobody looks at payloads any more."""

    @property
    @abstractmethod
    def taken(self) -> int:
        """How many payloads are not needed any more."""

    @abstractmethod
    def pause(self) -> None:
        """Wait until one more may not be needed any more."""

    @abstractmethod
    def result(self) -> Put:
        """What is known of the file, once it is in place.

        Raises:
            StoreError: it could not be put.
        """

    def wait(self, nbytes: int) -> None:
        """Until no more bytes than this are left to put."""
        self._let_go()
        while self._left > max(0, nbytes):
            self.pause()
            self._let_go()

    def _let_go(self) -> None:
        keep = 0 if self.is_done else self._count - self.taken
        while len(self._payloads) > keep:
            payload = self._payloads.popleft()
            self._left -= _nbytes(payload)
            if isinstance(payload, Space):
                self._helpers.let_go(payload)


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
    return _ByThread(store, helpers, path, head, payloads)


class _ByHelper(UnderWay):
    """Put by a process, which says now and then how far it is."""

    def __init__(self, store: LocalStore, helpers: Helpers, path: str, order: Order) -> None:
        super().__init__(helpers, order.parts)
        self._store, self._path, self._order = store, path, order

    @property
    def is_done(self) -> bool:
        return self._order.outcome is not None

    @property
    def taken(self) -> int:
        return self._order.taken

    def pause(self) -> None:
        self._helpers.listen(wait=True)

    def result(self) -> Put:
        self.wait(0)
        while self._order.outcome is None:
            self.pause()
        if isinstance(self._order.outcome, Put):
            return self._order.outcome
        with self._store.failing_as("write", self._path):
            raise self._order.outcome


class _ByThread(UnderWay):
    """Put by a thread."""

    def __init__(
        self, store: WritableStore, helpers: Helpers, path: str, head: bytes, payloads: Sequence[bytes | Space]
    ) -> None:
        super().__init__(helpers, payloads)
        self._head, self._parts, self._more = head, deque(payloads), threading.Condition()
        pool = ThreadPoolExecutor(1, thread_name_prefix="mlstac-write")
        self._future = pool.submit(self._put, store, path)
        self._future.add_done_callback(lambda _: self._tell())
        pool.shutdown(wait=False)  # its thread ends with this job

    def _put(self, store: WritableStore, path: str) -> Put:
        passing = Passing(self._passing())
        store.put_parts(path, passing)
        return Put(passing.nbytes, passing.digest)

    def _passing(self) -> Iterator[bytes | memoryview]:
        yield self._head
        while self._parts:
            part = self._parts[0]
            yield part.view if isinstance(part, Space) else part
            self._parts.popleft()
            self._tell()

    def _tell(self) -> None:
        with self._more:
            self._more.notify_all()

    @property
    def is_done(self) -> bool:
        return self._future.done()

    @property
    def taken(self) -> int:
        return self._count - len(self._parts)

    def pause(self) -> None:
        with self._more:
            self._more.wait_for(lambda: self.is_done or self.taken > self._count - len(self._payloads))

    def result(self) -> Put:
        try:
            return self._future.result()
        finally:
            self.wait(0)


def _nbytes(part: bytes | Space) -> int:
    return len(part.view if isinstance(part, Space) else part)

"""Memory that this process and its helpers share: what is put lies there once, and is sent to nobody.

Owns: which part of it is taken, in the order in which parts are let go again. Leaves to others: what lies there, and
who reads it (`_helpers`).
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

IS_CHEAP = hasattr(os, "memfd_create")
"""Whether memory costs nothing before it is taken."""
_ALIGNMENT = 64
_ZEROS = 2**20


@dataclass(frozen=True, slots=True)
class Space:
    """A part of the memory that was taken."""

    start: int
    view: memoryview


class Shared:
    """Memory that is taken and let go in the same order; little of it is touched, and again and again.

    Args:
        nbytes: of it; what was never taken is not there.
        together: bytes that are taken at a time as a rule, for which there is always room then.

    Raises:
        OSError: there is no such memory.
    """

    def __init__(self, nbytes: int, together: int = 0) -> None:
        self.nbytes, self._together, self._largest = nbytes, together, 0
        self.descriptor = _descriptor(nbytes)
        try:
            self._view = memoryview(mmap.mmap(self.descriptor, nbytes))
        except BaseException:
            self.close()
            raise
        self._taken: deque[tuple[int, int]] = deque()

    def take(self, parts: Iterable[bytes | memoryview], nbytes: int) -> Space | None:
        """A copy of parts that lie one after another; None where there is no room.

        Args:
            parts: bytes.
            nbytes: of all of them.
        """
        start = self._room(nbytes)
        if start is None:
            return None
        self._taken.append((start, start + nbytes))
        view, end = self._view[start : start + nbytes], 0
        for part in parts:
            view[end : end + len(part)] = part
            end += len(part)
        return Space(start, view)

    def _room(self, nbytes: int) -> int | None:
        """Where so many bytes may lie."""
        self._largest = max(self._largest, nbytes)
        if not self._taken:
            return 0 if nbytes <= self.nbytes else None
        first, last = self._taken[0][0], -(-self._taken[-1][1] // _ALIGNMENT) * _ALIGNMENT
        if last <= first:
            return last if last + nbytes <= first else None
        if nbytes <= first and last + nbytes > self._together + 2 * self._largest:
            return 0
        return last if last + nbytes <= self.nbytes else None

    def let_go(self, space: Space) -> None:
        """What is longest taken is free again."""
        start, _ = self._taken.popleft()
        assert start == space.start, "parts are let go in the order in which they were taken"

    def close(self) -> None:
        """No more helper is given it. The memory goes when nobody looks at it any more."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def _descriptor(nbytes: int) -> int:
    """Of a file without a name, in memory where the system has such files."""
    if IS_CHEAP:
        descriptor = os.memfd_create("mlstac-hf-write")
        os.ftruncate(descriptor, nbytes)
        return descriptor
    with tempfile.TemporaryFile() as file:
        for start in range(0, nbytes, _ZEROS):  # a hole on a full disk would end the process when it is written to
            file.write(bytes(min(_ZEROS, nbytes - start)))
        file.flush()
        return os.dup(file.fileno())

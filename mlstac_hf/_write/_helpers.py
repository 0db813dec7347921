"""Processes that measure samples and put files beside this one, which has an interpreter to itself then.

Owns: when they are started, what each has to do, and that none is left. Leaves to others: what they do (`_helper`), the
memory that is shared with them (`_shared`), what is put.

A helper is a Python of its own that imports numpy, but neither this package nor the caller's script: it is no fork,
which threads of frameworks do not survive, and no `multiprocessing`, which runs unguarded scripts again. Where none can
be started, all is done by threads.
"""

from __future__ import annotations

import logging
import os
import selectors
import subprocess
import sys
from base64 import b64encode
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from pydantic_core import from_json, to_json

from mlstac_hf._write._measure import Facts
from mlstac_hf._write._shared import IS_CHEAP, Shared, Space

_log = logging.getLogger(__name__)

WORTH = 4_000_000
"""Bytes that are put before helpers are thought of: for less, starting one takes longer than it saves."""
_AHEAD = 4
"""Orders that a helper has, so that the next one is there when it ends one."""
_ROOT = os.path.abspath(f"{__file__}/../../..")
_PACKAGES = os.path.abspath(f"{np.__file__}/../..")
_ALONE = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""A helper is one thread, and holds the memory of one."""
_BOOT = """
import os, sys, types
root, packages, *numbers = sys.argv[1:]
sys.path.append(packages)
for name in ("mlstac_hf", "mlstac_hf._spec", "mlstac_hf._stores", "mlstac_hf._write"):  # without what they import
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [os.path.join(root, *name.split("."))]
from mlstac_hf._write._helper import main
main(*map(int, numbers))
"""


class Put(NamedTuple):
    """What is known of a file that is in place, and of what is in it."""

    nbytes: int
    digest: str
    """SHA-256, hexadecimal."""
    measured: Facts | None = None
    """What was asked of it; None where nothing was."""


@dataclass(eq=False)
class Order:
    """A file to put, of parts of the shared memory, or something to measure there."""

    path: str
    """Absolute; empty where nothing is put."""
    parts: Sequence[Space]
    head: bytes = b""
    """What comes before them."""
    compress: bool = False
    measure: Facts | None = None
    """See `Survey.ask`."""
    outcome: Put | OSError | None = None
    """None while it is under way."""
    taken: int = 0
    """Parts that are not needed any more, as far as is known; all of them when it is done."""

    @property
    def is_long(self) -> bool:
        """Whether it takes as long as many others, which would wait for it."""
        return len(self.parts) > 1


class _Helper:
    """One process."""

    def __init__(self, shared: Shared) -> None:
        self.orders: deque[Order] = deque()
        self.is_up = False
        self._said = b""
        numbers = map(str, (os.getpid(), shared.descriptor, shared.nbytes))
        flags = ["-I", "-S", *(["-B"] if sys.dont_write_bytecode else [])]  # of which -I has it forget the last
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, and words of ours
            [sys.executable, *flags, "-c", _BOOT, _ROOT, _PACKAGES, *numbers],
            env=os.environ | _ALONE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            pass_fds=(shared.descriptor,),
            start_new_session=True,  # Ctrl-C is for the caller, who ends it when it may end
        )

    @property
    def is_taken_up(self) -> bool:
        """Whether what it is given now would have to wait."""
        return any(order.is_long for order in self.orders)

    def fileno(self) -> int:
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def send(self, order: Order) -> None:
        parts = [(space.start, len(space.view)) for space in order.parts]
        head = b64encode(order.head).decode()
        asked = {"path": order.path, "head": head, "parts": parts, "compress": order.compress, "measure": order.measure}
        line = memoryview(to_json(asked) + b"\n")
        self.orders.append(order)
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it ended; `listen` finds it out
            while line:
                line = line[self._process.stdin.write(line) or 0 :]

    def listen(self) -> bool:
        """Hear what it says; False where it has ended."""
        data = os.read(self.fileno(), 2**16)
        *lines, self._said = (self._said + data).split(b"\n")
        for line in lines:
            answer: dict[str, Any] = from_json(line)
            if not answer:
                self.is_up = True
            elif "taken" in answer:
                self.orders[0].taken += answer["taken"]
            elif "sha256" in answer:
                self.orders.popleft().outcome = Put(answer["nbytes"], answer["sha256"], answer["measured"])
            else:
                self.orders.popleft().outcome = OSError(answer["errno"], answer["error"])
        return bool(data)

    def dismiss(self) -> None:
        """No more orders come."""
        if self.is_up:
            assert self._process.stdin is not None
            self._process.stdin.close()

    def end(self) -> int:
        """No more orders come; wait until it has done those it has."""
        if not self.is_up:  # it has none, and may be anything
            self._process.kill()
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()
            assert process.stdout is not None
            while process.stdout.read(2**16):
                continue
        return process.returncode


class Helpers:
    """Helpers of one call, and the memory they share with it. For one thread.

    Args:
        most: of them; with 0 there never is one.
        nbytes: of memory, at most.
        together: bytes of it that are taken at a time as a rule.
    """

    def __init__(self, most: int, nbytes: int, together: int = 0) -> None:
        self._most = most if os.name == "posix" and sys.executable and not hasattr(sys, "frozen") else 0
        self._nbytes, self._together, self._seen = nbytes, together, 0
        self._shared: Shared | None = None
        self._helpers: list[_Helper] = []
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._selector.close()

    def dismiss(self) -> None:
        """Nothing more is put: helpers may end while this process does something else."""
        self._most = 0
        for helper in self._helpers:
            helper.dismiss()

    def close(self) -> None:
        """Nothing more is put: let helpers end what they have to do, and the memory go."""
        self._most = 0
        while self._helpers:
            helper = self._helpers.pop()
            self._selector.unregister(helper)
            helper.end()
        if self._shared is not None:
            self._shared.close()
            self._shared = None

    @property
    def can_come(self) -> bool:
        """Whether there is a helper, or may be one soon."""
        return self._most > 0

    def count(self, nbytes: int) -> None:
        """So many bytes more are put. The first helper is started when it is worth it; nobody waits for it."""
        self._seen += nbytes
        if not self._helpers:
            self.more()

    def more(self) -> None:
        """Start one more, where there is enough to do for it."""
        if len(self._helpers) >= self._most or not all(one.is_up for one in self._helpers):
            return
        try:
            if self._shared is None and (self._seen >= WORTH or IS_CHEAP):
                self._shared = Shared(self._nbytes, self._together)
            if self._shared is None or self._seen < WORTH:
                return
            helper = _Helper(self._shared)
        except OSError as error:
            self._without(error)
            return
        self._helpers.append(helper)
        self._selector.register(helper, selectors.EVENT_READ)

    def _without(self, reason: object) -> None:
        _log.debug("no helper could be started, threads do the work: %s", reason)
        self._most = len(self._helpers)

    def take(self, parts: Iterable[bytes | memoryview], nbytes: int) -> Space | None:
        """A copy of parts in the memory that helpers see; None where there is none, or no room."""
        return None if self._shared is None else self._shared.take(parts, nbytes)

    def let_go(self, space: Space) -> None:
        """Its memory is free again; the first of those that are taken."""
        assert self._shared is not None
        self._shared.let_go(space)

    def send(self, order: Order) -> bool:
        """Have a helper do it; False where none has time."""
        most = sys.maxsize if order.is_long else _AHEAD
        free = [one for one in self._helpers if one.is_up and not one.is_taken_up and len(one.orders) < most]
        if not free:
            return False
        min(free, key=lambda one: len(one.orders)).send(order)
        return True

    def listen(self, *, wait: bool = False) -> None:
        """Hear what helpers say.

        Args:
            wait: until one says something.
        """
        if not self._helpers:
            return
        for key, _ in self._selector.select(None if wait else 0):
            helper = key.fileobj
            assert isinstance(helper, _Helper)
            if not helper.listen():
                self._lost(helper)

    def _lost(self, helper: _Helper) -> None:
        """One ended by itself, or was ended."""
        self._selector.unregister(helper)
        self._helpers.remove(helper)
        code = helper.end()
        self._without(f"it ended with {code}")
        for order in helper.orders:
            order.outcome = ChildProcessError(f"the process that was to write it ended with {code}")

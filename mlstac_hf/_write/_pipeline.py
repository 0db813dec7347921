"""Jobs in threads and helpers, their results in order, with a bound on the bytes that wait.

Owns: how many are under way, and who does which. Leaves to others: what a job does, processes (`_helpers`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from mlstac_hf._write._helpers import Helpers, Order, Put

Result = TypeVar("Result")
_EACH = 4
"""Jobs under way a worker, at most."""
_TALK_S = 0.002
"""Between two talks with helpers, which cost about as much as a small job."""


@dataclass(frozen=True, slots=True)
class Job(Generic[Result]):
    """Something to do."""

    nbytes: int
    """That it holds on to."""
    call: Callable[[], Result]
    """Does it in this process."""
    order: Order | None = None
    """Has a helper do it."""
    made: Callable[[Put], Result] | None = None
    """The result, where a helper did it."""


class _Task(Generic[Result]):
    """A job that was handed out, or waits for a helper."""

    def __init__(self, job: Job[Result], helpers: Helpers, pool: ThreadPoolExecutor | None) -> None:
        self._job = job
        self._helpers = helpers if job.order is not None and helpers.can_come else None
        self._is_sent = False
        self._future: Future[Result] | None = None
        if pool is not None and self._helpers is None:
            self._future = pool.submit(job.call)

    @property
    def nbytes(self) -> int:
        return self._job.nbytes

    @property
    def is_done(self) -> bool:
        if self._future is not None:
            return self._future.done()
        return self._is_sent and self._job.order is not None and self._job.order.outcome is not None

    def send(self) -> bool:
        """Have a helper do it; False where none has time."""
        if self._is_sent or self._future is not None or self._helpers is None:
            return True
        assert self._job.order is not None
        self._is_sent = self._helpers.send(self._job.order)
        return self._is_sent

    def do(self) -> bool:
        """Do it in this thread; False where somebody else has begun it."""
        if self._is_sent or not (self._future is None or self._future.cancel()):
            return False
        self._future = Future()
        try:
            self._future.set_result(self._job.call())
        except Exception as error:  # noqa: BLE001 - raised when its turn comes
            self._future.set_exception(error)
        return True

    def result(self) -> Result:
        """Wait for it. What a helper could not do is done here, where it fails as it does without helpers."""
        if self._future is not None:
            return self._future.result()
        order, made = self._job.order, self._job.made
        assert self._helpers is not None and order is not None and made is not None  # noqa: PT018 - it was sent
        while order.outcome is None:
            self._helpers.listen(wait=True)
        return made(order.outcome) if isinstance(order.outcome, Put) else self._job.call()


def in_order(
    jobs: Iterator[Job[Result]], workers: int, max_nbytes: int, helpers: Helpers
) -> Generator[Result, None, None]:
    """The results of jobs, which are asked for one at a time, in this thread.

    This thread is one of the workers: while it would wait for the first job to end, it does the last one that nobody
    has begun. One thread more than there are cores would only take the interpreter from the others.

    Args:
        jobs: an iterator. What it raises is raised after the results of the jobs before.
        workers: threads or processes, this one among them.
        max_nbytes: jobs that hold more than this together wait for the first of them to end.
        helpers: who do jobs with an order; threads do the others.
    """
    pending: deque[_Task[Result]] = deque()
    held, failure, talked = 0, None, 0.0
    with ThreadPoolExecutor(max(1, workers - 1), thread_name_prefix="mlstac-write") as pool:
        while failure is None:
            try:
                job = next(jobs)
            except StopIteration:
                break
            except BaseException as error:  # noqa: BLE001 - raised again below
                failure = error
                break
            pending.append(_Task(job, helpers, pool if workers > 1 else None))
            held += job.nbytes
            if time.monotonic() - talked > _TALK_S:
                _hand_out(pending, helpers)
                talked = time.monotonic()
            while pending and (held > max_nbytes or len(pending) > _EACH * workers or pending[0].is_done):
                held -= pending[0].nbytes
                yield _first(pending, helpers)
        while pending:
            yield _first(pending, helpers)
    if failure is not None:
        try:
            raise failure
        finally:
            del failure  # else it and this frame keep each other, and memory with them


def _hand_out(pending: deque[_Task[Result]], helpers: Helpers) -> None:
    """Hear what helpers have done, and give them more."""
    helpers.listen()
    all(task.send() for task in pending)


def _first(pending: deque[_Task[Result]], helpers: Helpers) -> Result:
    """The result of the first."""
    if not pending[0].is_done:
        _hand_out(pending, helpers)
    while not pending[0].is_done and any(task.do() for task in reversed(pending)):
        helpers.more()  # since this thread is needed for something else
        _hand_out(pending, helpers)
    return pending.popleft().result()

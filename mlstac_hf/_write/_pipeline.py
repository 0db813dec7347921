"""Jobs in threads, their results in order, with a bound on the bytes that wait.

Owns: how many are under way, and which thread does which. Leaves to others: what a job does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Result = TypeVar("Result")
Job = tuple[int, Callable[[], Result]]
"""Bytes that it holds on to, and what to call."""

_EACH = 4
"""Jobs under way a thread, at most."""


class _Task(Generic[Result]):
    """A job that was handed out."""

    def __init__(self, job: Job[Result], pool: ThreadPoolExecutor | None) -> None:
        self.nbytes, self._call = job
        self._future: Future[Result] = Future() if pool is None else pool.submit(self._call)

    @property
    def is_done(self) -> bool:
        return self._future.done()

    def do(self) -> bool:
        """Do it in this thread; False where a thread has begun it."""
        if not self._future.cancel():
            return False
        self._future = Future()
        try:
            self._future.set_result(self._call())
        except Exception as error:  # noqa: BLE001 - raised when its turn comes
            self._future.set_exception(error)
        return True

    def result(self) -> Result:
        return self._future.result()


def in_order(jobs: Iterator[Job[Result]], workers: int, max_nbytes: int) -> Generator[Result, None, None]:
    """The results of jobs, which are asked for one at a time, in this thread.

    This thread is one of the workers: while it would wait for the first job to end, it does the last one that nobody
    has begun. One thread more than there are cores would only take the interpreter from the others.

    Args:
        jobs: an iterator. What it raises is raised after the results of the jobs before.
        workers: threads, this one among them.
        max_nbytes: jobs that hold more than this together wait for the first of them to end.
    """
    pending: deque[_Task[Result]] = deque()
    held, failure = 0, None
    with ThreadPoolExecutor(max(1, workers - 1), thread_name_prefix="mlstac-write") as pool:
        while failure is None:
            try:
                job = next(jobs)
            except StopIteration:
                break
            except BaseException as error:  # noqa: BLE001 - raised again below
                failure = error
                break
            pending.append(_Task(job, pool if workers > 1 else None))
            held += job[0]
            while pending and (held > max_nbytes or len(pending) > _EACH * workers or pending[0].is_done):
                held -= pending[0].nbytes
                yield _first(pending)
        while pending:
            yield _first(pending)
    if failure is not None:
        raise failure


def _first(pending: deque[_Task[Result]]) -> Result:
    """The result of the first."""
    while not pending[0].is_done and any(task.do() for task in reversed(pending)):
        continue
    return pending.popleft().result()

"""Jobs in threads, their results in order, with a bound on the bytes that wait.

Owns: how many are under way. Leaves to others: what a job does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")
Job = tuple[int, Callable[[], Result]]
"""Bytes that it holds on to, and what to call."""


def in_order(jobs: Iterator[Job[Result]], workers: int, max_nbytes: int) -> Generator[Result, None, None]:
    """The results of jobs, which are asked for one at a time, in this thread.

    Args:
        jobs: an iterator. What it raises is raised after the results of the jobs before.
        workers: threads.
        max_nbytes: jobs that hold more than this together wait for the first of them to end.
    """
    pending: deque[tuple[int, Future[Result]]] = deque()
    held, failure = 0, None
    with ThreadPoolExecutor(workers, thread_name_prefix="mlstac-write") as pool:
        while failure is None:
            try:
                nbytes, job = next(jobs)
            except StopIteration:
                break
            except BaseException as error:  # noqa: BLE001 - raised again below
                failure = error
                break
            pending.append((nbytes, pool.submit(job)))
            held += nbytes
            while pending and (held > max_nbytes or len(pending) > 4 * workers or pending[0][1].done()):
                nbytes, future = pending.popleft()
                held -= nbytes
                yield future.result()
        for _, future in pending:
            yield future.result()
    if failure is not None:
        raise failure

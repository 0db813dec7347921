"""Jobs in threads: their results come in order, and no more of them wait than is allowed."""

from __future__ import annotations

import threading
import time

import pytest

from mlstac_hf._write._helpers import Helpers
from mlstac_hf._write._pipeline import Job, in_order

NOBODY = Helpers(0, 0)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_results_come_in_order_and_not_from_one_thread_alone(workers):
    threads = set()

    def job(number):
        def call():
            threads.add(threading.get_ident())
            time.sleep(0.002 * (number % 3))
            return number

        return Job(1, call)

    assert list(in_order(map(job, range(40)), workers, 100, NOBODY)) == list(range(40))
    assert 1 <= len(threads) <= workers
    assert workers == 1 or len(threads) > 1


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_bytes_wait_than_are_allowed(workers):
    begun, taken = 0, 0

    def jobs():
        nonlocal begun
        for _ in range(50):
            assert (begun - taken) * 10 <= 40
            begun += 1
            yield Job(10, lambda: None)

    for _ in in_order(jobs(), workers, 40, NOBODY):
        taken += 1
    assert taken == 50


@pytest.mark.parametrize("workers", [1, 2])
def test_what_jobs_or_their_iterator_raise_comes_after_the_results_before(workers):
    def fail():
        raise ValueError("a job")

    results = in_order(
        iter([Job(1, lambda: 0), Job(1, lambda: 1), Job(1, fail), Job(1, lambda: 3)]), workers, 100, NOBODY
    )
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="a job"):
        next(results)

    def broken():
        yield Job(1, lambda: 0)
        yield Job(1, lambda: 1)
        raise KeyboardInterrupt

    results = in_order(broken(), workers, 100, NOBODY)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(KeyboardInterrupt):
        next(results)

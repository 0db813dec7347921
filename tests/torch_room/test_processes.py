"""Workers: forked, spawned, kept and killed; and what is left of them."""

import ctypes
import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from made import write
from torch_numbers import numbers
from waiting import within
from writing import sample

from mlstac_hf._order import Order, Shuffling

torch = pytest.importorskip("torch")

from mlstac_hf.torch import SampleDataset, SampleLoader, collate
from mlstac_hf.torch._loader import _ended

COUNT = 23


def expected(epoch=0):
    return Order(COUNT, Shuffling("full"), 5, epoch).at(range(COUNT)).tolist()


@pytest.mark.parametrize("context", ["fork", "spawn"])
@pytest.mark.parametrize("persistent", [False, True])
def test_workers_of_every_kind_read_every_sample_once(numbered, context, persistent):
    loader = SampleLoader(
        numbered,
        batch_size=4,
        num_workers=1 if context == "spawn" else 2,
        multiprocessing_context=context,
        persistent_workers=persistent,
    )
    assert numbers(loader) == expected()
    assert numbers(loader) == expected(1)


def test_workers_that_stay_go_on_from_a_state(numbered):
    loader = SampleLoader(numbered, batch_size=4, num_workers=2, persistent_workers=True)
    batches = iter(loader)
    got = numbers(next(batches) for _ in range(2))
    state = loader.state_dict()
    del batches
    loader.load_state_dict(state)
    assert got + numbers(loader) == expected()
    assert numbers(loader) == expected(1)


KILLED = r"DataLoader worker .*(killed|exited unexpectedly)"
# torch's handler of signals fails wherever the main thread is: in a destructor of torch, or while a socket is opened
WHEREVER = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@WHEREVER
@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("epoch", [0, 1])
def test_a_killed_worker_is_an_error_and_no_hang(numbered, persistent, epoch):
    """In the first epoch, and once workers have already been through one; batches of the dead one still wait."""
    for _ in range(4):  # what torch trips over depends on when
        loader = SampleLoader(
            numbered, batch_size=1, num_workers=2, persistent_workers=persistent, collate_fn=with_process_of_worker
        )
        for _ in range(epoch):
            list(loader)
        batches = iter(loader)
        process, batch = next(batches)
        assert numbers([batch]) == expected(epoch)[:1]
        position = loader.state_dict()["position"]
        with within(10), pytest.raises(RuntimeError, match=KILLED):
            kill_and_go_on(process, batches)
        assert loader.state_dict()["epoch"] == epoch
        assert loader.state_dict()["position"] >= position > 0


def kill_and_go_on(process, batches):
    os.kill(process, signal.SIGKILL)
    return list(batches)


def with_process_of_worker(samples):
    return os.getpid(), collate(samples)


class Unpacked:
    """A batch whose arrival fails in the parent, and kills the worker that it is of if that is wanted."""

    def __init__(self, error, end):
        self.error, self.end = error, end

    def __reduce__(self):
        return fail, (self.error, os.getpid() if self.end else None)


def fail(error, process):
    if process is not None:
        os.kill(process, signal.SIGKILL)
    raise error("of a socket")


@WHEREVER
@pytest.mark.parametrize("error", [ConnectionResetError, EOFError, FileNotFoundError])
@pytest.mark.parametrize("persistent", [False, True])
def test_what_is_taken_over_from_a_worker_that_ends_is_an_error_by_name(numbered, error, persistent):
    loader = SampleLoader(
        numbered, num_workers=1, persistent_workers=persistent, collate_fn=partial(unpacked, error, end=True)
    )
    with within(10), pytest.raises(RuntimeError, match=KILLED):
        list(loader)


def test_an_error_that_ends_no_worker_stays_what_it_is(numbered):
    loader = SampleLoader(numbered, num_workers=1, collate_fn=partial(unpacked, EOFError, end=False))
    with within(10), pytest.raises(EOFError, match="of a socket"):
        list(loader)


def unpacked(error, _, *, end):
    return Unpacked(error, end)


def test_how_a_worker_ended_is_told():
    context = multiprocessing.get_context("spawn")
    ends = [(sys.exit, (3,), "exit code 3"), (signal.raise_signal, (signal.SIGKILL,), "signal 9")]
    for target, arguments, told in ends:
        one, stays = context.Process(target=target, args=arguments), context.Process(target=time.sleep, args=(60,))
        one.start()
        stays.start()
        one.join()
        assert _ended([stays, one]) == [f"(pid {one.pid}, {told})"]
        stays.kill()
        stays.join()
    assert _ended([]) == []


def descriptors():
    """What each open file descriptor of this process leads to."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))
        except FileNotFoundError:  # the one of the listing
            continue
    return found


def with_what_is_open(_):
    return descriptors(), threading.active_count()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_a_forked_worker_has_no_files_and_threads_of_its_parent(numbered):
    SampleDataset(numbered).__getitems__(range(COUNT))  # the parent has read all there is
    loader = SampleLoader(
        numbered, batch_size=4, num_workers=2, multiprocessing_context="fork", collate_fn=with_what_is_open
    )
    for opened, threads in loader:
        assert not [path for path in opened if path.startswith(numbered)]
        assert threads <= 2  # it, and the one that feeds torch's queue


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
@pytest.mark.parametrize("persistent", [False, True])
def test_epochs_leave_no_files_and_threads_behind(numbered, persistent):
    loader = SampleLoader(numbered, batch_size=4, num_workers=2, persistent_workers=persistent)

    def opened():
        gc.collect()
        return len(descriptors()), threading.active_count()

    def settles(is_so):
        """torch's threads that feed workers end by themselves, a little later."""
        with within(30):
            while not is_so(*opened()):
                time.sleep(0.05)

    _, idle = opened()
    assert numbers(loader) == expected()  # the first use of processes opens a pipe or two, for good
    if not persistent:
        settles(lambda _, threads: threads <= idle)
    before = opened()
    for _ in range(3):
        assert len(numbers(loader)) == COUNT
        settles(lambda *now: now <= before)
    if not persistent:
        assert next(iter(loader))["target"].shape == (4,)  # broken off
        settles(lambda *now: now <= before)


def resident_nbytes():
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc: what tests before this one gave back is no room
    if trim is not None:
        trim(0)
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def megabytes(tmp_path):
    """12 samples of 1 MB."""
    build = lambda i: sample(i, {"input": np.full((4, 512, 256), i, np.uint16)})
    return str(write(tmp_path / "megabytes", build, counts={"train": 12}).folder)


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="needs /proc")
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("leaks", [False, True])
def test_memory_is_flat_over_twenty_epochs(megabytes, workers, leaks):
    """A leak of one batch of 4 MB an epoch would be seen, as the leaking loop shows."""
    loader = SampleLoader(megabytes, batch_size=4, num_workers=workers)
    kept = []

    def epoch():
        for batch in loader:
            # what nobody looks at takes no memory; and sum() of uint16 makes a copy, of which glibc keeps some
            assert batch["input"].view(torch.int16).max() > 0
        if leaks:
            kept.append(batch)

    for _ in range(3):
        epoch()
    before = resident_nbytes()
    for _ in range(17):
        epoch()
    grown = resident_nbytes() - before
    assert (grown > 17 * 4e6 / 2) == leaks


def test_an_error_in_a_worker_arrives_as_itself(numbered):
    from mlstac_hf import CorruptSampleError

    sorted(Path(numbered, "train").iterdir())[3].write_bytes(b"")
    with pytest.raises(CorruptSampleError, match=r"sample 3"):
        list(SampleLoader(numbered, batch_size=4, num_workers=2))


def test_a_batch_of_a_worker_is_in_memory_of_its_own(numbered):
    """It may be changed in place; the file stays as it is."""
    for _ in range(2):
        (batch, *_) = SampleLoader(numbered, batch_size=COUNT, num_workers=1, collate_fn=collate, shuffle=False)
        assert batch["target"].tolist() == list(range(COUNT))
        batch["target"].zero_()

"""Reading ahead gives what reading one by one gives, in order, within its bounds, and ends when nobody wants more."""

from __future__ import annotations

import gc
import multiprocessing
import threading
import time
from dataclasses import dataclass, field

import numpy as np
import pytest

for package in ("datasets", "rasterio", "shapely"):  # samples in every layout there is
    pytest.importorskip(package)

from containers import make_containers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layouts import images, write_kind
from misbehaving import Answers, MisbehavingServer
from serving import serve_folder
from tables import publish

from mlstac_hf import CollectionWarning, CorruptSampleError, InvalidCollectionError, MissingSampleError, StoreError
from mlstac_hf._reading import Selection, open_collection, open_split, select
from mlstac_hf._reading._ahead import read_ahead, samples_ahead
from mlstac_hf._reading._batch import read_batch
from mlstac_hf._reading._joined import Joined
from mlstac_hf._reading._selected import Selected
from mlstac_hf._reading._source import Location, Sample

KINDS = ("plain", "gzip", "safetensors", "raster", "tables")
COUNT = 12


@pytest.fixture(scope="module", params=KINDS)
def remote(request, tmp_path_factory):
    """A split of 12 samples behind a server, in each layout; of containers, two of them."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param in ("safetensors", "raster"):
        make_containers(folder, counts={"train": (5, 7)}, plain=request.param == "safetensors")
    elif request.param == "tables":
        local = write_kind("plain", folder / "local", {"train": images(COUNT, (3, 24, 24), scene="a")})
        publish(local, folder, "parquet")
    else:
        write_kind(request.param, folder, {"train": images(COUNT, (3, 8, 8))})
    server = serve_folder(folder)
    collection = open_collection(f"{server.url}/main.json")
    yield open_split(collection, "train"), select(collection, "train", Selection(scale=0.5))
    server.stop()


def values(sample):
    return {name: (value.dtype, value.tobytes()) for name, value in sample.values.items()}


def columns_of(batch):
    return {name: [np.asarray(value).tobytes() for value in column] for name, column in batch.columns.items()}


indices = st.lists(st.integers(0, COUNT - 1), max_size=16)
reading = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@reading
@given(wanted=indices, max_nbytes=st.sampled_from([1, 3000, 1 << 27]), connections=st.sampled_from([1, 3, 32]))
def test_samples_are_those_read_one_by_one(remote, wanted, max_nbytes, connections):
    source, _ = remote
    found = list(samples_ahead(source, wanted, max_nbytes=max_nbytes, connections=connections))
    assert [index for index, _ in found] == wanted
    assert [values(sample) for _, sample in found] == [values(source.read(index)) for index in wanted]


@reading
@given(batches=st.lists(st.lists(st.integers(0, COUNT - 1), max_size=5), max_size=6))
def test_batches_are_those_read_at_once(remote, batches):
    source, _ = remote
    found = list(read_ahead(source, batches, ["input"]))
    assert [batch.indices for batch in found] == batches
    expected = [read_batch(source, batch, ["input"]) for batch in batches]
    assert [columns_of(batch) for batch in found] == [columns_of(batch) for batch in expected]


@reading
@given(wanted=st.lists(st.integers(0, 2 * COUNT - 1), max_size=20), order=st.permutations(range(COUNT)))
def test_views_of_splits_are_read_ahead_as_well(remote, wanted, order):
    source, scaled = remote
    source = Joined("all", (Selected(scaled, order), source))
    found = [values(sample) for _, sample in samples_ahead(source, wanted)]
    assert found == [values(source.read(index)) for index in wanted]


def test_on_this_disk_nothing_runs_ahead(collection):
    source = open_split(open_collection(collection.address), "train")
    before = threading.active_count()
    found = samples_ahead(source, range(5))
    assert next(found)[0] == 0
    assert threading.active_count() <= before  # those of tests before may end meanwhile
    assert [index for index, _ in found] == [1, 2, 3, 4]
    batches = list(read_ahead(source, [[4, 0], [], [2]]))
    assert [batch.indices for batch in batches] == [[4, 0], [], [2]]


def test_connections_are_counted_from_none_on(collection):
    source = open_split(open_collection(collection.address), "train")
    with pytest.raises(ValueError, match="expected connections to be 0 or more, got -1"):
        list(samples_ahead(source, [0], connections=-1))


# A source that says when it is read


@dataclass
class Watched:
    """Samples of one kibibyte, which notes what is read, and may be held up."""

    sizes: dict = field(default_factory=dict)
    faults: dict = field(default_factory=dict)
    known: bool = True
    count: int = 1_000_000
    go: threading.Event = field(default_factory=threading.Event)
    read_so_far: list = field(default_factory=list)
    split = "train"
    is_local = False

    def __post_init__(self):
        self.go.set()

    def __len__(self):
        return self.count

    def place(self, index):
        return f"sample {index}"

    def location(self, index):
        return Location("memory", str(index))

    def nbytes(self, index):
        return self.sizes.get(index, 1024) if self.known else None

    def read(self, index, columns=None, into=None):
        self.go.wait(20)
        self.read_so_far.append(index)
        if index in self.faults:
            raise self.faults[index]
        return Sample({"input": np.zeros(self.sizes.get(index, 1024), np.uint8)}, None)


def settled(source):
    """What was read when no more is read."""
    count = -1
    while len(source.read_so_far) != count:
        count = len(source.read_so_far)
        time.sleep(0.05)
    return sorted(source.read_so_far)


@pytest.mark.parametrize("known", [True, False])
def test_a_slow_consumer_finds_no_more_ahead_than_there_is_room_for(known):
    source = Watched(known=known)
    found = samples_ahead(source, range(1_000_000), max_nbytes=64 << 10)
    for delivered in range(1, 200):
        assert next(found)[0] == delivered - 1
    ahead = len(settled(source)) - delivered
    assert 16 <= ahead <= 64
    found.close()


def test_samples_that_turn_out_larger_than_known_count_as_they_are():
    source = Watched(known=False, sizes=dict.fromkeys(range(1_000_000), 64 << 10))
    found = samples_ahead(source, range(1_000_000), max_nbytes=1 << 20)
    for _ in range(50):
        next(found)
    assert len(settled(source)) - 50 <= 16 + 4
    found.close()


def test_little_is_asked_for_before_anything_came():
    source = Watched(sizes=dict.fromkeys(range(100_000), 1 << 20))
    source.go.clear()
    found = samples_ahead(source, range(100_000))
    thread = threading.Thread(target=next, args=(found,))
    thread.start()
    time.sleep(0.1)
    source.go.set()
    thread.join()
    assert len(settled(source)) <= 8
    found.close()


def test_one_sample_may_be_more_than_may_be_ahead():
    source = Watched(sizes={3: 1 << 20})
    found = samples_ahead(source, range(6), max_nbytes=10)
    assert [index for index, _ in found] == list(range(6))


def test_what_says_which_samples_is_asked_no_further_than_needed():
    asked = []

    def endless():
        for index in range(1_000_000):
            asked.append(index)
            yield [index, index]

    found = read_ahead(Watched(), endless(), max_nbytes=8 << 10)
    assert next(found).indices == [0, 0]
    assert len(asked) < 20
    found.close()


def test_errors_come_at_the_turn_of_their_sample():
    source = Watched(faults={3: CorruptSampleError("sample 3 is cut"), 5: StoreError("the network is gone")})
    found = samples_ahead(source, range(9))
    assert [next(found)[0] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(CorruptSampleError, match="sample 3 is cut"):
        next(found)
    left_out = []
    found = samples_ahead(source, range(9), on_bad=lambda index, error: left_out.append((index, str(error))))
    assert [next(found)[0] for _ in range(4)] == [0, 1, 2, 4]
    with pytest.raises(StoreError, match="the network is gone"):
        next(found)
    assert left_out == [(3, "sample 3 is cut")]


def test_bad_samples_are_left_out_of_their_batches():
    source = Watched(faults={index: CorruptSampleError(str(index)) for index in (1, 2, 3)})
    batches = [[0, 1], [2, 3], [], [4]]
    assert [b.indices for b in read_ahead(source, batches, on_bad=lambda *_: None)] == [[0], [], [], [4]]


def test_who_fails_to_say_which_samples_is_heard_after_those_before():
    def broken():
        yield from (0, 1)
        raise RuntimeError("no more")

    found = samples_ahead(Watched(), broken())
    assert [next(found)[0], next(found)[0]] == [0, 1]
    with pytest.raises(RuntimeError, match="no more"):
        next(found)


def test_a_sample_that_is_nowhere_is_an_error_at_its_turn(remote):
    found = samples_ahead(remote[0], [0, 10**6])
    assert next(found)[0] == 0
    with pytest.raises((IndexError, MissingSampleError)):
        next(found)


def test_a_count_that_is_a_lie_ends_when_nothing_is_there():
    source = Watched(faults={index: MissingSampleError(str(index)) for index in range(10, 10_000)})
    found = samples_ahead(source, range(1_000_000), on_bad=lambda *_: None)
    with pytest.raises(InvalidCollectionError, match="256 samples in a row, up to sample 265, are not there"):
        list(found)


# Its end


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("mlstac-ahead")]


def ended():
    for thread in threads():
        thread.join(10)
    return not threads()


@pytest.mark.parametrize("end", ["close", "forget", "error", "exhaust"])
def test_threads_end_when_nobody_wants_more(end):
    source = Watched(faults={5: StoreError("gone")} if end == "error" else {})
    found = samples_ahead(source, range(1000), max_nbytes=16 << 10)
    next(found)
    assert threads()
    if end == "close":
        found.close()
    elif end == "forget":
        del found
        gc.collect()
    else:
        with pytest.raises(StoreError) if end == "error" else memoryview(b""):
            list(found)
    assert ended()


def test_nothing_is_begun_after_the_end():
    source = Watched()
    source.go.clear()
    found = samples_ahead(source, range(100_000), connections=2)  # more than threads read before the end
    waiting = threading.Thread(target=lambda: next(found, None))
    waiting.start()
    time.sleep(0.05)
    source.go.set()
    waiting.join()
    found.close()
    assert ended()
    count = len(source.read_so_far)
    time.sleep(0.05)
    assert len(source.read_so_far) == count < 100_000


def _in_a_child(found, source, answers):
    answers.put([index for index, _ in samples_ahead(source, range(3))])
    try:
        next(found)
        next(found)
        for _ in found:
            pass
    except RuntimeError as error:
        answers.put(str(error))
    found.close()
    answers.put("closed")


def test_a_process_that_is_forked_before_reads_ahead_and_one_that_is_forked_after_says_so():
    context = multiprocessing.get_context("fork")
    source, answers = Watched(), context.Queue()
    found = samples_ahead(source, range(100_000), max_nbytes=16 << 10)
    next(found)
    child = context.Process(target=_in_a_child, args=(found, source, answers))
    child.start()
    assert answers.get(timeout=20) == [0, 1, 2]
    assert "after a fork" in answers.get(timeout=20)
    assert answers.get(timeout=20) == "closed"
    child.join(10)
    assert child.exitcode == 0
    assert next(found)[0] == 1
    found.close()
    assert ended()


# What is asked of a server


def test_neighbours_in_a_container_are_fetched_by_one_request(tmp_path):
    made = make_containers(tmp_path, counts={"train": (200,)}, plain=True, table=False)
    with MisbehavingServer(tmp_path) as server:
        source = open_split(open_collection(f"{server.url}/main.json"), "train")
        server.reset_counts()
        found = [sample.values["input"] for _, sample in samples_ahead(source, range(200))]
        assert len(server.requests) <= 4
        server.reset_counts()
        shuffled = np.random.default_rng(0).permutation(200).tolist()
        again = dict(samples_ahead(source, shuffled))
        assert len(server.requests) <= 4
    for index, raster in enumerate(made.rasters["train"]):
        np.testing.assert_array_equal(found[index], raster[:4])
        np.testing.assert_array_equal(again[index].values["input"], raster[:4])


def test_what_cannot_be_fetched_at_once_is_asked_for_no_more(tmp_path):
    make_containers(tmp_path, counts={"train": (30,)}, plain=True, table=False)
    with MisbehavingServer(tmp_path) as server:
        source = open_split(open_collection(f"{server.url}/main.json"), "train")
        server.reset_counts()
        server.add(Answers(400))
        found = samples_ahead(source, range(30))
        with pytest.raises(StoreError, match="answers 400"):
            next(found)
        assert ended()
        assert len(server.requests) == 1


def test_a_container_that_is_cut_spoils_what_lies_beyond_alone(tmp_path):
    made = make_containers(tmp_path, counts={"train": (30,)}, plain=True, table=False)
    with MisbehavingServer(tmp_path) as server:
        source = open_split(open_collection(f"{server.url}/main.json"), "train")
        path = tmp_path / "train" / "train_1.mlstac"
        path.write_bytes(path.read_bytes()[: source.location(20).start + 100])
        with pytest.warns(CollectionWarning, match="uploaded anew"):
            source = open_split(open_collection(f"{server.url}/main.json"), "train")
        left_out = []
        found = [index for index, _ in samples_ahead(source, range(30), on_bad=lambda i, _: left_out.append(i))]
    assert (found, left_out) == (list(range(20)), list(range(20, 30)))
    assert len(made.names["train"]) == 30


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("light", [0, 100])
def test_samples_far_heavier_than_was_guessed_wait_for_room(known, light):
    """Stored in next to nothing, as rasters of one value are; those before them may have been as large as they are."""

    class Packed(Watched):
        def nbytes(self, index):
            return (10 if index >= light else 1 << 18) if known else None

    most, sizes = 4 << 20, dict.fromkeys(range(1000), 1 << 18)
    source = Packed(sizes=sizes)
    found, ahead = samples_ahead(source, range(600), max_nbytes=most, connections=4), []
    for delivered, (index, _) in enumerate(found):
        assert index == delivered
        if delivered % 50 == 0:
            ahead.append(len(settled(source)) - delivered - 1)
    assert delivered == 599
    assert max(ahead) << 18 <= most + most // 4 + (4 << 18)
    assert sorted(source.read_so_far) == list(range(600))

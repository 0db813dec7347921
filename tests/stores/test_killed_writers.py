"""What is kept on this disk between calls is whole, whoever writes it at once and is killed at it."""

import hashlib
import multiprocessing
import random
import time

import pytest

from mlstac_hf._reading._notes import Notes
from mlstac_hf._stores._hub_cache import HubCache

COMMIT = "0" * 40
NBYTES = 1 << 21


def content(seed):
    """A byte that differs, so many times that no write is one."""
    return bytes([seed]) * NBYTES


def write_notes(folder, seed):
    notes = Notes(folder)
    while True:
        notes.put("note", content(seed))


def write_blobs(folder, seed):
    cache = HubCache(str(folder), "user/room")
    while True:
        for number in range(40):
            data = content(number)
            cache.put(COMMIT, f"train/{number}", hashlib.sha256(data).hexdigest(), data)
            cache.note_listing(COMMIT, "train", [])
            cache.note_commit("main", COMMIT)


def read_note(folder, number):
    data = Notes(folder).get("note")
    if data is None:
        return 0
    assert data == content(data[0])
    return 1


def read_blob(folder, number):
    cache = HubCache(str(folder), "user/room")
    assert cache.commit_of("main") in (None, COMMIT)
    assert cache.listing(COMMIT, "train") in (None, [])
    descriptor = cache.open(COMMIT, f"train/{number % 40}")
    if descriptor is None:
        return 0
    with open(descriptor, "rb") as file:
        assert file.read() == content(number % 40)
    return 1


@pytest.mark.parametrize(("write", "read"), [(write_notes, read_note), (write_blobs, read_blob)])
def test_readers_see_whole_files_while_writers_race_and_are_killed(tmp_path, write, read):
    context, rng, found = multiprocessing.get_context("spawn"), random.Random(0), 0
    for round_ in range(3):
        writers = [
            context.Process(target=write, args=(tmp_path, seed), daemon=True) for seed in (1 + round_, 11 + round_)
        ]
        for writer in writers:
            writer.start()
        latest = time.monotonic() + 60
        while sum(read(tmp_path, number) for number in range(40)) == 0:
            assert time.monotonic() < latest
        time.sleep(rng.random() / 4)
        for writer in writers:
            writer.kill()
            writer.join()
            assert writer.exitcode == -9
        found += sum(read(tmp_path, number) for number in range(40))
    assert found

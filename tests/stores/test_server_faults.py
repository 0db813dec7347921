"""Real servers behind a proxy that misbehaves: every read is right or an error that names the file, and none hangs."""

from __future__ import annotations

import contextlib
import random
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest
import urllib3
from made import plain
from misbehaving import (
    Answers,
    Garbled,
    Having,
    Late,
    OneOf,
    Trickle,
    Truncate,
    WrongCount,
    chance,
    first,
    hang_up,
)
from proxy import as_whole
from reads import ended, equal, read_at_random

from mlstac_hf import LinkRefusedError, MLSTACError, StoreError, load
from mlstac_hf._stores import Access, _buckets, _fsspec, _http_client, open_address

DATA = random.Random(0).randbytes(5000)
NAME = "train/file.bin"
DAWDLE_S = 30
"""Far beyond what is waited for; a server that is stopped does not wait for it."""
PASSING = (Answers(429, "1"), Answers(500), Answers(503), hang_up, Truncate(), Truncate(3), WrongCount(-1))
OTHER_TAG = Having({"ETag": '"0x8D0000000000000"', "X_Linked_ETag": f'"{"0" * 64}"'})


@pytest.fixture(autouse=True)
def no_waits(monkeypatch):
    """The real retries, without the pauses between them."""
    monkeypatch.setattr(
        _http_client, "RETRY", _http_client.RETRY.new(backoff_factor=0, backoff_jitter=0, retry_after_max=0)
    )


@pytest.fixture
def haste(monkeypatch, no_waits):
    """Little time, and one more try."""
    monkeypatch.setattr(_http_client, "TIMEOUT", urllib3.Timeout(connect=2, read=0.5))
    monkeypatch.setattr(_http_client, "RETRY", _http_client.RETRY.new(total=1))
    monkeypatch.setattr(_buckets, "TIMEOUT_S", 3)  # botocore takes a second to begin
    monkeypatch.setattr(_fsspec, "FIRST_NBYTES", 1000)


@pytest.fixture
def store(place):
    place.put({NAME: DATA})
    opened = open_address(place.address, Access(storage_options=place.options or None))[0]
    if place.kind == "hub":
        opened = opened.passing()  # or what is read is kept
    return opened


def titled(value):
    """The name of a fault in the titles of tests."""
    return getattr(value, "__name__", str(value))[:40]


def whole(store):
    return store.read(NAME) == DATA


def part(store):
    return store.read_range(NAME, 100, 200) == DATA[100:200]


def fetched(store):
    return store.fetch(NAME) == DATA and store.fetch_parts(NAME, [range(100, 150), range(160, 200)]) == [
        DATA[100:150],
        DATA[160:200],
    ]


def size(store):
    return store.stat(NAME).nbytes == len(DATA)


@pytest.mark.parametrize("fault", PASSING, ids=titled)
def test_what_passes_is_not_noticed(place, store, fault):
    place.front.add(fault, when=first(2))
    assert part(store)
    place.front.add(fault, when=first(2))
    assert size(store)
    assert whole(store)
    place.front.add(fault, when=first(2))
    assert fetched(store)


@pytest.mark.parametrize("fault", [Answers(503), hang_up, Truncate(3)], ids=titled)
def test_what_does_not_pass_is_an_error_that_names_the_file(place, store, fault, haste):
    place.front.add(fault, method="GET")
    with pytest.raises(StoreError) as caught:
        ended(part, store)
    assert NAME in str(caught.value) or place.kind == "hub"  # its files have other names where they lie
    if place.kind in ("s3", "azure"):
        assert "after retries. Try again later." in str(caught.value)


def test_what_a_server_asks_for_is_waited(place, store, monkeypatch):
    waited = []
    monkeypatch.setattr(_http_client, "RETRY", _http_client.RETRY.new(retry_after_max=15))
    monkeypatch.setattr("time.sleep", waited.append)
    place.front.add(Answers(429, "7"), when=first(1))
    place.front.add(Answers(503, "999"), when=lambda request, number: number == 1)
    assert part(store)
    assert [pause for pause in waited if pause >= 1] == [7, 15] * (
        2 if place.kind == "hub" else 1
    )  # a redirect of its own


@pytest.mark.parametrize("fault", [Late(DAWDLE_S), Trickle(1, 1)], ids=titled)
@pytest.mark.parametrize("call", [whole, part, fetched, size])
def test_a_server_that_dawdles_is_given_up(place, store, fault, call, haste):
    place.front.add(fault)
    if call is size and isinstance(fault, Trickle) and place.kind != "hub":  # no body
        assert ended(call, store)
        return
    with pytest.raises(StoreError):
        ended(call, store)
    place.front.behave()
    assert ended(call, store)


def test_slow_is_not_too_slow(place, store):
    place.front.add(Late(0.2))
    place.front.add(Trickle(0.01, 1000))
    assert whole(store)
    assert part(store)


def test_all_of_a_file_in_place_of_a_range_is_never_taken_for_the_range(place, store):
    place.front.add(as_whole(DATA))
    for call in (part, whole, fetched):
        with contextlib.suppress(StoreError):
            assert call(store)


def test_another_etag_half_way_is_another_file(place, store):
    assert part(store)
    place.front.add(OTHER_TAG)
    for call in (part, whole, fetched):
        if place.kind == "hub":  # a commit never changes, whatever a cache calls its files
            with contextlib.suppress(StoreError):
                assert call(store)
            continue
        with pytest.raises(StoreError, match=r"file\.bin changed on the server while it was read \(ETag"):
            call(store)


def test_headers_of_rubbish_are_never_more_than_an_error_of_ours(place, store, haste):
    place.front.add(Garbled(5))
    answered = 0
    for _ in range(10):
        for call in (whole, part, fetched, size):
            fresh = open_again(place, store)
            with contextlib.suppress(StoreError, LinkRefusedError, FileNotFoundError):
                assert ended(call, fresh) or call is size  # a size is what a server says
                answered += 1
    assert answered < 30


def open_again(place, store):
    if place.kind == "hub":
        return store
    return open_address(place.address, Access(storage_options=place.options or None))[0]


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_a_read_is_right_or_a_store_error(place, store, seed):
    place.front.add(OneOf((*PASSING, as_whole(DATA), OTHER_TAG, Late(0.01)), seed), when=chance(0.5, seed))
    shown = "" if place.kind == "hub" else NAME  # where the Hub keeps files they have other names
    assert ended(read_at_random, store, random.Random(seed), NAME, DATA, shown) > 0


def test_threads_share_a_store_whatever_happens(place, store):
    place.front.add(OneOf(PASSING, 9), when=chance(0.3, 9))
    with ThreadPoolExecutor(4) as pool:
        done = pool.map(lambda seed: ended(read_at_random, store, random.Random(seed), NAME, DATA, ""), range(4))
        assert sum(done) > 20


def test_samples_equal_the_local_ones_or_name_the_file(place, tmp_path):
    plain(tmp_path / "here")
    place.put(tmp_path / "here")
    local = list(load(tmp_path / "here", framework="numpy"))
    right = 0
    for seed in range(4):
        place.front.behave()
        place.front.add(OneOf((*PASSING, OTHER_TAG), seed), when=chance(0.2, seed))
        try:
            remote = load(place.address, framework="numpy", **place.arguments)
        except MLSTACError:
            continue
        assert len(remote) == len(local)
        for index, sample in enumerate(local):
            with contextlib.suppress(MLSTACError):
                assert equal(remote[index], sample)
                right += 1
    assert right >= 5


# Credentials


def test_no_error_holds_a_secret(place, haste):
    place.put({NAME: DATA})
    secrets = [*place.secrets, "X-Amz-Signature=s1"]
    echo = "; ".join(secrets)

    def telling(request, reply):
        """An error that repeats all it was told, as servers do that sign."""
        said = f"{echo}; {request.headers.get('Authorization')}; {request.target}"
        body = f"<Error><Code>SignatureDoesNotMatch</Code><Message>{said}</Message></Error>".encode()
        return Answers(403)(request, reply).__class__(403, body, {"Content-Type": "application/xml"})

    for fault in (
        telling,
        Answers(401),
        Answers(418),
        Answers(503),
        hang_up,
        Truncate(3),
        Late(DAWDLE_S),
        as_whole(DATA),
    ):
        place.front.behave()
        store = open_again(place, None) if place.kind != "hub" else open_address(place.address, Access())[0].passing()
        place.front.add(fault)
        for call in (part, whole, fetched, size):
            errors = []
            try:
                ended(call, store)
            except (StoreError, FileNotFoundError, LinkRefusedError) as error:
                errors.append(error)
            for error in errors:
                told = "".join(traceback.format_exception(error)) + repr(error) + repr(store)
                assert [secret for secret in secrets if secret in told] == [], fault
                assert place.kind in ("http", "hub") or (error.__context__, error.__cause__) == (None, None)


def test_who_is_refused_is_told_which_credentials_to_give(bucket, haste):
    bucket.put({NAME: DATA})
    store = open_again(bucket, None)
    bucket.front.add(Answers(403))
    names = {"s3": r"AWS_ACCESS_KEY_ID.*\"anon\": True", "azure": "AZURE_STORAGE_ACCOUNT_KEY"}
    for call in (part, size):
        with pytest.raises(StoreError, match=rf"file\.bin.*storage_options.*{names[bucket.kind]}"):
            call(store)
    with pytest.raises(StoreError, match="storage_options"):
        store.list("train")
    with pytest.raises(StoreError, match="storage_options"):
        store.put("x", b"x")

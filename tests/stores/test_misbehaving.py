"""Files behind http servers that misbehave: every read is right or a named error, and none hangs."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import pickle
import random
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from email.utils import formatdate

import pytest
import urllib3
from containers import make_containers
from made import plain
from misbehaving import (
    Answers,
    Changed,
    Garbled,
    Having,
    Late,
    MisbehavingServer,
    OneOf,
    Redirect,
    Reply,
    Request,
    Trickle,
    Truncate,
    WrongCount,
    WrongStart,
    after,
    chance,
    compressed,
    first,
    hang_up,
    ignore_ranges,
    login_page,
    no_head,
    no_length,
    no_validators,
    ranged_reply,
    redirect_to_itself,
    weak_tags,
)
from reads import ended, equal, read_at_random

from mlstac_hf import CollectionWarning, LinkRefusedError, MLSTACError, StoreError, load
from mlstac_hf._stores import HttpStore, _http_checks, _http_client, _pins

IN_AN_HOUR = formatdate(time.time() + 3600, usegmt=True)

DATA = random.Random(0).randbytes(5000)
OTHER = random.Random(1).randbytes(5000)
NAME = "file.bin"
TRIES = 5
DAWDLE_S = 30
"""Far beyond what is waited for; a server that is stopped does not wait for it."""


@pytest.fixture(autouse=True)
def no_waits(monkeypatch):
    """The real retries, without the pauses between them."""
    monkeypatch.setattr(
        _http_client, "RETRY", _http_client.RETRY.new(backoff_factor=0, backoff_jitter=0, retry_after_max=0)
    )


@pytest.fixture
def haste(monkeypatch, no_waits):
    """Little time, and one more try."""
    monkeypatch.setattr(_http_client, "TIMEOUT", urllib3.Timeout(connect=2, read=0.25))
    monkeypatch.setattr(_http_client, "RETRY", _http_client.RETRY.new(total=1))


@pytest.fixture
def server(tmp_path):
    (tmp_path / NAME).write_bytes(DATA)
    with MisbehavingServer(tmp_path) as running:
        yield running


@pytest.fixture
def store(server):
    return HttpStore(server.url)


def whole(store):
    return store.read(NAME) == DATA


def part(store):
    return store.read_range(NAME, 100, 200) == DATA[100:200]


def fetched(store):
    return store.fetch(NAME) == DATA


def fetched_part(store):
    return store.fetch_parts(NAME, [range(100, 150), range(160, 200)]) == [DATA[100:150], DATA[160:200]]


def tail(store):
    return store.read_range(NAME, 4900, 5100) == DATA[4900:]


def beyond(store):
    return store.read_range(NAME, 5000, 5001) == b""


def size(store):
    return store.stat(NAME).nbytes == len(DATA)


def titled(value):
    """The name of a call or fault in the titles of tests."""
    return getattr(value, "__name__", str(value)).replace(IN_AN_HOUR, "in an hour")[:60]


CALLS = [whole, part, fetched, fetched_part, tail, beyond, size]


# The server itself


def ask(server, method="GET", path=f"/{NAME}", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read(), dict(response.getheaders())
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("asked", "status", "body", "place"),
    [
        (None, 200, DATA, None),
        ("bytes=0-9", 206, DATA[:10], "bytes 0-9/5000"),
        ("bytes=4990-6000", 206, DATA[4990:], "bytes 4990-4999/5000"),
        ("bytes=4990-", 206, DATA[4990:], "bytes 4990-4999/5000"),
        ("bytes=-10", 206, DATA[4990:], "bytes 4990-4999/5000"),
        ("bytes=5000-5001", 416, b"", "bytes */5000"),
        ("bytes=1-2,4-5", 200, DATA, None),
    ],
)
def test_the_server_behaves_where_it_is_not_asked_to_misbehave(server, asked, status, body, place):
    headers = {"Range": asked} if asked else {}
    got = ask(server, **headers)
    assert (got[0], got[1], got[2].get("Content-Range")) == (status, body, place)
    assert got[2]["Content-Length"] == str(len(body))
    assert ask(server, "HEAD", **headers)[1] == b""
    assert ask(server, "HEAD", **headers)[2] == got[2]
    assert server.nbytes_sent == server.sent[f"/{NAME}"] == len(body)
    assert [(one.method, one.path, one.range) for one in server.requests] == [
        (method, f"/{NAME}", asked) for method in ("GET", "HEAD", "HEAD")
    ]
    server.reset_counts()
    assert (server.requests, server.nbytes_sent) == ([], 0)


def test_the_server_gives_each_content_an_etag_and_what_is_missing_a_404(server):
    tags = [ask(server)[2]["ETag"]]
    server.add(Changed(OTHER), when=first(1))
    tags += [ask(server)[2]["ETag"], ask(server)[2]["ETag"]]
    assert tags[0] == tags[2] != tags[1]
    assert ask(server, path="/nothing")[0] == 404


def test_rules_choose_by_pattern_method_and_number(server):
    server.add(Answers(500), "/no*", first(1))
    server.add(Answers(501), when=after(2), method="GET")
    assert [ask(server)[0] for _ in range(4)] == [200, 200, 501, 501]
    assert ask(server, "HEAD")[0] == 200
    assert [ask(server, path="/nothing")[0] for _ in range(2)] == [500, 404]
    server.behave()
    assert ask(server)[0] == 200


def test_chance_and_draws_repeat_with_their_seed_whatever_the_order():
    request = [Request("GET", f"/{name}", {}) for name in "ab"]
    struck = [[chance(0.5, 7)(one, number) for number in range(50)] for one in request]
    assert struck == [[chance(0.5, 7)(one, number) for number in range(50)] for one in request]
    assert struck[0] != struck[1]
    assert 10 < sum(struck[0]) < 40
    draws = [
        [OneOf((Answers(500), Answers(503)), seed)(one, Reply(200)).status for one in request * 9] for seed in (1, 2, 1)
    ]
    assert draws[0] == draws[2] != draws[1]


def test_a_cut_body_is_cut_at_the_server_and_counted(server):
    server.add(Truncate(10))
    with pytest.raises(http.client.IncompleteRead):
        ask(server)
    assert server.nbytes_sent == 10


def test_connections_are_kept(server, store):
    assert all(call(store) for call in CALLS)
    assert (server.connections, len(server.requests)) == (1, len(CALLS))


def test_a_fault_of_the_server_itself_is_not_hidden(tmp_path):
    running = MisbehavingServer(tmp_path)
    running.add(lambda request, reply: 1 / 0)
    with pytest.raises(StoreError):
        whole(HttpStore(running.url))
    with pytest.raises(AssertionError, match="the server failed"):
        running.stop()


# One fault at a time


@pytest.mark.parametrize(
    "fault",
    [
        ignore_ranges,
        no_head,
        no_length,
        no_validators,
        weak_tags,
        Late(0.02),
        Trickle(0.001, 256),
        Having({"Content_Encoding": "identity"}),
        Having({"Content_Type": "text/html"}),
        Having({"Content_Range": "bytes 0-1/2"}),
    ],
    ids=titled,
)
@pytest.mark.parametrize("call", CALLS)
def test_oddities_are_read_all_the_same(server, store, fault, call):
    if isinstance(fault, Having) and "Content_Range" in fault.headers:
        server.add(ignore_ranges)  # a 200 has no use for the header
    server.add(fault)
    if fault is no_length and call is size:
        assert store.stat(NAME).nbytes is None
    else:
        assert call(store)


def test_ranges_need_neither_head_nor_validators_nor_ranges_nor_lengths(server, store):
    for fault in (ignore_ranges, no_head, no_validators, no_length):
        server.add(fault)
    assert all(call(store) for call in CALLS)


TRANSIENT = [
    Truncate(10),
    Truncate(),
    Answers(500),
    Answers(503),
    Answers(429, "1"),
    Answers(429, IN_AN_HOUR),
    Answers(429, "soon"),
    Answers(503, "9" * 5000),
    hang_up,
]


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        *itertools.product([whole, part, fetched, fetched_part], TRANSIENT),
        *((part, WrongCount(extra)) for extra in (-7, 7, -100)),  # of what Content-Range says
    ],
    ids=titled,
)
def test_a_passing_fault_is_asked_about_again(server, store, fault, call):
    server.add(fault, when=first(2))
    assert call(store)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Truncate(10), r"expected 100 bytes, received 10\b"),
        (Truncate(), r"expected 100 bytes, received 0\b"),
        (WrongCount(-7), r"expected 100 bytes .*, received 93\b"),
        (WrongCount(7), r"expected 100 bytes .*, received 107\b"),
        (Answers(429, "3"), "answers 429"),
        (Answers(503), "answers 503"),
        (hang_up, "failed, after retries"),
    ],
    ids=titled,
)
def test_a_lasting_fault_is_a_store_error_after_a_few_tries(server, store, fault, message):
    server.add(fault)
    with pytest.raises(StoreError, match=message) as caught:
        part(store)
    assert f"{server.url}/{NAME}" in str(caught.value)
    assert len(server.requests) == TRIES


def short_range(request, reply):
    """An honest 206 of less than was asked for, though the file goes on."""
    return ranged_reply(reply.whole, "bytes=100-149") if reply.whole else reply


def no_total(request, reply):
    place = reply.headers.get("Content-Range")
    return reply.having(Content_Range=place and f"{place.partition('/')[0]}/*")


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (WrongStart(1), r"asked for bytes 100 to 200, the server sent .*bytes 101-200/5000"),
        (WrongStart(-1), "asked for bytes 100 to 200"),
        (short_range, r"asked for bytes 100 to 200, received 50, and the file has 5000 bytes"),
        (Having({"Content_Range": "bytes 100-199/150"}), "asked for bytes 100 to 200"),
        (Having({"Content_Range": "bytes 100-99/5000"}), "asked for bytes 100 to 200"),
        (Having({"Content_Range": "pages 100-199/5000"}), "asked for bytes 100 to 200"),
        (Having({"Content_Range": None}), "asked for bytes 100 to 200"),
        (
            lambda request, reply: Reply(416, headers={"Content-Range": "bytes */5000"}),
            "received 0, and the file has 5000",
        ),
        (lambda request, reply: Reply(204), "answers 204"),
        (compressed, "encoding 'gzip'"),
        (Having({"Content_Encoding": "br"}), "encoding 'br'"),
        (Having({"Transfer_Encoding": "gzip, chunked"}), "transfer encoding"),
        (redirect_to_itself, "more than 5 redirects"),
        (Redirect("http://[nobody"), "an address that nobody can read"),
        (login_page, "a web page in place of the file"),
    ],
)
def test_an_answer_to_something_else_is_a_store_error_at_once(server, store, fault, message):
    server.add(fault, method="GET")
    with pytest.raises(StoreError, match=message) as caught:
        part(store)
    assert f"{server.url}/{NAME}" in str(caught.value)
    assert len(server.requests) <= 6


def test_a_redirect_to_what_is_no_http_is_not_tried_again(server):
    server.add(Redirect("ftp://127.0.0.1/x"))
    with pytest.raises(StoreError, match="URL scheme"):
        part(HttpStore(server.url, trust_links=True))
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (compressed, "encoding 'gzip'"),
        (login_page, "a web page in place of the file"),
        (lambda request, reply: Reply(206, DATA[:9], {"Content-Range": "bytes 0-8/5000"}), "answers 206"),
        (lambda request, reply: Reply(416), "answers 416"),
    ],
)
def test_a_whole_file_is_nothing_else_either(server, store, fault, message):
    server.add(fault)
    with pytest.raises(StoreError, match=message):
        whole(store)


def test_a_login_page_has_no_size_either(server, store):
    server.add(login_page)
    with pytest.raises(StoreError, match="a web page in place of the file"):
        store.stat(NAME)
    server.behave()
    assert all(call(store) for call in CALLS)


def test_a_web_page_is_read_where_one_is_asked_for(server, store, tmp_path):
    (tmp_path / "page.html").write_bytes(b"<!doctype html><p>hello")
    server.add(Having({"Content_Type": "text/html"}))
    assert store.read("page.html") == b"<!doctype html><p>hello"
    assert store.stat("page.html").nbytes == 23


def test_a_range_without_a_total_is_right_or_checked_against_the_size(server, store):
    server.add(no_total)
    assert part(store)
    assert tail(store)
    assert beyond(store)
    server.add(no_head)
    assert part(store)
    with pytest.raises(StoreError, match="the file has an unknown number of bytes"):
        HttpStore(server.url).read_range(NAME, 4900, 5100)


def unmeasured(request, reply):
    """As HTTP/1.0 did it: the body ends where the connection does."""
    return replace(reply, sends=len(reply.body)).having(Content_Length="none")


@pytest.mark.parametrize("call", [whole, part, fetched, fetched_part, tail])
def test_a_body_of_no_known_length_is_checked_against_the_size(server, store, call):
    server.add(ignore_ranges)
    server.add(unmeasured, method="GET")
    assert call(store)


def test_a_body_of_no_known_length_that_is_cut_is_a_store_error(server, store):
    server.add(ignore_ranges)
    server.add(lambda request, reply: replace(unmeasured(request, reply), sends=150), method="GET")
    for call in (whole, part, fetched, fetched_part, tail):
        with pytest.raises(StoreError, match=r"cut short|and the file has 5000"):
            call(store)
    assert store.read_range(NAME, 100, 150) == DATA[100:150]


def test_a_file_named_gz_may_be_called_gzip(server, store, tmp_path):
    (tmp_path / "file.gz").write_bytes(DATA)
    server.add(Having({"Content_Encoding": "gzip"}))
    assert store.read("file.gz") == DATA
    assert store.read_range("file.gz", 5, 50) == DATA[5:50]
    assert store.stat("file.gz").nbytes == len(DATA)
    assert store.stat(NAME).nbytes is None


# Much too much


def test_a_large_file_is_not_downloaded_for_a_range_of_it(server, store):
    def huge(request, reply):
        return Reply(200, bytes(1 << 20), {"Content-Length": str(1 << 40)}, sends=1 << 20)

    server.add(huge)
    with pytest.raises(
        StoreError, match=r"asked for 100 bytes, the server ignores ranges .*Download the file first"
    ) as caught:
        part(store)
    assert f"{server.url}/{NAME}" in str(caught.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", [ignore_ranges, no_length])
def test_a_server_that_ignores_ranges_may_send_a_little_too_much(server, store, monkeypatch, fault):
    monkeypatch.setattr(_http_checks, "SURPLUS_NBYTES", 1000)
    server.add(ignore_ranges)
    server.add(fault)
    assert store.read_range(NAME, 0, 625) == DATA[:625]  # an eighth
    with pytest.raises(StoreError, match="ignores ranges"):
        store.read_range(NAME, 0, 624)
    assert whole(store)


def test_a_body_without_end_is_not_read_for_a_range(server, store, monkeypatch):
    monkeypatch.setattr(_http_checks, "SURPLUS_NBYTES", 1000)
    server.add(lambda request, reply: Reply(200, bytes(32 << 20), chunked=True))
    with pytest.raises(StoreError, match="ignores ranges and sends an unknown number of bytes"):
        part(store)
    assert server.nbytes_sent < 32 << 20


@pytest.mark.parametrize(("sends", "length"), [(4000, "5000, 5000"), (5000, "4000, 4000"), (4000, "5000, 5001")])
def test_a_length_that_is_given_twice_counts(server, store, sends, length):
    server.add(lambda request, reply: replace(reply, sends=sends).having(Content_Length=length))
    with pytest.raises(StoreError, match=r"expected \d000 bytes|unmatching"):
        whole(store)


def test_a_length_is_a_claim_for_which_no_memory_is_taken(server, store):
    server.add(Having({"Content_Length": str(10**17)}))
    server.add(Truncate(4000))
    with pytest.raises(StoreError, match="expected 100000000000000000 bytes, received 4000"):
        whole(store)


# Slow servers


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        (whole, Late(DAWDLE_S)),
        (fetched, Late(DAWDLE_S)),
        (fetched_part, Late(DAWDLE_S)),
        (whole, Trickle(0.02)),
        (fetched, Trickle(0.02)),
        (fetched_part, Trickle(0.1)),
        (fetched, Trickle(0.02, at_once=2000)),
        (part, Trickle(0.1, headers=True)),
        (size, Late(DAWDLE_S)),
        (size, Trickle(0.1, headers=True)),
    ],
    ids=titled,
)
def test_a_server_that_is_too_slow_is_given_up(server, store, haste, fault, call):
    server.add(fault)
    with pytest.raises(StoreError, match="timed out"):
        ended(call, store)
    assert len(server.requests) == 2


@pytest.mark.parametrize("fault", [Late(DAWDLE_S), Trickle(0.02)], ids=titled)
def test_a_server_that_was_slow_once_is_asked_again(server, store, haste, fault):
    server.add(fault, when=first(1))
    assert ended(whole, store)
    assert len(server.requests) == 2


def test_who_sends_steadily_may_take_longer_than_the_timeout(server, tmp_path, store, haste):
    (tmp_path / "large").write_bytes(DATA * 4)
    server.add(Trickle(0.01, 400))  # half a second for the file
    assert ended(store.read, "large") == DATA * 4
    assert len(server.requests) == 1


def test_a_fast_start_is_no_leave_to_dawdle(server, tmp_path, store, haste):
    (tmp_path / "large").write_bytes(DATA * 100)
    server.add(Trickle(0.02, at_once=499_900))
    with pytest.raises(StoreError, match="timed out"):
        ended(store.read, "large")


def test_nothing_is_asked_long_after_the_first_time(server, store, haste, monkeypatch):
    monkeypatch.setattr(_http_client, "PATIENCE_S", 0.1)
    server.add(Late(DAWDLE_S))
    with pytest.raises(StoreError, match="timed out"):
        ended(whole, store)
    assert len(server.requests) == 1


@pytest.mark.parametrize("wish", ["3600", pytest.param(IN_AN_HOUR, id="in an hour"), "9" * 4000])
def test_a_server_that_always_asks_for_patience_gets_a_minute_at_most(server, store, monkeypatch, wish):
    monkeypatch.undo()
    pauses = []
    monkeypatch.setattr(urllib3.util.retry.time, "sleep", pauses.append)
    server.add(Answers(429, wish))
    with pytest.raises(StoreError, match="answers 429"):
        whole(store)
    assert pauses == [_http_client.PATIENCE_S // 4] * 4
    assert sum(pauses) <= 60


# One version of each file


def of(data):
    """The reads of a content, by name."""
    return {
        "whole": lambda store: store.read(NAME) == data,
        "part": lambda store: store.read_range(NAME, 100, 200) == data[100:200],
        "other part": lambda store: store.read_range(NAME, 2000, 2050) == data[2000:2050],
        "beyond": lambda store: store.read_range(NAME, 6000, 6001) == data[6000:6001],
    }


BEFORE = {**of(DATA), "size": size}
del BEFORE["beyond"]  # after it, nothing is known but the size


@pytest.mark.parametrize(("ranged", "pickled"), [(True, False), (False, True)])
@pytest.mark.parametrize(("before", "now"), list(itertools.product(BEFORE, ["whole", "part", "other part"])))
def test_a_file_that_changes_between_two_reads_is_a_store_error(server, store, before, now, ranged, pickled):
    if not ranged:
        server.add(ignore_ranges)
    assert BEFORE[before](store)
    if pickled:
        store = pickle.loads(pickle.dumps(store))
    server.add(Changed(OTHER))
    with pytest.raises(
        StoreError, match=r'changed on the server while it was read \(ETag "\w+" before, "\w+" now\)'
    ) as caught:
        BEFORE[now](store)
    assert f"{server.url}/{NAME}" in str(caught.value)
    assert of(OTHER)[now](HttpStore(server.url))


@pytest.mark.parametrize("data", [OTHER[1:], OTHER + b"x"])
@pytest.mark.parametrize("mute", [no_validators, weak_tags])
def test_without_strong_validators_the_size_tells_a_change(server, store, mute, data):
    server.add(mute)
    assert size(store)
    assert part(store)
    server.behave()
    server.add(Changed(data))
    server.add(mute)
    for read in of(DATA).values():
        with pytest.raises(StoreError, match=rf"5000 bytes before, {len(data)} now"):
            read(store)


def test_without_an_etag_the_time_of_change_tells(server, store):
    assert part(store)
    server.add(Changed(OTHER))
    server.add(Having({"ETag": None}))
    with pytest.raises(StoreError, match="changed on the server"):
        part(store)


@pytest.mark.parametrize("mute", [no_validators, weak_tags, Having({"ETag": None})], ids=titled)
def test_a_server_that_says_little_now_and_then_changes_nothing(server, store, mute):
    server.add(mute, when=lambda request, number: number % 2 == 0)
    for _ in range(3):
        assert all(call(store) for call in CALLS)


def test_stat_says_what_is_there_now_and_reads_stay_with_what_was(server, store):
    before = store.stat(NAME)
    server.add(Changed(OTHER[1:]))
    for _ in range(2):
        now = store.stat(NAME)
        assert now.nbytes == before.nbytes - 1
        assert now.version != before.version
    server.add(no_head)
    assert store.stat(NAME).nbytes == before.nbytes - 1
    with pytest.raises(StoreError, match="changed on the server"):
        part(store)


def test_a_size_that_was_not_known_at_first_is_learnt(server, store):
    server.add(no_length, when=first(1))
    server.add(no_validators)
    assert store.stat(NAME).nbytes is None
    assert part(store)
    server.behave()
    server.add(Changed(DATA + b"x"))
    with pytest.raises(StoreError, match="5000 bytes before, 5001 now"):
        part(store)


def test_no_more_versions_are_kept_than_there_is_room_for(server, store, tmp_path, monkeypatch):
    monkeypatch.setattr(_pins, "MAX_VERSIONS", 1)
    (tmp_path / "second").write_bytes(DATA)
    assert part(store)
    assert store.read("second") == DATA
    assert list(store._pins._versions) == [NAME]
    server.add(Changed(OTHER))
    assert store.read("second") == OTHER
    with pytest.raises(StoreError, match="changed on the server"):
        part(store)


def test_the_hubs_hash_counts_and_not_the_etags_of_its_caches(tmp_path):
    (tmp_path / NAME).write_bytes(DATA)
    with MisbehavingServer(tmp_path) as hub, MisbehavingServer(tmp_path) as cache:
        tags = itertools.count()
        cache.add(lambda request, reply: reply.having(ETag=f'"{next(tags)}"'))

        def linked(name):
            said = {"X-Linked-ETag": f'"{name}"', "X-Linked-Size": "5000", "Location": f"{cache.url}/{NAME}?sig=s3cret"}
            return lambda request, reply: Reply(302, headers=said)

        hub.add(linked("abc"))
        store = HttpStore(hub.url, trust_links=True)
        assert all(call(store) for call in CALLS)
        assert cache.requests
        assert store.stat(NAME).version == '5000-"abc"'
        hub.behave()
        hub.add(linked("def"))
        with pytest.raises(StoreError, match='hash "abc" before, "def" now'):
            part(store)


def test_another_mirror_may_have_another_etag(tmp_path):
    (tmp_path / NAME).write_bytes(DATA)
    with MisbehavingServer(tmp_path) as server, MisbehavingServer(tmp_path) as mirror:
        mirror.add(Having({"ETag": '"mine"', "Last_Modified": "yesterday"}))
        server.add(Redirect(f"{mirror.url}/{NAME}"), when=lambda request, number: number % 2 == 0)
        store = HttpStore(server.url, trust_links=True)
        assert all(call(store) for call in CALLS)
        assert len(mirror.requests) == (len(CALLS) + 1) // 2
        server.behave()
        server.add(Redirect(f"{mirror.url}/{NAME}"))
        mirror.add(Changed(OTHER[1:]))
        with pytest.raises(StoreError, match="5000 bytes before, 4999 now"):
            part(store)


# Secrets


def test_no_message_holds_a_secret(server, haste):
    login = server.url.replace("http://", "http://me:s3cret@")
    faults = [
        *TRANSIENT,
        Late(DAWDLE_S),
        WrongStart(),
        WrongCount(1),
        compressed,
        login_page,
        Answers(401),
        Answers(418),
    ]
    targets = [
        "http://[x?s3cret",
        "http://127.0.0.1:1/x?sig=s3cret",
        "http://me:s3cret@x..y/?s3cret",
        "ftp://x/?s3cret",
    ]
    for store in (HttpStore(server.url, token="s3cret", trust_links=True), HttpStore(login)):
        for fault in faults + [Redirect(target) for target in targets]:
            server.behave()
            server.add(fault)
            with pytest.raises((StoreError, LinkRefusedError)) as caught:
                part(store)
            assert "s3cret" not in str(caught.value), fault


# Everything at once

HARMLESS = (ignore_ranges, no_length, no_validators, weak_tags, Trickle(0.001, 2000))
PASSING = (Truncate(3), Truncate(), WrongCount(-1), WrongCount(5), Answers(503), Answers(429, "1"), hang_up)
WRONG = (WrongStart(1), WrongStart(-1), compressed, login_page, redirect_to_itself, short_range)


def test_whatever_happens_a_read_is_right_or_a_store_error(server):
    right = 0
    for seed in range(12):
        server.behave()
        server.add(OneOf(HARMLESS, seed), when=chance(0.4, seed))
        server.add(OneOf(PASSING + WRONG, seed + 1), when=chance(0.4, seed + 1))
        right += read_at_random(HttpStore(server.url), random.Random(seed), NAME, DATA)
    assert 150 <= right <= 290


def test_headers_of_rubbish_are_never_more_than_an_error_of_ours(server, haste):
    server.add(Garbled(0))
    answered = 0
    for _ in range(40):
        for call in (whole, part, size):
            with contextlib.suppress(StoreError, LinkRefusedError, FileNotFoundError):
                ended(call, HttpStore(server.url))
                answered += 1
    assert 10 <= answered < 120


def test_passing_faults_now_and_then_are_not_even_noticed(server, store):
    server.add(OneOf(HARMLESS, 5), when=chance(0.3, 5))
    server.add(OneOf(PASSING, 6), when=lambda request, number: number % 2 == 0)
    assert read_at_random(store, random.Random(5), NAME, DATA) == 25


def test_threads_share_a_store_whatever_happens(server, store):
    server.add(OneOf(HARMLESS, 8), when=chance(0.3, 8))
    server.add(OneOf(PASSING + WRONG, 9), when=chance(0.3, 9))
    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(lambda seed: read_at_random(store, random.Random(seed), NAME, DATA), range(6))) > 50


@pytest.mark.parametrize("seed", range(6))
def test_a_store_never_mixes_two_contents(server, store, seed):
    server.add(Changed(OTHER), when=chance(0.5, seed))
    server.add(OneOf((*PASSING, ignore_ranges), seed), when=chance(0.3, seed))
    rng, seen = random.Random(seed), set()
    for _ in range(30):
        start = rng.randrange(4000)
        try:
            data = store.read_range(NAME, start, start + 300)
        except StoreError:
            continue
        assert data in (DATA[start : start + 300], OTHER[start : start + 300])
        seen.add(data == DATA[start : start + 300])
    assert len(seen) == 1


# Collections

SAMPLES = "*.[ms]?*[cs]"
"""`.mlstac` and `.safetensors`."""
BESIDE = re.compile(r"main\.json|\.mlstac|\.safetensors|metadata\.parquet")


def boxes(folder):
    made = make_containers(folder, plain=True, table=False)
    return {split: len(names) for split, names in made.names.items()}


def geotiff_boxes(folder):
    pytest.importorskip("rasterio")
    pytest.importorskip("pyarrow")
    made = make_containers(folder)
    return {split: len(names) for split, names in made.names.items()}


def samples(folder):
    return {split: len(made) for split, made in plain(folder).splits.items()}


@pytest.mark.parametrize("make", [samples, boxes, geotiff_boxes])
def test_samples_of_a_misbehaving_server_equal_the_local_ones_or_name_the_file(tmp_path, make):
    counts = make(tmp_path / "here")
    local = {split: list(load(tmp_path / "here", framework="numpy", split=split)) for split in counts}
    right, errors = 0, []
    with MisbehavingServer(tmp_path) as server:
        for seed, split in itertools.product(range(6), counts):
            server.behave()
            server.add(OneOf(HARMLESS, seed), when=chance(0.2, seed))
            server.add(OneOf(PASSING, seed), when=chance(0.2, seed + 1))
            server.add(OneOf(WRONG, seed), when=chance(0.05, seed + 2))
            server.add(Changed(OTHER), SAMPLES, when=chance(0.05, seed + 3))
            try:
                remote = load(f"{server.url}/here", framework="numpy", split=split)
            except (MLSTACError, CollectionWarning) as error:  # a container of another size is warned of
                errors.append(error)
                continue
            assert len(remote) == counts[split]
            for index, sample in enumerate(local[split]):
                try:
                    assert equal(remote[index], sample)
                    right += 1
                except MLSTACError as error:
                    errors.append(error)
    assert right >= 20
    assert errors
    assert [error for error in errors if not BESIDE.search(str(error))] == []


@pytest.mark.parametrize("make", [samples, boxes])
def test_samples_of_a_server_that_stumbles_are_all_read(tmp_path, make):
    counts = make(tmp_path / "here")
    with MisbehavingServer(tmp_path) as server:
        server.add(OneOf(PASSING, 3), when=lambda request, number: number % 2 == 0)
        for split, count in counts.items():
            local = load(tmp_path / "here", framework="numpy", split=split)
            remote = load(f"{server.url}/here", framework="numpy", split=split)
            assert len(remote) == count
            assert all(equal(remote[index], local[index]) for index in range(count))


@pytest.mark.parametrize("make", [samples, boxes])
def test_a_sample_whose_file_changes_is_an_error_that_says_so(tmp_path, make):
    make(tmp_path / "here")
    with MisbehavingServer(tmp_path) as server:
        remote = load(f"{server.url}/here", framework="numpy")
        assert remote[0]
        server.add(Changed(OTHER), SAMPLES)
        with pytest.raises(StoreError, match=r"(mlstac|safetensors) changed on the server while it was read"):
            remote[0]

"""What a socket receives, where the system waits, and where we do."""

from __future__ import annotations

import random
import socket
import threading
import time
from contextlib import closing, contextmanager

import pytest
from misbehaving import MisbehavingServer, Truncate
from urllib3.exceptions import HTTPError, ProtocolError

from mlstac_hf._stores import _http_pool, _http_socket
from mlstac_hf._stores._http_client import TIMEOUT

DATA = random.Random(0).randbytes(300_000)


@pytest.fixture(params=["the system waits", "we wait"], autouse=True)
def who_waits(request, monkeypatch):
    if request.param == "we wait":
        monkeypatch.setattr(_http_socket, "_WAITS", False)
    elif not _http_socket._WAITS:
        pytest.skip("this system does not")


@pytest.fixture
def server(tmp_path):
    (tmp_path / "file.bin").write_bytes(DATA)
    with MisbehavingServer(tmp_path) as running:
        yield running


@pytest.fixture
def pool():
    return _http_pool.Pool()


def asked(pool, server):
    return pool.request("GET", f"{server.url}/file.bin", {}, TIMEOUT)


@pytest.mark.parametrize("size", [1, 7, 299, 65_536, 300_000])
def test_a_body_fills_buffers_of_any_size_and_number(server, pool, size):
    filled = bytearray(DATA[::-1])
    response = asked(pool, server)
    nbytes = range(0, len(DATA), size) if size > 1 else range(3000)  # many, then one
    buffers = [memoryview(filled)[start : start + size] for start in nbytes]
    buffers.append(memoryview(filled)[nbytes[-1] + size :])
    response.fill(buffers)
    assert filled == DATA
    assert response.length_remaining == 0 or response.isclosed()
    _http_pool.give_back(response)
    assert server.connections == 1


def test_a_connection_is_used_again_after_a_body_that_filled_buffers(server, pool):
    for _ in range(3):
        response = asked(pool, server)
        body = bytearray(len(DATA))
        response.fill([memoryview(body)])
        _http_pool.give_back(response)
        assert body == DATA
    assert server.connections == 1


def test_a_body_that_ends_early_says_how_much_is_missing(server, pool):
    server.add(Truncate(200_000))
    response = asked(pool, server)
    with pytest.raises(ProtocolError, match="100000 bytes before the end"):
        response.fill([memoryview(bytearray(len(DATA)))])
    assert response.length_remaining == 100_000
    _http_pool.give_back(response)


@contextmanager
def pair():
    """Both ends of a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as one:
        other, _ = listener.accept()
        with closing(other):
            yield one, other


def watched(sock, timeout_s):
    _http_socket.wait_for(sock, timeout_s)
    return closing(_http_socket.Watched(sock, sock.makefile("rb", buffering=0), timeout_s))


def test_silence_is_waited_for_as_long_as_said_and_no_longer():
    with pair() as (sock, _):
        begun = time.monotonic()
        with watched(sock, 0.3) as found, pytest.raises(TimeoutError):
            found.readinto(bytearray(10))
        assert 0.25 < time.monotonic() - begun < 5


def receive(found, way, nbytes):
    body = memoryview(bytearray(nbytes))
    while body:
        body = body[found.fill([body]) if way == "fill" and found.can_fill else found.readinto(body) :]


@pytest.mark.parametrize("way", ["readinto", "fill"])
def test_who_sends_a_byte_now_and_then_is_given_up(way):
    """Each byte comes long before the timeout."""
    stop = threading.Event()

    def drip(sock):
        while not stop.wait(0.05):
            sock.send(b"x")

    with pair() as (sock, other), watched(sock, 0.5) as found:
        thread = threading.Thread(target=drip, args=[other])
        thread.start()
        try:
            begun = time.monotonic()
            with pytest.raises(TimeoutError):
                receive(found, way, 10_000)
            assert time.monotonic() - begun < 5
        finally:
            stop.set()
            thread.join()


def test_who_takes_nothing_is_not_sent_to_for_ever():
    with pair() as (sock, _):
        _http_socket.wait_for(sock, 0.2)
        with pytest.raises(OSError) as raised:  # noqa: PT011 - of which kind is what is asked
            sock.sendall(bytes(1 << 28))
        assert isinstance(_http_pool._broken(raised.value), HTTPError)
        assert "timed out" in str(_http_pool._broken(raised.value))

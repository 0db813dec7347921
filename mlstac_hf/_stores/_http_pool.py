"""Connections to http servers, and how long a slow one is waited for.

Owns: the limit that urllib3 lacks. Its read timeout bounds the silence between two bytes, so a server that sends
a byte now and then would hold us for ever. Here an answer, headers and body, may never be further than that
timeout behind `SLOWEST`: one of n bytes is here, or given up, within timeout + n / SLOWEST seconds.
Leaves to others: asking again (`_http`).
"""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import time
from typing import TYPE_CHECKING, Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    from typing_extensions import Buffer

SLOWEST = 10_000
"""Bytes a second. Little, as many connections may share a thin line."""


class _Watched(io.RawIOBase):
    """What a socket receives, as long as it keeps up."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, timeout_s: float) -> None:
        self._sock, self._raw, self._timeout = sock, raw, timeout_s
        self._deadline = time.monotonic() + timeout_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        received: int | None = self._raw.readinto(buffer)
        # bytes that came early are no leave to dawdle later
        self._deadline = min(self._deadline + (received or 0) / SLOWEST, time.monotonic() + self._timeout)
        return received

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        timeout_s = sock.gettimeout()
        if timeout_s is not None:
            self.fp = io.BufferedReader(_Watched(sock, self.fp.detach(), timeout_s))


class _Http(HTTPConnection):
    response_class = _Response


class _Https(HTTPSConnection):
    response_class = _Response


class _HttpPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Http


class _HttpsPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _Https


def open_pool() -> urllib3.PoolManager:
    """Connections that are kept, and end where a server is too slow. Nothing is asked twice, nor elsewhere."""
    pool = urllib3.PoolManager(maxsize=32, block=False, retries=False)
    pool.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    return pool


def give_back(response: urllib3.BaseHTTPResponse, nbytes: int = 65536) -> None:
    """End a response: the connection is kept where less than `nbytes` of the body are left, else closed."""
    with contextlib.suppress(urllib3.exceptions.HTTPError, ValueError):
        response.read(nbytes)
    response.close()
    response.release_conn()


def pause(retries: urllib3.Retry, response: urllib3.BaseHTTPResponse | None) -> None:
    """Wait before the next try: as long as the server asks for, within the bounds of `retries`."""
    try:
        retries.sleep(response)
    except (urllib3.exceptions.HTTPError, ValueError, OverflowError):  # a Retry-After that nobody can read
        retries.sleep()

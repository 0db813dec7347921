"""Connections to http servers, kept for the next request.

Owns: connecting, and which connection is used again. Nothing is asked twice, nor elsewhere. Leaves to others: how long
a slow server is waited for (`_http_socket`), asking again (`_http_client`).

The standard library speaks HTTP here, and urllib3 says when to ask again: its own connections take longer over a
request than it takes to read a sample.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import itertools
import re
import socket
import ssl
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Any, TypeVar, cast

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError, ProtocolError
from urllib3.util.wait import wait_for_read

from mlstac_hf._stores._http_socket import SLOWEST, Watched, wait_for
from mlstac_hf._stores._wanted import sleep

KEPT = 32
"""Connections to one host that are kept while nobody uses them."""
_PORTS = {"http": 80, "https": 443}
_PLAIN_URL = re.compile(r"(https?)://([A-Za-z0-9.-]+)(?::([0-9]{1,5}))?(/[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*)", re.ASCII)
"""Nothing in it has to be cleaned before it is sent."""
_MOST_BUFFERS = 512
"""That one call of the system fills; Linux takes 1,024."""
_Given = TypeVar("_Given")
_Found = TypeVar("_Found", bytes, int)
_Kept = dict[tuple[str, str, int], deque[http.client.HTTPConnection]]


class _Headers(dict[str, str]):
    """Texts by name, in any case, quicker to ask than those of http.client; several of one name joined with commas."""

    def __init__(self, message: http.client.HTTPMessage) -> None:
        super().__init__()
        for name, text in message.items():
            known = self.get(name)
            self[name.lower()] = text if known is None else f"{known}, {text}"

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key.lower(), default)

    def __getitem__(self, key: str) -> str:
        return super().__getitem__(key.lower())

    def __contains__(self, key: object) -> bool:
        return super().__contains__(str(key).lower())


class Response(http.client.HTTPResponse):
    """An answer, its body not read yet; for `give_back` when it is done with."""

    connection: http.client.HTTPConnection
    kept: deque[http.client.HTTPConnection] | None = None
    """Where the connection goes when nobody has given it back yet."""

    def __init__(self, sock: socket.socket, *args: Any, timeout_s: float, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self._watched = Watched(sock, self.fp.detach(), timeout_s)
        self.fp: Any = io.BufferedReader(self._watched)

    def begin(self) -> None:
        """Read the headers."""
        super().begin()
        lengths = ", ".join(self.headers.get_all("Content-Length", []))
        if "," in lengths:
            raise http.client.HTTPException(f"the server gives several lengths, matching or unmatching: {lengths[:80]}")
        self.headers: Any = _Headers(self.headers)

    @property
    def length_remaining(self) -> int | None:
        """Bytes of the body that are still to come; None where the server did not say."""
        return self.length

    def get_redirect_location(self) -> str | None:
        """Where to ask instead."""
        return self.headers.get("Location") if self.status in (301, 302, 303, 307, 308) else None

    def read(self, amt: int | None = None) -> bytes:
        """The next bytes of the body, so many at most; none at its end.

        Raises:
            HTTPError: it ends before what was announced, or the server falls behind.
        """
        return self._checked(super().read, amt)

    def fill(self, buffers: Iterable[memoryview]) -> None:
        """The rest of the body, into buffers that together are as long as it is; `length_remaining` did not come.

        Raises:
            HTTPError: see `read`.
        """
        left = deque(buffer for buffer in buffers if buffer)
        if left and self._watched.can_fill:
            early = self._checked(self._early, None)
            while early:
                count = min(len(early), len(left[0]))
                left[0][:count] = early[:count]
                early = early[count:]
                _drop(left, count)
            while left:
                _drop(left, self._checked(self._straight, left))
            self.close()
        while left:
            _drop(left, self._checked(super().readinto, left[0]))

    def _early(self, _: None) -> bytes:
        """What came with the headers, or comes first."""
        return super().read(len(self.fp.peek(1)))

    def _straight(self, buffers: Iterable[memoryview]) -> int:
        """The next bytes, past what else reads them."""
        assert self.length is not None  # as buffers are as long
        received = self._watched.fill(list(itertools.islice(buffers, _MOST_BUFFERS)))
        self.length -= received
        return received

    def _checked(self, read: Callable[[_Given], _Found], given: _Given) -> _Found:
        try:
            found = read(given)
        except (http.client.HTTPException, OSError, ValueError, OverflowError) as error:
            self.kept = None
            raise _broken(error) from None
        if self.length and not found:
            self.kept = None
            raise ProtocolError(f"the connection was closed, {self.length} bytes before the end")
        return found


def _drop(buffers: deque[memoryview], nbytes: int) -> None:
    """Leave out the first bytes of buffers."""
    while nbytes:
        buffer = buffers.popleft()
        if nbytes < len(buffer):
            buffers.appendleft(buffer[nbytes:])
        nbytes -= min(nbytes, len(buffer))


class Pool:
    """Connections of one process. Threads may share it."""

    def __init__(self) -> None:
        self._kept: _Kept = {}
        weakref.finalize(self, _close, self._kept)

    def request(self, method: str, url: str, headers: Mapping[str, str], timeout: urllib3.Timeout) -> Response:
        """An answer, its body not read yet.

        Raises:
            HTTPError: there is none; LocationValueError where the URL names no host.
        """
        scheme, host, port, target = _parts(url)
        kept = self._kept.setdefault((scheme, host, port), deque())
        connection = _idle(kept)
        try:
            if connection is None:
                connection = _connect(scheme, host, port, timeout)
            timeout_s = cast("float", timeout.read_timeout)
            wait_for(connection.sock, timeout_s)
            connection.response_class = partial(Response, timeout_s=timeout_s)  # type: ignore[assignment] # called
            connection.request(method, target, headers=headers)
            response = cast("Response", connection.getresponse())
        except (http.client.HTTPException, OSError, ValueError, OverflowError) as error:
            if connection is not None:
                connection.close()
            elif isinstance(error, UnicodeError):
                raise LocationValueError(f"{host[:80]!r} is no name of a host") from None
            raise _broken(error) from None
        response.connection, response.kept = connection, kept
        return response


def give_back(response: Response, nbytes: int = 65536) -> None:
    """End a response: the connection is kept where less than `nbytes` of the body are left, else closed."""
    with contextlib.suppress(HTTPError):
        while nbytes > 0 and not response.isclosed():
            nbytes -= len(response.read(nbytes))
    kept = response.kept
    if response.isclosed() and not response.will_close and kept is not None and len(kept) < KEPT:
        kept.append(response.connection)
        response.kept = None
    else:
        response.close()
        response.connection.close()


def pause(retries: urllib3.Retry, response: Response | urllib3.BaseHTTPResponse | None) -> None:
    """Wait before the next try: as long as the server asks for, within the bounds of `retries`."""
    asked = None
    if response is not None:
        with contextlib.suppress(HTTPError, ValueError, OverflowError):  # a Retry-After that nobody can read
            asked = retries.get_retry_after(cast("urllib3.BaseHTTPResponse", response))  # of which it reads the headers
    sleep(asked or retries.get_backoff_time())


def _parts(url: str) -> tuple[str, str, int, str]:
    """Scheme, host, port, and what is sent of the rest."""
    plain = _PLAIN_URL.fullmatch(url)
    if plain and "/." not in plain[4]:
        return plain[1], plain[2].lower(), int(plain[3] or _PORTS[plain[1]]), plain[4]
    parsed = urllib3.util.parse_url(url)
    scheme, host = parsed.scheme or "", (parsed.host or "").strip("[]")
    if scheme not in _PORTS or not host:
        raise LocationValueError(f"expected an http(s) address with a host, found URL scheme {scheme!r}")
    return scheme, host, parsed.port or _PORTS[scheme], parsed.request_uri


def _idle(kept: deque[http.client.HTTPConnection]) -> http.client.HTTPConnection | None:
    """A connection that is kept and still open; those that are not are closed."""
    while True:
        try:
            connection = kept.pop()
        except IndexError:
            return None
        if connection.sock is not None and not wait_for_read(connection.sock, 0):
            return connection
        connection.close()


def _close(kept: _Kept) -> None:
    for connection in itertools.chain.from_iterable(kept.values()):
        connection.close()


def _connect(scheme: str, host: str, port: int, timeout: urllib3.Timeout) -> http.client.HTTPConnection:
    kind: Any = (
        partial(http.client.HTTPSConnection, context=_tls()) if scheme == "https" else http.client.HTTPConnection
    )
    connection: http.client.HTTPConnection = kind(host, port, timeout=timeout.connect_timeout)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _broken(error: Exception) -> HTTPError:
    if isinstance(error, TimeoutError | BlockingIOError):
        return HTTPError(f"timed out: no answer, or less than {SLOWEST} bytes a second")
    # a ValueError that is none of the system's may hold a header, and so a token
    told = str(error) if isinstance(error, OSError) or not isinstance(error, ValueError) else ""
    return ProtocolError(f"the connection broke: {told or type(error).__name__}")


@cache
def _tls() -> ssl.SSLContext:
    """Certificates are checked against those of the system."""
    return ssl.create_default_context()

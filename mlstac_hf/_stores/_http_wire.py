"""HTTP/1.1 over one connection: a request, and its answer as it comes.

Owns: how an answer is taken apart, and how long a slow one is waited for. A server that sends a byte now and then
would hold us for ever, so an answer, head and body, may never be further than a timeout behind `SLOWEST`: one of n
bytes is here, or given up, within timeout + n / SLOWEST seconds. Leaves to others: connecting (`_http_pool`), what an
answer must be (`_http_checks`), asking again (`_http_client`).

A body of known length is received by one call of the system, where it can wait for all of it, into the very bytes that
are handed out; general clients take longer over a request than it takes to read a sample. Format: RFC 9112.
"""

from __future__ import annotations

import re
import socket
import ssl
import struct
import sys
import time
import weakref
from collections import deque
from collections.abc import Mapping

from urllib3.exceptions import HTTPError, ProtocolError
from urllib3.util.wait import wait_for_read

SLOWEST = 10_000
"""Bytes a second. Little, as many connections may share a thin line."""
MAX_HEAD = 64 << 10
"""Bytes of a status line and headers, and of what stands between chunks."""
_PIECE = 4096
_MOST_PASSING = 10  # answers of 1xx before the one that counts
_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(r"HTTP/1\.([01]) +([1-5][0-9]{2})(?: (.*))?", re.ASCII)
_COUNT = re.compile(r"[0-9]{1,18}", re.ASCII)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")
_BODILESS = (204, 304)
_WAITS_FOR_ALL = sys.platform == "linux"


class Headers(dict[str, str]):
    """Texts by name, in lower case and asked for in any; several of one name are joined with commas."""

    def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override] # one kind of value
        """A header, or `default`."""
        return super().get(key.lower(), default)

    def __getitem__(self, key: str) -> str:
        return super().__getitem__(key.lower())

    def __contains__(self, key: object) -> bool:
        return super().__contains__(str(key).lower())

    def text(self, key: str) -> str:
        """A header; empty where it is not there."""
        return super().get(key.lower(), "")


class Wire:
    """A connection that is open.

    Args:
        sock: connected; TLS is spoken already.
        timeout_s: of each send, and of what is received as `SLOWEST` says.

    Raises:
        HTTPError: from each method, where the connection ends, or the server falls behind.
    """

    def __init__(self, sock: socket.socket, timeout_s: float) -> None:
        self._sock, self._timeout = sock, timeout_s
        self._waits = _WAITS_FOR_ALL and not isinstance(sock, ssl.SSLSocket)
        self._early = b""
        self._deadline = 0.0
        weakref.finalize(self, sock.close).atexit = False  # before the socket itself is found unclosed
        sock.settimeout(timeout_s)
        if self._waits:  # from here on the system keeps the time
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(timeout_s))
            sock.settimeout(None)

    def close(self) -> None:
        """End the connection."""
        self._sock.close()

    @property
    def is_idle(self) -> bool:
        """Whether another request can be made: nothing has come, not even the end."""
        return not self._early and self._sock.fileno() >= 0 and not wait_for_read(self._sock, 0)

    def send(self, data: bytes) -> None:
        """Send a request, whose answer is waited for from now on."""
        try:
            if not self._waits:
                self._sock.settimeout(self._timeout)
            self._sock.sendall(data)
        except OSError as error:
            raise ProtocolError(f"the request could not be sent: {error}") from None
        self._deadline = time.monotonic() + self._timeout

    def head(self) -> bytes:
        """All up to and with the first empty line."""
        if self._waits and not self._early:  # looked at first, so that what follows is not received with it
            found = _END.search(self._receive(_PIECE // 2, socket.MSG_PEEK))
            if found:
                return self._receive(found.end(), socket.MSG_WAITALL)
        while not (found := _END.search(self._early)):
            self._more()
        head, self._early = self._early[: found.end()], self._early[found.end() :]
        return head

    def line(self) -> bytes:
        """All up to and with the end of a line."""
        while (end := self._early.find(b"\n")) < 0:
            self._more()
        line, self._early = self._early[: end + 1], self._early[end + 1 :]
        return line

    def take(self, nbytes: int) -> bytes:
        """So many bytes; fewer where the connection ends."""
        parts, self._early = [self._early[:nbytes]] if self._early else [], self._early[nbytes:]
        left = nbytes - sum(map(len, parts))
        while left:
            part = self._receive(left, socket.MSG_WAITALL if self._waits else 0)
            if not part:
                break
            parts.append(part)
            left -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _more(self) -> None:
        if len(self._early) > MAX_HEAD:
            raise ProtocolError(f"more than {MAX_HEAD} bytes of headers")
        piece = self._receive(_PIECE)
        if not piece:
            raise ProtocolError("the connection was closed before the answer was complete")
        self._early += piece

    def _receive(self, nbytes: int, flags: int = 0) -> bytes:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._behind()
        try:
            if self._waits:
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(left))
            else:
                self._sock.settimeout(left)
            data = self._sock.recv(nbytes, flags)
        except (TimeoutError, BlockingIOError):
            raise self._behind() from None
        except OSError as error:
            raise ProtocolError(f"the connection broke: {error}") from None
        # bytes that came early are no leave to dawdle later
        self._deadline = min(self._deadline + len(data) / SLOWEST, time.monotonic() + self._timeout)
        return data

    def _behind(self) -> HTTPError:
        return HTTPError(f"timed out: no answer, or less than {SLOWEST} bytes a second, for {self._timeout} seconds")


class Response:
    """An answer, its body not read yet."""

    def __init__(self, wire: Wire, method: str) -> None:
        self.wire = wire
        self.kept: deque[Wire] | None = None
        """Where the connection goes when the body was read, and nobody has given it back yet."""
        for _ in range(_MOST_PASSING):
            minor, self.status, self.reason, self.headers = _parse(wire.head())
            if self.status >= 200 or self.status == 101:  # noqa: PLR2004 - what is less is only a word of what comes
                break
        else:
            raise ProtocolError("the server goes on announcing an answer")
        self.chunked = self.headers.text("Transfer-Encoding").strip().lower() == "chunked"
        self.length_remaining = self._length(method)
        words = self.headers.text("Connection").lower()
        self.is_last = "close" in words or (minor == "0" and "keep-alive" not in words) or self.status == 101  # noqa: PLR2004
        self._chunk = 0
        self.is_complete = self.length_remaining == 0

    def get_redirect_location(self) -> str | None:
        """Where to ask instead."""
        return self.headers.get("Location") if self.status in (301, 302, 303, 307, 308) else None

    def read(self, nbytes: int) -> bytes:
        """The next bytes of the body, so many at most; none at its end.

        Raises:
            HTTPError: it ends before what was announced, or the server falls behind.
        """
        if self.is_complete:
            return b""
        if self.chunked:
            return self._of_chunks(nbytes)
        wanted = nbytes if self.length_remaining is None else min(nbytes, self.length_remaining)
        data = self.wire.take(wanted)
        if self.length_remaining is None:
            self.is_complete = self.is_last = not data
        else:
            if not data:
                raise ProtocolError(f"the connection was closed, {self.length_remaining} bytes before the end")
            self.length_remaining -= len(data)
            self.is_complete = not self.length_remaining
        return data

    def _length(self, method: str) -> int | None:
        if method == "HEAD" or self.status in _BODILESS:
            self.chunked = False
            return 0
        said = self.headers.text("Content-Length")
        if self.chunked:
            return None
        if "," in said:
            raise ProtocolError(f"several lengths, matching or unmatching: {said[:80]!r}")
        return int(said) if _COUNT.fullmatch(said) else None

    def _of_chunks(self, nbytes: int) -> bytes:
        if not self._chunk:
            found = _CHUNK.fullmatch(self.wire.line())
            if not found:
                raise ProtocolError("expected the size of a chunk")
            self._chunk = int(found[1], 16)
        if not self._chunk:
            while self.wire.line().strip():
                pass
            self.is_complete = True
            return b""
        data = self.wire.take(min(nbytes, self._chunk))
        if not data:
            raise ProtocolError("the connection was closed within a chunk")
        self._chunk -= len(data)
        if not self._chunk and self.wire.line().strip():
            raise ProtocolError("expected the end of a chunk")
        return data


def spell(method: str, target: str, host: str, headers: Mapping[str, str]) -> bytes:
    """A request without a body.

    Raises:
        HTTPError: a header that is no line of text.
    """
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise HTTPError("a header holds the end of a line")
    try:
        return "\r\n".join([*lines, "", ""]).encode("latin-1")
    except UnicodeError:
        raise HTTPError("a header holds more than latin-1") from None


def _parse(head: bytes) -> tuple[str, int, str, Headers]:
    first, *lines = head.decode("latin-1").split("\n")
    status = _STATUS.fullmatch(first.rstrip("\r"))
    if status is None:
        raise ProtocolError(f"expected an answer of HTTP, found {first[:80]!r}")
    headers, name = Headers(), ""
    for line in lines:
        text = line.rstrip("\r")
        if text[:1] in (" ", "\t") and name in headers:  # the line before goes on
            dict.__setitem__(headers, name, f"{headers[name]} {text.strip()}")
            continue
        name, colon, value = text.partition(":")
        name, value = name.strip().lower(), value.strip()
        if colon and name:
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return status[1], int(status[2]), (status[3] or "").strip(), headers


def _timeval(seconds: float) -> bytes:
    """For the system, for which none is for ever."""
    whole = int(seconds)
    return struct.pack("ll", whole, max(1, int((seconds - whole) * 1e6)))

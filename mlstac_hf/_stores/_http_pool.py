"""Connections to http servers, kept for the next request.

Owns: connecting, TLS, which connection is used again. Nothing is asked twice, nor elsewhere. Leaves to others: what is
said on a connection, and how slowly (`_http_wire`), asking again (`_http_client`).
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from collections import deque
from collections.abc import Mapping
from functools import cache
from typing import cast

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError, ProtocolError

from mlstac_hf._stores._http_wire import Response, Wire, spell

KEPT = 32
"""Connections to one host that are kept while nobody uses them."""
_PLAIN_URL = re.compile(r"(https?)://([A-Za-z0-9.-]+)(?::([0-9]{1,5}))?(/[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*)", re.ASCII)
_PORTS = {"http": 80, "https": 443}


class Pool:
    """Connections of one process. Threads may share it."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, int], deque[Wire]] = {}

    def request(self, method: str, url: str, headers: Mapping[str, str], timeout: urllib3.Timeout) -> Response:
        """An answer, its body not read yet; for `give_back` when it is done with.

        Raises:
            HTTPError: there is none; LocationValueError where the URL names no host.
        """
        scheme, host, port, target = _parts(url)
        kept = self._kept.setdefault((scheme, host, port), deque(maxlen=KEPT))
        wire = _idle(kept) or _connect(scheme, host, port, timeout)
        shown = f"[{host}]" if ":" in host else host
        try:
            wire.send(spell(method, target, shown if port == _PORTS[scheme] else f"{shown}:{port}", headers))
            response = Response(wire, method)
        except BaseException:
            wire.close()
            raise
        response.kept = kept
        return response


def give_back(response: Response, nbytes: int = 65536) -> None:
    """End a response: the connection is kept where less than `nbytes` of the body are left, else closed."""
    with contextlib.suppress(HTTPError):
        while nbytes > 0 and not response.is_complete:
            nbytes -= len(response.read(nbytes))
    if response.is_complete and not response.is_last and response.kept is not None:
        response.kept.append(response.wire)
        response.kept = None
    else:
        response.wire.close()


def pause(retries: urllib3.Retry, response: Response | None) -> None:
    """Wait before the next try: as long as the server asks for, within the bounds of `retries`."""
    try:
        retries.sleep(cast("urllib3.BaseHTTPResponse | None", response))  # of which it reads the headers
    except (HTTPError, ValueError, OverflowError):  # a Retry-After that nobody can read
        retries.sleep()


def _parts(url: str) -> tuple[str, str, int, str]:
    """Scheme, host, port and what stands after them, as it is sent."""
    plain = _PLAIN_URL.fullmatch(url)
    if plain and "/." not in plain[4]:
        return plain[1], plain[2].lower(), int(plain[3] or _PORTS[plain[1]]), plain[4]
    parsed = urllib3.util.parse_url(url)
    if parsed.scheme not in _PORTS or not parsed.host:
        raise LocationValueError(f"expected an http(s) address with a host, found URL scheme {parsed.scheme!r}")
    return parsed.scheme, parsed.host.strip("[]"), parsed.port or _PORTS[parsed.scheme], parsed.request_uri


def _idle(kept: deque[Wire]) -> Wire | None:
    """A connection that is kept and still open; those that are not are closed."""
    while True:
        try:
            wire = kept.pop()
        except IndexError:
            return None
        if wire.is_idle:
            return wire
        wire.close()


def _connect(scheme: str, host: str, port: int, timeout: urllib3.Timeout) -> Wire:
    sock = None
    try:
        sock = socket.create_connection((host, port), cast("float | None", timeout.connect_timeout))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if scheme == "https":
            sock = _context().wrap_socket(sock, server_hostname=host)
        return Wire(sock, cast("float", timeout.read_timeout))
    except UnicodeError:
        raise LocationValueError(f"{host[:80]!r} is no name of a host") from None
    except OSError as error:
        if sock is not None:
            sock.close()
        raise ProtocolError(f"{host}:{port} cannot be connected to: {error}") from None


@cache
def _context() -> ssl.SSLContext:
    """Certificates are checked against those of the system."""
    return ssl.create_default_context()

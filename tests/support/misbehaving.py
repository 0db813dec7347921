"""An http server on loopback that serves a folder well, and misbehaves where a test asks it to.

    with MisbehavingServer(folder) as server:
        server.add(Truncate(100), "/train/*.mlstac", first(2))
        ...
        server.requests, server.nbytes_sent

A request becomes a `Reply` (`MisbehavingServer.reply`, which a subclass may override), every fault whose rule
holds turns that into another `Reply`, in the order they were added, and the last one is sent.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import random
import re
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from fnmatch import fnmatchcase
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True)
class Request:
    """What was asked, as the server counts it."""

    method: str
    path: str
    """Without query, percent signs decoded."""
    headers: Mapping[str, str] = field(repr=False)
    """Names in title case."""
    target: str = field(default="", repr=False)
    """Path and query as sent."""
    body: bytes = field(default=b"", repr=False)

    @property
    def range(self) -> str | None:
        """As sent, such as `bytes=0-9`."""
        return self.headers.get("Range") or self.headers.get("X-Ms-Range")


@dataclass(frozen=True)
class Reply:
    """What is sent, and how."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Content-Length is added where neither it nor `chunked` is there."""
    whole: Reply | None = field(default=None, repr=False)
    """The answer to the same request without a range."""
    chunked: bool = False
    pause_s: float = 0.0
    """Before the first byte."""
    header_trickle: Trickle | None = None
    body_trickle: Trickle | None = None
    sends: int | None = None
    """Bytes of the body after which the connection is closed; None: all, and it is kept."""
    silent: bool = False
    """The connection is closed before anything is sent."""
    head: bytes | None = field(default=None, repr=False)
    """Sent in place of the status line and the headers."""

    def having(self, **headers: str | None) -> Reply:
        """With other headers; None takes one away, an underscore stands for a hyphen."""
        changed = {key.replace("_", "-"): value for key, value in headers.items()}
        merged = {**self.headers, **changed}
        return replace(self, headers={key: value for key, value in merged.items() if value is not None})


Fault = Callable[[Request, Reply], Reply]
"""What is sent instead. One that leaves a request alone gives the reply back as it was."""


def whole_reply(data: bytes, *, modified: float = 0.0, kind: str = "application/octet-stream") -> Reply:
    """A file, its ETag made of its bytes."""
    tag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
    facts = {"Content-Type": kind, "Last-Modified": formatdate(modified, usegmt=True)}
    return Reply(200, data, {"Accept-Ranges": "bytes", "ETag": tag, **facts})


def ranged_reply(whole: Reply, asked: str | None) -> Reply:
    """The part of a file that a Range header asks for; all of it where there is none, or one we do not know."""
    match = _RANGE.fullmatch(asked or "")
    if match is None or not any(match.groups()):
        return whole
    nbytes, (first, last) = len(whole.body), match.groups()
    start = int(first) if first else max(0, nbytes - int(last))
    stop = min(int(last) + 1, nbytes) if first and last else nbytes
    if start >= stop:
        return replace(whole, status=416, body=b"", whole=whole).having(Content_Range=f"bytes */{nbytes}")
    return replace(whole, status=206, body=whole.body[start:stop], whole=whole).having(
        Content_Range=f"bytes {start}-{stop - 1}/{nbytes}"
    )


def head_of(reply: Reply) -> bytes:
    """Its status line and headers, as they are sent."""
    headers = dict(reply.headers)
    if reply.chunked:
        headers = {key: value for key, value in headers.items() if key != "Content-Length"}
        headers["Transfer-Encoding"] = "chunked"
    else:
        headers.setdefault("Content-Length", str(len(reply.body)))
    lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
    lines += [f"{key}: {value}" for key, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


# Faults


def ignore_ranges(request: Request, reply: Reply) -> Reply:
    """200 and all of the file, whatever is asked for."""
    return reply.whole.having(Accept_Ranges=None) if reply.whole else reply


def hang_up(request: Request, reply: Reply) -> Reply:
    """Not a word, and the connection is closed."""
    return replace(reply, silent=True)


def no_head(request: Request, reply: Reply) -> Reply:
    """405 for HEAD."""
    return Reply(405) if request.method == "HEAD" else reply


def no_length(request: Request, reply: Reply) -> Reply:
    """A body in chunks, so that nobody knows how long it will be."""
    return replace(reply, chunked=True)


def no_validators(request: Request, reply: Reply) -> Reply:
    """Neither an ETag nor a time."""
    return reply.having(ETag=None, Last_Modified=None)


def weak_tags(request: Request, reply: Reply) -> Reply:
    """`W/` before the ETag."""
    tag = reply.headers.get("ETag", "")
    return reply.having(ETag=f"W/{tag}") if tag.startswith('"') else reply


def compressed(request: Request, reply: Reply) -> Reply:
    """Content-Encoding gzip, though nobody asked for it."""
    return replace(reply, body=gzip.compress(reply.body, mtime=0)).having(Content_Encoding="gzip")


def redirect_to_itself(request: Request, reply: Reply) -> Reply:
    """A redirect to the very same path."""
    return Reply(302, headers={"Location": request.path})


def login_page(request: Request, reply: Reply) -> Reply:
    """What a captive portal or a shop window sends in place of everything."""
    page = b"<!DOCTYPE html>\n<html><title>Log in</title><p>Please accept our terms.</html>"
    return Reply(200, page, {"Content-Type": "text/html; charset=utf-8"})


@dataclass(frozen=True)
class WrongStart:
    """A range that begins elsewhere, and says so."""

    shift: int = 1

    def __call__(self, request: Request, reply: Reply) -> Reply:
        if reply.status != 206 or reply.whole is None:
            return reply
        start = int(reply.headers["Content-Range"].split()[1].partition("-")[0]) + self.shift
        if start < 0:
            return reply
        return ranged_reply(reply.whole, f"bytes={start}-{start + len(reply.body) - 1}")


@dataclass(frozen=True)
class WrongCount:
    """More bytes than Content-Range says, or fewer; Content-Length is true."""

    extra: int

    def __call__(self, request: Request, reply: Reply) -> Reply:
        if reply.status != 206:
            return reply
        length = len(reply.body) + self.extra
        return replace(reply, body=(reply.body + bytes(max(0, self.extra)))[: max(0, length)])


@dataclass(frozen=True)
class Truncate:
    """The connection is closed after `nbytes` of the body, of which Content-Length promised more."""

    nbytes: int = 0

    def __call__(self, request: Request, reply: Reply) -> Reply:
        return replace(reply, sends=self.nbytes) if self.nbytes < len(reply.body) else reply


@dataclass(frozen=True)
class Answers:
    """A status and nothing else of use."""

    status: int
    retry_after: str | None = None
    unheard: bool = False
    """The request changes nothing on the server; else it does, and only the answer is lost."""

    def __call__(self, request: Request, reply: Reply) -> Reply:
        return Reply(self.status, b"no", {"Retry-After": self.retry_after} if self.retry_after else {})


@dataclass(frozen=True)
class Changed:
    """Another content under the same name, with its own ETag and time."""

    data: bytes
    modified: float = 1e9

    def __call__(self, request: Request, reply: Reply) -> Reply:
        if reply.status not in (200, 206, 416):
            return reply
        return ranged_reply(whole_reply(self.data, modified=self.modified), request.range)


@dataclass(frozen=True)
class Having:
    """Other headers, by their names; None takes one away."""

    headers: Mapping[str, str | None]

    def __call__(self, request: Request, reply: Reply) -> Reply:
        return reply.having(**self.headers)


@dataclass(frozen=True)
class Redirect:
    """A redirect to somewhere else."""

    location: str

    def __call__(self, request: Request, reply: Reply) -> Reply:
        return Reply(302, headers={"Location": self.location})


@dataclass(frozen=True)
class Late:
    """A pause before the first byte."""

    seconds: float

    def __call__(self, request: Request, reply: Reply) -> Reply:
        return replace(reply, pause_s=self.seconds)


@dataclass(frozen=True)
class Trickle:
    """The body, or the headers, `nbytes` at a time with a pause before each."""

    seconds: float
    nbytes: int = 1
    headers: bool = False
    at_once: int = 0
    """Bytes that are sent without a pause before it begins."""

    def __call__(self, request: Request, reply: Reply) -> Reply:
        return replace(reply, header_trickle=self) if self.headers else replace(reply, body_trickle=self)


@dataclass(frozen=True)
class Garbled:
    """Some bytes of the status line and the headers are others, or gone; the connection ends with the body."""

    seed: int
    _calls: Counter[str] = field(default_factory=Counter, repr=False, compare=False)

    def __call__(self, request: Request, reply: Reply) -> Reply:
        name = request.path.rpartition("/")[2]  # and no folder that another run gives another name
        self._calls[name] += 1
        rng = random.Random(f"{self.seed} {name} {self._calls[name]}")
        head = bytearray(head_of(reply))
        for _ in range(rng.choice((1, 3, 20))):
            place = rng.randrange(len(head) - 1)
            head[place : place + rng.choice((0, 1, 1, 5))] = rng.choice(
                (rng.randbytes(1), b"", b"\r\n", b"9", b"-", b"\0", b" ", b",", b"9" * 5000)
            )
        return replace(reply, head=bytes(head), sends=len(reply.body))


@dataclass(frozen=True)
class OneOf:
    """One of several faults, drawn anew for each request; the same draw for the same seed, request and repetition."""

    faults: tuple[Fault, ...]
    seed: int
    _seen: Counter[tuple[str, str, str | None]] = field(default_factory=Counter, repr=False, compare=False)

    def __call__(self, request: Request, reply: Reply) -> Reply:
        key = (request.method, request.path, request.range)
        self._seen[key] += 1
        return random.Random(f"{self.seed} {key} {self._seen[key]}").choice(self.faults)(request, reply)


# When they strike

When = Callable[[Request, int], bool]
"""Whether a fault strikes the n-th request, from 0 on, of those for one path that match its rule."""


def always(request: Request, number: int) -> bool:
    """Every request."""
    return True


def first(count: int) -> When:
    """The first so many requests for each path."""
    return lambda request, number: number < count


def after(count: int) -> When:
    """Every request for a path but the first so many."""
    return lambda request, number: number >= count


def chance(probability: float, seed: int) -> When:
    """Now and then. For one seed, a path's n-th request always meets the same fate, whatever the order of paths."""
    return lambda request, number: random.Random(f"{seed} {request.path} {number}").random() < probability


@dataclass(frozen=True)
class Rule:
    """Which fault strikes which requests."""

    fault: Fault
    pattern: str
    """Of shell style, against the path."""
    when: When
    method: str
    """`*` for all."""
    matched: Counter[str] = field(default_factory=Counter)

    def strikes(self, request: Request) -> bool:
        """Whether it does. Counts."""
        if self.method not in ("*", request.method) or not fnmatchcase(request.path, self.pattern):
            return False
        number = self.matched[request.path]
        self.matched[request.path] += 1
        return self.when(request, number)


# The server


class MisbehavingServer(ThreadingHTTPServer):
    """A folder on loopback, HTTP/1.1 with connections that are kept, in a thread.

    Args:
        folder: what is served.
    """

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.requests: list[Request] = []
        """In the order of their arrival."""
        self.sent: Counter[str] = Counter()
        """Bytes of bodies sent, by path."""
        self.connections = 0
        """How many were opened."""
        self.stopping = threading.Event()
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._sockets: set[Any] = set()
        self._faults_of_ours: list[BaseException] = []
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def nbytes_sent(self) -> int:
        """Bytes of all bodies."""
        return sum(self.sent.values())

    def add(self, fault: Fault, pattern: str = "*", when: When = always, method: str = "*") -> None:
        """Misbehave from now on."""
        self._rules.append(Rule(fault, pattern, when, method))

    def behave(self) -> None:
        """Forget all faults."""
        self._rules = []

    def reset_counts(self) -> None:
        """Forget what was asked and sent; faults stay, and go on counting."""
        with self._lock:
            self.requests, self.sent, self.connections = [], Counter(), 0

    def reply(self, request: Request) -> Reply:
        """What a server does that behaves."""
        file = self.folder.joinpath(request.path.lstrip("/"))
        try:
            whole = whole_reply(file.read_bytes(), modified=file.stat().st_mtime)
        except (OSError, ValueError):  # a redirect of rubbish may name anything
            return Reply(404, b"not here", {"Content-Type": "text/plain"})
        return ranged_reply(whole, request.range)

    def reply_with_faults(self, request: Request) -> Reply:
        """What this one does."""
        with self._lock:
            self.requests.append(request)
            faults = [rule.fault for rule in self._rules if rule.strikes(request)]
        unheard = any(getattr(fault, "unheard", False) for fault in faults)
        reply = Reply(503) if unheard else self.reply(request)
        for fault in faults:
            reply = fault(request, reply)
        return reply

    @contextlib.contextmanager
    def counting(self, path: str | None, nbytes: int) -> Iterator[None]:
        """Add to `sent`, before they are: who has the last of them may ask how many there were."""
        if path is None:
            yield
            return
        self._count_sent(path, nbytes)
        try:
            yield
        except OSError:
            self._count_sent(path, -nbytes)
            raise

    def _count_sent(self, path: str, nbytes: int) -> None:
        with self._lock:
            self.sent[path] += nbytes

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self.connections += 1
            self._sockets.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._sockets.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news; a fault of this module is raised by `stop`."""
        error = sys.exception()
        if error is not None and not isinstance(error, ConnectionError) and not self.stopping.is_set():
            self._faults_of_ours.append(error)

    def stop(self) -> None:
        """End all connections.

        Raises:
            AssertionError: this module failed while it answered.
        """
        self.stopping.set()
        self.shutdown()
        self.server_close()
        self._thread.join()
        with self._lock:
            for one in self._sockets:
                with contextlib.suppress(OSError):  # the client went first
                    one.shutdown(socket.SHUT_RDWR)
        if self._faults_of_ours:
            raise AssertionError("the server failed") from self._faults_of_ours[0]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits for the client's delayed ACK
    server: MisbehavingServer

    def do_GET(self) -> None:
        headers = {key.title(): value for key, value in self.headers.items()}
        request = Request(self.command, unquote(urlsplit(self.path).path), headers, self.path, self._body(headers))
        reply = self.server.reply_with_faults(request)
        if self.server.stopping.wait(reply.pause_s) or reply.silent:
            self.close_connection = True
            return
        self._write(head_of(reply) if reply.head is None else reply.head, reply.header_trickle)
        if self.command != "HEAD":
            self._send_body(request.path, reply)

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def _body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(headers.get("Content-Length", 0)))
        pieces = []
        while nbytes := int(self.rfile.readline(), 16):
            pieces.append(self.rfile.read(nbytes))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _send_body(self, path: str, reply: Reply) -> None:
        body = reply.body[: reply.sends]
        if reply.sends is not None:
            self.close_connection = True
        if not reply.chunked:
            self._write(body, reply.body_trickle, path)
            return
        for start in range(0, len(body), 1000):
            piece = body[start : start + 1000]
            self.wfile.write(b"%x\r\n" % len(piece))
            self._write(piece, reply.body_trickle, path)
            self.wfile.write(b"\r\n")
        if reply.sends is None:
            self.wfile.write(b"0\r\n\r\n")

    def _write(self, data: bytes, trickle: Trickle | None, counted: str | None = None) -> None:
        start = 0
        while start < len(data):
            at_once = trickle is None or start < trickle.at_once
            if not at_once and self.server.stopping.wait(trickle.seconds):
                raise ConnectionAbortedError
            step = 1 << 20 if trickle is None else trickle.at_once if at_once else trickle.nbytes
            piece = data[start : start + step]
            with self.server.counting(counted, len(piece)):
                self.wfile.write(piece)
            start += step

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""

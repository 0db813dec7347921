"""Files below an http(s) folder.

Owns: requests and when they are made again, redirects, credentials that go nowhere else, one version of each file.
Leaves to others: what an answer must be (`_http_checks`), how slow it may be (`_http_pool`), which host may be
asked at all (`_links`), what is in the files.

Every read gives the bytes of the file or raises, and none hangs: an answer that falls behind (see `_http_pool`) is
given up, requests are repeated a few times, and what fails more than `PATIENCE_S` after the first has failed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError, MaxRetryError

from mlstac_hf._errors import StoreError
from mlstac_hf._stores._http_checks import (
    Version,
    bare,
    body_of,
    check_status,
    count_of,
    is_encoded,
    is_page,
    version_of,
)
from mlstac_hf._stores._http_pool import give_back, open_pool, pause
from mlstac_hf._stores._links import check_host, hub_resolve
from mlstac_hf._stores._store import Entry, check_relative

TIMEOUT = urllib3.Timeout(connect=10, read=30)  # seconds
PATIENCE_S = 60
RETRY = urllib3.Retry(
    total=4,
    redirect=False,
    backoff_factor=0.2,
    backoff_jitter=0.2,
    backoff_max=20,
    retry_after_max=PATIENCE_S // 4,
    status_forcelist=(429, 500, 502, 503, 504),
)
MAX_REDIRECTS = 5
MAX_VERSIONS = 1 << 15
"""Files whose version is kept in mind; of more, the first."""
_NO_HEAD = (HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)

_Answered = TypeVar("_Answered")


class _Answer(NamedTuple):
    """The end of a chain of redirects."""

    response: urllib3.BaseHTTPResponse
    url: str
    linked: dict[str, str]
    """What the Hub says, on the way, of a file that it keeps elsewhere."""


class HttpStore:
    """A folder behind http(s). It cannot be listed, and is only read.

    The first answer about a file settles its version for this store and its pickles: later reads that find another
    ETag, time of change or size are a StoreError. What `stat` says is always new.

    Args:
        url: of the folder. A user and password in it are sent to that host alone.
        token: bearer token, sent to that host alone.
        trust_links: follow redirects to private addresses.
    """

    def __init__(self, url: str, *, token: str | None = None, trust_links: bool = False) -> None:
        parts = urlsplit(hub_resolve(url))
        self._scheme, self._netloc = parts.scheme, parts.netloc.rpartition("@")[2]
        self._path = parts.path.rstrip("/") + "/"
        self._trust_links = trust_links
        self._headers = {"Accept-Encoding": "identity", "User-Agent": "mlstac-hf"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        elif parts.username:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers |= urllib3.make_headers(basic_auth=login)
        self._pools: dict[int, urllib3.PoolManager] = {}
        self._versions: dict[str, Version] = {}

    def __repr__(self) -> str:
        return f"HttpStore({self.url!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pools": {}, "_versions": dict(self._versions)}

    @property
    def url(self) -> str:
        return urlunsplit((self._scheme, self._netloc, self._path, "", ""))

    @property
    def netloc(self) -> str:
        """Host and port, the only ones our credentials go to."""
        return self._netloc

    def open_local(self, path: str) -> None:  # noqa: ARG002 - part of the seam
        return None

    def read(self, path: str) -> bytes:
        data, version = self._get(path)
        if version.nbytes is None and len(data) != self.stat(path).nbytes:
            raise StoreError(f"{self.url}{path}: the server does not say how long the file is, so it may be cut short")
        return data

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        if stop <= start:
            return b""
        data, version = self._get(path, range(start, stop))
        if len(data) < stop - start:  # right only where the file ends
            nbytes = self.stat(path).nbytes if version.nbytes is None else version.nbytes
            if nbytes is None or len(data) != max(0, min(stop, nbytes) - start):
                raise StoreError(
                    f"{self.url}{path}: asked for bytes {start} to {stop}, received {len(data)}, and the file has "
                    f"{'an unknown number of' if nbytes is None else nbytes} bytes"
                )
        return data

    def stat(self, path: str) -> Entry:
        version = self._ask("HEAD", path, partial(self._headers_of, path))
        if version is None:  # the server knows no HEAD, or answers with a web page: one byte, and what comes with it
            version = self._fetch(path, range(1))[1]
        self._settle(path, version)
        nbytes = "" if version.nbytes is None else version.nbytes
        return Entry(name=path.rpartition("/")[2], nbytes=version.nbytes, version=f"{nbytes}-{version.label}")

    def list(self, path: str) -> None:  # noqa: ARG002 - part of the seam
        return None

    def put(self, path: str, data: bytes) -> None:  # noqa: ARG002 - part of the seam
        raise StoreError(f"cannot write {path}: {self.url} is read over http. Write to a folder or bucket.")

    def _get(self, path: str, asked: range | None = None) -> tuple[bytes, Version]:
        """The bytes asked for, of the version that every other read is of."""
        data, version = self._fetch(path, asked)
        first = self._settle(path, version)
        change = first.change(version)
        if change:
            raise StoreError(
                f"{self.url}{path} changed on the server while it was read ({change}); open the collection again."
            )
        return data, version

    def _fetch(self, path: str, asked: range | None) -> tuple[bytes, Version]:
        """The bytes asked for, of whatever version."""
        headers = {"Range": f"bytes={asked.start}-{asked.stop - 1}"} if asked else {}
        return self._ask("GET", path, partial(self._body_of, path, asked), headers)

    def _settle(self, path: str, version: Version) -> Version:
        """The version of a file that is read: the first that was seen."""
        first = self._versions.get(path)
        if first is None:
            return self._versions.setdefault(path, version) if len(self._versions) < MAX_VERSIONS else version
        if first.nbytes is None or not first.host:
            self._versions[path] = first = first.completed(version)
        return first

    @staticmethod
    def _body_of(path: str, asked: range | None, answer: _Answer) -> tuple[bytes, Version]:
        ranged = (HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE) if asked else ()
        url = bare(answer.url)
        check_status(answer.response, f"GET {url}", path, HTTPStatus.OK, *ranged)
        data, nbytes = body_of(answer.response, url, path, asked)
        return data, version_of(answer.response, answer.url, answer.linked.get("X-Linked-Etag", ""), nbytes)

    @staticmethod
    def _headers_of(path: str, answer: _Answer) -> Version | None:
        """What HEAD says; None where the answer says nothing of the file."""
        response = answer.response
        if not response.get_redirect_location():
            check_status(response, f"HEAD {bare(answer.url)}", path, HTTPStatus.OK, *_NO_HEAD)
            if response.status in _NO_HEAD or is_page(response, path):
                return None
        size = answer.linked.get("X-Linked-Size") or response.headers.get("Content-Length")
        nbytes = None if is_encoded(response, path) else count_of(size)
        return version_of(response, answer.url, answer.linked.get("X-Linked-Etag", ""), nbytes)

    def _ask(
        self, method: str, path: str, use: Callable[[_Answer], _Answered], headers: dict[str, str] | None = None
    ) -> _Answered:
        """What `use` makes of an answer, which is asked for again while that may help."""
        url = self.url + quote(check_relative(path))
        if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
            raise StoreError(f"{url} is needed, but HF_HUB_OFFLINE is set. Unset it, or use a local copy.")
        retries, latest = RETRY, time.monotonic() + PATIENCE_S
        while True:
            response: urllib3.BaseHTTPResponse | None = None
            reason = ""  # the error itself would keep its sockets open
            try:
                answer = self._follow(method, url, self._headers | (headers or {}))
                response = answer.response
                if not retries.is_retry(method, response.status):
                    return use(answer)
            except LocationValueError as error:
                raise StoreError(f"{method} {url} failed: {error}") from None
            except HTTPError as error:
                reason = f" {str(error)[:300]}"
            finally:
                if response is not None:
                    give_back(response)
            try:
                retries = retries.increment(method, url, response)
                hopeless = time.monotonic() > latest
            except MaxRetryError:
                hopeless = True
            if hopeless and response is not None and not reason:
                check_status(response, f"{method} {url}", path)
            if hopeless:
                raise StoreError(f"{method} {url} failed, after retries:{reason}")
            pause(retries, response)

    def _follow(self, method: str, url: str, headers: dict[str, str]) -> _Answer:
        """The answer at the end of all redirects; our credentials stay with our host."""
        linked: dict[str, str] = {}
        pool, first = self._pool(), url
        for _ in range(MAX_REDIRECTS + 1):
            response = pool.request(
                method,
                url,
                headers=headers,
                timeout=TIMEOUT,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            said = {key.title(): value for key, value in response.headers.items()}
            linked |= {key: value for key, value in said.items() if key.startswith("X-Linked-")}
            target = response.get_redirect_location()
            if not target or (method == "HEAD" and linked):  # the Hub has said all there is to know
                return _Answer(response, url, linked)
            give_back(response)
            try:
                url = urljoin(url, target)
                parts = urlsplit(url)
                urllib3.util.parse_url(url)
            except ValueError:
                raise StoreError(f"{bare(first)}: the server redirects to an address that nobody can read") from None
            if parts.netloc != self._netloc or parts.scheme not in (self._scheme, "https"):
                headers = {key: value for key, value in headers.items() if key.lower() != "authorization"}
            if parts.netloc != self._netloc and not self._trust_links:
                check_host(parts._replace(query="", fragment="").geturl())
        raise StoreError(f"{bare(first)}: more than {MAX_REDIRECTS} redirects")

    def _pool(self) -> urllib3.PoolManager:
        """This process's connections: sockets must not be shared across a fork."""
        pool = self._pools.get(os.getpid())
        if pool is None:
            pool = open_pool()
            self._pools = {os.getpid(): pool}
        return pool

"""Requests to an http server: made again where that may help, redirected, and without a word to others.

Owns: retries and how long they go on, redirects, credentials that go nowhere else. Leaves to others: what an answer
must be (`_http_checks`), how slow it may be (`_http_pool`), which host may be asked at all (`_links`), which files
there are (`_http`, `_hub`).

An answer that falls behind (see `_http_pool`) is given up, requests are repeated a few times, and what fails more than
`PATIENCE_S` after the first has failed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError, MaxRetryError

from mlstac_hf._errors import StoreError
from mlstac_hf._stores._http_checks import bare, check_status
from mlstac_hf._stores._http_pool import Pool, Response, give_back, pause
from mlstac_hf._stores._links import check_host
from mlstac_hf._stores._secrets import sendable
from mlstac_hf._stores._wanted import check_wanted

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
MAX_LINKS = 1024
"""Redirects of the Hub that are kept in mind; of more, the last."""
_EXPIRED = tuple(map(HTTPStatus, (400, 401, 403, 404, 410)))

_Answered = TypeVar("_Answered")


class Answer(NamedTuple):
    """The end of a chain of redirects."""

    response: Response
    url: str
    linked: dict[str, str]
    """What the Hub says, on the way, of a file that it keeps elsewhere: headers, in small letters."""


def is_offline() -> bool:
    """Whether nothing may be asked of any server."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def bearer(token: str | None) -> dict[str, str]:
    """The header that a token is sent in; none without one.

    Raises:
        ValueError: no header can hold it.
    """
    token = sendable(token)
    return {"Authorization": f"Bearer {token}"} if token else {}


class HttpClient:
    """Asks one host, and those that it redirects to. Picklable, and safe to fork.

    Args:
        url: any of the host.
        headers: for every request; Authorization is sent to that host alone.
        trust_redirects: follow redirects to private addresses.
        keep_links: ask for a file where the Hub said that it lies, while that link holds: for files that never change.
    """

    def __init__(
        self, url: str, headers: dict[str, str], *, trust_redirects: bool = False, keep_links: bool = False
    ) -> None:
        parts = urlsplit(url)
        self._scheme, self._netloc = parts.scheme, parts.netloc
        self._headers = {"Accept-Encoding": "identity", "User-Agent": "mlstac-hf", **headers}
        self._trust_redirects = trust_redirects
        self._keep_links = keep_links
        self._pools: dict[int, Pool] = {}
        self._links: dict[str, tuple[str, dict[str, str]]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pools": {}, "_links": {}}

    @property
    def netloc(self) -> str:
        """Host and port, the only ones our credentials go to."""
        return self._netloc

    def ask(
        self,
        method: str,
        url: str,
        use: Callable[[Answer], _Answered],
        headers: dict[str, str] | None = None,
    ) -> _Answered:
        """What `use` makes of an answer, which is asked for again while that may help.

        Raises:
            FileNotFoundError: the server says so, again and again.
            StoreError: the network failed, or we are offline, or nobody waits for the answer.
        """
        if is_offline():
            raise StoreError(f"{url} is needed, but HF_HUB_OFFLINE is set. Unset it, or use a local copy.")
        retries, latest = RETRY, time.monotonic() + PATIENCE_S
        while True:
            check_wanted(url)
            response: Response | None = None
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
                retries = retries.increment(method, url)
                hopeless = time.monotonic() > latest
            except MaxRetryError:
                hopeless = True
            if hopeless and response is not None and not reason:
                check_status(response, method, url, url)
            if hopeless:
                raise StoreError(f"{method} {url} failed, after retries:{reason}")
            pause(retries, response)

    def _follow(self, method: str, first: str, headers: dict[str, str]) -> Answer:
        """The answer at the end of all redirects; our credentials stay with our host."""
        if method == "GET" and first in self._links:  # the Hub counts how often it says where a file lies
            url, linked = self._links[first]  # and slows down who asks too often
            response = self._request(method, url, _without_login(headers))
            if response.status not in _EXPIRED:
                return Answer(response, url, linked)
            give_back(response)
            self._links.pop(first, None)
        url, linked = first, {}
        for _ in range(MAX_REDIRECTS + 1):
            response = self._request(method, url, headers)
            linked |= {key: value for key, value in response.headers.items() if key.startswith("x-linked-")}
            target = response.get_redirect_location()
            if not target and linked and self._keep_links and urlsplit(url).netloc != self._netloc:
                self._links[first] = url, linked
                for old in list(self._links)[:-MAX_LINKS]:
                    self._links.pop(old, None)
            if not target or (method == "HEAD" and linked):  # the Hub has said all there is to know
                return Answer(response, url, linked)
            give_back(response)
            try:
                url = urljoin(url, target)
                parts = urlsplit(url)
                urllib3.util.parse_url(url)
            except ValueError:
                raise StoreError(f"{bare(first)}: the server redirects to an address that nobody can read") from None
            if parts.netloc != self._netloc or parts.scheme not in (self._scheme, "https"):
                headers = _without_login(headers)
            if parts.netloc != self._netloc and not self._trust_redirects:
                check_host(parts._replace(query="", fragment="").geturl())
        raise StoreError(f"{bare(first)}: more than {MAX_REDIRECTS} redirects")

    def _request(self, method: str, url: str, headers: dict[str, str]) -> Response:
        return self._pool().request(method, url, headers, TIMEOUT)

    def _pool(self) -> Pool:
        """This process's connections: sockets must not be shared across a fork."""
        pool = self._pools.get(os.getpid())
        if pool is None:
            pool = Pool()
            self._pools = {os.getpid(): pool}
        return pool


def _without_login(headers: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in headers.items() if key.lower() != "authorization"}

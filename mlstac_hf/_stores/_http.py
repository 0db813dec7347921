"""Files below an http(s) folder.

Owns: requests, their retries and time limits (urllib3's), redirects, credentials that go nowhere else.
Leaves to others: which host may be asked at all (`_links`), what is in the files.
"""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

import urllib3

from mlstac_hf._errors import StoreError
from mlstac_hf._stores._links import check_host, hub_resolve
from mlstac_hf._stores._store import Entry, check_relative

TIMEOUT = urllib3.Timeout(connect=10, read=60)  # seconds
MAX_REDIRECTS = 5
_OK, _PARTIAL, _UNSATISFIABLE = 200, 206, 416
_NO_HEAD = (405, 501)
_GONE = (403, 404, 410)  # S3 says 403 for what is not there and may not be listed


class HttpStore:
    """A folder behind http(s). It cannot be listed, and is only read.

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

    def __repr__(self) -> str:
        return f"HttpStore({self.url!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pools": {}}

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
        return self._request("GET", path).data

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        if stop <= start:
            return b""
        response = self._request("GET", path, {"Range": f"bytes={start}-{stop - 1}"})
        if response.status == _UNSATISFIABLE:
            return b""
        if response.status != _PARTIAL:  # the server ignores ranges and sent all
            return response.data[start:stop]
        served = response.headers.get("Content-Range", "")
        if not served.startswith(f"bytes {start}-"):
            raise StoreError(f"{self.url}{path}: asked for bytes from {start}, the server sent {served!r}")
        return response.data[: stop - start]

    def stat(self, path: str) -> Entry:
        response = self._request("HEAD", path)
        headers = response.headers
        if response.status in _NO_HEAD:
            return self._stat_by_get(path)
        length = headers.get("X-Linked-Size") or headers.get("Content-Length") or ""
        tag = headers.get("X-Linked-Etag") or headers.get("ETag") or headers.get("Last-Modified") or ""
        nbytes = int(length) if length.isdecimal() else None
        return Entry(name=path.rpartition("/")[2], nbytes=nbytes, version=f"{length}-{tag}")

    def _stat_by_get(self, path: str) -> Entry:
        """For servers that know no HEAD: one byte, and what comes with it."""
        response = self._request("GET", path, {"Range": "bytes=0-0"})
        total = response.headers.get("Content-Range", "").rpartition("/")[2]
        nbytes = int(total) if total.isdecimal() else len(response.data) if response.status == _OK else None
        tag = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        return Entry(name=path.rpartition("/")[2], nbytes=nbytes, version=f"{nbytes}-{tag}")

    def list(self, path: str) -> None:  # noqa: ARG002 - part of the seam
        return None

    def put(self, path: str, data: bytes) -> None:  # noqa: ARG002 - part of the seam
        raise StoreError(f"cannot write {path}: {self.url} is read over http. Write to a folder or bucket.")

    def _request(self, method: str, path: str, headers: dict[str, str] | None = None) -> urllib3.BaseHTTPResponse:
        url = self.url + quote(check_relative(path))
        if os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}:
            raise StoreError(f"{url} is needed, but HF_HUB_OFFLINE is set. Unset it, or use a local copy.")
        headers = self._headers | (headers or {})
        for _ in range(MAX_REDIRECTS + 1):
            response = self._send(method, url, headers)
            target = response.get_redirect_location()
            if not target:
                return self._checked(response, method, url, path)
            linked = {key: value for key, value in response.headers.items() if key.startswith("X-Linked-")}
            if method == "HEAD" and linked:  # the Hub has said all there is to know
                return response
            url = urljoin(url, target)
            parts = urlsplit(url)
            if parts.netloc != self._netloc or parts.scheme not in (self._scheme, "https"):
                headers = {key: value for key, value in headers.items() if key.lower() != "authorization"}
            if parts.netloc != self._netloc and not self._trust_links:
                check_host(url)
        raise StoreError(f"{_bare(url)}: more than {MAX_REDIRECTS} redirects")

    def _send(self, method: str, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        try:
            return self._pool().request(method, url, headers=headers, redirect=False, decode_content=False)
        except urllib3.exceptions.HTTPError as error:
            reason = getattr(error, "reason", None) or error
            raise StoreError(f"{method} {_bare(url)} failed, after retries: {reason}") from None

    @staticmethod
    def _checked(response: urllib3.BaseHTTPResponse, method: str, url: str, path: str) -> urllib3.BaseHTTPResponse:
        if response.status in (_OK, _PARTIAL, _UNSATISFIABLE) or (method == "HEAD" and response.status in _NO_HEAD):
            return response
        if response.status in _GONE and "Authorization" not in response.headers.get("WWW-Authenticate", ""):
            raise FileNotFoundError(path)
        advice = " Pass token=… if it is private." if response.status == 401 else ""  # noqa: PLR2004
        raise StoreError(f"{method} {_bare(url)}: the server answers {response.status} {response.reason}.{advice}")

    def _pool(self) -> urllib3.PoolManager:
        """This process's connections: sockets must not be shared across a fork."""
        pool = self._pools.get(os.getpid())
        if pool is None:
            retry = urllib3.Retry(
                total=4,
                redirect=False,
                backoff_factor=0.2,
                backoff_jitter=0.2,
                backoff_max=20,
                retry_after_max=30,
                status_forcelist=(429, 500, 502, 503, 504),
                raise_on_status=False,
            )
            pool = urllib3.PoolManager(maxsize=32, block=False, retries=retry, timeout=TIMEOUT)
            self._pools = {os.getpid(): pool}
        return pool


def _bare(url: str) -> str:
    """Without user, password and query, which may hold secrets."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

"""Files below an http(s) folder.

Owns: which requests a read takes, one version of each file. Leaves to others: asking (`_http_client`), what an answer
must be (`_http_checks`), what is in the files.

Every read gives the bytes of the file or raises, and none hangs.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from mlstac_hf._errors import StoreError
from mlstac_hf._stores._http_checks import (
    Body,
    Own,
    Parts,
    Version,
    body_of,
    check_status,
    count_of,
    is_encoded,
    is_page,
    version_of,
)
from mlstac_hf._stores._http_client import Answer, HttpClient, bearer
from mlstac_hf._stores._links import hub_resolve
from mlstac_hf._stores._pins import Pins
from mlstac_hf._stores._store import Entry, check_relative, parts_of

_NO_HEAD = (HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)

Check = Callable[..., None]
"""Refuses an answer, as `check_status` does."""


class HttpStore:
    """A folder behind http(s). It cannot be listed, and is only read.

    The first answer about a file settles its version for this store and its pickles: later reads that find another
    ETag, time of change or size are a StoreError. What `stat` says is always new.

    Args:
        url: of the folder. A user and password in it are sent to that host alone.
        token: bearer token, sent to that host alone.
        trust_links: follow redirects to private addresses.
        client: who asks the server, if not one made of the above.
        check: refuses an answer by its status.

    Raises:
        ValueError: the token is none that can be sent.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        trust_links: bool = False,
        client: HttpClient | None = None,
        check: Check = check_status,
    ) -> None:
        parts = urlsplit(hub_resolve(url))
        netloc = parts.netloc.rpartition("@")[2]
        self._url = urlunsplit((parts.scheme, netloc, parts.path.rstrip("/") + "/", "", ""))
        headers = bearer(token)
        if parts.username and not headers:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"}
        self._client = client or HttpClient(self._url, headers, trust_redirects=trust_links)
        self._check = check
        self._pins = Pins()

    def __repr__(self) -> str:
        return f"HttpStore({self.url!r})"

    @property
    def url(self) -> str:
        return self._url

    @property
    def netloc(self) -> str:
        """Host and port, the only ones our credentials go to."""
        return self._client.netloc

    def open_local(self, path: str) -> None:  # noqa: ARG002 - part of the seam
        return None

    def read(self, path: str) -> bytes:
        return self.read_versioned(path)[0]

    def read_versioned(self, path: str) -> tuple[bytes, Version]:
        """The whole file, and what the server says of it."""
        data, version = self._whole(path)
        assert isinstance(data, bytes)  # as asked for
        return data, version

    def fetch(self, path: str) -> bytes | memoryview:
        data, _ = self._whole(path, own=True)
        assert not isinstance(data, Parts)  # none were asked for
        return data

    def _whole(self, path: str, *, own: bool = False) -> tuple[Body, Version]:
        data, version = self._get(path, own=own)
        if version.nbytes is None and len(data) != self.stat(path).nbytes:
            raise StoreError(f"{self.url}{path}: the server does not say how long the file is, so it may be cut short")
        return data, version

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        data = self._range(path, start, stop)
        assert isinstance(data, bytes)  # as asked for
        return data

    def fetch_parts(self, path: str, parts: Sequence[range]) -> Sequence[bytes | memoryview]:
        data = self._range(path, parts[0].start, parts[-1].stop, own=parts)
        return data.views if isinstance(data, Parts) else parts_of(bytes(data), parts)

    def _range(self, path: str, start: int, stop: int, *, own: Sequence[range] = ()) -> Body:
        if stop <= start:
            return b""
        data, version = self._get(path, range(start, stop), own=own)
        if len(data) < stop - start:  # right only where the file ends
            nbytes = self.stat(path).nbytes if version.nbytes is None else version.nbytes
            if nbytes is None or len(data) != max(0, min(stop, nbytes) - start):
                raise StoreError(
                    f"{self.url}{path}: asked for bytes {start} to {stop}, received {len(data)}, and the file has "
                    f"{'an unknown number of' if nbytes is None else nbytes} bytes"
                )
        return data

    def stat(self, path: str) -> Entry:
        version = self._client.ask("HEAD", self._full(path), partial(self._headers_of, path))
        if version is None:  # the server knows no HEAD, or answers with a web page: one byte, and what comes with it
            version = self._ask(path, range(1))[1]
        self._pins.settle(path, version)
        nbytes = "" if version.nbytes is None else version.nbytes
        return Entry(name=path.rpartition("/")[2], nbytes=version.nbytes, version=f"{nbytes}-{version.label}")

    def list(self, path: str) -> None:  # noqa: ARG002 - part of the seam
        return None

    def put(self, path: str, data: bytes | memoryview) -> None:  # noqa: ARG002 - part of the seam
        raise StoreError(f"cannot write {path}: {self.url} is read over http. Write to a folder or bucket.")

    def _get(self, path: str, asked: range | None = None, *, own: Own = False) -> tuple[Body, Version]:
        """The bytes asked for, of the version that every other read is of."""
        data, version = self._ask(path, asked, own=own)
        self._pins.check(path, version, f"{self.url}{path}")
        return data, version

    def _ask(self, path: str, asked: range | None, *, own: Own = False) -> tuple[Body, Version]:
        """The bytes asked for, of whatever version."""
        headers = {"Range": f"bytes={asked.start}-{asked.stop - 1}"} if asked else {}
        return self._client.ask("GET", self._full(path), partial(self._body_of, path, asked, own), headers)

    def _full(self, path: str) -> str:
        return self.url + quote(check_relative(path))

    def _body_of(
        self,
        path: str,
        asked: range | None,
        own: Own,
        answer: Answer,
    ) -> tuple[Body, Version]:
        ranged = (HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE) if asked else ()
        self._check(answer.response, "GET", answer.url, path, HTTPStatus.OK, *ranged)
        data, nbytes = body_of(answer.response, answer.url, path, asked, own=own)
        return data, version_of(answer.response, answer.url, answer.linked.get("x-linked-etag", ""), nbytes)

    def _headers_of(self, path: str, answer: Answer) -> Version | None:
        """What HEAD says; None where the answer says nothing of the file."""
        response = answer.response
        if not response.get_redirect_location():
            self._check(response, "HEAD", answer.url, path, HTTPStatus.OK, *_NO_HEAD)
            if response.status in _NO_HEAD or is_page(response, path):
                return None
        size = answer.linked.get("x-linked-size") or response.headers.get("Content-Length")
        nbytes = None if is_encoded(response, path) else count_of(size)
        return version_of(response, answer.url, answer.linked.get("x-linked-etag", ""), nbytes)

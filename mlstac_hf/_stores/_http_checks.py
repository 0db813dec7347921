"""What an answer must be for its bytes to be used.

Owns: status, ranges, lengths, encodings, web pages in place of files, and whether two answers are of one file.
Leaves to others: asking, and asking again (`_http`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from urllib.parse import urlsplit, urlunsplit

import numpy as np
from urllib3.exceptions import HTTPError

from mlstac_hf._errors import StoreError
from mlstac_hf._stores._http_pool import Response

SURPLUS_NBYTES = 64 << 20
"""As much may come for a shorter range, or eight times the range if that is more."""
_PIECE_NBYTES = 4 << 20  # read at once; a length is only a claim, and no memory is taken on its word
_MOST_OWN = 64 << 20  # of a body that is received at once; more of it comes in pieces
_GONE = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
"""S3 says 403 for what is not there and may not be listed."""
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_PLAIN = ("", "identity", "aws-chunked")
"""Content encodings that change no byte; the last is a leftover of uploads to S3."""


class Parts:
    """Parts of a body, each in memory that is writable and nobody else's.

    Args:
        views: of them.
        nbytes: of the whole body.
    """

    def __init__(self, views: Sequence[memoryview], nbytes: int) -> None:
        self.views, self._nbytes = views, nbytes

    def __len__(self) -> int:
        return self._nbytes


Own = bool | Sequence[range]
"""Whether memory is to be nobody else's; for each of which parts."""
Body = bytes | memoryview | Parts


class CutShortError(HTTPError):
    """Other than as many bytes came as were announced. Asked again, they may all come."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """What a server says that tells one state of a file from another."""

    nbytes: int | None = None
    """Of the file; None where nothing vouches for it."""
    linked: str = ""
    """The Hub's hash of a file that it keeps elsewhere."""
    etag: str = ""
    modified: str = ""
    host: str = ""
    """Which gave the ETag and the time; another may give others to the same file. Empty: they say nothing."""

    @property
    def label(self) -> str:
        """The best there is."""
        return self.linked or self.etag or self.modified

    def completed(self, now: Version) -> Version:
        """This one, and what it lacks from a later answer about the same file."""
        known = replace(self if self.host else now, linked=self.linked or now.linked)
        return replace(known, nbytes=now.nbytes if self.nbytes is None else self.nbytes)

    def change(self, now: Version) -> str:
        """What tells `now` from this, in words; empty where nothing does.

        An ETag is decisive where both have one, and then a weak one decides nothing, as it may differ between
        equal bytes; times of change count where an ETag is missing.
        """
        if None not in (self.nbytes, now.nbytes) and self.nbytes != now.nbytes:
            return f"{self.nbytes} bytes before, {now.nbytes} now"
        if self.linked and now.linked:
            return _difference("hash", self.linked, now.linked)
        if self.host != now.host:
            return ""
        if self.etag and now.etag:
            return "" if "W/" in (self.etag[:2], now.etag[:2]) else _difference("ETag", self.etag, now.etag)
        return _difference("time", self.modified, now.modified) if self.modified and now.modified else ""


def version_of(response: Response, url: str, linked: str, nbytes: int | None) -> Version:
    """What an answer from `url` says of the version of a file."""
    etag, modified = (response.headers.get(name, "") for name in ("ETag", "Last-Modified"))
    of_file = response.status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)  # and not of a redirect or an error
    host = urlsplit(url).netloc if of_file else ""
    return Version(nbytes=nbytes, linked=linked, etag=etag, modified=modified, host=host)


def count_of(text: str | None) -> int | None:
    """A number of bytes in a header; None where there is none."""
    return int(text) if text and re.fullmatch(r"[0-9]{1,18}", text) else None


def check_status(response: Response, method: str, url: str, path: str, *expected: int) -> None:
    """Refuse an answer that is none of those expected.

    Args:
        response: the answer.
        method: of the request.
        url: that was asked for; only what is no secret of it is shown.
        path: of the file.
        expected: statuses.

    Raises:
        FileNotFoundError: the file is not there.
        StoreError: anything else.
    """
    if response.status in expected:
        return
    if response.status in _GONE and "Authorization" not in response.headers.get("WWW-Authenticate", ""):
        raise FileNotFoundError(path)
    advice = " Pass token=… if it is private." if response.status == HTTPStatus.UNAUTHORIZED else ""
    raise StoreError(
        f"{method} {bare(url)}: the server answers {response.status} {(response.reason or '')[:80]}.{advice}"
    )


def body_of(
    response: Response, url: str, path: str, asked: range | None, *, own: Own = False
) -> tuple[Body, int | None]:
    """The bytes of an answer to GET, and the size of the file where the answer vouches for it.

    Args:
        response: of status 200, or 206 or 416 where a range was asked for; its body is not read yet.
        url: for messages, which show what is no secret of it.
        path: of the file.
        asked: the range, in bytes.
        own: in memory that is writable and nobody else's, where it can be had at no cost; or in such memory for each of
            these parts of the file, which lie one behind the other in the range and end where it ends.

    Raises:
        CutShortError: the body is not as long as announced.
        StoreError: the bytes cannot be what was asked for, or are far more.
    """
    if response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return b"", count_of(response.headers.get("Content-Range", "").removeprefix("bytes */"))
    _check_encoding(response, url, path)
    if asked is not None and response.status == HTTPStatus.PARTIAL_CONTENT:
        return _part_of(response, url, asked, () if isinstance(own, bool) else own)
    known = response.length_remaining is not None or response.chunked
    data = _read(response, url, asked, own=own is True)
    if is_page(response, path, bytes(data[:512])):
        raise StoreError(
            f"{bare(url)}: the server sends a web page in place of the file. Does the network ask for a login, or is "
            "the address that of a page about the file?"
        )
    return (data if asked is None else data[asked.start : asked.stop]), (len(data) if known else None)


def is_page(response: Response, path: str, data: bytes = b"<") -> bool:
    """Whether an answer is a web page, and the file's name is not that of one; without `data`, whether it says so."""
    if path.endswith((".html", ".htm")):
        return False
    said = response.headers.get("Content-Type", "").lower().startswith("text/html")
    start = data.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return start.startswith(b"<" if said else (b"<!doctype html", b"<html"))


def is_encoded(response: Response, path: str) -> bool:
    """Whether the bytes that are sent, and their number, are not those of the file.

    Some servers call a file named `.gz` gzip-encoded, which says no more than its name.
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    return encoding not in _PLAIN and not (path.endswith(".gz") and encoding in ("gzip", "x-gzip"))


def _check_encoding(response: Response, url: str, path: str) -> None:
    if is_encoded(response, path):
        raise StoreError(
            f"{bare(url)}: asked for the bytes as they are stored, the server sends them in encoding "
            f"{response.headers['Content-Encoding'][:80]!r}. Download the file with a client that decodes it."
        )
    transfer = response.headers.get("Transfer-Encoding", "").strip().lower()
    if transfer not in ("", "identity", "chunked"):
        raise StoreError(
            f"{bare(url)}: the server uses the transfer encoding {transfer[:80]!r}, which is not understood"
        )


def _part_of(response: Response, url: str, asked: range, parts: Sequence[range]) -> tuple[Body, int | None]:
    served = response.headers.get("Content-Range", "")
    match = _CONTENT_RANGE.fullmatch(served)
    first, last = (int(match[1]), int(match[2])) if match else (-1, -1)
    nbytes = count_of(match[3]) if match else None
    if first != asked.start or last < first or (nbytes is not None and last >= nbytes):
        raise StoreError(
            f"{bare(url)}: asked for bytes {asked.start} to {asked.stop}, the server sent Content-Range {served[:80]!r}"
        )
    if parts and response.length_remaining == len(asked) == last - first + 1:
        return _own_parts(response, asked, parts), nbytes
    data = _read(response, url, asked)
    if len(data) != last - first + 1:
        raise CutShortError(f"expected {last - first + 1} bytes (Content-Range {served}), received {len(data)}")
    return data[: len(asked)], nbytes


def _read(response: Response, url: str, asked: range | None, *, own: bool = False) -> bytes | memoryview:
    """The body. For a range no more than a little too much of it."""
    announced = response.length_remaining
    if own and announced and announced <= _MOST_OWN:
        return _own(response, announced)
    limit = None if asked is None else max(SURPLUS_NBYTES, 8 * len(asked))
    pieces: list[bytes] = []
    received = 0
    if limit is None or announced is None or announced <= limit:
        try:
            for piece in iter(partial(response.read, _PIECE_NBYTES), b""):
                pieces.append(piece)
                received += len(piece)
                if limit is not None and received > limit:
                    break
        except (HTTPError, ValueError, OverflowError) as error:  # http.client trusts the sizes of chunks
            raise CutShortError(f"expected {_sum(announced)}, received {received}: {error}") from None
    if asked is not None and limit is not None and max(received, announced or 0) > limit:
        raise StoreError(
            f"{bare(url)}: asked for {len(asked)} bytes, the server ignores ranges and sends {_sum(announced)}. "
            "Download the file first, and open the copy."
        )
    return b"".join(pieces)


def _own(response: Response, nbytes: int) -> memoryview:
    """The body. Its memory is only taken as it comes, and in large pages where numpy knows how to ask for them."""
    body = np.empty(nbytes, np.uint8).data
    _fill(response, [body], nbytes)
    return body


def _own_parts(response: Response, asked: range, parts: Sequence[range]) -> Parts:
    """The parts of a range; what lies between them is dropped."""
    views: list[memoryview] = []
    buffers, at = [], asked.start
    for part in parts:
        buffers += [np.empty(nbytes, np.uint8).data for nbytes in (part.start - at, len(part))]
        views.append(buffers[-1])
        at = part.stop
    _fill(response, buffers, len(asked))
    return Parts(views, len(asked))


def _fill(response: Response, buffers: Sequence[memoryview], nbytes: int) -> None:
    try:
        response.fill(buffers)
    except (HTTPError, ValueError, OverflowError) as error:
        received = nbytes - (response.length_remaining or 0)
        raise CutShortError(f"expected {_sum(nbytes)}, received {received}: {error}") from None


def _sum(nbytes: int | None) -> str:
    return "an unknown number of bytes" if nbytes is None else f"{nbytes} bytes"


def _difference(name: str, before: str, now: str) -> str:
    return "" if before == now else f"{name} {before[:80]} before, {now[:80]} now"


def bare(url: str) -> str:
    """Without user, password and query, which may hold secrets."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))

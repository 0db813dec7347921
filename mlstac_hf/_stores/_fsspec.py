"""Files below any URL that fsspec knows: buckets, memory, archives.

Owns: what a read, a listing and a write of such a file are, asked again where that may help, and what is said where it
does not. Leaves to others: local folders, http and the Hub, which have stores of their own; what each filesystem is
asked (`_buckets`), what its errors mean (`_failures`), which versions were seen (`_pins`).

Every read gives the bytes of one version of the file or raises. What is asked of S3, Azure and Google Cloud ends:
each request within `_buckets.TIMEOUT_S`, or what the user told the filesystem, and a second for every 10 kB; what
fails more than a minute after the first has failed. Other filesystems wait as long as their own settings say.
"""

from __future__ import annotations

import io
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

from urllib3.exceptions import MaxRetryError

from mlstac_hf._errors import MissingExtraError, StoreError
from mlstac_hf._stores import _http_client
from mlstac_hf._stores._buckets import FAMILIES, SLOWEST, Part, allowed_s, call, get, open_filesystem, version_of
from mlstac_hf._stores._failures import Failure
from mlstac_hf._stores._http_checks import CutShortError, Version
from mlstac_hf._stores._http_pool import pause
from mlstac_hf._stores._pins import Pins
from mlstac_hf._stores._secrets import hide
from mlstac_hf._stores._store import Entry, check_relative, parts_of
from mlstac_hf._stores._wanted import check_wanted

FIRST_NBYTES = 1 << 20
"""Of a file whose size is not known, so much is asked for first: how long it may take depends on the size."""
PIECE_NBYTES = 8 << 20
"""Files are read in pieces of this size, as each is asked for again on its own; most files are one."""

_Answered = TypeVar("_Answered")


class FsspecStore:
    """A folder of an fsspec filesystem. Picklable, and safe to fork.

    The first answer about a file settles its version for this store and its pickles: later reads that find another
    are a StoreError. What `stat` and `list` say is always new.

    Args:
        url: of the folder, such as `s3://bucket/collection`.
        storage_options: for the filesystem, such as credentials; never shown.

    Raises:
        MissingExtraError: the filesystem's package is not installed.
        StoreError: nobody knows the scheme, or the filesystem refuses its options.
    """

    def __init__(self, url: str, storage_options: dict[str, Any] | None = None) -> None:
        self._url = url.rstrip("/")
        self._options = dict(storage_options or {})
        self._family = FAMILIES.get(url.partition("://")[0], "")
        self._opened: dict[int, tuple[Any, str]] = {}
        self._pins = Pins()
        self._filesystem()

    def __repr__(self) -> str:
        return f"FsspecStore({self.url!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": {}}

    @property
    def url(self) -> str:
        login = r"(?<=://)[^/]*:[^/]*@" if self._family == "azure" else r"(?<=://)[^/]*@(?=[^/]*/)"
        return hide(re.sub(login, "", self._url))  # in abfs://container@account nothing is secret

    def at(self, path: str) -> FsspecStore:
        """The store of a folder in this one."""
        return FsspecStore(f"{self._url}/{check_relative(path)}", self._options)

    def open_local(self, path: str) -> None:  # noqa: ARG002 - part of the seam
        return None

    def read(self, path: str) -> bytes:
        known = self._nbytes(path)
        part = self._get(path, range(min(known, PIECE_NBYTES) if known else FIRST_NBYTES))
        if part is None:
            return b""
        nbytes = part.version.nbytes or 0
        rest = [
            self.read_range(path, start, min(start + PIECE_NBYTES, nbytes))
            for start in range(len(part.data), nbytes, PIECE_NBYTES)
        ]
        return b"".join((part.data, *rest)) if rest else part.data

    def fetch(self, path: str) -> bytes:
        return self.read(path)

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        part = self._get(path, range(start, stop)) if start < stop else None
        return b"" if part is None else part.data

    def fetch_parts(self, path: str, parts: Sequence[range]) -> list[memoryview]:
        return parts_of(self.read_range(path, parts[0].start, parts[-1].stop), parts)

    def stat(self, path: str) -> Entry:
        info = self._ask("find", path, lambda files, full: self._call(files, "info", full))
        if info.get("type") == "directory":
            raise FileNotFoundError(path)
        entry = _entry(info)
        self._pins.settle(path, version_of(info))
        return entry

    def list(self, path: str) -> list[Entry]:
        infos = self._ask("list", path, lambda files, full: self._call(files, "ls", full, detail=True))
        entries = [_entry(info) for info in infos if info.get("type") == "file"]
        for entry in entries:  # the size alone: who lists need not spell an ETag as who serves does
            self._pins.settle(f"{path}/{entry.name}" if path else entry.name, Version(nbytes=entry.nbytes))
        return entries

    def put(self, path: str, data: bytes | memoryview) -> None:
        self._write(path, "pipe_file", bytes(data), nbytes=len(data))

    def put_parts(self, path: str, parts: Iterable[bytes | memoryview]) -> None:
        joined = io.BytesIO()
        for part in parts:
            joined.write(part)
        self.put(path, joined.getvalue())  # a buffer's own bytes, no copy

    @contextmanager
    def filling(self, path: str) -> Iterator[str]:
        with tempfile.TemporaryDirectory() as folder:
            temporary = os.path.join(folder, "file")
            yield temporary
            self._write(path, "put_file", temporary, nbytes=os.path.getsize(temporary))

    def remove(self, path: str) -> None:
        self._pins.forget(path)
        self._ask("remove", path, lambda files, full: self._call(files, "rm_file", full))

    def _write(self, path: str, name: str, content: Any, nbytes: int) -> None:
        def write(files: Any, full: str) -> None:
            if not self._family:  # buckets have no folders, and a bucket is not made for a slip of the pen
                self._call(files, "makedirs", full.rpartition("/")[0], exist_ok=True)
            first, second = (content, full) if name == "put_file" else (full, content)
            self._call(files, name, first, second, nbytes=nbytes)

        self._pins.forget(path)
        try:
            self._ask("write", path, write)
            return
        except FileNotFoundError:
            pass
        raise StoreError(f"could not write {self.url}/{path}: there is no such bucket, container or folder; create it")

    def _get(self, path: str, asked: range) -> Part | None:
        """The bytes asked for, of the version that every other read is of; None where the file ends before."""
        shown = f"{self.url}/{path}"
        known = self._nbytes(path)
        length = len(asked) if known is None else max(0, min(asked.stop, known) - asked.start)
        seconds = allowed_s(self._options) + length / SLOWEST
        part = self._ask("read", path, partial(self._part, shown, asked, seconds))
        if part is None:  # said so by the server of a file that may not even be empty
            nbytes = self.stat(path).nbytes
            if nbytes is None or nbytes > asked.start:
                raise StoreError(
                    f"{shown}: asked for bytes {asked.start} to {asked.stop}, the server says that the file ends "
                    f"before, and also that it has {nbytes} bytes"
                )
            return None
        self._pins.check(path, part.version, shown)
        return part

    def _nbytes(self, path: str) -> int | None:
        """The size of a file, as far as it is known."""
        version = self._pins.get(path)
        return None if version is None else version.nbytes

    def _part(self, shown: str, asked: range, seconds: float, files: Any, full: str) -> Part | None:
        part = get(files, self._family, full, asked, seconds)
        if part is None:
            return None
        start, length = part.span or (-1, -1)
        nbytes = part.version.nbytes
        if nbytes is None or start != asked.start or length != min(asked.stop, nbytes) - start:
            served = f"Content-Range {part.served[:80]!r}" if part.served else "no Content-Range"
            raise StoreError(f"{shown}: asked for bytes {asked.start} to {asked.stop}, the server sent {served}")
        if len(part.data) != length:
            raise CutShortError(f"expected {length} bytes ({part.served}), received {len(part.data)}")
        return part

    def _call(self, files: Any, name: str, *args: Any, nbytes: int = 0, **kwargs: Any) -> Any:
        return call(files, name, *args, seconds=allowed_s(self._options) + nbytes / SLOWEST, **kwargs)

    def _ask(self, verb: str, path: str, use: Callable[[Any, str], _Answered]) -> _Answered:
        """What `use` makes of the filesystem and a path in it, asked for again while that may help.

        Errors are raised where no other is being handled: those of a filesystem may hold credentials.

        Raises:
            FileNotFoundError: there is no such file.
            StoreError: anything else.
        """
        relative = check_relative(path) if path else ""
        retries, latest = _http_client.RETRY, time.monotonic() + _http_client.PATIENCE_S
        while True:
            check_wanted(f"{self.url}/{path}")
            files, root = self._filesystem()
            full = "/".join(part for part in (root.rstrip("/"), relative) if part)
            failure: Failure | None = None
            try:
                return use(files, full)
            except StoreError:
                raise
            except (FileNotFoundError, NotADirectoryError):
                pass
            except Exception as error:  # noqa: BLE001 - each filesystem has errors of its own
                failure = Failure.of(error)
            if failure is None or failure.status == HTTPStatus.NOT_FOUND:
                raise FileNotFoundError(path)
            if failure.has_no_credentials and "anon" not in self._options:  # as public buckets are read
                self._options["anon"] = True
                self._opened.pop(os.getpid(), None)
                continue
            hopeless = not failure.passes or time.monotonic() > latest
            try:
                retries = retries.increment("GET", self.url)
            except MaxRetryError:
                hopeless = True
            if hopeless:
                raise StoreError(
                    f"could not {verb} {self.url}/{path}: {hide(failure.text, self._options)}"
                    f"{', after retries. Try again later.' if failure.passes else '.'}{failure.advice(self._family)}"
                )
            pause(retries, failure.response())

    def _filesystem(self) -> tuple[Any, str]:
        """This process's filesystem, and the root in it: connections and threads do not survive a fork."""
        opened = self._opened.get(os.getpid())
        if opened is not None:
            return opened
        missing, failure = None, None
        try:
            opened = open_filesystem(self._url, self._options)
        except ImportError as error:
            missing = str(error)
        except Exception as error:  # noqa: BLE001 - each filesystem has errors of its own
            failure = Failure.of(error)
        if missing is not None:
            scheme = self._url.partition("://")[0]
            extra = f"pip install 'mlstac-hf[{self._family}]'" if self._family else f"({missing})"
            raise MissingExtraError(
                f"{scheme}:// addresses need a package that is not installed. Install it with: {extra}"
            )
        if opened is None or failure is not None:
            text = "" if failure is None else hide(failure.text, self._options)
            raise StoreError(f"could not open {self.url}: {text}")
        self._opened[os.getpid()] = opened  # a parent's stay: taken down, they would wait for threads that are not here
        return opened


def _entry(info: dict[str, Any]) -> Entry:
    version = version_of(info)
    return Entry(
        name=str(info["name"]).rstrip("/").rpartition("/")[2],
        nbytes=version.nbytes,
        version=f"{version.nbytes}-{version.label}",
    )

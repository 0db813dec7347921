"""Files below any URL that fsspec knows: buckets, the Hub, memory, archives.

Owns: how fsspec's answers become ours. Leaves to others: local folders and http, which have stores of
their own; retries, which each filesystem brings.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import fsspec

from mlstac_hf._errors import MissingExtraError, StoreError
from mlstac_hf._stores._store import Entry, check_relative

_EXTRAS = {
    "hf": "hf",
    "s3": "s3",
    "s3a": "s3",
    "abfs": "azure",
    "abfss": "azure",
    "az": "azure",
    "adl": "azure",
    "gs": "gcs",
    "gcs": "gcs",
}


class FsspecStore:
    """A folder of an fsspec filesystem.

    Args:
        url: of the folder, such as `s3://bucket/collection`.
        storage_options: for the filesystem, such as credentials; never shown.

    Raises:
        MissingExtraError: the filesystem's package is not installed.
    """

    def __init__(self, url: str, storage_options: dict[str, Any] | None = None) -> None:
        self._url = url.rstrip("/")
        self._options = dict(storage_options or {})
        scheme = url.partition("://")[0]
        try:
            self._fs, self._root = fsspec.core.url_to_fs(self._url, **self._options)
        except ImportError as error:
            extra = f"pip install 'mlstac-hf[{_EXTRAS[scheme]}]'" if scheme in _EXTRAS else f"({error})"
            raise MissingExtraError(
                f"{scheme}:// addresses need a package that is not installed. Install it with: {extra}"
            ) from None
        except Exception as error:  # noqa: BLE001 - each filesystem has errors of its own
            raise StoreError(f"could not open {self.url}: {_redact(error, self._options)}") from None

    def __repr__(self) -> str:
        return f"FsspecStore({self.url!r})"

    @property
    def url(self) -> str:
        return re.sub(r"(?<=://)[^/@]*@(?=[^/]*/)", "", self._url)

    def open_local(self, path: str) -> None:  # noqa: ARG002 - part of the seam
        return None

    def read(self, path: str) -> bytes:
        return bytes(self._call("read", path, self._fs.cat_file, self._full(path)))

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        if stop <= start:
            return b""
        return bytes(self._call("read", path, self._fs.cat_file, self._full(path), start=start, end=stop))

    def stat(self, path: str) -> Entry:
        return _entry(self._call("find", path, self._fs.info, self._full(path)))

    def list(self, path: str) -> list[Entry]:
        infos = self._call("list", path, self._fs.ls, self._full(path), detail=True)
        return [_entry(info) for info in infos if info.get("type") == "file"]

    def put(self, path: str, data: bytes | memoryview) -> None:
        full = self._full(path)
        self._call("write", path, self._fs.makedirs, full.rpartition("/")[0], exist_ok=True)
        self._call("write", path, self._fs.pipe_file, full, data)

    def put_parts(self, path: str, parts: Iterable[bytes | memoryview]) -> None:
        joined = io.BytesIO()
        for part in parts:
            joined.write(part)
        self.put(path, joined.getvalue())  # a buffer's own bytes, no copy

    @contextmanager
    def filling(self, path: str) -> Iterator[str]:
        full = self._full(path)
        with tempfile.TemporaryDirectory() as folder:
            temporary = os.path.join(folder, "file")
            yield temporary
            self._call("write", path, self._fs.makedirs, full.rpartition("/")[0], exist_ok=True)
            self._call("write", path, self._fs.put_file, temporary, full)

    def remove(self, path: str) -> None:
        full = self._full(path)
        self._call("remove", path, self._fs.rm_file, full)

    def _full(self, path: str) -> str:
        parts = (self._root.rstrip("/"), check_relative(path) if path else "")
        return "/".join(part for part in parts if part)

    def _call(self, verb: str, path: str, function: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except (FileNotFoundError, NotADirectoryError):
            raise FileNotFoundError(path) from None
        except Exception as error:  # noqa: BLE001 - each filesystem has errors of its own
            raise StoreError(
                f"could not {verb} {self.url}/{path}: {type(error).__name__}: {_redact(error, self._options)}"
            ) from None


def _redact(error: Exception, options: dict[str, Any]) -> str:
    text = str(error)
    for secret in options.values():
        if isinstance(secret, str) and secret:
            text = text.replace(secret, "…")
    return text


def _entry(info: dict[str, Any]) -> Entry:
    facts = repr(sorted((key, repr(value)) for key, value in info.items()))
    return Entry(
        name=str(info["name"]).rstrip("/").rpartition("/")[2],
        nbytes=info.get("size"),
        version=hashlib.sha256(facts.encode()).hexdigest()[:16],
    )

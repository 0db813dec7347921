"""Bytes of an object together with what the server says of them: of S3, Azure, Google Cloud, and all others.

Owns: the calls of s3fs, adlfs and gcsfs that show which version an answer is of, and what each is told of time and of
asking again. Leaves to others: whether the bytes are what was asked for, and asking again (`_fsspec`).

fsspec's own `cat_file` gives bytes alone: a short answer, or one of another version, cannot be told from a right one.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import fsspec

from mlstac_hf._stores._failures import Failure
from mlstac_hf._stores._http_checks import CutShortError, Version

FAMILIES = {
    **dict.fromkeys(("s3", "s3a"), "s3"),
    **dict.fromkeys(("abfs", "abfss", "az", "adl"), "azure"),
    **dict.fromkeys(("gs", "gcs"), "gcs"),
}
"""The extra that a scheme needs, and how its objects are read."""
TIMEOUT_S = 40
"""For a request and the first bytes of its answer; connecting is part of it."""
SLOWEST = 10_000
"""Bytes a second, as for http."""
CONNECTIONS = 32
_SERVED = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)
_TAGS = ("generation", "ETag", "etag", "e_tag")
_VOLATILE = {"time", "atime", "accessed", "name", "type"}
"""What `info` says that changes when a file is read, or with where it lies."""
_TIMEOUTS = ("timeout", "connection_timeout", "read_timeout", "connect_timeout", "requests_timeout")


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """An answer to a range."""

    data: bytes
    served: str
    """The range as the server says it, as in a Content-Range header."""
    version: Version

    @property
    def span(self) -> tuple[int, int] | None:
        """First byte and number of bytes of what is served; None where the server does not say."""
        match = _SERVED.fullmatch(self.served)
        return (int(match[1]), int(match[2]) + 1 - int(match[1])) if match else None


def open_filesystem(url: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    """The filesystem of a URL, and the path in it. It keeps no listings, and leaves asking again to us.

    Raises:
        ImportError: a package is missing.
        Exception: what the filesystem makes of its options.
    """
    options = {"use_listings_cache": False, **options}
    family = FAMILIES.get(url.partition("://")[0], "")
    if family == "s3":
        config = {"retries": {"max_attempts": 0}, "max_pool_connections": CONNECTIONS}
        options["config_kwargs"] = config | dict(options.get("config_kwargs") or {})
    files, root = fsspec.core.url_to_fs(url, **options)
    if family == "s3":
        files.retries = 1
    if family == "azure":  # the client's own tries begin with a pause of 15 s
        for policy in files.service_client._pipeline._impl_policies:  # noqa: SLF001 - there is no option of adlfs for it
            if hasattr(policy, "total_retries"):
                policy.total_retries = 0
    return files, root


def allowed_s(options: Mapping[str, Any]) -> float:
    """Seconds that a request may take where nothing comes; more where the user told the filesystem so."""
    given = [options, options.get("config_kwargs") or {}]
    said = [one[name] for one in given for name in _TIMEOUTS if isinstance(one.get(name), (int, float))]
    return max(TIMEOUT_S, *map(float, said)) if said else TIMEOUT_S


def call(files: Any, name: str, *args: Any, seconds: float, **kwargs: Any) -> Any:
    """A call of a filesystem, bounded in time where it knows how to be.

    Args:
        files: the filesystem.
        name: of the call, such as `info`.
        args: its arguments.
        seconds: after which a TimeoutError is raised.
        kwargs: its arguments.
    """
    if not files.async_impl:
        return getattr(files, name)(*args, **kwargs)
    return _wait(files, getattr(files, f"_{name}"), *args, seconds=seconds, **kwargs)


def get(files: Any, family: str, path: str, asked: range, seconds: float) -> Part | None:
    """Bytes of an object; None where the server says that it ends before.

    Args:
        files: the filesystem.
        family: of `FAMILIES`, or empty.
        path: in the filesystem.
        asked: which bytes; not empty.
        seconds: after which a TimeoutError is raised.
    """
    of_family = {"s3": _get_s3, "azure": _get_azure, "gcs": _get_gcs}.get(family)
    if of_family is None or not files.async_impl:
        return _get_plain(files, path, asked, seconds)
    try:
        part: Part = _wait(files, of_family, files, path, asked, seconds=seconds)
    except Exception as error:
        if Failure.of(error).status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return None
        raise
    return part


def version_of(info: Mapping[str, Any]) -> Version:
    """What `info` or `ls` say of the version of a file.

    Where it has no ETag, all that is said counts, but for what reading changes.
    """
    tag = next((str(info[key]).strip('"') for key in _TAGS if info.get(key)), "")
    if not tag:
        facts = repr(sorted((key, repr(value)) for key, value in info.items() if key not in _VOLATILE))
        tag = hashlib.sha256(facts.encode()).hexdigest()[:16]
    size = info.get("size")
    return _version(size if isinstance(size, int) else None, tag)


def _version(nbytes: int | None, tag: str) -> Version:
    return Version(nbytes=nbytes, etag=tag.strip('"'), host="bucket")


def _served(nbytes: str) -> int | None:
    total = nbytes.rpartition("/")[2]
    return int(total) if re.fullmatch(r"[0-9]{1,18}", total) else None


async def _get_s3(files: Any, path: str, asked: range) -> Part:
    bucket, key, version = files.split_path(path)
    chosen = {"VersionId": version} if version else {}
    answer = await files._call_s3(  # noqa: SLF001 - call_s3 is the same for callers that cannot wait
        "get_object", files.req_kw, Bucket=bucket, Key=key, Range=f"bytes={asked.start}-{asked.stop - 1}", **chosen
    )
    served = answer.get("ContentRange", "")
    async with answer["Body"] as body:
        data = await body.read() if served else b""
    return Part(data=data, served=served, version=_version(_served(served), answer.get("ETag", "")))


async def _get_azure(files: Any, path: str, asked: range) -> Part:
    container, blob, version = files.split_path(path)
    answers: dict[int, tuple[int, int]] = {}

    def note(response: Any) -> None:  # azure looks at no Content-Range, and asks again by itself for what broke off
        match = _SERVED.fullmatch(response.http_response.headers.get("Content-Range", ""))
        start, stop, nbytes = (int(match[1]), int(match[2]) + 1, int(match[3])) if match else (-1, -1, -1)
        answers[start] = stop, nbytes

    async with files.service_client.get_blob_client(container, blob) as client:
        stream = await client.download_blob(  # of a long range several requests
            offset=asked.start, length=len(asked), version_id=version, max_concurrency=1, raw_response_hook=note
        )
        data = await stream.readall()
    stop, nbytes = asked.start, -1
    while stop in answers:
        stop, nbytes = answers.pop(stop)
    if answers and min(answers) > asked.start:
        raise CutShortError(f"the answers overlap or leave gaps: {sorted(answers)}")
    served = "" if answers else f"bytes {asked.start}-{stop - 1}/{nbytes}"
    return Part(data=data, served=served, version=_version(_served(served), stream.properties.etag or ""))


async def _get_gcs(files: Any, path: str, asked: range) -> Part:
    headers, data = await files._call(  # noqa: SLF001 - cat_file drops the headers
        "GET", files.url(path), headers={"Range": f"bytes={asked.start}-{asked.stop - 1}"}
    )
    served = headers.get("Content-Range", "")
    tag = headers.get("X-Goog-Generation") or headers.get("ETag", "")
    return Part(data=data, served=served, version=_version(_served(served), tag))


def _get_plain(files: Any, path: str, asked: range, seconds: float) -> Part | None:
    """Of any filesystem: the same version before and after is the version of the bytes."""
    before = version_of(call(files, "info", path, seconds=seconds))
    nbytes = before.nbytes
    if nbytes is None or nbytes <= asked.start:
        return None
    data = bytes(call(files, "cat_file", path, start=asked.start, end=asked.stop, seconds=seconds))
    change = before.change(version_of(call(files, "info", path, seconds=seconds)))
    if change:
        raise CutShortError(f"the file changed while it was read ({change})")
    return Part(data=data, served=f"bytes {asked.start}-{min(asked.stop, nbytes) - 1}/{nbytes}", version=before)


def _wait(files: Any, function: Callable[..., Awaitable[Any]], *args: Any, seconds: float, **kwargs: Any) -> Any:
    async def bounded() -> Any:
        async with asyncio.timeout(seconds):
            return await function(*args, **kwargs)

    return fsspec.asyn.sync(files.loop, bounded)

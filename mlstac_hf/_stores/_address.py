"""What a user may type as an address, and what a collection may link to, as stores.

Owns: the order in which an address is understood. Leaves to others: whether a link may be followed
(`_links`), the reading itself (the stores).
"""

from __future__ import annotations

import os
import posixpath
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import url2pathname

from mlstac_hf._errors import CollectionNotFoundError, LinkRefusedError, MissingExtraError
from mlstac_hf._stores._fsspec import FsspecStore
from mlstac_hf._stores._http import HttpStore
from mlstac_hf._stores._hub import HubStore, open_hub
from mlstac_hf._stores._hub_address import REPOSITORY, HubAddress, hub_address
from mlstac_hf._stores._links import check_host, hub_resolve, refused, scheme_of
from mlstac_hf._stores._local import LocalStore
from mlstac_hf._stores._secrets import hide, telling
from mlstac_hf._stores._store import Store

MAIN = "main.json"


@dataclass(frozen=True, kw_only=True)
class Access:
    """How to get at a collection: everything but its address. Holds secrets, shows none."""

    revision: str | None = None
    commit: str | None = None
    """What the revision was found to name, so that all is read of one commit."""
    token: str | None = field(default=None, repr=False)
    storage_options: dict[str, Any] | None = field(default=None, repr=False)
    trust_links: bool = False


def open_address(address: str | os.PathLike[str], access: Access) -> tuple[Store, str]:
    """The store an address names, and the name of `main.json` in it.

    Args:
        address: a path of `main.json` or its folder; an http(s) URL of either; `user/repo` or
            `hf://datasets/user/repo[@revision]`; any fsspec URL. An existing path wins over a Hub id.
        access: revision, credentials, trust.

    Raises:
        CollectionNotFoundError: no path, no URL and no Hub id.
        MissingExtraError: the address needs a package that is not installed.
        StoreError: the Hub cannot be asked which commit is meant.
        ValueError: a URL or token that cannot be sent.
    """
    text = os.fspath(address)
    path = os.path.expanduser(text)
    if os.path.exists(path):
        return _local(Path(path), access)
    on_hub = hub_address(text)
    match scheme_of(text):
        case "http" | "https":
            _check_url(text)
            if on_hub is not None:
                with suppress(MissingExtraError):  # what is public can be read as any web site is
                    return _hub(on_hub, access)
            parts = urlsplit(text)
            folder, name = _split(parts.path)
            url = parts._replace(path=folder, query="", fragment="").geturl()
            return HttpStore(url, token=access.token, trust_links=access.trust_links), unquote(name)
        case "file":
            return _local(Path(url2pathname(urlsplit(text).path)), access)
        case "":
            if isinstance(address, str) and REPOSITORY.fullmatch(text):
                return _hub(HubAddress(repository=text), access)
            raise CollectionNotFoundError(
                f"nothing at {text!r}: looked for that file or folder from {os.getcwd()}. "
                "Expected a path of main.json or its folder, an http(s) URL, user/repo on the Hub, or a URL such as s3://…"
            )
        case _:
            return _hub(on_hub, access) if on_hub is not None else _fsspec(text, access)


def _check_url(url: str) -> None:
    """Refuse an http(s) address that cannot be sent as it is meant, and show no credential of it.

    Raises:
        ValueError: where its login ends cannot be told, or its query, which is not sent, holds credentials.
    """
    if "@" in url and not _has_host_and_port(url):
        raise ValueError(
            "address: expected https://user:password@host/…, found a login, or a port, that cannot be read and is not "
            'shown. Escape the password with urllib.parse.quote(password, safe=""), or pass token=… instead'
        )
    shown, _, query = url.partition("#")[0].partition("?")
    names = telling(query)
    if names:
        raise ValueError(
            f"{hide(shown)}: expected an address without credentials in its query, found {', '.join(names)}. Queries "
            "are not sent, as each file has an address of its own. Pass token=…, or a login in the URL, or read a "
            "bucket as s3://… or az://… with storage_options"
        )


def _has_host_and_port(url: str) -> bool:
    with suppress(ValueError):
        return urlsplit(url).port != 0
    return False


def _hub(address: HubAddress, access: Access) -> tuple[Store, str]:
    folder, name = _split(address.path)
    token = access.token or (access.storage_options or {}).get("token")
    store = open_hub(replace(address, path=folder), revision=access.revision, commit=access.commit, token=token)
    return store, name


def _local(path: Path, access: Access) -> tuple[Store, str]:
    if path.is_dir():
        return LocalStore(path, trust_links=access.trust_links), MAIN
    return LocalStore(path.parent, trust_links=access.trust_links), path.name


def _fsspec(url: str, access: Access) -> tuple[Store, str]:
    folder, name = _split(url)
    return FsspecStore(folder, access.storage_options), name


def _split(path: str) -> tuple[str, str]:
    """The folder and the name of `main.json`, whichever of the two `path` names.

    Of a chain such as `zip://main.json::s3://bucket/a.zip` the first link is meant.
    """
    first, chained, rest = path.partition("::")
    if not first.endswith(".json"):
        return path, MAIN
    folder, _, name = first.rpartition("/")
    return f"{folder}{'/' if chained and folder.endswith(':/') else ''}{chained}{rest}", name


def open_link(link: str, origin: Store, access: Access) -> Store:
    """The store of a folder that a collection links to.

    Args:
        link: as `main.json` has it.
        origin: where `main.json` came from.
        access: credentials, which stay with the origin's host, and whether links are trusted.

    Raises:
        LinkRefusedError: the link may not be followed (see `_links`).
        StoreError: the link's host is not known.
    """
    scheme = scheme_of(link)
    if isinstance(origin, HubStore):
        found = _open_hub_link(link, origin, access)
        if found is not None:
            return found
    if scheme in ("http", "https") or (isinstance(origin, HttpStore) and not scheme):
        return _open_http_link(link, origin, access)
    if scheme == "file" or not scheme:
        return _open_path_link(link, scheme, origin, access)
    if scheme in ("javascript", "data"):
        raise LinkRefusedError(f"the collection links to {link[:80]!r}, which names no folder")
    inside = link.startswith(f"{origin.url.rstrip('/')}/") and ".." not in unquote(link).replace("\\", "/").split("/")
    if not access.trust_links and not inside:
        raise refused(link, f"it is a {scheme}: address outside {origin.url}")
    return _fsspec(link, access)[0]


def _open_hub_link(link: str, origin: HubStore, access: Access) -> Store | None:
    """A link from a repository to a folder of it, or of another on the Hub; None where it leads elsewhere."""
    found = hub_address(urljoin(origin.web_url, hub_resolve(link)))
    if found is None:
        return None
    if found.repository == origin.address.repository and found.revision in (None, origin.commit, origin.revision):
        return origin.at(found.path)
    opened = open_hub(found, token=access.token)
    if not origin.lists:
        return opened.streaming()
    return opened if origin.keeps else opened.passing()


def _open_http_link(link: str, origin: Store, access: Access) -> Store:
    at_home = isinstance(origin, HttpStore)
    url = hub_resolve(urljoin(origin.url, link) if at_home else link)
    same_host = isinstance(origin, HttpStore) and urlsplit(url).netloc == origin.netloc
    if same_host or access.trust_links:
        token = access.token if same_host else None
        return HttpStore(url, token=token, trust_links=access.trust_links)
    check_host(url)
    return HttpStore(url)


def _open_path_link(link: str, scheme: str, origin: Store, access: Access) -> Store:
    path = url2pathname(urlsplit(link).path) if scheme else link
    if not isinstance(origin, LocalStore):
        if not os.path.isabs(path) and ".." not in path.split("/"):
            if isinstance(origin, FsspecStore):
                return origin.at(posixpath.normpath(path))
            return _fsspec(f"{origin.url.rstrip('/')}/{posixpath.normpath(path)}", access)[0]
        if not access.trust_links:
            raise refused(link, f"it leads out of {origin.url}")
        return LocalStore(path, trust_links=True)
    target = os.path.normpath(os.path.join(origin.root, path))
    if not os.path.exists(target):  # links are URLs to some writers, paths to others
        target = os.path.normpath(os.path.join(origin.root, unquote(path)))
    inside = os.path.commonpath([os.path.realpath(target), os.path.realpath(origin.root)])
    if inside != os.path.realpath(origin.root) and not access.trust_links:
        raise refused(link, f"it leads out of {origin.root}")
    return LocalStore(target, trust_links=access.trust_links)

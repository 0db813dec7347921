"""Files of a dataset repository on the Hugging Face Hub, all of one commit.

Owns: which commit a revision is, listing, what is kept on this disk, reading without a network. Leaves to others: the
layout of what is kept (`_hub_cache`), addresses (`_hub_address`), what is said of errors (`_hub_answers`), requests
(`_http_client`), ranges and versions (`_http`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urljoin

from mlstac_hf._errors import MissingExtraError, StoreError
from mlstac_hf._stores._http import HttpStore
from mlstac_hf._stores._http_checks import body_of
from mlstac_hf._stores._http_client import Answer, HttpClient, bearer, is_offline
from mlstac_hf._stores._hub_address import HubAddress, hub_endpoint
from mlstac_hf._stores._hub_answers import HubCheck
from mlstac_hf._stores._hub_cache import COMMIT, HubCache
from mlstac_hf._stores._store import Entry, check_relative, parts_of

Entries = list[Entry]
_MAX_PAGES = 100_000  # of a folder's listing, 1,000 files each: a server that never ends is none of the Hub


class HubStore:
    """A folder of a repository, at one commit whatever is pushed meanwhile.

    Files that are read whole are kept in HF_HUB_CACHE, where huggingface_hub finds them too, and are read from there
    from then on, also offline. Parts of files are not kept.

    Args:
        address: the repository and the folder in it; its revision is the commit.
        client: who asks the Hub.
        cache: what of the repository lies on this disk.
        revision: as it was asked for, before it became a commit.
        keeps: whether to keep files that are read whole.
        lists: whether folders are listed to know what one file is; else each file is asked about.
    """

    def __init__(
        self,
        address: HubAddress,
        client: HttpClient,
        cache: HubCache,
        *,
        revision: str,
        keeps: bool = True,
        lists: bool = True,
    ) -> None:
        if address.revision is None or not COMMIT.fullmatch(address.revision):
            raise ValueError(f"expected a commit, got {address.revision!r}")
        self.address = address
        self.commit = address.revision
        self.revision = revision
        self.keeps, self.lists = keeps, lists
        self._client, self._cache = client, cache
        self._endpoint = hub_endpoint()
        self._check = HubCheck(self._endpoint, address.repository, revision)
        self._files = HttpStore(self.web_url, client=client, check=self._check)
        self._listings: dict[str, dict[str, Entry]] = {}

    def __repr__(self) -> str:
        return f"HubStore({self.url!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_listings": {}}

    @property
    def url(self) -> str:
        return self.address.url

    @property
    def web_url(self) -> str:
        """Where a link that is relative to this folder leads from."""
        folder = f"{quote(self.address.path)}/" if self.address.path else ""
        return f"{self._endpoint}/datasets/{self.address.repository}/resolve/{self.commit}/{folder}"

    def at(self, path: str) -> HubStore:
        """Another folder of the same repository, at the same commit."""
        address = HubAddress(repository=self.address.repository, revision=self.commit, path=path.strip("/"))
        return self._like(address, keeps=self.keeps, lists=self.lists)

    def passing(self) -> HubStore:
        """The same folder, of which nothing more is kept on this disk."""
        return self._like(self.address, keeps=False, lists=self.lists)

    def streaming(self) -> HubStore:
        """As `passing`, and no folder is listed to know what one file is."""
        return self._like(self.address, keeps=False, lists=False)

    def _like(self, address: HubAddress, *, keeps: bool, lists: bool) -> HubStore:
        return HubStore(address, self._client, self._cache, revision=self.revision, keeps=keeps, lists=lists)

    def open_local(self, path: str) -> int | None:
        return self._cache.open(self.commit, self._in_repo(path))

    def read(self, path: str) -> bytes:
        kept = self._kept(path)
        if kept is not None:
            return kept
        self._check_online(path)
        data, version = self._files.read_versioned(path)
        if self.keeps and not self._cache.put(self.commit, self._in_repo(path), version.label, data):
            raise StoreError(f"{self.url}/{path}: the {len(data)} bytes that came are not those of that commit")
        return data

    def fetch(self, path: str) -> bytes | memoryview:
        kept = self.read(path) if self.keeps else self._kept(path)
        if kept is not None:
            return kept
        self._check_online(path)
        return self._files.fetch(path)

    def read_range(self, path: str, start: int, stop: int) -> bytes:
        if stop <= start:
            return b""
        kept = self._kept(path, start, stop)
        if kept is not None:
            return kept
        self._check_online(path)
        return self._files.read_range(path, start, stop)

    def fetch_parts(self, path: str, parts: Sequence[range]) -> Sequence[bytes | memoryview]:
        kept = self._kept(path, parts[0].start, parts[-1].stop)
        if kept is not None:
            return parts_of(kept, parts)
        self._check_online(path)
        return self._files.fetch_parts(path, parts)

    def stat(self, path: str) -> Entry:
        folder, _, name = check_relative(path).rpartition("/")
        if not self.lists and not is_offline():
            return self._files.stat(path)
        entry = self._listed(folder).get(name)
        if entry is None:
            raise FileNotFoundError(path)
        return entry

    def list(self, path: str) -> Entries:
        return [*self._listed(check_relative(path) if path else "").values()]

    def put(self, path: str, data: bytes | memoryview) -> None:  # noqa: ARG002 - part of the seam
        raise StoreError(f"cannot write {path}: {self.url} is read only. Write to a folder first, then push it.")

    def _in_repo(self, path: str) -> str:
        return "/".join(part for part in (self.address.path, check_relative(path) if path else "") if part)

    def _kept(self, path: str, start: int = 0, stop: int | None = None) -> bytes | None:
        """Bytes of a file that is on this disk."""
        descriptor = self.open_local(path)
        if descriptor is None:
            return None
        with open(descriptor, "rb") as file:
            file.seek(start)
            return file.read(-1 if stop is None else stop - start)

    def _listed(self, folder: str) -> dict[str, Entry]:
        """The files directly in a folder, by name, asked for once in the life of a commit."""
        found = self._listings.get(folder)
        if found is None:
            full = self._in_repo(folder)
            entries = self._cache.listing(self.commit, full)
            if entries is None and is_offline():
                entries = self._cache.found(self.commit, full)
            elif entries is None:
                entries = self._ask_for_listing(full)
                if self.keeps:
                    self._cache.note_listing(self.commit, full, entries)
            found = self._listings[folder] = {entry.name: entry for entry in entries}
        if not found:
            raise FileNotFoundError(folder)
        return found

    def _ask_for_listing(self, full: str) -> Entries:
        folder = f"/{quote(full)}" if full else ""
        url = f"{self._endpoint}/api/datasets/{self.address.repository}/tree/{self.commit}{folder}?recursive=false"
        use = partial(_page_of, self._check)
        entries: Entries = []
        for _ in range(_MAX_PAGES):
            try:
                page, following = self._client.ask("GET", url, use)
            except FileNotFoundError:
                return []
            entries += [entry for entry in map(_entry_of, page) if entry is not None]
            if following is None:
                return entries
            if not urljoin(url, following).startswith(f"{self._endpoint}/"):
                raise StoreError(f"{url}: the list of files goes on at another host")
            url = urljoin(url, following)
        raise StoreError(f"{url}: the list of files does not end")

    def _check_online(self, path: str) -> None:
        if is_offline():
            raise StoreError(
                f"{self.url}/{path} is needed, but HF_HUB_OFFLINE is set and the file is not in {self._cache.folder}. "
                "Unset it and read the file once, or use a local copy."
            )


def open_hub(
    address: HubAddress, *, revision: str | None = None, commit: str | None = None, token: str | None = None
) -> HubStore:
    """A folder of a repository, at the commit that its revision names now.

    Args:
        address: a revision in it goes first.
        revision: branch, tag or commit; default main.
        commit: that the revision was found to name before.
        token: default the one that huggingface_hub was given, by HF_TOKEN or a login.

    Raises:
        CollectionNotFoundError: no such repository or revision, or it is private.
        MissingExtraError: huggingface_hub is not installed.
        ValueError: the token is none that can be sent.
        StoreError: the network failed; or offline, and the revision is not on this disk.
    """
    try:
        from huggingface_hub import constants, get_token
    except ImportError:
        raise MissingExtraError(
            f"{address.url} lies on the Hugging Face Hub, which needs huggingface_hub, which is not installed. "
            "Install it with: pip install 'mlstac-hf[hf]'"
        ) from None
    if token is None and not constants.HF_HUB_DISABLE_IMPLICIT_TOKEN:
        token = get_token()
    endpoint, revision = hub_endpoint(), address.revision or revision or constants.DEFAULT_REVISION
    client = HttpClient(endpoint, bearer(token), trust_redirects=True, keep_links=True)
    cache = HubCache(os.environ.get("HF_HUB_CACHE") or constants.HF_HUB_CACHE, address.repository)
    if commit is None:
        commit = _commit_of(address.repository, revision, client, cache)
    pinned = HubAddress(repository=address.repository, revision=commit, path=address.path)
    return HubStore(pinned, client, cache, revision=revision)


def _commit_of(repository: str, revision: str, client: HttpClient, cache: HubCache) -> str:
    if is_offline():
        known = cache.commit_of(revision)
        if known is None:
            raise StoreError(
                f"HF_HUB_OFFLINE is set, and nothing of {repository} at revision {revision!r} is in {cache.folder}. "
                "Unset it and open the collection once, or use a local copy."
            )
        return known
    endpoint = hub_endpoint()
    url = f"{endpoint}/api/datasets/{repository}/revision/{quote(revision, safe='')}?expand=sha"
    info = client.ask("GET", url, partial(_json_of, HubCheck(endpoint, repository, revision)))
    commit = info.get("sha") if isinstance(info, dict) else None
    if not isinstance(commit, str) or not COMMIT.fullmatch(commit):
        raise StoreError(f"{url}: expected the hash of a commit, found {str(commit)[:80]!r}. Is {endpoint} a Hub?")
    cache.note_commit(revision, commit)
    return commit


def _json_of(check: Callable[..., None], answer: Answer) -> Any:
    check(answer.response, "GET", answer.url, answer.url, HTTPStatus.OK)
    try:
        body, _ = body_of(answer.response, answer.url, "answer.json", None)
        assert isinstance(body, bytes)  # as asked for
        return json.loads(body)
    except ValueError as error:
        raise StoreError(f"{answer.url}: expected JSON: {error}") from None


def _page_of(check: Callable[..., None], answer: Answer) -> tuple[list[Any], str | None]:
    """A page of a listing, and where the next one is."""
    page = _json_of(check, answer)
    link = answer.response.headers.get("Link", "")
    following = link.partition(">")[0].removeprefix("<") if 'rel="next"' in link else None
    return (page if isinstance(page, list) else []), following


def _entry_of(item: Any) -> Entry | None:
    """A file of a listing; None of what is no file, or not said as the Hub does."""
    match item:
        case {"type": "file", "path": str(path), "size": int(nbytes), "lfs": {"oid": str(digest)}}:
            pass
        case {"type": "file", "path": str(path), "size": int(nbytes), "oid": str(digest)}:
            pass
        case _:
            return None
    return Entry(name=path.rpartition("/")[2], nbytes=nbytes, version=digest)

"""Addresses of the Hub: `user/repo`, `hf://datasets/user/repo[@revision]/…`, and the URLs of its web site.

Owns: which repository, revision and folder an address names. Leaves to others: opening it (`_hub`).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_HOME = "https://huggingface.co"
_REVISION = r"refs/(?:pr|convert)/[^/@]+|[^/]+"
_HF = re.compile(
    rf"hf://datasets/(?P<repository>{REPOSITORY.pattern})(?:@(?P<revision>{_REVISION}))?(?:/(?P<path>.*))?"
)
_WEB = re.compile(
    rf"/datasets/(?P<repository>{REPOSITORY.pattern})"
    rf"(?:/(?:raw|resolve|blob|tree)/(?P<revision>{_REVISION})(?:/(?P<path>.*))?)?/?"
)


@dataclass(frozen=True, kw_only=True)
class HubAddress:
    """A folder or file of a dataset repository."""

    repository: str
    revision: str | None = None
    """None where the address names none."""
    path: str = ""

    @property
    def url(self) -> str:
        """As `hf://…`."""
        at = f"@{self.revision.replace('/', '%2F')}" if self.revision else ""
        return f"hf://datasets/{self.repository}{at}{'/' if self.path else ''}{self.path}"


def hub_endpoint() -> str:
    """Where the Hub is: HF_ENDPOINT, without a slash at its end."""
    return (os.environ.get("HF_ENDPOINT") or _HOME).rstrip("/")


def hub_address(text: str) -> HubAddress | None:
    """What an address names on the Hub; None where it is none of a dataset repository.

    Example:
        >>> hub_address("https://huggingface.co/datasets/jfloresf/demo/raw/main/main.json")
        HubAddress(repository='jfloresf/demo', revision='main', path='main.json')
    """
    match = _HF.fullmatch(text)
    if match is None and text.startswith(f"{hub_endpoint()}/"):
        path = urlsplit(text).path.removeprefix(urlsplit(hub_endpoint()).path)
        match = _WEB.fullmatch(path)
        if match is not None:
            return _named(match["repository"], match["revision"], unquote(match["path"] or ""))
    return None if match is None else _named(match["repository"], match["revision"], match["path"] or "")


def _named(repository: str, revision: str | None, path: str) -> HubAddress:
    return HubAddress(repository=repository, revision=unquote(revision) if revision else None, path=path.strip("/"))

"""One thing that is wrong with a collection, or that its publisher will want to know.

Owns: what a problem says, and the patterns of addresses that several checks share. Leaves to others: what is looked
at (`_publishable` and its parts), who is told (`write`, `validate`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeAlias
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What was expected, what was found, and what to do."""

    code: str
    """Of the kind of problem, such as `license-unknown`; it stays the same from version to version."""
    place: str
    """The field of the Collection, such as `reviewers[1].score`."""
    message: str
    is_error: bool
    """Errors keep a collection from being published; warnings do not."""

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


Problems: TypeAlias = Iterator[Problem]


def error(code: str, place: str, message: str) -> Problem:
    """A problem that keeps the collection from being published."""
    return Problem(code=code, place=place, message=message, is_error=True)


def warning(code: str, place: str, message: str) -> Problem:
    """A problem that does not."""
    return Problem(code=code, place=place, message=message, is_error=False)


_URL = re.compile(r"(https?|ftp|s3|gs|abfss?|hf)://[^\s/?#]+\S*", re.IGNORECASE)
_WEB = re.compile(r"https?://([^\s/?#]+\.[^\s/?#]+|localhost)\S*", re.IGNORECASE)
_EMAIL = re.compile(r"[A-Za-z0-9_.+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", re.ASCII)
_DOI = re.compile(r"(?:doi:\s*|https?://(?:dx\.)?doi\.org/)?(10\.\d{4,9}/\S+)", re.IGNORECASE)


def is_url(text: object) -> bool:
    """Whether a text is the absolute address of a file or folder."""
    return isinstance(text, str) and _URL.fullmatch(text) is not None


def file_in(href: str) -> str:
    """The name of the file in an address or a path, percent signs decoded; what only looks like one is a path."""
    try:
        path = urlsplit(href).path if "://" in href else href
    except ValueError:
        path = href
    return PurePosixPath(unquote(path).replace("\\", "/")).name


def is_relative(text: str) -> bool:
    """Whether a text is the address of a file or folder beside `main.json`, or further in."""
    return ":" not in text and "\\" not in text and not text.startswith("/") and ".." not in text.split("/")


def is_web_page(text: object) -> bool:
    """Whether a text is the address of a page."""
    return isinstance(text, str) and _WEB.fullmatch(text) is not None


def is_email(text: object) -> bool:
    """Whether a text looks like an email address, as upstream's models want it."""
    return isinstance(text, str) and _EMAIL.fullmatch(text) is not None


def doi_of(text: str) -> str | None:
    """The bare DOI in `10.…/…`, `doi:10.…` or `https://doi.org/10.…`; None for other texts."""
    match = _DOI.fullmatch(text.strip())
    return match[1] if match else None

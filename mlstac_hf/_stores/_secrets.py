"""Credentials that must not be seen, in texts that others wrote: messages of servers and of their clients.

Owns: what counts as a credential, and what a token may be. Leaves to others: where such texts come from (`_failures`,
`_fsspec`), sending tokens (`_http_client`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus

HIDDEN = "…"
_OPEN = {
    *("account_host", "account_name", "endpoint_url", "fo", "host", "location_mode", "profile", "project"),
    *("region_name", "signature_version", "addressing_style", "target_protocol", "username"),
}
"""Options that are no secrets, and help to understand an error."""
_OPEN_VALUES = {"anon", "cloud", "browser", "cache", "google_default"}
"""What gcsfs takes as a token, and is none."""
_VARIABLES = (
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    *("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_SAS_TOKEN"),
    *("AZURE_STORAGE_CLIENT_SECRET", "AZURE_CLIENT_SECRET"),
)
_TELLING = (
    r"[\w-]*(?:signature|credential|token|secret|passwd|password|(?:account|access|api|auth)[_-]?key|accessid"
    r"|access[_-]?key[_-]?id)|sig"
)
_TELLING_IN_URL = rf"{_TELLING}|(?:[\w-]*[_-])?(?:auth|authorization|key|pass|pwd|sas)"
_PARAMETER = re.compile(
    rf"(?i)((?<![\w-])(?:{_TELLING})|(?:(?<=[?&;])|(?<=%3F)|(?<=%26))(?:{_TELLING_IN_URL}))"
    r"(=|%3D)(?!%26)(?:(?!%26)[^&;,\s\"'<>)])+"
)
_LOGIN = re.compile(
    r"(?i)(?:(?<=http://)|(?<=https://))(?:[^/\s\"'<>]*@|[^/:@\[\s\"'<>]*:(?!\d{0,5}(?:[/?#\s]|$))[^\s\"'<>]*@)"
    r"|(?<=://)[^/\s\"'<>]*:[^/\s\"'<>]*@"
)
"""As far as the last @ of a host; of http, also a name without a password, and a password with a slash in it."""
_SCHEMES = r"bearer|basic|sharedkey(?:lite)?|aws4-hmac-sha256|goog4-[\w-]+"
_HEADER = re.compile(rf"(?i)\b({_SCHEMES})\s+[\w./+=:,~-]{{6,}}[^\r\n\"'<>]*")


def hide(text: str, options: Mapping[str, Any] | None = None) -> str:
    """A text without credentials.

    Args:
        text: such as a message of a server.
        options: whose values must not be seen, however deep they are and however they are spelled in a URL; and
            the usual environment variables, and what looks like a signature, in any case.

    Example:
        >>> hide("GET https://me:hush@host/a?X-Amz-Signature=abc&x=1", {"secret": "k/y"})
        'GET https://host/a?X-Amz-Signature=…&x=1'
    """
    known = [*_values(options or {}), *_values({name: os.environ.get(name, "") for name in _VARIABLES})]
    forms = {form for value in known for form in _spellings(value)}
    if forms:
        text = re.sub("|".join(map(re.escape, sorted(forms, key=len, reverse=True))), HIDDEN, text, flags=re.IGNORECASE)
    text = _PARAMETER.sub(rf"\1\2{HIDDEN}", _LOGIN.sub("", text))
    return _HEADER.sub(rf"\1 {HIDDEN}", text)


def telling(query: str) -> list[str]:
    """The parameters of a query that are credentials by their names.

    Example:
        >>> telling("sv=2024&sig=abc&download=true")
        ['sig']
    """
    return [name for name, _ in parse_qsl(query) if re.fullmatch(_TELLING_IN_URL, name, re.IGNORECASE)]


def sendable(token: str | None) -> str | None:
    """A token as it is sent, without the blanks around it; None where there is none.

    Raises:
        ValueError: no header can hold it. It is not shown.
    """
    if not token:
        return None
    if not isinstance(token, str):
        raise TypeError(f"token: expected a text, got {type(token).__name__}")
    token = token.strip()
    if not (token.isascii() and token.isprintable()):
        raise ValueError(
            "token: expected printable ASCII characters, found others in it. Copy it again from where it was made: "
            "token=…, HF_TOKEN or the file of a login holds it, and nothing else"
        )
    return token or None


def _values(value: Any, name: str = "") -> Iterator[str]:
    """The secrets of an option, however deep, and of the parts of a connection string."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _values(item, str(key))
    elif isinstance(value, (list, tuple, set)):
        for item in value:
            yield from _values(item, name)
    elif isinstance(value, (str, bytes)) and name not in _OPEN:
        text = value if isinstance(value, str) else value.decode("latin-1")
        if text and text not in _OPEN_VALUES:
            yield text
        for key, _, part in (item.partition("=") for item in re.split("[;&?]", text)):
            if part and re.fullmatch(_TELLING, key, re.IGNORECASE):
                yield part


def _spellings(value: str) -> set[str]:
    """As a text, in a URL, and quoted by Python."""
    return {value, quote(value), quote(value, safe=""), quote_plus(value), repr(value)[1:-1]}

"""Which links of a collection are followed. A link is the collection's word, not the user's.

Owns: the policy. A link inside the folder, or on the very host and port, that `main.json` came from is
followed, and so is http(s) to a public host. Everything else takes `trust_links=True`: another scheme, a path
that leaves the folder, a loopback, private or link-local address.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urlsplit

from mlstac_hf._errors import LinkRefusedError, StoreError

_HUB_RAW = re.compile(r"^(/datasets/[^/]+/[^/]+)/(?:raw|blob)/")
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]*):")


def scheme_of(link: str) -> str:
    """The scheme of a link in lower case; empty for a path. `C:` is no scheme."""
    match = _SCHEME.match(link)
    return match[1].lower() if match and len(match[1]) > 1 else ""


def hub_resolve(url: str) -> str:
    """`/raw/` of a Hub dataset as `/resolve/`: raw serves only the pointer of a large file.

    Example:
        >>> hub_resolve("https://huggingface.co/datasets/jfloresf/demo/raw/main/main.json")
        'https://huggingface.co/datasets/jfloresf/demo/resolve/main/main.json'
    """
    parts = urlsplit(url)
    return parts._replace(path=_HUB_RAW.sub(r"\1/resolve/", parts.path)).geturl()


def check_host(url: str) -> None:
    """Refuse what is not a public http(s) host.

    Raises:
        LinkRefusedError: another scheme, a login in the URL, or a host with an address that is not public.
        StoreError: the host's name is not known.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise refused(url, "it is no http(s) address")
    if parts.username:
        raise refused(f"{parts.scheme}://…@{parts.hostname}", "it carries a login")
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, ValueError) as error:
        raise StoreError(f"{parts.hostname}, named by a link of the collection, cannot be looked up: {error}") from None
    for *_, address in found:
        if not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_global:
            raise refused(url, f"{parts.hostname} is {address[0]}, not a public address")


def refused(link: str, reason: str) -> LinkRefusedError:
    """The error for a link that is not followed."""
    return LinkRefusedError(
        f"the collection links to {link!r}, which is not followed: {reason}. "
        "If you trust it, pass trust_links=True; if you have the samples, put them beside main.json."
    )

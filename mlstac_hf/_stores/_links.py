"""Which links of a collection are followed. A link is the collection's word, not the user's.

Owns: the policy. A link inside the folder, or on the very host and port, that `main.json` came from is
followed, and so is http(s) to a public host. Everything else takes `trust_links=True`: another scheme, a path
that leaves the folder, a loopback, private or link-local address.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import SplitResult, urlsplit

from mlstac_hf._errors import LinkRefusedError, StoreError

_HUB_RAW = re.compile(r"^(/datasets/[^/]+/[^/]+)/(?:raw|blob)/")
_TRANSLATED = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "::/96")))
"""Where the last 32 bits are an IPv4 address: NAT64, and the old IPv4-compatible range."""
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
    parts = _split(url)
    return parts._replace(path=_HUB_RAW.sub(r"\1/resolve/", parts.path)).geturl()


def check_host(url: str) -> None:
    """Refuse what is not a public http(s) host.

    Raises:
        LinkRefusedError: another scheme, a login in the URL, or a host with an address that is not public.
        StoreError: the host's name is not known.
    """
    parts = _split(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise refused(url, "it is no http(s) address")
    if parts.username:
        raise refused(f"{parts.scheme}://…@{parts.hostname}", "it carries a login")
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError, ValueError) as error:
        raise StoreError(f"{parts.hostname}, named by a link of the collection, cannot be looked up: {error}") from None
    for *_, address in found:
        if not _is_public(ipaddress.ip_address(str(address[0]).partition("%")[0])):
            raise refused(url, f"{parts.hostname} is {address[0]}, not a public address")


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise refused(url, f"it is no address: {error}") from None


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address, and any IPv4 address wrapped in it, is on the public internet."""
    wrapped: list[ipaddress.IPv4Address | None] = []
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if any(address in network for network in _TRANSLATED):
            wrapped.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    inner = [one for one in wrapped if one is not None]
    plain = not inner or isinstance(address, ipaddress.IPv4Address)
    return (not plain or (address.is_global and not address.is_multicast)) and all(map(_is_public, inner))


def refused(link: str, reason: str) -> LinkRefusedError:
    """The error for a link that is not followed."""
    return LinkRefusedError(
        f"the collection links to {link!r}, which is not followed: {reason}. "
        "If you trust it, pass trust_links=True; if you have the samples, put them beside main.json."
    )

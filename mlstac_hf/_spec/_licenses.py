"""Licences of data: which texts name one, and what a misspelt one may have meant.

Owns: a short list of SPDX identifiers (https://spdx.org/licenses) used for data, and the words STAC has beside them.
Leaves to others: who is told of a licence that is none of these (`_publishable`), what STAC wants to read (`_stac`).
"""

from __future__ import annotations

import difflib
import re

_SPDX = """
    CC0-1.0 CC-BY-2.0 CC-BY-2.5 CC-BY-3.0 CC-BY-3.0-IGO CC-BY-4.0 CC-BY-SA-2.0 CC-BY-SA-3.0 CC-BY-SA-3.0-IGO
    CC-BY-SA-4.0 CC-BY-NC-3.0 CC-BY-NC-4.0 CC-BY-NC-SA-3.0 CC-BY-NC-SA-3.0-IGO CC-BY-NC-SA-4.0 CC-BY-ND-3.0
    CC-BY-ND-4.0 CC-BY-NC-ND-3.0 CC-BY-NC-ND-4.0 CC-PDDC ODbL-1.0 ODC-By-1.0 PDDL-1.0 CDLA-Permissive-1.0
    CDLA-Permissive-2.0 CDLA-Sharing-1.0 C-UDA-1.0 O-UDA-1.0 OGL-UK-1.0 OGL-UK-2.0 OGL-UK-3.0 OGL-Canada-2.0
    etalab-2.0 DL-DE-BY-2.0 DL-DE-ZERO-2.0 NLOD-1.0 NLOD-2.0 OGC-1.0 MIT MIT-0 Apache-2.0 BSD-2-Clause BSD-3-Clause
    0BSD ISC Unlicense MPL-2.0 EUPL-1.1 EUPL-1.2 GPL-2.0-only GPL-2.0-or-later GPL-3.0-only GPL-3.0-or-later
    LGPL-2.1-only LGPL-2.1-or-later LGPL-3.0-only LGPL-3.0-or-later AGPL-3.0-only AGPL-3.0-or-later
"""
KNOWN_LICENSES = tuple(_SPDX.split())
WITHOUT_TEXT = ("proprietary", "various", "other")
"""Words of STAC for what SPDX has no identifier for; a link with rel `license` leads to the text."""

_OWN = re.compile(r"(DocumentRef-[A-Za-z0-9.-]+:)?LicenseRef-[A-Za-z0-9.-]+", re.ASCII)
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*\+?", re.ASCII)
_EXPRESSION = re.compile(r"\s+(?:AND|OR|WITH)\s+|[()]")
_MEANT = {
    "cc0": "CC0-1.0",
    "cczero": "CC0-1.0",
    "publicdomain": "CC0-1.0",
    "creativecommonszero": "CC0-1.0",
    "cc": "CC-BY-4.0",
    "ccby": "CC-BY-4.0",
    "ccbysa": "CC-BY-SA-4.0",
    "ccbync": "CC-BY-NC-4.0",
    "ccbyncsa": "CC-BY-NC-SA-4.0",
    "ccbynd": "CC-BY-ND-4.0",
    "ccbyncnd": "CC-BY-NC-ND-4.0",
    "creativecommons": "CC-BY-4.0",
    "creativecommonsattribution40": "CC-BY-4.0",
    "odbl": "ODbL-1.0",
    "odcby": "ODC-By-1.0",
    "pddl": "PDDL-1.0",
    "apache": "Apache-2.0",
    "apache2": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "gpl3": "GPL-3.0-only",
    "gpl30": "GPL-3.0-only",
    "gplv3": "GPL-3.0-only",
    "lgpl3": "LGPL-3.0-only",
    "etalab": "etalab-2.0",
    "ogl": "OGL-UK-3.0",
}
"""What is often written, without case and punctuation."""


def license_parts(license_: str) -> list[str] | None:
    """The identifiers of a licence, one or those of an SPDX expression; None for what can be neither."""
    parts = [part.strip() for part in _EXPRESSION.split(license_) if part.strip()]
    return parts if parts and all(_OWN.fullmatch(part) or _IDENTIFIER.fullmatch(part) for part in parts) else None


def is_known_license(identifier: str) -> bool:
    """Whether one identifier is of the list, of STAC's words, or the publisher's own `LicenseRef-…`."""
    return identifier in KNOWN_LICENSES or identifier in WITHOUT_TEXT or bool(_OWN.fullmatch(identifier))


def needs_link(license_: str) -> bool:
    """Whether the licence's text is to be found by a link alone."""
    return any(part in WITHOUT_TEXT or bool(_OWN.fullmatch(part)) for part in license_parts(license_) or [])


def near_licenses(license_: str) -> list[str]:
    """Identifiers that a text may have meant, the likeliest first.

    Example:
        >>> near_licenses("cc by 4.0"), near_licenses("CC-BY-SA-4")[0], near_licenses("ask me")
        (['CC-BY-4.0'], 'CC-BY-SA-4.0', [])
    """
    plain = _plain(license_)
    spelled = {_plain(known): known for known in (*KNOWN_LICENSES, *WITHOUT_TEXT)}
    if plain in spelled or plain in _MEANT:
        return [spelled.get(plain) or _MEANT[plain]]
    return [spelled[near] for near in difflib.get_close_matches(plain, spelled, n=3, cutoff=0.8)]


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold())).removesuffix("licence").removesuffix("license")

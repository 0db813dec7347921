"""Texts of a collection inside Markdown, as text and nothing else.

Owns: that no text of a publisher's becomes markup, a table's end, HTML, a comment or a link that is none. Leaves to
others: what is said where.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from mlstac_hf._pictures._page import one_line

_MARKUP = re.compile(r"[\\`*_{}\[\]#|~$!^]")
_START = re.compile(r"^(\d{1,9})?([-+=:]|(?<=\d)[.)])")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_URL = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9.:-]*(?:[/?#][A-Za-z0-9._~:/?#@!&'*+,;=%-]*)?")
_LONGEST = 2000


def inline(text: object, longest: int = 300) -> str:
    r"""A text as one line of prose or one cell of a table.

    Example:
        >>> print(inline("a | b <!-- c --> *d*"))
        a \| b &lt;\!-- c --&gt; \*d\*
    """
    plain = one_line(text, longest)
    html = "".join(_HTML.get(character, character) for character in plain)
    return _MARKUP.sub(lambda match: f"\\{match[0]}", html)


def beginning(markdown: str) -> str:
    """Markdown of one line, where it begins a line: no list, no heading of dashes."""
    return _START.sub(lambda match: f"{match[1] or ''}\\{match[2]}", markdown)


def paragraphs(text: str, longest: int = 6000) -> str:
    """A longer text: its paragraphs stay apart, and web addresses in it are links."""
    parts = re.split(r"\n\s*\n", text[:longest].replace("\r\n", "\n"))
    return "\n\n".join(filter(None, (beginning(_with_links(one_line(part, _LONGEST))) for part in parts)))


def _with_links(line: str) -> str:
    written, at = "", 0
    for match in _URL.finditer(line):
        url = match[0].rstrip(".,;:!?'")
        written += f"{_prose(line[at : match.start()])}<{url}>"
        at = match.start() + len(url)
    return written + _prose(line[at:])


def _prose(text: str) -> str:
    """Escaped, with the blanks around it."""
    if not text.strip():
        return text
    return f"{' ' * text.startswith(' ')}{inline(text, _LONGEST)}{' ' * text.endswith(' ')}"


def address(text: object) -> str | None:
    """A text that is an http(s) address and nothing else; None of all others."""
    found = str(text).strip() if text is not None else ""
    return found if _URL.fullmatch(found) and len(found) <= _LONGEST else None


def link(text: object, target: object) -> str:
    """A link, or the text alone where it would lead nowhere."""
    url = address(target)
    return f"[{inline(text)}](<{url}>)" if url else inline(text)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A table of cells that are Markdown already; columns in `right` are flush right."""
    line = ["---:" if column in right else "---" for column in range(len(head))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, line, *rows))


def fenced(code: str, language: str) -> str:
    """A block of code, its fence longer than any in it."""
    ticks = max([2, *map(len, re.findall(r"`+", code))]) + 1
    return f"{'`' * ticks}{language}\n{code}\n{'`' * ticks}"

"""CQL2 text: to the tree that CQL2 JSON spells out.

Owns: what the parser of `cql2` may be handed, `CAST(x AS float)`, whole numbers beyond 2**53, where a text went wrong.
Leaves to others: what the tree may say (`_filter`).

`cql2` 0.6 overflows the stack on long chains of operators, which ends the process; it tries every parenthesis twice, so
that 25 open ones take minutes; it reads every number as a float, and knows no AS. So a text is cut into tokens first,
counted, and rewritten in place: what the parser sees is as long as what was written, so the positions it names hold.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mlstac_hf._errors import MissingExtraError

NEEDED = "filter= needs cql2 and pyarrow, which are not installed. Install them with: pip install 'mlstac-hf[select]'"
LONGEST = 64 * 1024
"""Bytes of text; a longer list goes in as a mapping."""
DEEPEST = 100
"""Operators inside operators. 100 NOT take a quarter of a stack of 1 MiB."""
MOST_JOINTS = 1000
"""AND and OR in one text. 1,000 of them take half of a stack of 1 MiB."""
MOST_TRIES = 2**19
"""Tokens the parser may come to look at, each twice per parenthesis around it: two seconds at worst."""
EXACT = 2**53
"""Whole numbers up to here are exact as floats."""

_TOKEN = re.compile(
    r"""(?P<text>'(?:[^']|'')*+') | (?P<quoted>"(?:[^"]|"")*+") | (?P<name>[^\W\d_][\w.:]*)
      | (?P<whole>[0-9]+(?![0-9]|\.|[eE][+-]?[0-9])) | (?P<number>[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)
      | (?P<symbol> <> | <= | >= | != | \|\| | \S)""",
    re.VERBOSE,
)
_TYPE = re.compile(r"\s+([a-z]\w*(?:\s+[a-z]\w*)*(?:\s*\(\s*\d+\s*(?:,\s*\d+\s*)?\))?)\s*(?=\))", re.IGNORECASE)
_BETWEEN_OPERANDS = frozenset({"and", "between", "div", "in", "is", "like", "not", "or"})
_PLACE = re.compile(r"-->\s+(\d+):(\d+)")
_MARK = "\0"
_MOST_SHOWN = 60
_MOST_DIGITS = 309
"""Digits of the largest double; a longer number is left to be refused as infinite."""


def read_text(text: str) -> Any:
    """The tree of one filter, with whole numbers as int.

    Raises:
        ValueError: the text is too long, nests too deep, or is no CQL2; the message shows where.
        MissingExtraError: `cql2` is not installed.
    """
    try:
        import cql2
    except ImportError:
        raise MissingExtraError(NEEDED) from None
    if _MARK in text:
        raise ValueError(f"filter: a NUL character stands at position {text.index(_MARK) + 1}. Take it out")
    rewritten, wholes = _rewrite(text)
    _check_size(rewritten)
    try:
        tree = cql2.parse_text(rewritten).to_json()
    except Exception as error:  # noqa: BLE001 - cql2 raises a bare Exception for some geometries
        raise ValueError(_explain(text, rewritten, str(error))) from None
    return _restore(tree, wholes)


@dataclass(frozen=True)
class _Token:
    """A word, literal or symbol.

    Attributes:
        kind: the group of `_TOKEN`; "operator" for words such as AND where an operator may stand, and for NOT.
        word: the token in lower case.
        follows_operand: whether an operator may stand here.
    """

    kind: str
    word: str
    start: int
    end: int
    follows_operand: bool


def _tokens(text: str) -> Iterator[_Token]:
    has_operand = False
    for match in _TOKEN.finditer(text):
        kind, word = str(match.lastgroup), match[0].lower()
        if kind == "name" and word in _BETWEEN_OPERANDS and (has_operand or word == "not"):
            kind = "operator"
        yield _Token(kind, word, *match.span(), follows_operand=has_operand)
        has_operand = word == ")" or kind not in {"operator", "symbol"}


def _check_size(text: str) -> None:
    """Refuse what would overflow the parser's stack or keep it busy for long.

    The chain of operators since the last AND, OR or comma bounds how deep they can nest. Where two words meet without
    an operator the parser may see two operators in one (`a innot b`): from there on, no AND is trusted to end a chain.
    """
    chains, betweens = [0], [0]  # of each open parenthesis; betweens: those whose AND is still to come
    joints = tries = 0
    is_trusted = True
    for token in _tokens(text):
        tries += 2 ** min(len(chains) - 1, 64)
        if token.word == "(":
            chains.append(0)
            betweens.append(0)
        elif token.word == ")" and len(chains) > 1:
            chains.pop()
            betweens.pop()
        elif token.word == ",":
            chains[-1] = 0
        elif token.kind == "operator" and token.word in {"and", "or"} and is_trusted and not betweens[-1]:
            chains[-1] = 0
            joints += 1
        elif token.kind in {"operator", "symbol"} or (token.kind == "name" and token.follows_operand):
            is_trusted = is_trusted and token.kind != "name"
            betweens[-1] += (token.word == "between") - (token.word == "and" and betweens[-1] > 0)
            chains[-1] += 1
        if sum(chains) + len(chains) > DEEPEST:
            raise _too_much(token, f"{DEEPEST} operators inside operators")
        if joints > MOST_JOINTS:
            raise _too_much(token, f"{MOST_JOINTS:,} times AND and OR")
        if tries > MOST_TRIES:
            raise _too_much(token, "about 16 parentheses inside parentheses")


def _too_much(token: _Token, limit: str) -> ValueError:
    return ValueError(
        f"filter: the text is too much for its parser from character {token.start + 1} on: {limit} are the most. "
        "Use IN for a long list, or CQL2 JSON as a mapping, which may be longer"
    )


def _rewrite(text: str) -> tuple[str, list[int]]:
    """The text the parser is to see, as long as `text`; and the whole numbers that are no floats.

    A text of `_MARK` and its index stands for such a number, and blanks for every other white space between tokens.
    """
    pieces: list[str] = []
    wholes: list[int] = []
    is_cast: list[bool] = []  # of each open parenthesis
    at, before = 0, None
    for token in _tokens(text):
        if token.start < at:  # part of the type of a CAST
            continue
        pieces.append(" " * (token.start - at))
        piece, at = text[token.start : token.end], token.end
        if token.word == "(":
            is_cast.append(before is not None and before.word == "cast")
        elif token.word == ")" and is_cast:
            is_cast.pop()
        elif token.word == "as" and token.follows_operand and is_cast and is_cast[-1]:
            if kind := _TYPE.match(text, token.end):
                at = kind.end(1)
                piece = f",'{' '.join(kind[1].split())}'".ljust(at - token.start)
        elif token.kind == "whole" and len(piece) <= _MOST_DIGITS and int(piece) > EXACT:
            if before and before.word in {"+", "-"} and before.end == token.start and not before.follows_operand:
                piece = pieces[-2] + piece
                pieces[-2] = ""
            wholes.append(int(piece))
            piece = f"'{_MARK}{len(wholes) - 1}".ljust(len(piece) - 1) + "'"
        pieces.append(piece)
        before = token
    return "".join(pieces), wholes


def _restore(tree: Any, wholes: list[int]) -> Any:
    """The tree with whole numbers as int."""
    if isinstance(tree, float) and abs(tree) <= EXACT and tree.is_integer():
        return int(tree)
    if isinstance(tree, str) and tree.startswith(_MARK):
        return wholes[int(tree[1:])]
    if isinstance(tree, list):
        return [_restore(value, wholes) for value in tree]
    if isinstance(tree, dict):
        return {key: _restore(value, wholes) for key, value in tree.items()}
    return tree


def _explain(text: str, rewritten: str, message: str) -> str:
    """What the parser said, with the text as it was written and a caret below the place."""
    place = _PLACE.search(message)
    if not place:
        return f"filter: no CQL2: {message[:300]}"
    row, column = int(place[1]), int(place[2])
    offset = sum(len(line) + 1 for line in rewritten.split("\n")[: row - 1]) + column - 1
    first = max(0, offset - 60)
    shown = "".join(char if char.isprintable() else " " for char in text[first : offset + 40])
    expected = message.rpartition("= expected ")[2].strip() if "= expected " in message else message[:300]
    return f"filter: no CQL2 at character {offset + 1}\n  {shown}\n  {' ' * (offset - first)}^--- expected {expected}"


def shown(value: object) -> str:
    """A value in a message, no longer than fits."""
    short = reprlib.Repr()
    short.maxstring = short.maxother = _MOST_SHOWN
    short.maxlevel = 3
    return short.repr(value)

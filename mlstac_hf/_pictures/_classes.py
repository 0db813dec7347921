"""The classes of a collection and how much of each split they are, as one picture.

Owns: the bars. Leaves to others: counting.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from mlstac_hf._pictures._colours import FAINT, GREY, split_colours
from mlstac_hf._pictures._page import POINT, Page, one_line, plain_style

MOST = 30
"""Classes with bars of their own; the rarer ones share one."""
_WIDTH, _MARGIN, _HEAD, _FOOT, _GAP = 1400, 72, 130, 40, 26
_BAR = 22


def draw_classes(counts: Mapping[str, Mapping[str, int]], path: str | os.PathLike[str], unit: str = "samples") -> None:
    """Draw the share of each class in each split, the commonest class first.

    Args:
        counts: by split, then by class.
        path: of the PNG, which is replaced.
        unit: what was counted.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ValueError: nothing was counted.
    """
    counts = _few({split: found for split, found in counts.items() if sum(found.values())})
    if not counts:
        raise ValueError("expected counts of classes to draw, found none")
    with plain_style():
        _drawn(counts, unit).save(path)


def _few(counts: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """The commonest classes in that order, and the others as one."""
    sums: dict[str, int] = {}
    for found in counts.values():
        for name, count in found.items():
            sums[name] = sums.get(name, 0) + count
    names = sorted(sums, key=lambda name: (-sums[name], name))
    rare = names[MOST - 1 :] if len(names) > MOST else []
    kept = names[: len(names) - len(rare)]
    few = {split: {name: found.get(name, 0) for name in kept} for split, found in counts.items()}
    if rare:
        for split, found in counts.items():
            few[split][f"{len(rare)} other classes"] = sum(found.get(name, 0) for name in rare)
    return few


def _drawn(counts: Mapping[str, Mapping[str, int]], unit: str) -> Page:
    names = list(next(iter(counts.values())))
    colours = split_colours(list(counts))
    shares = {split: {n: c / sum(found.values()) for n, c in found.items()} for split, found in counts.items()}
    top_share = max(share for found in shares.values() for share in found.values())
    group = len(counts) * _BAR + _GAP
    page = Page(_WIDTH, _HEAD + len(names) * group + _FOOT)
    page.text(_MARGIN, 56, f"Share of {unit} by class", size=11, weight="bold")
    left = float(_MARGIN)
    for split, colour in colours.items():
        label = f"{one_line(split, 20)} ({sum(counts[split].values()):,})"
        page.rectangle(left, 78, 24, 24, colour)
        page.text(left + 34, 97, label, size=7.5, color=GREY)
        left += 34 + len(label) * 0.62 * 7.5 * POINT + 40
    start = _MARGIN + min(420, 30 + max(len(one_line(name, 28)) for name in names) * 0.62 * 8 * POINT)
    room = _WIDTH - _MARGIN - start - 130
    for number, name in enumerate(names):
        top = _HEAD + number * group
        page.text(start - 16, top + (group - _GAP) / 2 + 8, one_line(name, 28), size=8, ha="right")
        page.rectangle(start - 2, top, 2, group - _GAP, FAINT)
        for place, split in enumerate(counts):
            share = shares[split][name]
            width = room * share / top_share
            page.rectangle(start, top + place * _BAR, max(width, 2 if share else 0), _BAR - 4, colours[split])
            text = f"{share:.1%}" if share >= 0.001 or not share else "<0.1%"  # noqa: PLR2004 - what one digit shows
            page.text(start + width + 8, top + place * _BAR + 15, text, size=6.2, color=GREY)
    return page

"""The contact sheet: samples of a split side by side with their targets, as one picture.

Owns: the layout, captions and legend. Leaves to others: the samples (`load`), how numbers become light (`_tones`), what
a target shows (`_targets`).
"""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from mlstac_hf._errors import BAD_SAMPLE
from mlstac_hf._formats import Array
from mlstac_hf._pictures._colours import FAINT, GREY, class_colours
from mlstac_hf._pictures._page import POINT, Page, one_line, plain_style
from mlstac_hf._pictures._targets import Target, labels_of, target_of
from mlstac_hf._pictures._tones import Stretch, Tones
from mlstac_hf._split import Split

PAIRS, SINGLES = 4, 6
"""Cells a row, with a target beside the input and without."""
_TILE = 256
_GAP, _GUTTER, _CAPTION, _MARGIN, _HEAD, _FOOT = 8, 44, 70, 72, 210, 210
_LEAST_WIDTH = 1400
_TEXT = (_TILE, 3 * _TILE // 4)
"""All in dots of the finished picture."""
_LEGEND_ROW = 8
_MOST_CLASSES = 24
"""Of a legend."""


@dataclass(frozen=True, eq=False)
class _Cell:
    """One sample."""

    text: str | None
    planes: Array | None
    target: Target
    metadata: Mapping[str, Any]
    is_true_colour: bool


def contact_sheet(
    split: Split, path: str | os.PathLike[str], count: int = 12, *, indices: Sequence[int] | None = None
) -> None:
    """Draw samples of a split: picture, target, what and when; below them a legend.

    Pixels are enlarged by whole numbers and stay square. All pictures share one stretch, set by their 2nd and 98th
    percentiles where there is no cloud, so that they can be compared; one that it leaves without contrast has its own.
    Samples that cannot be read are left out.

    Args:
        split: loaded with framework="numpy"; see `Tones` and `target_of` for what is shown of it.
        path: of the PNG, which is replaced.
        count: how many samples at most.
        indices: those to draw; default the first.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ValueError: there is no sample to draw.
    """
    with plain_style():
        chosen = range(len(split))[:count] if indices is None else indices[:count]
        _drawn(split, [cell for index in chosen if (cell := _cell(split, index)) is not None]).save(path)


def spread(length: int, count: int) -> list[int]:
    """So many of a split's samples from all over it, and at no fixed distance, which might be that of its seasons.

    Example:
        >>> spread(24, 6), spread(3, 6)
        ([0, 6, 8, 15, 17, 20], [0, 1, 2])
    """
    golden = (5**0.5 - 1) / 2
    count = min(length, count)
    edges = [part * length // count for part in range(count + 1)] if count else []
    return [low + int(part * golden % 1 * (high - low)) for part, (low, high) in enumerate(pairwise(edges))]


def _cell(split: Split, index: int) -> _Cell | None:
    try:
        sample, metadata = split[index], split.metadata[index]
    except BAD_SAMPLE:
        return None
    tones, given = Tones(split.collection), sample.get("input")
    image = given if isinstance(given, np.ndarray) else None
    return _Cell(
        text=given if isinstance(given, str) else None,
        planes=None if image is None else tones.planes(image, 2 * _TILE),
        target=target_of(split.collection, sample.get("target"), 2 * _TILE),
        metadata=metadata,
        is_true_colour=image is not None and tones.is_true_colour(image),
    )


def _drawn(split: Split, cells: Sequence[_Cell]) -> Page:
    if not cells:
        raise ValueError("expected a split with samples to draw, found none")
    masks = [cell.target.mask for cell in cells if cell.target.mask is not None]
    labels = labels_of(split.collection, masks)
    pairs = any(cell.target.is_picture or cell.target.text is not None for cell in cells)
    stretch = _stretch(cells, labels)
    tiles = [(_input_tile(cell, stretch), _target_tile(cell, labels)) for cell in cells]
    width, height = _tile_size([tile for pair in tiles for tile in pair])
    columns = min(PAIRS if pairs else SINGLES, len(cells))
    rows = -(-len(cells) // columns)
    cell_width, cell_height = (2 * width + _GAP if pairs else width), height + _CAPTION
    legend = _MOST_CLASSES if masks and labels else 0
    page = Page(
        max(2 * _MARGIN + columns * cell_width + (columns - 1) * _GUTTER, _LEAST_WIDTH),
        _HEAD + rows * cell_height + (rows - 1) * _GUTTER // 2 + (_foot(labels) if legend else _MARGIN // 2),
    )
    _title(page, split, cells, shows_classes=bool(legend))
    for number, (cell, pair) in enumerate(zip(cells, tiles, strict=True)):
        row, column = divmod(number, columns)
        left = _MARGIN + column * (cell_width + _GUTTER)
        top = _HEAD + row * (cell_height + _GUTTER // 2)
        for place, tile in enumerate(pair[: 1 + pairs]):
            _tile(page, left + place * (width + _GAP), top, (width, height), tile)
        first, second = _caption(cell)
        page.text(left, top + height + 26, one_line(first, cell_width // 12), size=7.2, weight="bold")
        page.text(left, top + height + 54, one_line(second, cell_width // 11), size=6.6, color=GREY)
    if legend:
        _legend(page, masks, labels)
    return page


def _stretch(cells: Sequence[_Cell], labels: Mapping[str, int]) -> Mapping[int, Stretch]:
    """One for all pictures of so many planes, by what is no cloud."""
    cloud = next((value for name, value in labels.items() if name.casefold() == "cloud"), None)
    found: dict[int, Stretch] = {}
    for planes in {cell.planes.shape[-1] for cell in cells if cell.planes is not None}:
        own = [cell for cell in cells if cell.planes is not None and cell.planes.shape[-1] == planes]
        clear = [_without(cell, cloud) for cell in own]
        pictures = clear if any(picture.size for picture in clear) else [cell.planes for cell in own]
        found[planes] = Stretch.of([p for p in pictures if p is not None], is_true_colour=own[0].is_true_colour)
    return found


def _without(cell: _Cell, value: int | None) -> Array:
    """The pixels of a picture, `(N, n)`, that are not of a class."""
    assert cell.planes is not None
    mask = cell.target.mask
    if value is None or mask is None or mask.shape != cell.planes.shape[:2]:
        return cell.planes.reshape(-1, cell.planes.shape[-1])
    return np.asarray(cell.planes[mask != value])


_Tile = Array | str | None


def _input_tile(cell: _Cell, stretch: Mapping[int, Stretch]) -> _Tile:
    if cell.planes is None:
        return cell.text
    common = stretch[cell.planes.shape[-1]]
    own = common if common.suits(cell.planes) else Stretch.of([cell.planes], is_true_colour=cell.is_true_colour)
    return own.picture(cell.planes)


def _target_tile(cell: _Cell, labels: Mapping[str, int]) -> _Tile:
    return cell.target.picture(labels) if cell.target.is_picture else cell.target.text


def _size(picture: Array) -> tuple[int, int]:
    """Width and height that a picture is drawn with: enlarged by a whole number, or brought down."""
    longest = max(picture.shape[:2])
    scale = _TILE // longest if longest <= _TILE else _TILE / longest
    return max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))


def _tile_size(tiles: Sequence[_Tile]) -> tuple[int, int]:
    """Of a cell's place for a picture: that of the largest, or enough for a text."""
    sides = [_size(tile) if isinstance(tile, np.ndarray) else _TEXT for tile in tiles if tile is not None] or [_TEXT]
    return max(width for width, _ in sides), max(height for _, height in sides)


def _tile(page: Page, left: float, top: float, size: tuple[int, int], tile: _Tile) -> None:
    width, height = size
    if isinstance(tile, np.ndarray):
        own = _size(tile)
        page.image(left + (width - own[0]) // 2, top + (height - own[1]) // 2, *own, tile)
        return
    page.rectangle(left, top, width, height, FAINT if tile is None else "#f4f5f7")
    size_pt = 6.4
    lines = textwrap.wrap(
        one_line(tile or "", 2000), width=max(8, round(width / (0.56 * size_pt * POINT))), break_long_words=True
    )
    room = int((height - 16) / (1.3 * size_pt * POINT))
    lines = [*lines[: room - 1], f"{lines[room - 1][:-1]}…"] if len(lines) > room else lines
    for number, line in enumerate(lines):
        page.text(left + 10, top + 12 + (number + 0.8) * 1.3 * size_pt * POINT, line, size=size_pt)


def _title(page: Page, split: Split, cells: Sequence[_Cell], *, shows_classes: bool) -> None:
    collection = split.collection
    bands = ", ".join(band.name for band in collection.bands)
    counts = {name: catalog.n_items for name, catalog in collection.splits.items()}
    sizes = ", ".join(name if count is None else f"{name} {count}" for name, count in counts.items())
    room = (page.width - 2 * _MARGIN) / POINT
    page.text(_MARGIN, 92, one_line(collection.title or collection.id, int(room / 10)), size=17, weight="bold")
    facts = [collection.id, sizes, f"bands {bands}" if bands else ""]
    page.text(_MARGIN, 136, one_line("  ·  ".join(filter(None, facts)), int(room / 4.6)), size=8.5, color=GREY)
    pictures = [cell for cell in cells if cell.planes is not None]
    shown = [_planes_shown(pictures)] if pictures else []
    shown += ["the class of each pixel"] if shows_classes else []
    what = f"{len(cells)} of {len(split)} samples" + (f": {', and '.join(shown)}" if shown else "")
    page.text(_MARGIN, 168, what, size=8.5, color=GREY)


def _planes_shown(cells: Sequence[_Cell]) -> str:
    if all(cell.is_true_colour for cell in cells):
        return "true colour"
    counts = {cell.planes.shape[-1] for cell in cells if cell.planes is not None}
    return "the first three bands as red, green and blue" if max(counts) > 1 else "the first band"


def _foot(labels: Mapping[str, int]) -> int:
    return _FOOT + 80 * ((min(len(labels), _MOST_CLASSES) - 1) // _LEGEND_ROW)


def _legend(page: Page, masks: Sequence[Array], labels: Mapping[str, int]) -> None:
    """A bar of the classes' shares in the pixels shown, and below it their names."""
    total = sum(mask.size for mask in masks)
    shares = {name: sum(int((mask == value).sum()) for mask in masks) / total for name, value in labels.items()}
    colours = class_colours(labels)
    width = page.width - 2 * _MARGIN
    top = page.height - _foot(labels) + 30
    left = float(_MARGIN)
    for name, share in shares.items():
        page.rectangle(left, top, share * width, 26, colours[name])
        left += share * width
    page.rectangle(_MARGIN, top, width, 26, "none", edgecolor=FAINT, linewidth=0.5)
    step = width / min(len(shares), _LEGEND_ROW)
    for number, (name, share) in enumerate([*shares.items()][:_MOST_CLASSES]):
        row, column = divmod(number, _LEGEND_ROW)
        left, line = _MARGIN + column * step, top + 62 + 80 * row
        page.rectangle(left, line, 34, 34, colours[name], edgecolor=FAINT, linewidth=0.5)
        page.text(left + 48, line + 14, one_line(name, int((step - 48) / 14)), size=8.5, weight="bold")
        more = (
            f"  (and {len(shares) - _MOST_CLASSES} more classes)"
            if number == _MOST_CLASSES - 1 < len(shares) - 1
            else ""
        )
        page.text(left + 48, line + 38, f"{share:.1%} of pixels{more}", size=7.2, color=GREY)


def _caption(cell: _Cell) -> tuple[str, str]:
    """Two lines: what it shows, or where and when; then the rest of what is known."""
    metadata = cell.metadata
    start, cloud = metadata.get("start_datetime"), _share(metadata.get("cloud_fraction"))
    when = f"{start:%d %b %Y}".lstrip("0") if start else None
    place: list[object] = [metadata.get("region"), when]
    rest: list[object] = [metadata["id"], metadata["crs"], f"cloud {cloud:.0%}" if cloud else None]
    if cell.target.line:
        return cell.target.line, _joined([*place, *rest])
    return (_joined(place), _joined(rest)) if any(place) else (str(metadata["id"]), _joined(rest[1:]))


def _joined(parts: Sequence[object]) -> str:
    return "  ·  ".join(str(part) for part in parts if part)


def _share(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None

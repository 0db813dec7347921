"""The contact sheet: samples of a collection side by side with their masks, as one picture.

Owns: the layout, the colours and the stretch. Leaves to others: the samples (`load`), matplotlib, which is
imported when a sheet is drawn and not before.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlstac_hf._errors import MissingExtraError
from mlstac_hf._formats import Array
from mlstac_hf._load import Split

COLOURS = {
    "water": "#3a8fd0",
    "forest": "#0a4f42",
    "cropland": "#f0c64f",
    "grassland": "#86c98f",
    "built-up": "#cf4a40",
    "cloud": "#e2e5ea",
}
"""By class name; with any common kind of colour blindness they still differ (by 20 or more in CIE Lab)."""
SPARE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#4d4d4d")
"""For classes of other names (Okabe and Ito)."""

INK, GREY, PAPER = "#1c2430", "#6b7480", "#ffffff"
COLUMNS = 4
DPI = 200
_TILE = 256
_GAP, _GUTTER, _CAPTION, _MARGIN, _HEAD, _FOOT = 8, 44, 70, 72, 210, 210
"""All in dots of the finished picture."""


def contact_sheet(split: Split, path: str | os.PathLike[str], count: int = 12) -> None:
    """Draw the first samples of a split: colour picture, mask, what and when; below them a legend.

    Pixels are enlarged by whole numbers and stay square. All pictures share one stretch, set by the 1st
    and 99th percentiles where there is no cloud, so that they can be compared.

    Args:
        split: loaded with framework="numpy"; `input` is `(C, H, W)` with bands called red, green and blue,
            `target` an integer mask `(1, H, W)` or `(H, W)`, all samples of one size.
        path: of the PNG, which is replaced.
        count: how many samples at most.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ValueError: the split is empty.
    """
    figure = _figure(split, min(count, len(split)))
    partial = f"{os.fspath(path)}.part"
    figure.savefig(partial, dpi=DPI, format="png", facecolor=PAPER)
    os.replace(partial, path)


def _figure(split: Split, count: int) -> Any:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError(
            "a contact sheet needs matplotlib, which is not installed. Install it with: pip install 'mlstac-hf[plot]'"
        ) from None
    if not count:
        raise ValueError("expected a split with samples to draw, found none")
    batch = split[:count]
    labels = split.collection.labels
    masks = np.asarray(batch["target"]).reshape(count, *batch["input"].shape[-2:])
    pictures = _stretched(_rgb(split, batch["input"]), masks != labels.get("cloud", -1))
    scale = max(1, _TILE // masks.shape[-1])
    tile = masks.shape[-1] * scale, masks.shape[-2] * scale
    columns = min(COLUMNS, count)
    rows = -(-count // columns)
    cell = 2 * tile[0] + _GAP, tile[1] + _CAPTION
    page = _Page(
        max(2 * _MARGIN + columns * cell[0] + (columns - 1) * _GUTTER, 1400),
        _HEAD + rows * cell[1] + (rows - 1) * _GUTTER // 2 + _FOOT,
        Figure,
    )
    FigureCanvasAgg(page.figure)
    _title(page, split, count)
    colours = _colours(labels)
    for number in range(count):
        row, column = divmod(number, columns)
        left = _MARGIN + column * (cell[0] + _GUTTER)
        top = _HEAD + row * (cell[1] + _GUTTER // 2)
        page.image(left, top, *tile, pictures[number])
        page.image(left + tile[0] + _GAP, top, *tile, _painted(masks[number], labels, colours))
        first, second = _caption(split.metadata[number])
        page.text(left, top + tile[1] + 26, first, size=7.2, weight="bold")
        page.text(left, top + tile[1] + 54, second, size=6.6, color=GREY)
    _legend(page, masks, labels, colours)
    return page.figure


class _Page:
    """A figure measured in dots from its upper left corner."""

    def __init__(self, width: int, height: int, figure: Any) -> None:
        self.width, self.height = width, height
        self.figure = figure(figsize=(width / DPI, height / DPI), dpi=DPI)

    def image(self, left: int, top: int, width: int, height: int, pixels: Array) -> None:
        box = left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height
        axes = self.figure.add_axes(box)
        axes.imshow(pixels, interpolation="nearest", aspect="auto")
        axes.set_axis_off()

    def text(self, left: float, baseline: float, text: str, *, size: float, **style: Any) -> None:
        style = {"color": INK, "ha": "left", "va": "baseline", **style}
        self.figure.text(left / self.width, 1 - baseline / self.height, text, fontsize=size, **style)

    def rectangle(self, left: float, top: float, width: float, height: float, colour: str) -> None:
        from matplotlib.patches import Rectangle

        corner = left / self.width, 1 - (top + height) / self.height
        self.figure.add_artist(
            Rectangle(
                corner,
                width / self.width,
                height / self.height,
                facecolor=colour,
                linewidth=0,
                transform=self.figure.transFigure,
            )
        )


def _title(page: _Page, split: Split, count: int) -> None:
    collection = split.collection
    bands = ", ".join(band.name for band in collection.bands)
    sizes = ", ".join(f"{name} {catalog.n_items}" for name, catalog in collection.splits.items())
    page.text(_MARGIN, 92, collection.title or collection.id, size=17, weight="bold")
    page.text(_MARGIN, 136, f"{collection.id}  \u00b7  {sizes}  \u00b7  bands {bands}", size=8.5, color=GREY)
    shown = f"{count} of {len(split)} samples: true colour, and the class of each pixel"
    page.text(_MARGIN, 168, shown, size=8.5, color=GREY)


def _legend(page: _Page, masks: Array, labels: Mapping[str, int], colours: Mapping[str, str]) -> None:
    """A bar of the classes' shares in the pixels shown, and below it their names."""
    shares = {name: float((masks == value).mean()) for name, value in labels.items()}
    width = page.width - 2 * _MARGIN
    top = page.height - _FOOT + 30
    left = float(_MARGIN)
    for name, share in shares.items():
        page.rectangle(left, top, share * width, 26, colours[name])
        left += share * width
    step = width / max(1, len(shares))
    for number, (name, share) in enumerate(shares.items()):
        left = _MARGIN + number * step
        page.rectangle(left, top + 62, 34, 34, colours[name])
        page.text(left + 48, top + 76, name, size=8.5, weight="bold")
        page.text(left + 48, top + 100, f"{share:.1%} of pixels", size=7.2, color=GREY)


def _caption(metadata: Mapping[str, Any]) -> tuple[str, str]:
    """Two lines: where and when, then the id and how cloudy it was, as far as they are known."""
    start, cloud = metadata.get("start_datetime"), metadata.get("cloud_fraction")
    first = [metadata.get("region"), start and f"{start:%d %b %Y}".lstrip("0")]
    second = [metadata["id"], metadata["crs"], cloud and f"cloud {float(cloud):.0%}"]
    return "  \u00b7  ".join(filter(None, first)), "  \u00b7  ".join(filter(None, second))


def _rgb(split: Split, images: Array) -> Array:
    """Red, green and blue of `(N, C, H, W)` as float32 `(N, H, W, 3)`."""
    by_name = {band.common_name: position for position, band in enumerate(split.collection.bands)}
    chosen = [by_name[name] for name in ("red", "green", "blue")]
    return np.moveaxis(images[:, chosen], 1, -1).astype(np.float32)


def _stretched(pictures: Array, clear: Array) -> Array:
    """Values 0 to 1 for `(N, H, W, 3)`: one scale for all colours, most haze taken off, bright ends bent down."""
    land = pictures[clear] if clear.any() else pictures.reshape(-1, 3)
    low = 0.7 * np.percentile(land, 1, axis=0)
    high = np.percentile(land - low, 99)
    light = np.maximum(pictures - low, 0) / max(float(high), 1)
    return np.asarray(0.03 + 0.97 * (1 - np.exp(-1.9 * light)))


def _colours(labels: Mapping[str, int]) -> dict[str, str]:
    spare = iter(SPARE * (1 + len(labels) // len(SPARE)))
    return {name: COLOURS.get(name) or next(spare) for name in labels}


def _painted(mask: Array, labels: Mapping[str, int], colours: Mapping[str, str]) -> Array:
    """A mask `(H, W)` in colours, uint8 `(H, W, 3)`; values that are no label stay white."""
    painted = np.full((*mask.shape, 3), 255, np.uint8)
    for name, value in labels.items():
        painted[mask == value] = [int(colours[name][at : at + 2], 16) for at in (1, 3, 5)]
    return painted


__all__: Sequence[str] = ["contact_sheet"]

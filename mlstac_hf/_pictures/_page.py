"""A page measured in dots, and the file it becomes.

Owns: matplotlib, imported when something is drawn and not before; sizes, texts, and that a file is the same each time
and not too large. Leaves to others: what is on a page.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from mlstac_hf._errors import MissingExtraError
from mlstac_hf._formats import Array
from mlstac_hf._pictures._colours import INK, PAPER

DPI = 200
MAX_NBYTES = 900_000
"""Of a picture; a larger one is brought down to 256 colours."""
POINT = DPI / 72
"""Dots of one."""


class Page:
    """A figure measured in dots from its upper left corner."""

    def __init__(self, width: float, height: float) -> None:
        figure = _figure_class()
        self.width, self.height = round(width), round(height)
        self.figure = figure(figsize=(self.width / DPI, self.height / DPI), dpi=DPI, facecolor=PAPER)

    def box(self, left: float, top: float, width: float, height: float) -> tuple[float, float, float, float]:
        """A rectangle as matplotlib counts."""
        return left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height

    def axes(self, left: float, top: float, width: float, height: float) -> Any:
        """Axes that fill a rectangle."""
        return self.figure.add_axes(self.box(left, top, width, height))

    def image(self, left: float, top: float, width: float, height: float, pixels: Array) -> None:
        """Pixels, enlarged to fill a rectangle, or averaged."""
        axes = self.axes(left, top, width, height)
        interpolation = "nearest" if pixels.shape[1] <= width else "hanning"
        axes.imshow(pixels, interpolation=interpolation, aspect="auto")
        axes.set_axis_off()

    def text(self, left: float, baseline: float, text: str, *, size: float, **style: Any) -> None:
        """One line, or several, as it stands: no formulas."""
        style = {"color": INK, "ha": "left", "va": "baseline", **style}
        self.figure.text(left / self.width, 1 - baseline / self.height, text, fontsize=size, parse_math=False, **style)

    def rectangle(self, left: float, top: float, width: float, height: float, colour: str, **style: Any) -> None:
        """A rectangle of one colour."""
        from matplotlib.patches import Rectangle

        x, y, w, h = self.box(left, top, width, height)
        style = {"linewidth": 0, **style}
        self.figure.add_artist(Rectangle((x, y), w, h, facecolor=colour, transform=self.figure.transFigure, **style))

    def save(self, path: str | os.PathLike[str]) -> None:
        """As a PNG; the same bytes for the same page."""
        pixels = np.asarray(self._drawn())[..., :3]
        data = _png(pixels)
        partial = f"{os.fspath(path)}.part"
        with open(partial, "wb") as file:
            file.write(data)
        os.replace(partial, path)

    def _drawn(self) -> Any:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        canvas = FigureCanvasAgg(self.figure)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from")  # shown as boxes
            canvas.draw()
        return canvas.buffer_rgba()


@contextmanager
def plain_style() -> Iterator[None]:
    """What a user set up for his own plots does not reach ours.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    _figure_class()
    from matplotlib import style

    with style.context("default"):
        yield


def _figure_class() -> Any:
    try:
        from matplotlib.backends import backend_agg  # noqa: F401 - what draws it is there too
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError(
            "a picture needs matplotlib, which is not installed. Install it with: pip install 'mlstac-hf[plot]'"
        ) from None
    return Figure


def _png(pixels: Array) -> bytes:
    from PIL import Image  # matplotlib needs it

    image = Image.fromarray(np.ascontiguousarray(pixels))
    data = _saved(image)
    if len(data) > MAX_NBYTES:
        data = _saved(image.quantize(256, dither=Image.Dither.NONE))
    return data


def _saved(image: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def one_line(text: object, longest: int) -> str:
    """A text out of a collection as one line that is no longer than so many characters."""
    clean = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())
    return clean if len(clean) <= longest else f"{clean[: longest - 1].rstrip()}…"

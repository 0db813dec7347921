"""What covers the ground of the demo's scenes, and how it reflects over the year.

Owns: the classes, the bands, the spectra and the calendar of the crops. Leaves to others: where things lie
(`_scene`), files (`_demo`). Spectra are surface reflectances x 10,000 in the order of `BANDS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mlstac_hf._formats import Array
from mlstac_hf._spec import Band

_BANDS = (
    ("B02", "blue", 0.490, 0.098),
    ("B03", "green", 0.560, 0.045),
    ("B04", "red", 0.665, 0.038),
    ("B08", "nir", 0.842, 0.145),
)
BANDS = tuple(
    Band(
        name=name,
        index=index,
        common_name=common_name,
        description=f"Sentinel-2 {name}, reflectance x 10,000",
        center_wavelength=center,
        full_width_half_max=width,
        unit="um",
    )
    for index, (name, common_name, center, width) in enumerate(_BANDS)
)

LABELS = {"water": 0, "forest": 1, "cropland": 2, "grassland": 3, "built-up": 4, "cloud": 5}


def _spectrum(*values: float) -> Array:
    return np.array(values, np.float32)[:, None, None]


SOIL = _spectrum(770, 1080, 1350, 2050)
CROP = _spectrum(270, 680, 280, 4700)
STRAW = _spectrum(900, 1330, 1750, 2900)
BLOSSOM = _spectrum(560, 1560, 1420, 4900)
"""Of rapeseed."""
MEADOW = _spectrum(330, 720, 430, 3900)
DRY_MEADOW = _spectrum(600, 930, 1000, 2800)
LEAVES = _spectrum(200, 400, 210, 3900)
AUTUMN_LEAVES = _spectrum(300, 600, 760, 2900)
BARE_TREES = _spectrum(400, 530, 590, 1700)
CONIFER = _spectrum(170, 290, 185, 2300)
LAKE = _spectrum(400, 460, 260, 130)
RIVER = _spectrum(640, 830, 590, 330)
RED_ROOF = _spectrum(900, 1080, 1850, 2350)
GREY_ROOF = _spectrum(1650, 1700, 1750, 1950)
ROAD = _spectrum(1050, 1150, 1250, 1500)
TRACK = _spectrum(1050, 1350, 1700, 2400)
GARDEN = _spectrum(430, 780, 600, 3100)
CLOUD = _spectrum(7200, 7050, 6950, 7300)

Calendar = Mapping[int, float]
"""Fraction of the ground covered, by day of the year; in between it changes evenly."""


@dataclass(frozen=True, kw_only=True)
class Crop:
    """What a crop shows from above over the year; soil is the rest."""

    share: float
    """How often it is grown, relative to the others."""
    green: Calendar
    straw: Calendar = field(default_factory=lambda: {1: 0.0})
    blossom: Calendar = field(default_factory=lambda: {1: 0.0})

    def reflectance(self, day: int, soil: Array) -> Array:
        """Its spectrum on a day of the year, over a given soil."""
        green, straw, blossom = (_on(day, calendar) for calendar in (self.green, self.straw, self.blossom))
        rest = max(0.0, 1.0 - green - straw - blossom)
        return green * CROP + straw * STRAW + blossom * BLOSSOM + rest * soil


CROPS = (
    # winter cereals: green in spring, ripe in July, stubble in August
    Crop(
        share=3.0,
        green={1: 0.3, 80: 0.45, 115: 0.85, 155: 0.9, 180: 0.35, 195: 0, 280: 0.05, 330: 0.3},
        straw={165: 0, 190: 0.85, 215: 0.6, 245: 0.2, 265: 0},
    ),
    Crop(
        share=1.2,
        green={1: 0.2, 90: 0.2, 135: 0.75, 160: 0.7, 175: 0.25, 190: 0, 260: 0.05, 300: 0.2},
        straw={150: 0, 180: 0.85, 205: 0.7, 250: 0.35, 270: 0},
    ),
    # rapeseed: in blossom around the turn of April
    Crop(
        share=1.3,
        green={1: 0.5, 85: 0.7, 105: 0.55, 145: 0.85, 175: 0.5, 195: 0, 245: 0.1, 290: 0.6, 330: 0.5},
        straw={170: 0, 190: 0.75, 215: 0.5, 240: 0},
        blossom={95: 0, 112: 0.4, 128: 0.4, 145: 0},
    ),
    # maize: bare until June, green into September
    Crop(
        share=2.2,
        green={1: 0, 140: 0.03, 165: 0.3, 195: 0.9, 240: 0.9, 270: 0.4, 285: 0},
        straw={250: 0, 275: 0.4, 290: 0.45, 320: 0},
    ),
    # sugar beet: bare until May, green into October
    Crop(share=1.2, green={1: 0, 120: 0.03, 160: 0.55, 185: 0.95, 270: 0.9, 295: 0.6, 310: 0}),
    # lucerne: green whenever it has not just been cut
    Crop(share=0.8, green={1: 0.4, 100: 0.75, 140: 0.9, 150: 0.35, 180: 0.85, 200: 0.4, 235: 0.85, 300: 0.6}),
)


def meadow(day: int, vigour: float) -> Array:
    """Grassland on a day of the year; `vigour` 0 is dry, 1 is lush."""
    green = _on(day, {1: 0.35, 90: 0.6, 130: 1, 170: 0.85, 215: 0.55, 255: 0.75, 300: 0.65, 340: 0.4})
    green = min(1.0, green * (0.6 + 0.5 * vigour))
    return green * MEADOW + (1 - green) * DRY_MEADOW


def broadleaf(day: int) -> Array:
    """Broad-leaved forest on a day of the year."""
    leaves = _on(day, {90: 0, 105: 0.35, 130: 1, 265: 1, 290: 0.35, 320: 0})
    turning = _on(day, {262: 0, 285: 0.6, 305: 0.5, 325: 0})
    return leaves * LEAVES + turning * AUTUMN_LEAVES + max(0.0, 1 - leaves - turning) * BARE_TREES


def sun_elevation(day: int, latitude: float) -> float:
    """Degrees above the horizon about two hours before noon, when Sentinel-2 passes; a rule of thumb."""
    declination = 23.4 * np.sin(2 * np.pi * (day - 81) / 365)
    return float(90 - latitude + declination) * 0.9


def _on(day: int, calendar: Calendar) -> float:
    return float(np.interp(day, list(calendar), list(calendar.values()), period=365))

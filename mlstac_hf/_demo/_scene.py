"""One scene of the demo: land that might lie in Central Europe, as Sentinel-2 might have seen it.

Owns: where fields, forests, water, villages and clouds lie, and what a sensor makes of them. Leaves to
others: spectra and seasons (`_ground`), textures (`_texture`), geography and files (`_demo`).

The land is drawn on a grid four times finer than the pixels, then blurred and averaged, so that pixels on
a border are mixed as real ones are.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mlstac_hf._demo import _ground as ground
from mlstac_hf._demo._texture import blocks, blur, borders, noise, parcels, shift
from mlstac_hf._formats import Array

PIXEL_M = 10.0
FINE = 4
"""Cells of the drawing along one pixel."""
CELL_M = PIXEL_M / FINE
WATER, FOREST, CROPLAND, GRASSLAND, BUILT_UP, CLOUD = ground.LABELS.values()

PARCEL_M2 = 28_000.0
CLOUDY = 0.3
"""Opacity from which a pixel is labelled cloud."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What the sensor sees, and what is there."""

    image: Array
    """uint16 `(4, H, W)`, reflectance x 10,000 in the order of `BANDS`."""
    classes: Array
    """uint8 `(1, H, W)`, values of `LABELS`: what covers most of a pixel, or cloud. Shadow is no class."""

    @property
    def cloud_fraction(self) -> float:
        """Share of pixels labelled cloud."""
        return float((self.classes == CLOUD).mean())


@dataclass(frozen=True, kw_only=True)
class _Land:
    """The drawing: every function below paints over what was there before."""

    rng: np.random.Generator
    day: int
    along: Array
    """Cells along the main direction of the fields, 0 in the middle."""
    across: Array
    surface: Array
    """Reflectance x 10,000, float32 `(4, h, w)`."""
    classes: Array
    """uint8 `(h, w)`."""
    height_m: Array = field(repr=False)
    """Of trees and houses, float32 `(h, w)`; they throw shadows."""

    @property
    def size(self) -> int:
        return int(self.classes.shape[0])

    def paint(self, where: Array, spectrum: Array, label: int | None = None, height_m: float = 0.0) -> None:
        """Cover the cells `where`; without a label they keep their class."""
        np.copyto(self.surface, spectrum, where=where)
        self.height_m[where] = height_m
        if label is not None:
            self.classes[where] = label


def make_scene(rng: np.random.Generator, size: int, day: int, latitude: float, cloud_cover: float) -> Scene:
    """Draw land and look at it from above.

    Args:
        rng: where chance comes from; the same state gives the same scene.
        size: pixels of 10 m a side.
        day: of the year, 1 to 365: crops, meadows and trees follow it.
        latitude: degrees north; decides how high the sun stands.
        cloud_cover: roughly which part is clouded, 0 to 1.
    """
    land = _empty(rng, size, day)
    _fields(land)
    _forest(land)
    kind = rng.choice(["river", "lake", "both", "dry"], p=[0.38, 0.27, 0.1, 0.25])
    if rng.random() < 0.62:  # most tiles show some houses
        _village(land)
    if kind in ("river", "both"):
        _river(land)
    if kind in ("lake", "both"):
        _lake(land)
    return _look(land, latitude, cloud_cover)


def _empty(rng: np.random.Generator, size: int, day: int) -> _Land:
    cells = size * FINE
    rows, columns = (np.mgrid[:cells, :cells] - (cells - 1) / 2).astype(np.float32)
    angle = rng.uniform(0, np.pi)
    return _Land(
        rng=rng,
        day=day,
        along=np.cos(angle) * columns + np.sin(angle) * rows,
        across=np.cos(angle) * rows - np.sin(angle) * columns,
        surface=np.zeros((len(ground.BANDS), cells, cells), np.float32),
        classes=np.full((cells, cells), CROPLAND, np.uint8),
        height_m=np.zeros((cells, cells), np.float32),
    )


def _fields(land: _Land) -> None:
    """Parcels of crops, meadow and wood, with grown-over borders and tracks between them."""
    rng, size = land.rng, land.size
    numbers, tracks = parcels(rng, land.along, land.across, PARCEL_M2 / CELL_M**2 * rng.uniform(0.5, 1.5))
    count = int(numbers.max()) + 1
    use = rng.choice([CROPLAND, GRASSLAND, FOREST], count, p=[0.78, 0.17, 0.05])
    shares = np.array([crop.share for crop in ground.CROPS])
    crops = rng.choice(len(shares), count, p=shares / shares.sum())
    lags = rng.normal(0, 6, count).astype(int)  # not every farmer sows on the same day
    soil = ground.SOIL * rng.uniform(0.78, 1.15)
    soils = rng.uniform(0.85, 1.15, count)
    vigour = rng.random(count)
    spectra = [
        ground.CROPS[crops[i]].reflectance(land.day + lags[i], soil * soils[i])
        if use[i] == CROPLAND
        else ground.meadow(land.day, vigour[i])
        for i in range(count)
    ]
    moisture = noise(rng, size, 3.5)
    # tramlines run along the fields, every 24 m or so
    spacing, phase = rng.uniform(18, 30, count)[numbers], rng.uniform(0, 6, count)[numbers]
    lines = np.sin(land.across * (2 * np.pi * CELL_M) / spacing + phase) * (use == CROPLAND)[numbers]
    land.surface[:] = np.stack(spectra)[:, :, 0, 0].T[:, numbers] * (1 + 0.05 * moisture + 0.02 * lines)
    land.classes[:] = use[numbers]
    land.paint(land.classes == FOREST, _trees(land), height_m=18)
    grown = ground.meadow(land.day, 0.4)
    land.paint(borders(numbers) & (land.classes == CROPLAND), 0.5 * (grown + land.surface))
    land.paint(tracks, ground.TRACK * (1 + 0.05 * moisture))
    _speckle(land, np.ones_like(tracks), 0.03)


def _forest(land: _Land) -> None:
    """Patches of forest, and crowns on all the trees there are."""
    rng = land.rng
    share = rng.choice([0.0, 0.08, 0.2, 0.4], p=[0.2, 0.35, 0.3, 0.15])
    hills = noise(rng, land.size, 3.9)
    patch = hills > np.quantile(hills, 1 - share)
    land.paint(patch, _trees(land), FOREST, height_m=22)
    _speckle(land, land.classes == FOREST, 0.16)


def _village(land: _Land) -> None:
    """Houses in gardens on both sides of a street, which runs on through the fields."""
    rng, day = land.rng, land.day
    turned = rng.random() < 0.5  # either way
    along, across = (land.across, land.along) if turned else (land.along, land.across)
    reach = land.size * CELL_M
    offset = rng.uniform(-0.25, 0.25) * reach
    bend = np.float32(rng.uniform(-1, 1) * 0.1 / reach)
    along_m = along * CELL_M
    across_m = across * CELL_M - offset - bend * along_m**2
    centre, half = rng.uniform(-0.3, 0.3) * reach, rng.uniform(0.16, 0.32) * reach
    edge = 1 + 0.12 * noise(rng, land.size, 3.0)
    depth = rng.uniform(62, 95)
    village = (np.abs(along_m - centre) / (half * edge)) ** 4 + (np.abs(across_m) / (depth * edge)) ** 4 < 1
    greenery = 0.5 + 0.5 * np.tanh(noise(rng, land.size, 1.2))
    land.paint(village, greenery * ground.GARDEN + (1 - greenery) * ground.meadow(day, 0.7), BUILT_UP)
    row_m, plot_m = 34.0, 23.0
    plot = np.floor(along_m / plot_m).astype(int)
    row = np.floor(across_m / row_m).astype(int)
    # one throw of the dice for each plot, looked up by its number
    dice = rng.random((6, 64, 64)).astype(np.float32)[:, row % 64, plot % 64]
    middle = np.abs(along_m - (plot + 0.5) * plot_m - 3 * (dice[0] - 0.5)) < 5 + 5 * dice[1]
    deep = np.abs(across_m - (row + 0.5) * row_m - 8 * (dice[2] - 0.5)) < 5 + 4 * dice[3]
    houses = village & middle & deep & (dice[4] < 0.86)  # some plots are empty
    shade = 0.8 + 0.4 * dice[3]
    land.paint(houses, np.where(dice[5] < 0.7, ground.RED_ROOF, ground.GREY_ROOF) * shade, height_m=7)
    street = np.abs(across_m) < 4.5  # half the width of a road with its verges, metres
    lanes = village & (np.abs((along_m - centre) % 140 - 70) < 2.5)  # a side street every 140 m
    land.paint(street | lanes, ground.ROAD, BUILT_UP)


def _river(land: _Land) -> None:
    """A river that winds along the fields, with trees on its banks."""
    rng = land.rng
    reach = land.size
    wind = np.float32(reach * rng.uniform(0.04, 0.11))
    length = np.float32(reach * rng.uniform(0.55, 0.95))
    phase, second = rng.uniform(0, 2 * np.pi, 2).astype(np.float32)
    turn = 2 * np.float32(np.pi) * land.along / length
    middle = wind * (np.sin(turn + phase) + 0.35 * np.sin(2.3 * turn + second)) + reach * rng.uniform(-0.28, 0.28)
    slope = wind / length * 2 * np.pi * np.cos(turn + phase)
    distance = np.abs(land.across - middle) / np.sqrt(1 + slope**2) * CELL_M
    half = rng.uniform(14, 36) * (1 + 0.12 * noise(rng, land.size, 3.8))
    trees = half + rng.uniform(0, 26) * (0.35 + 0.65 * (noise(rng, land.size, 2.6) > -0.1))
    bank = (distance < trees) & (land.classes != BUILT_UP)
    land.paint(bank, _trees(land, broadleaf=1.0), FOREST, height_m=14)
    _speckle(land, bank, 0.14)
    mud = rng.uniform(0.3, 1.0)
    land.paint(distance < half, mud * ground.RIVER + (1 - mud) * ground.LAKE, WATER)


def _lake(land: _Land) -> None:
    """A pond or lake with a rim of meadow and shallows along its shore."""
    rng = land.rng
    reach = land.size * CELL_M
    x, y = (rng.uniform(-0.28, 0.28, 2) * reach).astype(np.float32)
    stretch = rng.uniform(1.0, 1.8)
    radius = rng.uniform(0.11, 0.24) * reach
    # noise around a circle closes on itself, so the bank has no seam
    distance = np.hypot((land.along * CELL_M - x) / stretch, land.across * CELL_M - y)
    distance = distance / (1 + 0.2 * np.clip(noise(rng, land.size, 3.9), -2, 2))
    land.paint((distance < radius + 16) & (land.classes == CROPLAND), ground.meadow(land.day, 1.0), GRASSLAND)
    water = distance < radius
    deep = np.clip((radius - distance) / 40, 0, 1)
    land.paint(water, deep * ground.LAKE + (1 - deep) * (0.6 * ground.LAKE + 0.4 * ground.RIVER), WATER)


def _trees(land: _Land, broadleaf: float | None = None) -> Array:
    """A mixed stand: spectrum by cell."""
    share = land.rng.random() if broadleaf is None else broadleaf
    mixture = np.clip(share + 0.2 * noise(land.rng, land.size, 2.0), 0, 1)
    return mixture * ground.broadleaf(land.day) + (1 - mixture) * ground.CONIFER


def _speckle(land: _Land, where: Array, strength: float) -> None:
    """Make cells `where` a little brighter or darker, each for itself."""
    grain = blur(land.rng.standard_normal(where.shape), 0.8)
    factor = 1 + np.where(where, strength * grain / grain.std(), 0)
    np.multiply(land.surface, np.clip(factor, 0.5, 1.6), out=land.surface)


def _look(land: _Land, latitude: float, cloud_cover: float) -> Scene:
    """Shadows, clouds, haze, the optics and the noise of the sensor; then whole pixels and numbers."""
    rng = land.rng
    elevation = np.radians(ground.sun_elevation(land.day, latitude))
    azimuth = np.radians(rng.uniform(150, 165))
    step = np.array([np.cos(azimuth), -np.sin(azimuth)]) / np.tan(elevation) / CELL_M  # (rows, columns) a metre high
    surface = land.surface * (1 - 0.45 * _shade(land.height_m, step))
    opacity = _clouds(rng, land.size, cloud_cover)
    away = np.round(step * rng.uniform(120, 210)).astype(int)
    below = shift(opacity, *away)
    dimming = np.array([0.55, 0.59, 0.63, 0.66], np.float32)[:, None, None]  # the sky still lights shadows blue
    surface *= 1 - dimming * below
    surface += opacity * (ground.CLOUD * (1 + 0.12 * noise(rng, land.size, 3.2)) - surface)
    surface += rng.uniform(0, 1) * np.array([150, 85, 45, 10], np.float32)[:, None, None]
    pixels = blocks(blur(surface, 0.45 * FINE), FINE)
    pixels += rng.standard_normal(pixels.shape) * np.sqrt(18**2 + 0.012**2 * pixels**2)
    image = np.clip(np.rint(pixels), 1, 12_000).astype(np.uint16)
    shares = np.stack([blocks((land.classes == label).astype(np.float32), FINE) for label in range(CLOUD)])
    classes = shares.argmax(axis=0).astype(np.uint8)
    classes[blocks(opacity, FINE) > CLOUDY] = CLOUD
    return Scene(image=image, classes=classes[None])


def _shade(height_m: Array, step: Array) -> Array:
    """Which cells lie in the shadow of trees and houses: 1, else 0."""
    shaded = np.zeros_like(height_m)
    for metres in (3.0, 6.0, 10.0, 15.0, 20.0):
        taller = shift(height_m, *np.round(step * metres).astype(int)) > height_m + metres
        shaded[taller] = 1
    return shaded


def _clouds(rng: np.random.Generator, size: int, cover: float) -> Array:
    """Opacity of the clouds, 0 to 1, float32 `(h, w)`."""
    hills = noise(rng, size, 3.7)
    if not cover:
        return np.zeros_like(hills)
    above = hills + 0.12 * noise(rng, size, 2.4) - np.quantile(hills, 1 - cover)
    opacity = np.clip(above / 0.6 + 0.3, 0, 1)
    return np.asarray(opacity * opacity * (3 - 2 * opacity))

"""Textures and shapes out of random numbers, with numpy alone.

Owns: noise, smoothing, parcels. Leaves to others: what they stand for (`_scene`).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from mlstac_hf._formats import Array

PARCEL_WARP = 0.08
"""How far the sides of neighbouring parcels are from parallel, as the slope's standard deviation."""


def noise(rng: np.random.Generator, size: int, smoothness: float) -> Array:
    """Random hills `(size, size)`, mean 0 and standard deviation 1.

    Args:
        rng: where chance comes from.
        size: pixels a side.
        smoothness: 0 is white noise, 3 looks like the coast of an island, 5 like gentle hills.
    """
    wide = size + size // 4  # noise made in the frequency domain repeats at the far edge: cut that off
    shape = np.fft.rfft2(rng.standard_normal((wide, wide), np.float32))
    power = np.maximum(_frequency(wide, wide), 1 / wide) ** (-smoothness / 2)
    hills = np.fft.irfft2(shape * power, s=(wide, wide))[:size, :size]
    hills = (hills - hills.mean()) / hills.std()
    return np.asarray(hills, np.float32)


def blur(planes: Array, sigma: float) -> Array:
    """`(…, H, W)` smoothed by a Gaussian of `sigma` pixels; beyond the border the picture is mirrored."""
    margin = int(np.ceil(3 * sigma)) + 1
    edges = [(0, 0)] * (planes.ndim - 2) + [(margin, margin)] * 2
    wide = np.pad(planes, edges, mode="symmetric")
    kernel = np.exp(-2 * (np.pi * sigma) ** 2 * _frequency(*wide.shape[-2:]) ** 2)
    smooth = np.fft.irfft2(np.fft.rfft2(wide) * kernel, s=wide.shape[-2:])
    return smooth[..., margin:-margin, margin:-margin].astype(np.float32)


def shift(plane: Array, rows: int, columns: int) -> Array:
    """A plane moved down and right; what comes in from outside is mirrored."""
    margin = max(abs(rows), abs(columns))
    if not margin:
        return plane
    wide = np.pad(plane, margin, mode="symmetric")
    height, width = plane.shape
    return wide[margin - rows : margin - rows + height, margin - columns : margin - columns + width]


def blocks(planes: Array, factor: int) -> Array:
    """Means of `factor` x `factor` pixels of `(…, H, W)`."""
    *front, height, width = planes.shape
    means: Array = planes.reshape(*front, height // factor, factor, width // factor, factor).mean(axis=(-3, -1))
    return means


def parcels(rng: np.random.Generator, along: Array, across: Array, pixels: float) -> tuple[Array, Array]:
    """Land cut into convex pieces with straight sides, as fields are: the longer side is cut, again and again.

    Args:
        rng: where chance comes from.
        along: pixels along the main direction, `(H, W)`.
        across: pixels across it, `(H, W)`.
        pixels: area of a typical parcel.

    Returns:
        The number of the parcel, int32 `(H, W)`, and whether a track runs here, bool `(H, W)`.
    """
    numbers = np.zeros(along.size, np.int32)
    tracks = np.zeros(along.size, bool)
    stack = [(np.arange(along.size), along.ravel(), across.ravel(), 0)]
    count = 0
    while stack:
        piece, one, other, depth = stack.pop()
        if piece.size < pixels * rng.uniform(0.7, 2.2):
            numbers[piece] = count
            count += 1
            continue
        if np.ptp(one) < np.ptp(other):
            one, other = other, one
        line = one + rng.normal(0, PARCEL_WARP) * other
        cut = np.quantile(line, rng.uniform(0.36, 0.64))
        if depth in (1, 2):
            tracks[piece[np.abs(line - cut) < rng.uniform(0.6, 1.2)]] = True
        sides = (line < cut, line >= cut)
        stack += [(piece[side], one[side], other[side], depth + 1) for side in sides]
    return numbers.reshape(along.shape), tracks.reshape(along.shape)


def borders(numbers: Array) -> Array:
    """True along the sides of parcels, two pixels wide."""
    edge = np.zeros(numbers.shape, bool)
    down, right = numbers[1:] != numbers[:-1], numbers[:, 1:] != numbers[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= right
    edge[:, :-1] |= right
    return edge


@lru_cache(maxsize=8)
def _frequency(height: int, width: int) -> Array:
    """Cycles a pixel of every term of a real transform."""
    return np.asarray(np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]), np.float32)

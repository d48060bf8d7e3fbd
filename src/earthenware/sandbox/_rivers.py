"""The course of a lowland river and the crescents of water that it has left behind."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from earthenware.sandbox._noise import Field

_STEP = 0.5  # pixels between points of the line


def river_line(rng: np.random.Generator, size: int, heading: float, swing: float) -> NDArray[np.bool_]:
    """Draw the centre line of a river that crosses the ground: a sine-generated curve with a wandering wavelength.

    Args:
        rng: Source of randomness.
        size: Edge length of the ground, in pixels.
        heading: Direction downstream, in radians from the x axis towards growing rows.
        swing: Largest angle between the river and its heading, in radians.

    Returns:
        Pixels on the line [y, x].
    """
    length = int(size * 7 / _STEP)
    step = np.arange(length, dtype=np.float64)

    def wander(points: int, low: float, high: float) -> NDArray[np.float64]:
        return np.interp(step, np.linspace(0, length, points), rng.uniform(low, high, points))

    wavelength = 190 * np.exp(wander(48, -0.5, 0.4))
    phase = np.cumsum(2 * np.pi * _STEP / wavelength) + rng.uniform(0, 2 * np.pi)
    angle = heading + swing * wander(40, 0.6, 1.0) * np.sin(phase) + wander(24, -0.6, 0.6)
    x, y = np.cumsum(np.cos(angle)) * _STEP, np.cumsum(np.sin(angle)) * _STEP
    middle = length // 2
    shift = rng.uniform(-0.16, 0.16) * size
    columns = np.round(x - x[middle] + size / 2 - shift * np.sin(heading)).astype(int)
    rows = np.round(y - y[middle] + size / 2 + shift * np.cos(heading)).astype(int)
    inside = (columns >= 0) & (columns < size) & (rows >= 0) & (rows < size)
    line = np.zeros((size, size), bool)
    line[rows[inside], columns[inside]] = True
    return line


def oxbows(rng: np.random.Generator, distance: Field, valley: float) -> NDArray[np.bool_]:
    """Leave a few crescents of old river bed in the floodplain.

    Args:
        rng: Source of randomness.
        distance: Distance from the river's line [y, x], in pixels.
        valley: Half width of the valley, in pixels.

    Returns:
        Pixels of standing water [y, x].
    """
    result = np.zeros(distance.shape, bool)
    y, x = np.indices(distance.shape, dtype=np.float32)
    rows, columns = np.nonzero((distance > 10) & (distance < valley * 0.6))
    if not len(rows):
        return result
    for _ in range(max(2, distance.size // 60_000)):
        pick = int(rng.integers(len(rows)))
        radius, start, arc = rng.uniform(7, 16), rng.uniform(0, 2 * np.pi), rng.uniform(0.9, 1.9)
        dy, dx = y - rows[pick], x - columns[pick]
        turn = np.abs((np.arctan2(dy, dx) - start + np.pi) % (2 * np.pi) - np.pi)
        result |= (np.abs(np.hypot(dy, dx) - radius) < 1.9 * np.clip(1.2 - turn / arc, 0, 1)) & (turn < arc)
    return result

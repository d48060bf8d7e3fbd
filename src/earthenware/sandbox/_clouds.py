"""Clouds, their shadows, cirrus and the edge of the swath."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earthenware.sandbox._noise import Field, fractal, smooth
from earthenware.sandbox._sun import Sun


@dataclass(frozen=True)
class Sky:
    """What stands between the ground and the satellite; every field is [y, x] at 10 m.

    Attributes:
        cloud: Opacity of clouds, 0 to 1.
        bright: Brightness of the cloud's top, about 0.4 to 1.
        shadow: Share of the sunlight that clouds take from the ground, 0 to 1.
        cirrus: Opacity of thin high cloud, 0 to about 0.3.
        seen: Whether the swath covers the pixel.
        haze: Share of the haze in the visible light, 0 to about 0.15.
    """

    cloud: Field
    bright: Field
    shadow: Field
    cirrus: Field
    seen: NDArray[np.bool_]
    haze: float


def make_sky(rng: np.random.Generator, size: int, sun: Sun, *, clear: bool = False) -> Sky:
    """Make the sky of one acquisition.

    Args:
        rng: Source of randomness.
        size: Edge length of the scene, in pixels of 10 m.
        sun: Direction of the sun; shadows fall away from it.
        clear: Whether to leave out all but a few clouds, and the swath's edge.

    Returns:
        The sky.
    """
    shape = (size, size)
    kind = rng.random()
    low, high = (0.0, 0.02) if kind < 0.42 or clear else (0.02, 0.2) if kind < 0.78 else (0.2, 0.5)
    cover = float(rng.uniform(low, high) if kind < 0.95 or clear else rng.uniform(0.8, 1.0))
    cumulus = rng.random() < 0.7
    longest = float(rng.uniform(45, 110) if cumulus else rng.uniform(150, 320))
    puff = fractal(rng, shape, beta=3.0, longest=14, periodic=True)
    field = fractal(rng, shape, beta=4.3, longest=longest, periodic=True) + np.float32(0.11) * puff
    # Fair-weather clouds gather in streets and leave clear sky between.
    field = field + np.float32(0.7) * fractal(rng, shape, beta=4.5, longest=320, periodic=True)
    thick = np.zeros(shape, np.float32)
    if cover > 0.003:
        level = np.float32(np.quantile(field, 1 - cover))
        thick = np.clip((field - level) * np.float32(5.0 if cumulus else 2.4), 0, None)
    cloud = (1 - np.exp(-1.6 * thick)).astype(np.float32)
    # Tops are lit from the sun's side: brightness follows the slope of the thickness towards the sun.
    gy, gx = np.gradient(smooth(np.minimum(thick, 3), 1.2))
    lit = -gx * np.float32(np.sin(sun.azimuth)) + gy * np.float32(np.cos(sun.azimuth))
    bright = np.clip(0.56 + 0.2 * np.minimum(thick, 2) / 2 + 0.9 * lit + 0.035 * puff, 0.35, 0.98).astype(np.float32)
    height = float(rng.uniform(700, 2200) if cumulus else rng.uniform(1800, 4200))
    reach = height * np.tan(min(sun.zenith, np.radians(68))) / 10
    # The field closes on itself, so a roll brings in the shadows of clouds that stand outside the scene.
    shift = (round(reach * np.cos(sun.azimuth)), round(-reach * np.sin(sun.azimuth)))
    shadow = smooth(np.roll(cloud, shift, axis=(0, 1)), 1.0)
    shadow = np.clip(shadow * 1.15, 0, 1) * (1 - cloud)
    cirrus = np.zeros(shape, np.float32)
    if not clear and rng.random() < 0.22:
        angle = float(rng.uniform(0, np.pi))
        streak = fractal(rng, shape, beta=3.4, longest=150, aspect=4.5, angle=angle)
        cirrus = (np.clip(streak - rng.uniform(-0.3, 0.9), 0, 1.6) * np.float32(0.16)).astype(np.float32)
    seen = np.ones(shape, bool)
    if not clear and rng.random() < 0.18:
        y, x = np.indices(shape, dtype=np.float32)
        # Swath edges of a descending orbit lean about 13 degrees from north.
        across = (x - size / 2) + (y - size / 2) * np.float32(np.tan(np.radians(13)))
        seen = (across - rng.uniform(-0.42, 0.36) * size) * rng.choice([-1, 1]) < 0
        if seen.mean() < 0.3:
            seen = ~seen
        # The edge follows the 20 m grid, so that bands and classification agree where it is.
        seen = seen[::2, ::2].repeat(2, axis=0).repeat(2, axis=1)
    return Sky(cloud, bright, shadow.astype(np.float32), cirrus, seen, float(rng.uniform(0.003, 0.06)))

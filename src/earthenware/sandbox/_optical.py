"""What a sensor of sunlight sees: the ground's cover in the light it stands in, through the sky of the day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from earthenware.sandbox._landcover import Ground
from earthenware.sandbox._noise import Field, fractal, smooth
from earthenware.sandbox._places import day_of_year

# One number per band of ``BANDS`` each.
# Light that reaches shaded ground from the sky: blue shadows.
_SKY_LIGHT: Final = (0.52, 0.44, 0.38, 0.35, 0.32, 0.31, 0.29, 0.28, 0.2, 0.16)
_HAZE: Final = (0.26, 0.19, 0.14, 0.12, 0.1, 0.085, 0.07, 0.065, 0.02, 0.01)  # brightness of haze
_CLOUD: Final = (0.98, 0.99, 1.0, 1.01, 1.02, 1.02, 1.02, 1.0, 0.62, 0.47)  # brightness of water cloud


@dataclass(frozen=True)
class Sun:
    """Direction of the sun."""

    zenith: float  # angle from the vertical, in radians
    azimuth: float  # compass direction, in radians clockwise from north


@dataclass(frozen=True)
class Sky:
    """What stands between the ground and the satellite; every field is [y, x] at 10 m."""

    cloud: Field  # opacity of clouds, 0 to 1
    bright: Field  # brightness of the clouds' tops, about 0.4 to 1
    shadow: Field  # share of the sunlight that clouds take from the ground, 0 to 1
    cirrus: Field  # opacity of thin high cloud, 0 to about 0.3
    seen: NDArray[np.bool_]  # whether the swath covers the pixel
    haze: float  # share of the haze in the visible light, 0 to about 0.15


def sun_at(lon: float, lat: float, moment: datetime) -> Sun:
    """Return the direction of the sun at a place, in degrees, and a time in UTC, within about a degree.

    The zenith angle is held below 76 degrees, where Sentinel-2's surface reflectance ends.
    """
    declination = np.radians(-23.44) * np.cos(2 * np.pi * (day_of_year(moment) + 10) / 365.25)
    hours = moment.hour + moment.minute / 60 + moment.second / 3600 + lon / 15
    hour_angle = np.radians((hours - 12) * 15)
    phi = np.radians(lat)
    up = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(hour_angle)
    azimuth = np.pi + np.arctan2(
        np.sin(hour_angle), np.cos(hour_angle) * np.sin(phi) - np.tan(declination) * np.cos(phi)
    )
    return Sun(min(float(np.arccos(up)), float(np.radians(76))), float(azimuth % (2 * np.pi)))


def make_sky(rng: np.random.Generator, size: int, sun: Sun, *, clear: bool) -> Sky:
    """Make the sky of one acquisition; ``clear`` leaves out all but a few clouds, and the swath's edge."""
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


def sunlight(ground: Ground, sun: Sun) -> Field:
    """Return the light on each slope, crown, roof and dune relative to level ground [y, x]."""
    surface = ground.terrain.elevation + ground.structure
    gy, gx = np.gradient(surface, np.float32(10.0))
    # Canopies let light through: their sides are not as steep as their heights say.
    gx, gy = np.clip(gx, -1.3, 1.3), np.clip(gy, -1.3, 1.3)
    east, north = np.float32(np.sin(sun.azimuth)), np.float32(np.cos(sun.azimuth))
    towards = (-gx * east + gy * north) * np.float32(np.tan(min(sun.zenith, np.radians(63))))
    cosine = (1 + towards) / np.sqrt(1 + gx * gx + gy * gy)
    # Surface reflectance is corrected for the coarse relief; what remains is about 0.6 of the contrast.
    return np.asarray(np.clip(1 + np.float32(0.6) * (cosine - 1), 0.22, 1.7), dtype=np.float32)


def reflect(lit: NDArray[np.float32], colours: NDArray[np.float32]) -> Field:
    """Return the reflectance [y, x] of lit cover [material, y, x] whose materials have these colours in one band."""
    result = np.zeros(lit.shape[1:], np.float32)
    # Added up in a fixed order: a matrix product may differ in the last bit with the number of threads.
    for part, colour in zip(lit, colours, strict=True):
        result += part * colour
    return result


def through(reflectance: Field, sky: Sky, band: int) -> Field:
    """Return the reflectance after shadow, haze, cirrus and cloud in the band of this number [y, x]."""
    result = reflectance * (1 - sky.shadow * np.float32(1 - _SKY_LIGHT[band]))
    result = result * np.float32(1 - 0.5 * sky.haze) + np.float32(_HAZE[band] * sky.haze)
    high = sky.cirrus * np.float32(0.95 if band < 8 else 0.55)
    result = result * (1 - high) + high * np.float32(0.55)
    return np.asarray(result * (1 - sky.cloud) + sky.cloud * sky.bright * np.float32(_CLOUD[band]), dtype=np.float32)


def with_noise(rng: np.random.Generator, reflectance: Field, floor: float, share: float) -> Field:
    """Add the sensor's noise, whose standard deviation is a floor plus a share of the reflectance."""
    noise = rng.standard_normal(reflectance.shape, dtype=np.float32)
    return reflectance + noise * (np.float32(floor) + np.float32(share) * reflectance)

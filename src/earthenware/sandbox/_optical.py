"""What a sensor of sunlight sees: the ground's cover in the light it stands in, through the sky."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from earthenware.sandbox._clouds import Sky
from earthenware.sandbox._landcover import Ground
from earthenware.sandbox._noise import Field
from earthenware.sandbox._spectra import compose
from earthenware.sandbox._sun import Sun

# One number per band of ``BANDS`` each.
# Light that reaches shaded ground from the sky: blue shadows.
_SKY_LIGHT: Final = (0.52, 0.44, 0.38, 0.35, 0.32, 0.31, 0.29, 0.28, 0.2, 0.16)
_HAZE: Final = (0.26, 0.19, 0.14, 0.12, 0.1, 0.085, 0.07, 0.065, 0.02, 0.01)  # brightness of haze
_CLOUD: Final = (0.98, 0.99, 1.0, 1.01, 1.02, 1.02, 1.02, 1.0, 0.62, 0.47)  # brightness of water cloud


def lit_cover(
    ground: Ground, moment: datetime, sun: Sun, flooded: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float32], Field]:
    """Return what each pixel holds, in the light it stands in, and that light.

    Args:
        ground: The place.
        moment: Time of the acquisition, in UTC.
        sun: Direction of the sun.
        flooded: Pixels under flood water [y, x], or None.

    Returns:
        Shares of the materials times the light [material, y, x], and the light relative to level ground [y, x];
        margins included.
    """
    light = _sunlight(ground, sun)
    return compose(ground, moment, flooded) * light, light


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


def _sunlight(ground: Ground, sun: Sun) -> Field:
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

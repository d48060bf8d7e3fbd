"""A Sentinel-2 L2A acquisition: bands at their native resolution and the scene classification."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from earthenware.sandbox._clouds import Sky, make_sky
from earthenware.sandbox._landcover import Ground
from earthenware.sandbox._noise import Field, smooth
from earthenware.sandbox._places import MARGIN
from earthenware.sandbox._spectra import BANDS, CLEAR, SILT, SNOW, colours, compose
from earthenware.sandbox._sun import Sun, sun_at

OFFSET_FROM: Final = datetime(2022, 1, 25, tzinfo=UTC)
"""From this day on, processing baseline 04.00 adds 1000 to every digital number (Sentinel-2 products specification)."""

GSD: Final = {band: 10 if band in ("B02", "B03", "B04", "B08") else 20 for band in BANDS}
"""Native ground sampling distance of each band, in metres."""

# Light that reaches shaded ground from the sky, per band: blue shadows.
_SKY_LIGHT: Final = (0.52, 0.44, 0.38, 0.35, 0.32, 0.31, 0.29, 0.28, 0.2, 0.16)
_HAZE: Final = (0.26, 0.19, 0.14, 0.12, 0.1, 0.085, 0.07, 0.065, 0.02, 0.01)  # brightness of haze per band
_CLOUD: Final = (0.98, 0.99, 1.0, 1.01, 1.02, 1.02, 1.02, 1.0, 0.62, 0.47)  # brightness of water cloud per band


@dataclass(frozen=True)
class Optical:
    """One acquisition.

    Attributes:
        bands: Digital numbers per band [y, x], uint16, at the band's native resolution; 0 is no data.
        scl: Scene classification [y, x], uint8, at 20 m.
        sun: Direction of the sun.
        offset: What was added to reflectance * 10000.
    """

    bands: dict[str, NDArray[np.uint16]]
    scl: NDArray[np.uint8]
    sun: Sun
    offset: int


def acquire(
    ground: Ground, moment: datetime, *, clear: bool = False, flooded: NDArray[np.bool_] | None = None
) -> Optical:
    """Look at a place from above.

    Args:
        ground: The place.
        moment: Time of the acquisition, in UTC.
        clear: Whether the sky is nearly free of clouds.
        flooded: Pixels under flood water [y, x], margins included, or None.

    Returns:
        The acquisition over the scene (without margins).
    """
    place = ground.place
    rng = np.random.default_rng([place.seed, place.number, 7, int(moment.timestamp())])
    sun = sun_at(place.lon, place.lat, moment)
    sky = make_sky(rng, place.size, sun, clear=clear)
    window = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    shares = compose(ground, moment, flooded)[:, *window]
    light = _sunlight(ground, sun)[window]
    spectra = colours(ground, moment)
    # Cover is mixed in the light it stands in; the sensor then averages over its pixel.
    lit = shares * light
    pooled = _pool(lit)
    sky20 = Sky(
        _pool(sky.cloud), _pool(sky.bright), _pool(sky.shadow), _pool(sky.cirrus), sky.seen[::2, ::2], sky.haze
    )  # fmt: skip
    offset = 1000 if moment >= OFFSET_FROM else 0
    bands: dict[str, NDArray[np.uint16]] = {}
    surface: dict[str, Field] = {}
    for number, band in enumerate(BANDS):
        fine = GSD[band] == 10
        source, above = (lit, sky) if fine else (pooled, sky20)
        reflectance = np.zeros(source.shape[1:], np.float32)
        # Added up in a fixed order: a matrix product may differ in the last bit with the number of threads.
        for material in range(len(source)):
            reflectance += source[material] * spectra[material, number]
        if fine:
            reflectance = smooth(reflectance, 0.45)
        surface[band] = reflectance
        reflectance = _through(reflectance, above, number)
        noise = rng.standard_normal(reflectance.shape, dtype=np.float32)
        reflectance = reflectance + noise * (np.float32(0.0012) + np.float32(0.008) * reflectance)
        numbers = np.clip(np.round(reflectance * np.float32(10000)) + offset, 1, 65535)
        bands[band] = np.where(above.seen, numbers, 0).astype(np.uint16)
    scl = _classify(pooled, _pool(np.broadcast_to(light, lit.shape[1:])), surface, sky20)
    return Optical(bands, scl, sun, offset)


def _pool(field: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average 2 x 2 pixels of the last two axes."""
    return np.asarray(
        (field[..., ::2, ::2] + field[..., 1::2, ::2] + field[..., ::2, 1::2] + field[..., 1::2, 1::2])
        * np.float32(0.25)
    )


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


def _through(reflectance: Field, sky: Sky, band: int) -> Field:
    """Return the reflectance after shadow, haze, cirrus and cloud in one band [y, x]."""
    result = reflectance * (1 - sky.shadow * np.float32(1 - _SKY_LIGHT[band]))
    result = result * np.float32(1 - 0.5 * sky.haze) + np.float32(_HAZE[band] * sky.haze)
    high = sky.cirrus * np.float32(0.95 if band < 8 else 0.55)
    result = result * (1 - high) + high * np.float32(0.55)
    return np.asarray(result * (1 - sky.cloud) + sky.cloud * sky.bright * np.float32(_CLOUD[band]), dtype=np.float32)


def _classify(shares: NDArray[np.float32], light: Field, surface: dict[str, Field], sky: Sky) -> NDArray[np.uint8]:
    """Return the scene classification [y, x] at 20 m, codes of the Sentinel-2 products specification."""
    red, near = _pool(surface["B04"]), surface["B8A"]
    greenness = (near - red) / np.maximum(near + red, 1e-3)
    total = np.maximum(shares.sum(axis=0), 1e-3)
    result = np.where(greenness > 0.38, 4, 5).astype(np.uint8)
    result[light < 0.42] = 2
    result[(shares[CLEAR] + shares[SILT]) / total > 0.55] = 6
    result[shares[SNOW] / total > 0.4] = 11
    result[sky.shadow > 0.35] = 3
    result[sky.cirrus > 0.045] = 10
    result[(sky.cloud > 0.1) | ((sky.shadow > 0.18) & (sky.shadow <= 0.35))] = 7
    result[sky.cloud > 0.2] = 8
    result[sky.cloud > 0.55] = 9
    result[~sky.seen] = 0
    return result

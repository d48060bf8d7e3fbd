"""What each pixel is made of on a date, and the reflectance of those materials in the bands of Sentinel-2."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from earthenware.sandbox import _landcover as cover
from earthenware.sandbox._landcover import Ground, greenness
from earthenware.sandbox._landuse import GARDEN, ROOF_BRIGHT, ROOF_GREY, ROOF_RED, STREET
from earthenware.sandbox._noise import Field
from earthenware.sandbox._places import day_of_year

BANDS: Final = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
"""Bands of Sentinel-2 that the sandbox makes, in order of wavelength."""

LEAF, NEEDLE, STRAW, SAND, EARTH, CLEAR, SILT, ASPHALT, PALE_ROOF, RED_ROOF, SNOW, ROCK = range(12)

# Typical surface reflectance per band, after published library spectra (leaves, litter, soils, water, roofs, snow).
_MATERIALS: Final[NDArray[np.float32]] = np.array(
    [
        [0.026, 0.060, 0.030, 0.100, 0.290, 0.370, 0.400, 0.425, 0.205, 0.092],  # green leaves
        [0.020, 0.036, 0.022, 0.052, 0.150, 0.185, 0.205, 0.220, 0.098, 0.046],  # needles
        [0.068, 0.102, 0.138, 0.178, 0.218, 0.245, 0.270, 0.292, 0.325, 0.235],  # straw
        [0.120, 0.182, 0.250, 0.285, 0.308, 0.325, 0.345, 0.362, 0.445, 0.395],  # pale sand
        [0.052, 0.074, 0.096, 0.112, 0.126, 0.140, 0.156, 0.170, 0.228, 0.192],  # dark earth
        [0.034, 0.030, 0.016, 0.011, 0.008, 0.007, 0.006, 0.005, 0.003, 0.002],  # clear water
        [0.062, 0.092, 0.098, 0.088, 0.058, 0.054, 0.046, 0.038, 0.010, 0.006],  # silty water
        [0.088, 0.098, 0.106, 0.112, 0.118, 0.122, 0.126, 0.130, 0.148, 0.138],  # asphalt and concrete
        [0.205, 0.225, 0.240, 0.250, 0.258, 0.264, 0.270, 0.275, 0.262, 0.230],  # pale roofs
        [0.066, 0.088, 0.158, 0.182, 0.198, 0.208, 0.218, 0.228, 0.275, 0.248],  # red tiles
        [0.860, 0.870, 0.860, 0.840, 0.810, 0.795, 0.780, 0.760, 0.110, 0.085],  # snow
        [0.080, 0.096, 0.112, 0.124, 0.134, 0.142, 0.150, 0.158, 0.205, 0.185],  # rock
    ],
    np.float32,
)


def colours(ground: Ground, moment: datetime) -> NDArray[np.float32]:
    """Return the materials' reflectance [material, band] at this place on this date.

    Soils, plants and roofs differ from place to place, and a little from date to date, by more than the classes
    differ from each other: a mean colour does not name a class.
    """
    result = _MATERIALS.copy()
    tilt = np.linspace(-1, 1, len(BANDS))
    for rng, scale in ((ground.place.rng(2), 0.11), (ground.place.rng(3, int(moment.timestamp())), 0.045)):
        level = np.exp(rng.normal(0, scale, (len(result), 1)) + rng.normal(0, scale * 0.5, (len(result), 1)) * tilt)
        level[SNOW] = np.minimum(level[SNOW], 1.04)
        result *= level.astype(np.float32)
    return result


def compose(ground: Ground, moment: datetime, flooded: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """Return what each pixel holds on a date: shares of the materials [material, y, x], summing to about 1."""
    place = ground.place
    rng = place.rng(4, int(moment.timestamp()))
    day = day_of_year(moment)
    shares = np.zeros((len(_MATERIALS), *ground.classes.shape), np.float32)
    flat = shares.reshape(len(_MATERIALS), -1)
    classes = ground.classes.ravel()
    vigour = float(np.clip(greenness(place, moment) * np.exp(rng.normal(0, 0.12)), 0.08, 1.0))

    def at(field: Field, index: NDArray[np.int64]) -> Field:
        return field.ravel()[index]

    index = np.flatnonzero(classes == cover.TREE)
    # Stands differ in closure: an open one is as bright as a meadow, yet shows crowns.
    closure = place.rng(12).uniform(0.7, 0.95)
    canopy = closure + 0.09 * at(ground.mottle, index) + (0.08 + 0.35 * (1 - closure)) * at(ground.crowns, index)
    canopy = np.clip(canopy, 0.12, 1).astype(np.float32)
    evergreen = 0.85 if abs(place.lat) < 8 else 0.45 if abs(place.lat) < 38 else 0.2
    conifer = at(ground.conifer, index)
    leafy = canopy * (1 - conifer)
    leaf = np.clip(evergreen + (1 - evergreen) * vigour + 0.08 * at(ground.mottle, index), 0, 1)
    flat[NEEDLE, index] = canopy * conifer + leafy * leaf * 0.45
    flat[LEAF, index] = leafy * leaf * 0.55
    # Between crowns lies what lies on the meadow next door.
    flat[STRAW, index] = leafy * (1 - leaf) * 0.6 + (1 - canopy) * (0.85 - 0.6 * vigour)
    flat[LEAF, index] += (1 - canopy) * 0.6 * vigour
    flat[EARTH, index] = leafy * (1 - leaf) * 0.4 + (1 - canopy) * 0.15

    index = np.flatnonzero(classes == cover.SHRUB)
    dots = at(ground.dots, index)
    amount = 0.22 + 0.75 * dots + 0.06 * at(ground.mottle, index)
    _plant(ground, flat, index, amount, 0.25 + 0.6 * vigour * (0.4 + 0.6 * dots))
    flat[NEEDLE, index] += flat[LEAF, index] * 0.4 * dots
    flat[LEAF, index] *= 1 - 0.4 * dots

    index = np.flatnonzero(classes == cover.GRASS)
    mottle = at(ground.mottle, index)
    lush = float(rng.uniform(0.7, 1.15))
    _plant(ground, flat, index, lush * (0.78 + 0.13 * mottle), vigour * rng.uniform(0.75, 1.15) + 0.1 * mottle)

    _fields(ground, rng, day, flat)
    _towns(ground, flat, vigour)

    index = np.flatnonzero(np.isin(classes, (cover.BARE, cover.MOSS)))
    stone = np.clip(ground.terrain.slope.ravel()[index] * 2.2, 0, 0.9) * (place.theme.dunes == 0 or 0.5)
    tuft = 0.07 + 0.05 * at(ground.mottle, index) + 0.45 * (classes[index] == cover.MOSS)
    _plant(ground, flat, index, tuft, np.full(len(index), 0.2 + 0.5 * vigour, np.float32))
    for material in (SAND, EARTH):
        flat[material, index] *= 1 - stone
    flat[ROCK, index] += stone * 0.9

    index = np.flatnonzero(classes == cover.WETLAND)
    wet = np.clip(at(ground.braid, index) * rng.uniform(0.75, 1.15), 0, 1)
    reed = np.clip(0.9 + 0.1 * at(ground.mottle, index), 0, 1)
    _plant(ground, flat, index, reed, vigour * 0.85 + 0.12 * at(ground.grain, index))
    flat[:, index] *= 1 - 0.92 * wet
    flat[CLEAR, index] += 0.6 * wet
    flat[SILT, index] += 0.32 * wet

    index = np.flatnonzero(classes == cover.WATER)
    depth = np.clip(at(ground.terrain.depth, index), 0, 2)
    silt = np.clip(rng.uniform(0.15, 0.75) * np.exp(-depth) + 0.07 * at(ground.mottle, index), 0, 1)
    flat[SILT, index], flat[CLEAR, index] = silt, 1 - silt

    index = np.flatnonzero(classes == cover.SNOW)
    firn = np.clip(0.94 + 0.05 * at(ground.mottle, index), 0, 1)
    flat[SNOW, index], flat[ROCK, index] = firn, 1 - firn

    # A stream too narrow for a pixel of its own greens its banks.
    index = np.flatnonzero(ground.terrain.channel.ravel() & ~np.isin(classes, (cover.BUILT, cover.WATER, cover.SNOW)))
    flat[:, index] *= 0.55
    flat[LEAF, index] += 0.33 * max(vigour, 0.4)
    flat[EARTH, index] += 0.45 - 0.33 * max(vigour, 0.4)
    _snowfall(ground, rng, day, shares)
    if flooded is not None:
        # Crowns and roofs stand out of the flood; fields and grass drown.
        emergent = np.clip(ground.structure / 16, 0, 0.75)
        drown = np.where(flooded, 1 - emergent, 0).astype(np.float32)
        shares *= 1 - drown
        shares[SILT] += 0.8 * drown
        shares[CLEAR] += 0.2 * drown
    return shares


def _plant(ground: Ground, flat: NDArray[np.float32], index: NDArray[np.int64], amount: Field, green: Field) -> None:
    """Cover a share of the pixels of these flat indices by plants, green or dry, and the rest by soil."""
    amount = np.clip(amount, 0, 1).astype(np.float32)
    green = np.clip(green, 0, 1).astype(np.float32)
    flat[LEAF, index] += amount * green
    flat[STRAW, index] += amount * (1 - green)
    pale = ground.sand.ravel()[index]
    flat[SAND, index] += (1 - amount) * pale
    flat[EARTH, index] += (1 - amount) * (1 - pale)


def _fields(ground: Ground, rng: np.random.Generator, day: float, flat: NDArray[np.float32]) -> None:
    """Fill the fields: each parcel has a crop, a sowing date and rows of its own."""
    index = np.flatnonzero(ground.classes.ravel() == cover.CROP)
    if not len(index):
        return
    parcels = ground.parcels
    fixed, year = ground.place.rng(5), ground.place.rng(6, int(rng.integers(2**31)))
    count = parcels.count
    peak = fixed.choice([135.0, 205.0, 235.0], count, p=[0.42, 0.38, 0.2]) + fixed.normal(0, 16, count)
    peak += 182.6 * (ground.place.lat < 0) + year.normal(0, 8, count)
    if abs(ground.place.lat) < 24:
        peak += 40
    width = fixed.uniform(26, 48, count)
    width[np.unique(parcels.label[parcels.pivot])] = 110
    away = (day - peak + 182.6) % 365.25 - 182.6
    growth = np.exp(-(away**2) / (2 * width**2)) * year.uniform(0.65, 1.05, count)
    fallow = year.random(count) < 0.14
    growth[fallow] *= 0.25
    stubble = np.clip((away - 20) / 30, 0, 1) * (away < 110) * year.uniform(0.1, 0.95, count)
    orchard = fixed.random(count) < 0.09
    growth[orchard] = 0.5 + 0.25 * growth[orchard]
    period = fixed.uniform(2.6, 7.0, count)
    strength = fixed.uniform(0.07, 0.36, count)
    tone = fixed.normal(0, 0.22, count) + year.normal(0, 0.08, count)
    label = parcels.label.ravel()[index]
    rows = parcels.rows.ravel()[index]
    stripe = np.sin(2 * np.pi * rows / period[label]) * strength[label]
    mottle, grain = ground.mottle.ravel()[index], ground.grain.ravel()[index]
    amount = np.maximum(growth, stubble)[label] + stripe * 0.6 + 0.07 * mottle + 0.03 * grain
    # Orchards and vineyards: trees in rows, soil between them.
    amount = np.where(orchard[label], 0.5 + 0.45 * np.sin(2 * np.pi * rows / 3.1) + 0.1 * grain, amount)
    green = growth[label] / np.maximum(np.maximum(growth, stubble)[label], 1e-3)
    _plant(ground, flat, index, amount.astype(np.float32), green.astype(np.float32))
    wet = np.exp(tone[label] + stripe).astype(np.float32)
    # Ploughed, rolled and wet soils differ in brightness from one parcel to the next.
    pale = flat[SAND, index]
    moved = pale * np.clip(wet - 0.75, -0.6, 0.7)
    flat[SAND, index] = pale - np.maximum(moved, 0)
    flat[EARTH, index] += np.maximum(moved, 0)
    edge = parcels.edge.ravel()[index] & (label % 3 != 0)
    track = index[edge]
    flat[:, track] *= 0.45
    hedge = label[edge] % 2 == 0
    flat[NEEDLE, track] += np.where(hedge, 0.3, 0.0)
    flat[LEAF, track] += np.where(hedge, 0.25, 0.15)
    flat[SAND, track] += np.where(hedge, 0.0, 0.4)


def _towns(ground: Ground, flat: NDArray[np.float32], vigour: float) -> None:
    """Fill built-up pixels with streets, roofs and gardens."""
    index = np.flatnonzero(ground.classes.ravel() == cover.BUILT)
    surface = np.where(ground.towns.built, ground.towns.surface, STREET).ravel()[index]
    grain = ground.grain.ravel()[index]
    noise = np.clip(0.5 + 0.22 * grain, 0, 1)
    for kind, material in ((STREET, ASPHALT), (ROOF_GREY, ASPHALT), (ROOF_RED, RED_ROOF), (ROOF_BRIGHT, PALE_ROOF)):
        here = index[surface == kind]
        part = noise[surface == kind]
        flat[material, here] = 0.72 + 0.25 * part
        flat[EARTH if kind != ROOF_GREY else PALE_ROOF, here] = 0.28 - 0.25 * part
    here = index[surface == GARDEN]
    part = noise[surface == GARDEN]
    flat[LEAF, here] = 0.6 * vigour * part + 0.12
    flat[NEEDLE, here] = 0.25 * (1 - part)
    flat[STRAW, here] = 0.3 * (1 - vigour)
    flat[ASPHALT, here] = np.clip(1 - flat[LEAF, here] - flat[NEEDLE, here] - flat[STRAW, here], 0, 1)


def _snowfall(ground: Ground, rng: np.random.Generator, day: float, shares: NDArray[np.float32]) -> None:
    """Lay winter snow on high or northern ground, more on heights and meadows than in woods and towns."""
    place = ground.place
    since_solstice = (day + 10 - 182.6 * (place.lat < 0)) % 365.25
    winter = np.cos(2 * np.pi * (since_solstice - 35) / 365.25)
    draw = rng.random()
    height = ground.terrain.elevation
    line = 2600 - 2100 * winter - 45 * (abs(place.lat) - 40) + 700 * (draw - 0.5)
    if abs(place.lat) < 36 or winter < -0.2 or float(height.max()) < line:
        return
    cover_share = np.clip((height - line) / 220 + 0.4 + 0.35 * ground.mottle, 0, 1) * (height > line - 150)
    cover_share *= np.where(ground.classes == cover.TREE, 0.35, np.where(ground.classes == cover.BUILT, 0.5, 0.95))
    cover_share = np.where(ground.classes == cover.WATER, 0, cover_share).astype(np.float32)
    shares *= 1 - cover_share
    shares[SNOW] += cover_share

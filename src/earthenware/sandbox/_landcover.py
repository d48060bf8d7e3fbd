"""What covers the ground: the WorldCover classes of a place, and the patterns inside each class."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from earthenware.sandbox._landuse import Parcels, Towns, make_parcels, make_towns
from earthenware.sandbox._noise import Field, fractal, ridged, smooth, unit
from earthenware.sandbox._places import Place, Theme, day_of_year
from earthenware.sandbox._terrain import Terrain, make_terrain

TREE, SHRUB, GRASS, CROP, BUILT, BARE, SNOW, WATER, WETLAND, MOSS = range(10, 101, 10)
"""Codes of the ESA WorldCover legend (product user manual, version 2.0)."""


@dataclass(frozen=True)
class Ground:
    """One place as it stands, before any date; every field is [y, x] at 10 m, ``MARGIN`` pixels around included."""

    place: Place
    terrain: Terrain
    towns: Towns
    parcels: Parcels
    classes: NDArray[np.uint8]  # WorldCover code
    crowns: Field  # texture of woods, -2 in gaps to 2 on crowns
    dots: Field  # cover of single bushes and trees, 0 to 1
    mottle: Field  # slow variation of soil and grass, mean 0, standard deviation 1
    grain: Field  # fine variation, mean 0, standard deviation 1
    braid: Field  # wetness of marsh, 0 (reed) to 1 (open water)
    conifer: Field  # share of conifers in woods, 0 to 1
    sand: Field  # share of pale ground in bare soil, 0 to 1
    structure: Field  # height of what stands on the ground, in metres


def make_ground(place: Place) -> Ground:
    """Make the ground of one place from its seed."""
    rng = place.rng(1)
    theme = place.theme
    size = place.ground_size
    shape = (size, size)
    terrain = make_terrain(rng, size, theme)
    towns = make_towns(rng, terrain, theme)
    steep = terrain.slope > 0.3
    parcels = make_parcels(
        rng, shape, width=theme.parcel, pivots=theme.pivots, blocked=terrain.water | towns.built | steep
    )
    classes = _assign(rng, place, terrain, towns, parcels)
    crowns = unit(
        fractal(rng, shape, beta=1.6, longest=7, shortest=0.7) + 0.55 * fractal(rng, shape, beta=2.4, longest=40)
    )
    bushes = fractal(rng, shape, beta=1.2, longest=5, shortest=0.9) + 0.5 * fractal(rng, shape, beta=3, longest=60)
    dots = np.clip((bushes - 0.75) * 1.6, 0, 1).astype(np.float32)
    mottle = fractal(rng, shape, beta=3.4, longest=60)
    grain = fractal(rng, shape, beta=1.0, longest=6)
    braid = _braids(rng, shape, theme)
    conifer_base = 0.75 if place.lat > 50 else 0.55 if theme.relief > 200 else 0.08 if abs(place.lat) < 20 else 0.3
    conifer = (fractal(rng, shape, beta=3.6, longest=80) > np.float32(0.8 - 1.6 * conifer_base)).astype(np.float32)
    # Rain leaches and darkens soils: deserts are pale, temperate and equatorial ground is dark.
    pale = 0.6 if theme.dunes > 0 else 0.22 if abs(place.lat) > 40 or abs(place.lat) < 6 else 0.4
    sand = np.clip(pale + 0.28 * fractal(rng, shape, beta=3.6, longest=140) + rng.uniform(-0.2, 0.2), 0, 1)
    structure = _structure(rng, theme, classes, towns, crowns, dots, conifer)
    return Ground(
        place, terrain, towns, parcels, classes, crowns, dots, mottle, grain, braid,
        smooth(conifer, 0.8), sand.astype(np.float32), structure,
    )  # fmt: skip


def _assign(
    rng: np.random.Generator, place: Place, terrain: Terrain, towns: Towns, parcels: Parcels
) -> NDArray[np.uint8]:
    """Let the classes compete for each pixel, then give farmland its parcels, towns and water their ground."""
    shape, theme = terrain.elevation.shape, place.theme
    height = (terrain.elevation - terrain.elevation.min()) / max(float(np.ptp(terrain.elevation)), 1.0)
    low = np.exp(-terrain.above_water / np.float32(max(1.5, theme.relief * 0.06)))
    near = np.exp(-terrain.water_distance / 22)
    steep = np.clip(terrain.slope * 4, 0, 2)

    def pattern() -> Field:
        broad = fractal(rng, shape, beta=4.0, longest=theme.patch)
        return unit(broad + 0.22 * fractal(rng, shape, beta=2.8, longest=22, shortest=1.0))

    tall = theme.relief > 200  # mountains: woods end where meadows and rock begin, fields keep to the valleys
    swing = np.float32(0.4 if tall else 0.6)
    top = np.clip(height - 0.45, 0, 1) * tall
    woody = 0.0 if tall else 0.4 * steep
    scores = np.stack(
        [
            theme.tree + swing * pattern() + 0.35 * near + 0.5 * (terrain.moisture - 0.35) + woody - 4 * top,
            theme.shrub + swing * pattern() + 0.3 * steep - 1.0 * top,
            theme.grass + swing * pattern() - 0.3 * steep * tall + 0.8 * top,
            theme.bare + swing * pattern() + 0.3 * steep + 4.0 * np.clip(height - 0.62, 0, 1) * tall,
            theme.wetland + 0.5 * pattern() + 1.1 * low * near - 0.6 * steep - 0.5 * (1 - low),
        ]
    )
    codes = np.array([TREE, SHRUB, GRASS, BARE, WETLAND], np.uint8)
    classes = codes[np.argmax(scores, axis=0)]
    farm = theme.crop + 0.6 * pattern() - 1.2 * steep - 0.3 * (low * near > 0.55) + 0.25 * near
    farm -= 5 * np.clip(height - 0.22, 0, 1) * tall
    gain = farm - scores.max(axis=0)
    members = np.bincount(parcels.label.ravel(), minlength=parcels.count)
    mean_gain = np.bincount(parcels.label.ravel(), gain.ravel(), parcels.count) / np.maximum(members, 1)
    # In farmland some parcels are meadow or planted wood: straight edges alone do not tell a field.
    fate = rng.random(parcels.count)
    use = np.where(fate < 0.74, CROP, np.where(fate < 0.87, GRASS, np.where(fate < 0.94, TREE, SHRUB)))
    pivot_label = np.unique(parcels.label[parcels.pivot])
    mean_gain[pivot_label], use[pivot_label] = 1.0, CROP
    farmed = (mean_gain > 0)[parcels.label]
    classes = np.where(farmed, use.astype(np.uint8)[parcels.label], classes)
    classes = np.where(farmed & ~parcels.pivot & terrain.channel, TREE, classes)
    if tall:
        line = 0.8 if abs(place.lat) > 45 else 0.97
        classes = np.where((height + 0.05 * pattern() > line) & (terrain.slope < 1.1), SNOW, classes)
        if abs(place.lat) > 45:
            classes = np.where((classes == BARE) & (height < 0.75) & (pattern() > 0.7), MOSS, classes)
    if theme.sea:
        shore = (terrain.water_distance < 4 + 2.5 * pattern()) & (terrain.elevation < 6)
        classes = np.where(shore, BARE, classes)
    park_trees = fractal(rng, shape, beta=2.0, longest=12) > 0
    classes = np.where(towns.park, np.where(park_trees, TREE, GRASS), classes)
    classes = np.where(towns.built | towns.road, BUILT, classes)
    classes = np.where(terrain.water, WATER, classes)
    return classes.astype(np.uint8)


def _braids(rng: np.random.Generator, shape: tuple[int, int], theme: Theme) -> Field:
    """Winding channels and pools between reeds: the zero lines of smooth noise, joined and parting."""
    result = np.zeros(shape, np.float32)
    for longest, width in ((70, 0.11), (34, 0.16)):
        lines = np.abs(fractal(rng, shape, beta=3.8, longest=longest))
        result = np.maximum(result, np.clip(1.25 - lines / np.float32(width * (0.5 + theme.braids * 0.7)), 0, 1))
    pools = np.clip(fractal(rng, shape, beta=2.6, longest=22) - 1.1, 0, 1)
    return np.asarray(np.maximum(result, pools), dtype=np.float32)


def _structure(
    rng: np.random.Generator, theme: Theme, classes: NDArray[np.uint8], towns: Towns,
    crowns: Field, dots: Field, conifer: Field,
) -> Field:  # fmt: skip
    """Heights of crowns, buildings, dunes and rocks above the ground, in metres."""
    shape = classes.shape
    result = np.zeros(shape, np.float32)
    tree = classes == TREE
    result[tree] = (11 + 5.0 * crowns + 4 * conifer)[tree].clip(0)
    shrub = classes == SHRUB
    result[shrub] = 2.6 * dots[shrub]
    result += towns.height * (classes == BUILT)
    bare = smooth(classes == BARE, 2.0)
    if theme.dunes > 0:
        wind = float(rng.uniform(0, np.pi))
        wave = fractal(rng, shape, beta=4.0, longest=26, shortest=4, aspect=3.2, angle=wind)
        crest = 1 - np.abs(wave) / 1.5
        result += np.clip(crest, 0, 1) ** 1.5 * theme.dunes * bare
    else:
        result += (ridged(rng, shape, longest=28, octaves=3) * np.float32(2.5) + 2.5).clip(0) * bare
    result += scipy.ndimage.gaussian_filter((classes == WETLAND).astype(np.float32), 1.0) * 0.4
    return np.asarray(result, dtype=np.float32)


def greenness(place: Place, moment: datetime) -> float:
    """Return how green wild vegetation is on a date, 0 (dormant) to 1 (peak).

    Summer is green in the temperate belts, the wet spring where winters bring the rain, the rains' end in the
    tropics, and nearly every month at the equator.
    """
    south = 0.0 if place.lat >= 0 else 182.6
    belt = abs(place.lat)
    if belt < 6:
        return 0.9
    if belt < 24:
        low, high, peak = 0.22, 1.0, 245.0
    elif belt < 39:
        low, high, peak = 0.2, 0.85, 95.0
    else:
        low, high, peak = 0.12, 1.0, 190.0
    wave = 0.5 + 0.5 * np.cos(2 * np.pi * (day_of_year(moment) - peak - south) / 365.25)
    return float(low + (high - low) * wave**0.9)

"""The places of a sandbox and when satellites pass: Europe and Africa along the border of UTM zones 33 and 34."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from pyproj import Transformer

BORDER_LONGITUDE: Final = 18.0
"""Longitude between UTM zones 33 and 34, in degrees."""

MARGIN: Final = 40
"""Ground that is made around a scene for warped products and for what stands outside it, in pixels of 10 m."""

# (latitude, longitude, theme). The landscape's theme suits the real place's climate; nothing else is taken from there.
# Three places lie on the zone border. The first is the one that floods.
_SITES: Final = (
    (47.93, 17.21, "farmland"),
    (-33.12, 18.87, "coast"),
    (52.31, 18.006, "woodland"),
    (-17.46, 15.23, "savanna"),
    (54.37, 21.04, "lakeland"),
    (26.33, 14.22, "dryland"),
    (50.12, 14.52, "city"),
    (-19.64, 22.41, "wetland"),
    (46.57, 13.42, "mountain"),
    (45.38, 19.77, "farmland"),
    (1.42, 17.991, "wetland"),
    (40.91, 16.58, "coast"),
    (-8.88, 13.34, "city"),
    (42.69, 23.24, "city"),
    (-4.37, 15.38, "woodland"),
    (38.23, 22.02, "mountain"),
    (58.41, 15.12, "lakeland"),
    (-28.43, 20.81, "dryland"),
    (12.88, 14.92, "wetland"),
    (8.62, 20.24, "savanna"),
    (-29.92, 18.004, "dryland"),
    (32.61, 13.23, "coast"),
    (48.71, 20.92, "mountain"),
    (-12.83, 16.04, "farmland"),
)
_REPEAT_DEGREES: Final = 1.06  # later rounds of the table lie this much closer to the equator: another 0.5 degree block
_SLOTS: Final = (1, 2, 0, 3)  # the first two dates stand on both sides of the day on which the offset came


@dataclass(frozen=True)
class Place:
    """One square of synthetic ground and its grid.

    Attributes:
        number: Number of the place in the sandbox, from 0.
        theme: Kind of landscape.
        lon: Longitude of the centre, in degrees.
        lat: Latitude of the centre, in degrees.
        epsg: EPSG code of the place's UTM zone.
        west: Easting of the scene's left edge, in metres.
        north: Northing of the scene's upper edge, in metres.
        size: Edge length of the scene, in pixels of 10 m.
        seed: Seed of the sandbox.
    """

    number: int
    theme: str
    lon: float
    lat: float
    epsg: int
    west: float
    north: float
    size: int
    seed: int

    @property
    def name(self) -> str:
        """Short name of the place, such as ``P07``."""
        return f"P{self.number:02d}"

    @property
    def on_border(self) -> bool:
        """Whether the scene straddles the border of the two zones."""
        return abs(self.lon - BORDER_LONGITUDE) < 0.02

    @property
    def other_epsg(self) -> int:
        """EPSG code of the neighbouring zone across the border."""
        return self.epsg + 1 if self.epsg % 100 == 33 else self.epsg - 1

    @property
    def ground_size(self) -> int:
        """Edge length of the ground made for this place, scene and margins, in pixels."""
        return self.size + 2 * MARGIN

    def transform(self, gsd: float = 10.0, margin: int = 0) -> tuple[float, float, float, float, float, float]:
        """Return the affine coefficients a to f of a grid over the scene grown by ``margin`` pixels of 10 m."""
        return (gsd, 0.0, self.west - margin * 10.0, 0.0, -gsd, self.north + margin * 10.0)


def make_place(number: int, size: int, seed: int) -> Place:
    """Return the place of this number.

    Args:
        number: Number of the place, from 0.
        size: Edge length of its scenes, in pixels of 10 m.
        seed: Seed of the sandbox.

    Returns:
        The place; its grid is a multiple of 60 m, as grids of Sentinel-2 are.
    """
    lat, lon, theme = _SITES[number % len(_SITES)]
    lat -= (number // len(_SITES)) * _REPEAT_DEGREES * (1 if lat > 0 else -1)
    zone = 33 if lon < BORDER_LONGITUDE else 34
    epsg = (32600 if lat >= 0 else 32700) + zone
    east, north = Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, lat)
    west = round((east - size * 5) / 60) * 60.0
    top = round((north + size * 5) / 60) * 60.0
    return Place(number, theme, lon, lat, epsg, west, top, size, seed)


@dataclass(frozen=True)
class Visit:
    """One pair of acquisitions.

    Attributes:
        optical: Time of the Sentinel-2 acquisition, in UTC.
        radar: Time of the Sentinel-1 acquisition, in UTC, at most six days away.
        ascending: Whether the radar's orbit goes north.
        flood: Whether the river is out of its bed.
    """

    optical: datetime
    radar: datetime
    ascending: bool
    flood: bool = False


def visits(place: Place, dates: int) -> list[Visit]:
    """Return the acquisitions of one place.

    Args:
        place: The place.
        dates: Number of Sentinel-2 acquisitions; the first place gets one more, its flood.

    Returns:
        Visits in order of time. A visit does not depend on ``dates``.
    """
    result = []
    for number in range(dates):
        rng = np.random.default_rng([place.seed, place.number, 10, number])
        turn, slot = divmod(number, len(_SLOTS))
        # Slots lie 0.83 years apart and half a year wide: seasons differ from one to the next.
        year = 2020.42 + 0.83 * _SLOTS[slot] + 0.5 * float(rng.random()) + 0.21 * turn
        day = datetime(int(year), 1, 1, tzinfo=UTC) + timedelta(days=int((year % 1) * 365))
        if slot == 0 and place.number % 6 == 4:
            # Around New Year the day of the year jumps: every sixth place is seen then.
            day = datetime(2021, 12, 29, tzinfo=UTC) + timedelta(days=int(rng.integers(0, 6)), weeks=turn * 52)
        # Orbits take turns: every place is seen from both sides.
        result.append(_visit(place, day, rng, ascending=(place.number + number) % 2 == 0))
    if place.number == 0:
        rng = np.random.default_rng([place.seed, place.number, 11])
        day = datetime(2022, 6, 2, tzinfo=UTC) + timedelta(days=int(rng.integers(0, 20)))
        result.append(_visit(place, day, rng, ascending=False, flood=True))
    return sorted(result, key=lambda visit: visit.optical)


def _visit(place: Place, day: datetime, rng: np.random.Generator, *, ascending: bool, flood: bool = False) -> Visit:
    """Give a day its hours: Sentinel-2 near 10:45 local solar time, Sentinel-1 near 06:00 or 18:00."""
    noon = day + timedelta(hours=12 - place.lon / 15)
    optical = noon - timedelta(minutes=75 - place.lat / 4) + timedelta(seconds=float(rng.normal(0, 240)))
    off = int(rng.integers(-1, 3)) if flood else int(rng.integers(-5, 6))
    radar = noon + timedelta(days=off, hours=5.9 if ascending else -6.1) + timedelta(seconds=float(rng.normal(0, 240)))
    return Visit(optical.replace(microsecond=24000), radar.replace(microsecond=0), ascending, flood)

"""The places of a sandbox, their landscapes, and when satellites pass: along the border of UTM zones 33 and 34."""

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


@dataclass(frozen=True)
class Theme:
    """One kind of landscape; heights are in metres, lengths in pixels of 10 m."""

    relief: float  # standard deviation of the elevation
    base: float  # lowest elevation
    ridges: float = 0.3  # share of ridged terrain in the relief, 0 to 1
    river: float = 6.0  # width of the main river
    meander: float = 1.0  # swing of the river in radians; 0.3 is nearly straight, 1.5 doubles back
    streams: float = 0.006  # share of the ground that drains through a stream's head: the larger, the fewer streams
    lakes: float = 0.0  # share of the ground under lakes
    sea: bool = False  # whether a coast crosses the place
    braids: float = 0.0  # amount of braided channels in the floodplain, 0 to 1
    # Weights of the land cover's classes:
    tree: float = 0.0
    shrub: float = -0.4
    grass: float = 0.0
    crop: float = 0.0
    bare: float = -0.8
    wetland: float = -0.4
    patch: float = 115.0  # wavelength of the land cover's pattern
    towns: int = 5  # towns and villages
    town: float = 40.0  # radius of the largest town
    parcel: float = 11.0  # width of a field
    pivots: int = 0  # circular irrigated fields
    dunes: float = 0.0  # height of dunes on bare ground


# fmt: off
_THEMES: Final[dict[str, Theme]] = {
    "farmland": Theme(20, 110, river=10, meander=1.45, crop=0.95, tree=0.1, grass=0.1, wetland=-0.15, towns=6, town=36,
                      parcel=12),
    "woodland": Theme(45, 160, river=6, lakes=0.05, tree=0.8, crop=0.5, grass=0.15, shrub=0.1, towns=4, town=24,
                      parcel=9),
    "city": Theme(30, 190, river=10, meander=0.7, lakes=0.02, tree=0.15, crop=0.7, grass=0.25, towns=5, town=125,
                  parcel=10),
    "coast": Theme(55, 0, river=4, sea=True, shrub=0.35, crop=0.7, bare=0.05, wetland=-0.1, towns=5, town=55, parcel=8),
    "mountain": Theme(300, 600, ridges=0.35, river=4, meander=0.6, streams=0.008, lakes=0.01, tree=0.65, grass=0.35,
                      crop=0.55, bare=0.0, shrub=-0.05, town=26),
    "lakeland": Theme(16, 90, ridges=0.1, river=3, lakes=0.17, tree=0.5, wetland=0.3, crop=0.6, grass=0.1, town=30,
                      parcel=8),
    "wetland": Theme(5, 320, ridges=0.1, river=9, meander=1.5, lakes=0.06, braids=1.0, wetland=0.7, grass=0.3,
                     crop=0.45, bare=-0.3, towns=4, town=22),
    "dryland": Theme(45, 380, ridges=0.4, river=3, meander=0.9, streams=0.012, tree=-0.75, shrub=0.4, grass=0.05,
                     crop=0.25, bare=0.6, towns=4, town=34, pivots=14, dunes=24, parcel=9),
    "savanna": Theme(35, 700, river=5, tree=0.2, shrub=0.4, grass=0.5, crop=0.45, bare=0.0, wetland=0.0, towns=6,
                     town=24, parcel=6),
}
# fmt: on

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
class Grid:
    """Where the pixels of a file lie."""

    epsg: int
    transform: tuple[float, float, float, float, float, float]  # affine coefficients a to f
    shape: tuple[int, int]  # rows and columns

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north, in units of the reference system."""
        a, _, c, _, e, f = self.transform
        return c, f + e * self.shape[0], c + a * self.shape[1], f


@dataclass(frozen=True)
class Place:
    """One square of synthetic ground and its grid, a multiple of 60 m as grids of Sentinel-2 are."""

    number: int  # from 0
    theme: Theme
    lon: float  # of the centre, in degrees
    lat: float
    epsg: int  # UTM zone
    west: float  # easting of the scene's left edge, in metres
    north: float  # northing of its upper edge, in metres
    size: int  # edge length of the scene, in pixels of 10 m
    seed: int  # of the sandbox

    @property
    def name(self) -> str:
        """Short name of the place, such as ``P07``."""
        return f"P{self.number:02d}"

    @property
    def on_border(self) -> bool:
        """Whether the scene straddles the border of the two zones."""
        return abs(self.lon - BORDER_LONGITUDE) < 0.02

    @property
    def ground_size(self) -> int:
        """Edge length of the ground made for this place, scene and margins, in pixels."""
        return self.size + 2 * MARGIN

    def grid(self, gsd: float = 10.0, margin: int = 0) -> Grid:
        """Return the grid over the scene grown by ``margin`` pixels of 10 m."""
        edge = int((self.size + 2 * margin) * 10 // gsd)
        corner = self.west - margin * 10.0, self.north + margin * 10.0
        return Grid(self.epsg, (gsd, 0.0, corner[0], 0.0, -gsd, corner[1]), (edge, edge))

    def rng(self, purpose: int, *which: int) -> np.random.Generator:
        """Return the random numbers of one purpose.

        Purposes in use: 1 ground; 2, 3, 4, 5, 6, 12 colours and cover; 7 Sentinel-2; 8, 9, 14 Sentinel-1;
        10, 11 visits; 13 Landsat.
        """
        return np.random.default_rng([self.seed, self.number, purpose, *which])


def make_place(number: int, size: int, seed: int) -> Place:
    """Return the place of this number, whose scenes are ``size`` pixels of 10 m wide."""
    lat, lon, theme = _SITES[number % len(_SITES)]
    lat -= (number // len(_SITES)) * _REPEAT_DEGREES * (1 if lat > 0 else -1)
    zone = 33 if lon < BORDER_LONGITUDE else 34
    epsg = (32600 if lat >= 0 else 32700) + zone
    east, north = Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, lat)
    west = round((east - size * 5) / 60) * 60.0
    top = round((north + size * 5) / 60) * 60.0
    return Place(number, _THEMES[theme], lon, lat, epsg, west, top, size, seed)


@dataclass(frozen=True)
class Visit:
    """One pair of acquisitions, at most six days apart; times are in UTC."""

    optical: datetime  # when Sentinel-2 passes
    radar: datetime  # when Sentinel-1 passes
    ascending: bool  # whether the radar's orbit goes north
    flood: bool = False  # whether the river is out of its bed


def visits(place: Place, dates: int) -> list[Visit]:
    """Return this many visits in order of time; the first place gets one more, its flood.

    A visit does not depend on ``dates``.
    """
    result = []
    for number in range(dates):
        rng = place.rng(10, number)
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
        rng = place.rng(11)
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


def day_of_year(moment: datetime) -> float:
    """Return the day of the year, 0 on 1 January at midnight."""
    return (moment - moment.replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0)).total_seconds() / 86400

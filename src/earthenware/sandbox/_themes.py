"""Kinds of landscape: how high the relief is and how much of each land cover a place holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Theme:
    """One kind of landscape.

    Attributes:
        relief: Standard deviation of the elevation, in metres.
        base: Lowest elevation, in metres.
        ridges: Share of ridged terrain in the relief, 0 to 1.
        river: Width of the main river, in pixels; 0 for none.
        meander: Swing of the river, in radians; 0.3 is nearly straight, 1.5 doubles back.
        streams: Share of the ground that drains through the head of a stream: the larger, the fewer streams.
        lakes: Share of the ground under lakes.
        sea: Whether a coast crosses the place.
        braids: Amount of braided channels in the floodplain, 0 to 1.
        tree: Weight of woods.
        shrub: Weight of shrubs.
        grass: Weight of grass.
        crop: Weight of fields.
        bare: Weight of bare ground.
        wetland: Weight of marsh.
        patch: Wavelength of the land cover's pattern, in pixels.
        towns: Number of towns and villages.
        town: Radius of the largest town, in pixels.
        parcel: Width of a field, in pixels.
        pivots: Number of circular irrigated fields.
        dunes: Height of dunes on bare ground, in metres.
    """

    relief: float
    base: float
    ridges: float = 0.3
    river: float = 6.0
    meander: float = 1.0
    streams: float = 0.006
    lakes: float = 0.0
    sea: bool = False
    braids: float = 0.0
    tree: float = 0.0
    shrub: float = -0.4
    grass: float = 0.0
    crop: float = 0.0
    bare: float = -0.8
    wetland: float = -0.4
    patch: float = 115.0
    towns: int = 5
    town: float = 40.0
    parcel: float = 11.0
    pivots: int = 0
    dunes: float = 0.0


# fmt: off
THEMES: Final[dict[str, Theme]] = {
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

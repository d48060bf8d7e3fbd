"""Copernicus DEM GLO-30: the height of the surface."""

from __future__ import annotations

from typing import Final

from earthenware.sensors._sensor import Band, Collection, Sensor

_GLO_30: Final = Collection(
    "cop-dem-glo-30",
    {"dem": ("data", "elevation")},
    "Copernicus DEM GLO-30 licence (free; attribution to DLR, Airbus and ESA)",
)

SENSOR: Final = Sensor(
    id="cop-dem-glo-30",
    title="Copernicus DEM GLO-30",
    kind="elevation",
    role="secondary",
    bands=(Band("dem", "", None, 30, (-500.0, 9000.0)),),
    gsd_m=30,
    scale=0.5,
    unit="m",
    resampling="bilinear",
    groups={"dem": ("dem",)},
    collections=dict.fromkeys(("planetary-computer", "earth-search-v1", "generic"), (_GLO_30,)),
)
"""Height of the surface above the EGM2008 geoid in metres."""

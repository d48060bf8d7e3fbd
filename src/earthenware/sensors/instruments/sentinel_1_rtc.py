"""Sentinel-1, radiometrically terrain-corrected: gamma0 in two polarisations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from earthenware.sensors._encoding import db_from_linear
from earthenware.sensors._sensor import Band, Collection, Item, Sensor
from earthenware.sensors.instruments._licences import SENTINEL
from earthenware.sensors.instruments._sentinel_1 import C_BAND_NM, WINDOW_DAYS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_ANY: Final = (-60.0, 30.0)
_ASSETS: Final = {"vv": ("vv", "gamma0_vv"), "vh": ("vh", "gamma0_vh")}
_CATALYST: Final = "CC-BY-4.0 (Catalyst), of Copernicus Sentinel data"


def _decibels(numbers: npt.NDArray[Any], item: Item) -> npt.NDArray[np.float32]:
    return db_from_linear(numbers)


SENSOR: Final = Sensor(
    id="sentinel-1-rtc",
    title="Sentinel-1 RTC",
    kind="radar",
    role="secondary",
    bands=(Band("vv", "", C_BAND_NM, 10, _ANY), Band("vh", "", C_BAND_NM, 10, _ANY)),
    gsd_m=10,
    scale=0.01,
    unit="gamma0 dB",
    resampling="bilinear",
    measured="positive",  # linear power is larger than 0
    physical=_decibels,
    window_days=WINDOW_DAYS,
    groups={"sar": ("vv", "vh")},
    collections={
        "planetary-computer": (Collection("sentinel-1-rtc", _ASSETS, _CATALYST),),
        "generic": (
            Collection("sentinel-1-rtc", _ASSETS, _CATALYST),
            Collection("sentinel1-rtc-aws", _ASSETS, SENTINEL),
        ),
    },
)
"""Terrain-corrected gamma0 in dB; the order is vv, vh."""

"""Sentinel-1, radiometrically terrain-corrected: gamma0 in two polarisations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from earthenware.sensors._sensor import Band, Collection, Item, Sensor
from earthenware.sensors.instruments._sentinel import C_BAND_NM, LICENCE, WINDOW_DAYS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_ANY: Final = (-60.0, 30.0)
_ASSETS: Final = {"vv": ("vv", "gamma0_vv"), "vh": ("vh", "gamma0_vh")}
_SMALLEST_POWER: Final = 1e-10  # -100 dB: below this, power is noise of the processor, not backscatter
_CATALYST: Final = "CC-BY-4.0 (Catalyst), of Copernicus Sentinel data"


def _decibels(numbers: npt.NDArray[Any], item: Item) -> npt.NDArray[np.float32]:
    """Turn linear power into decibels; zero and negative power mean "no measurement" in these products."""
    import numpy as np

    linear = np.asarray(numbers, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        measured = np.isfinite(linear) & (linear > 0)
    decibels = 10.0 * np.log10(np.where(measured, np.maximum(linear, _SMALLEST_POWER), 1.0))
    return np.where(measured, decibels, np.nan).astype(np.float32)


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
            Collection("sentinel1-rtc-aws", _ASSETS, LICENCE),
        ),
    },
)
"""Terrain-corrected gamma0 in dB; the order is vv, vh."""

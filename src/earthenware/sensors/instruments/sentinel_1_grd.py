"""Sentinel-1 Level-1 GRD of the interferometric wide swath: uncalibrated amplitude in two polarisations.

The numbers of a GRD product are amplitudes (DN) in ground-range geometry. They become sigma0 only through a look-up
table in the product's annotation, and gamma0 of flat ground only with a terrain model. Neither is done here: a value is
20 * log10(DN), which is sigma0 in dB plus a quantity that drifts by about 1 dB across the swath, and slopes facing the
satellite stay bright and displaced. The files carry ground control points in degrees instead of a transform, at the
height of the terrain around each; warping by them places flat ground to a pixel or two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from earthenware.sensors._sensor import Band, Collection, Item, Sensor
from earthenware.sensors.instruments._sentinel import C_BAND_NM, LICENCE, WINDOW_DAYS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_ANY: Final = (0.0, 97.0)  # DN of 1 to 65535
_ASSETS: Final = {"vv": ("vv",), "vh": ("vh",)}
_GRD: Final = Collection("sentinel-1-grd", _ASSETS, LICENCE)


def _decibels(numbers: npt.NDArray[Any], item: Item) -> npt.NDArray[np.float32]:
    import numpy as np

    # Interpolated amplitudes lie between measured ones, which begin at 1.
    return np.float32(20) * np.log10(np.asarray(numbers, dtype=np.float32))


SENSOR: Final = Sensor(
    id="sentinel-1-grd",
    title="Sentinel-1 GRD (uncalibrated)",
    kind="radar",
    role="secondary",
    bands=(Band("vv", "", C_BAND_NM, 10, _ANY), Band("vh", "", C_BAND_NM, 10, _ANY)),
    gsd_m=10,
    scale=0.01,
    unit="uncalibrated amplitude dB",
    resampling="bilinear",
    measured="positive",
    physical=_decibels,
    window_days=WINDOW_DAYS,
    groups={"sar_grd": ("vv", "vh")},
    collections={
        "planetary-computer": (_GRD,),
        "earth-search-v1": (_GRD,),
        "generic": (_GRD, Collection("sentinel1-grd", _ASSETS, LICENCE)),
    },
    # The other modes image ice and sea, mostly in HH and HV.
    only={"sar:instrument_mode": ("IW",)},
)
"""Amplitude in dB, 20 * log10(DN): comparable within a scene, not a physical backscatter; the order is vv, vh."""

"""The sensors: their bands, wavelengths, resolutions and the units in which chips store them.

Central wavelengths of Sentinel-2 are the means of the S2A and S2B values of ESA's "Sentinel-2 Spectral Response
Functions" (COPE-GSEG-EOPG-TN-15-0007, version 3.0), rounded to 0.1 nm. Sentinel-1's is that of its 5.405 GHz carrier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from earthenware.errors import EarthenwareError
from earthenware.sensors import _encoding

Kind = Literal["optical", "radar", "elevation", "label"]
Resampling = Literal["nearest", "bilinear"]

_C_BAND_NM: Final = 299_792_458.0 / 5.405e9 * 1e9


@dataclass(frozen=True)
class Band:
    """One band of a sensor.

    Attributes:
        name: The name the mission gives it, such as ``B04`` or ``vv``.
        common_name: STAC's common name, such as ``red``; empty where there is none.
        wavelength_nm: Central wavelength in nm; None where the band measures no radiation.
        gsd_m: Native ground sampling distance in metres.
    """

    name: str
    common_name: str
    wavelength_nm: float | None
    gsd_m: float


@dataclass(frozen=True)
class Sensor:
    """What a sensor measures and how chips store it: value = stored * scale + offset.

    Attributes:
        id: The STAC collection id that the project uses for it everywhere.
        kind: What it measures.
        bands: Its bands, in the order of the band axis of every array.
        gsd_m: Ground sampling distance of its finest band in metres.
        scale: Physical units per stored int16 step.
        offset: Physical value of the stored 0.
        unit: Physical unit of a decoded value.
        resampling: How its pixels are brought onto the grid of a datacube.
    """

    id: str
    kind: Kind
    bands: tuple[Band, ...]
    gsd_m: float
    scale: float
    offset: float
    unit: str
    resampling: Resampling

    @property
    def band_names(self) -> tuple[str, ...]:
        """Names of the bands, in order."""
        return tuple(band.name for band in self.bands)

    @property
    def wavelengths_nm(self) -> tuple[float | None, ...]:
        """Central wavelengths in nm, in band order."""
        return tuple(band.wavelength_nm for band in self.bands)

    def band(self, name: str) -> Band:
        """Return the band of this name.

        Raises:
            EarthenwareError: ``UNKNOWN_BAND``; this sensor has no such band.
        """
        for band in self.bands:
            if band.name == name:
                return band
        raise EarthenwareError(
            "UNKNOWN_BAND", f"Sensor {self.id} has no band {name!r}.", f"Its bands are {', '.join(self.band_names)}."
        )

    def encode(self, values: npt.ArrayLike) -> npt.NDArray[np.int16]:
        """Turn physical values `[..., y, x]` (NaN where there are none) into stored int16."""
        return _encoding.encode(values, self.scale, self.offset)

    def decode(self, stored: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Turn stored int16 `[..., y, x]` into physical float32 with NaN for nodata."""
        return _encoding.decode(stored, self.scale, self.offset)


S2: Final = Sensor(
    id="sentinel-2-l2a",
    kind="optical",
    bands=(
        Band("B02", "blue", 492.3, 10),
        Band("B03", "green", 559.4, 10),
        Band("B04", "red", 664.8, 10),
        Band("B05", "rededge071", 704.0, 20),
        Band("B06", "rededge075", 739.8, 20),
        Band("B07", "rededge078", 781.3, 20),
        Band("B08", "nir", 832.9, 10),
        Band("B8A", "nir08", 864.4, 20),
        Band("B11", "swir16", 1612.1, 20),
        Band("B12", "swir22", 2194.1, 20),
    ),
    gsd_m=10,
    scale=1.0,
    offset=0.0,
    unit="reflectance * 10000",
    resampling="bilinear",
)
"""Surface reflectance times 10000, the +1000 offset of newer products removed; small negative values are kept."""

S1: Final = Sensor(
    id="sentinel-1-rtc",
    kind="radar",
    bands=(Band("vv", "", _C_BAND_NM, 10), Band("vh", "", _C_BAND_NM, 10)),
    gsd_m=10,
    scale=0.01,
    offset=0.0,
    unit="gamma0 dB",
    resampling="bilinear",
)
"""Terrain-corrected gamma0 in dB; the order is vv, vh."""

DEM: Final = Sensor(
    id="cop-dem-glo-30",
    kind="elevation",
    bands=(Band("dem", "", None, 30),),
    gsd_m=30,
    scale=0.5,
    offset=0.0,
    unit="m",
    resampling="bilinear",
)
"""Height of the surface above the EGM2008 geoid in metres."""

LAND_COVER: Final = Sensor(
    id="land-cover",
    kind="label",
    bands=(Band("class", "", None, 10),),
    gsd_m=10,
    scale=1.0,
    offset=0.0,
    unit="ESA WorldCover class",
    resampling="nearest",
)
"""Land cover in the codes of ESA WorldCover, from whichever map the catalog has."""

SENSORS: Final[Mapping[str, Sensor]] = MappingProxyType({one.id: one for one in (S2, S1, DEM, LAND_COVER)})
"""Every sensor by its id."""

PRETRAIN_SENSORS: Final = (S2.id, S1.id, DEM.id)
"""The sensors whose bands, concatenated in this order, are a model's 13 input channels."""

BAND_GROUPS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "rgb": ("B04", "B03", "B02"),
        "rededge": ("B05", "B06", "B07", "B8A"),
        "nir": ("B08",),
        "swir": ("B11", "B12"),
        "sar": ("vv", "vh"),
        "dem": ("dem",),
    }
)
"""Bands that a model embeds together, by group name."""


def sensor(sensor_id: str) -> Sensor:
    """Return the sensor of this id.

    Raises:
        EarthenwareError: ``UNKNOWN_SENSOR``; there is no such sensor.
    """
    try:
        return SENSORS[sensor_id]
    except KeyError:
        raise EarthenwareError(
            "UNKNOWN_SENSOR", f"There is no sensor {sensor_id!r}.", f"Sensors: {', '.join(SENSORS)}."
        ) from None

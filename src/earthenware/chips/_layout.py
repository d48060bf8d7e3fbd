"""How one sensor's pixels are stored; kept inside the store, so that a reader needs no table of sensors."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from earthenware import sensors
from earthenware.sensors import NODATA


class SensorLayout(BaseModel):
    """The stored form of one sensor: physical value = stored * scale + offset.

    Attributes:
        id: The sensor's id, which is its STAC collection id.
        bands: Band names in stored order.
        kind: "optical", "radar", "elevation" or "label".
        scale: Physical units per stored unit.
        offset: Physical value of a stored 0.
        nodata: Stored value that means no measurement.
        dtype: NumPy name of the stored type.
        wavelengths_nm: Centre wavelength of each band in nanometres; None where a band has none.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    bands: tuple[str, ...]
    kind: str
    scale: float
    offset: float
    nodata: Literal[-32768] = NODATA
    dtype: Literal["int16"] = "int16"
    wavelengths_nm: tuple[float | None, ...] = ()

    @classmethod
    def of(cls, sensor_id: str) -> SensorLayout:
        """Return the layout of a sensor of the sensor table.

        Raises:
            EarthenwareError: ``UNKNOWN_SENSOR``.
        """
        sensor = sensors.sensor(sensor_id)
        return cls(
            id=sensor.id,
            bands=tuple(band.name for band in sensor.bands),
            kind=sensor.kind,
            scale=sensor.scale,
            offset=sensor.offset,
            wavelengths_nm=tuple(band.wavelength_nm for band in sensor.bands),
        )

    def decode(self, stored: NDArray[np.int16]) -> NDArray[np.float32]:
        """Turn stored pixels (any shape) into physical units, NaN where there is no measurement."""
        return sensors.decode(stored, self.scale, self.offset)

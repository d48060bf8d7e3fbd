"""How one sensor's pixels are stored; kept inside the store, so that a reader needs no table of sensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earthenware import sensors

NODATA = -32768
"""The stored value of a pixel without a measurement."""


@dataclass(frozen=True)
class SensorLayout:
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

    id: str
    bands: tuple[str, ...]
    kind: str
    scale: float
    offset: float = 0.0
    nodata: int = NODATA
    dtype: str = "int16"
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

    @classmethod
    def from_json(cls, sensor_id: str, value: Mapping[str, Any]) -> SensorLayout:
        """Rebuild a layout from ``store.json``."""
        return cls(
            id=sensor_id,
            bands=tuple(value["bands"]),
            kind=value["kind"],
            scale=float(value["scale"]),
            offset=float(value["offset"]),
            nodata=int(value["nodata"]),
            dtype=value["dtype"],
            wavelengths_nm=tuple(value.get("wavelengths_nm", ())),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the mapping that ``store.json`` holds."""
        value = asdict(self)
        del value["id"]
        return {**value, "bands": list(self.bands), "wavelengths_nm": list(self.wavelengths_nm)}

    def decode(self, stored: NDArray[np.int16]) -> NDArray[np.float32]:
        """Turn stored pixels (any shape) into physical units, NaN where there is no measurement."""
        values = stored.astype(np.float32)
        if self.scale != 1.0:
            values *= np.float32(self.scale)
        if self.offset != 0.0:
            values += np.float32(self.offset)
        values[stored == self.nodata] = np.nan
        return values


def layouts_of(document: Mapping[str, Any]) -> dict[str, SensorLayout]:
    """Return a store's layouts by sensor id, in the store's order (JSON writers sort keys)."""
    stated = sorted(document["sensors"].items(), key=lambda pair: pair[1]["position"])
    return {sensor: SensorLayout.from_json(sensor, value) for sensor, value in stated}

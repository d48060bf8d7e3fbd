"""What a model reads, said before there is a chip: names and sizes, without an array."""

from __future__ import annotations

from collections.abc import Iterable

from earthenware.models import ModelInput, SensorInput
from earthenware.sensors import sensor


def read_sensors(asked: Iterable[str], there: Iterable[str]) -> tuple[str, ...]:
    """Return the sensors that a model reads: those asked for, or else all that chips have, except labels.

    Raises:
        EarthenwareError: ``UNKNOWN_SENSOR``.
    """
    return tuple(asked) or tuple(name for name in there if sensor(name).role != "label")


def model_input(sensors: Iterable[str], chip_size: int, gsd: float) -> ModelInput:
    """Return the input of a model that reads all bands of these sensors, with the groups of the sensors' entries.

    Raises:
        EarthenwareError: ``UNKNOWN_SENSOR``.
    """
    return ModelInput(
        sensors=tuple(
            SensorInput(
                sensor=one.id,
                unit=one.unit,
                bands=one.band_names,
                # To 0.1 nm, as instruments are described: further digits of radar's would turn its encoding.
                wavelengths_nm=tuple(
                    None if band.wavelength_nm is None else round(band.wavelength_nm, 1) for band in one.bands
                ),
                groups=dict(one.groups),
            )
            for one in map(sensor, sensors)
        ),
        chip_size=chip_size,
        gsd=gsd,
    )

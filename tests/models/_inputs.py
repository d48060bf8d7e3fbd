"""The inputs that tests give to models."""

from __future__ import annotations

from earthenware.inference import model_input
from earthenware.models import ModelInput, SensorInput

CUBE = ("sentinel-2-l2a", "sentinel-1-rtc", "cop-dem-glo-30")


def cube(size: int = 16, gsd: float = 10.0) -> ModelInput:
    """Return the 13 bands of the demo's chips, with the names, wavelengths and groups of the sensors' entries."""
    return model_input(CUBE, size, gsd)


def grouped(groups: dict[str, tuple[str, ...]], bands: tuple[str, ...], size: int = 16) -> ModelInput:
    """Return an input of one sensor without wavelengths."""
    return ModelInput((SensorInput("sensor", "1", bands, (None,) * len(bands), groups),), size, 10.0)

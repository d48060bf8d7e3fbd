"""What a model reads: the sensors, bands and band groups of its input, by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite


@dataclass(frozen=True)
class SensorInput:
    """What a model reads of one sensor.

    Attributes:
        sensor: Id of the sensor.
        unit: Physical unit of its values, before they are normalised.
        bands: Names of its bands, in the order of the input's band axis.
        wavelengths_nm: Centre wavelength of each band in nanometres; None for what is no radiation (elevation).
        groups: Name -> names of the bands that belong together, in the order in which a model sees them; empty for one
            group of all bands.

    Raises:
        ValueError: If the groups do not hold every band exactly once, or a wavelength is missing or no wavelength.
    """

    sensor: str
    unit: str
    bands: tuple[str, ...]
    wavelengths_nm: tuple[float | None, ...]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.bands or len(self.wavelengths_nm) != len(self.bands):
            raise ValueError(f"{self.sensor} must have bands, and a wavelength or None for each.")
        if not all(nm is None or (isfinite(nm) and nm > 0.0) for nm in self.wavelengths_nm):
            raise ValueError(f"{self.sensor} must give positive wavelengths in nanometres.")
        grouped = [band for bands in self.groups.values() for band in bands]
        if self.groups and (sorted(grouped) != sorted(self.bands) or not all(self.groups.values())):
            raise ValueError(f"The groups of {self.sensor} must hold every band exactly once, got {grouped}.")


@dataclass(frozen=True)
class BandGroup:
    """Bands of an input that belong together.

    Attributes:
        name: Name of the group, unique in an input.
        bands: Positions of its bands on the input's band axis, in the order in which a model sees them.
        wavelengths_nm: Centre wavelengths of those that measure radiation, in nanometres.
    """

    name: str
    bands: tuple[int, ...]
    wavelengths_nm: tuple[float, ...]


@dataclass(frozen=True)
class ModelInput:
    """The chips that a model is made for.

    Attributes:
        sensors: What it reads of each sensor; all their bands in this order are the input's band axis.
        chip_size: Side of a chip in pixels.
        gsd: Ground sampling distance of the pixels in metres.

    Raises:
        ValueError: If there is no sensor, one comes twice, or a number is not positive.
    """

    sensors: tuple[SensorInput, ...]
    chip_size: int
    gsd: float

    def __post_init__(self) -> None:
        names = [one.sensor for one in self.sensors]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"A model must read at least one sensor, each once, got {names}.")
        if self.chip_size < 1 or not (isfinite(self.gsd) and self.gsd > 0.0):
            raise ValueError(f"A model must read chips of a size and a GSD, got {self.chip_size} and {self.gsd}.")

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of all bands, in the order of the band axis."""
        return tuple(band for one in self.sensors for band in one.bands)

    @cached_property
    def groups(self) -> tuple[BandGroup, ...]:
        """The band groups of all sensors; a name that two sensors use is told apart by the sensor's id."""
        named = [one.groups or {one.sensor: one.bands} for one in self.sensors]
        often = Counter(name for groups in named for name in groups)
        found, first = [], 0
        for one, groups in zip(self.sensors, named, strict=True):
            for name, bands in groups.items():
                places = [one.bands.index(band) for band in bands]
                known = (one.wavelengths_nm[place] for place in places)
                unique = name if often[name] == 1 else f"{one.sensor} {name}"
                wavelengths = tuple(nm for nm in known if nm is not None)
                found.append(BandGroup(unique, tuple(first + place for place in places), wavelengths))
            first += len(one.bands)
        return tuple(found)

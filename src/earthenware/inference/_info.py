"""What a model is told of its input and says of its training, and the document that holds it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator

from earthenware.chips import BandStatistics, ChipStore
from earthenware.errors import EarthenwareError
from earthenware.inference._input import model_input, read_sensors
from earthenware.models import ModelInput
from earthenware.sensors import Mask, sensor

PACKAGE_FORMAT: Final = "earthenware-model"
PACKAGE_FORMAT_VERSION: Final = 2
WEIGHTS_FILE: Final = "model.safetensors"


def _flags(names: Any) -> Any:
    if isinstance(names, Mask):
        return names
    flags = Mask(0)
    for name in names:
        try:
            flags |= Mask[str(name).upper()]
        except KeyError:
            raise ValueError(f"there is no flag {name!r}") from None
    return flags


Flags = Annotated[
    Mask,
    BeforeValidator(_flags),
    PlainSerializer(lambda flags: [str(flag.name).lower() for flag in Mask if flag & flags], return_type=list[str]),
]
"""Mask flags, written as a list of their names."""

# JSON knows no number for "no value".
_Metric = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]


@dataclass(frozen=True)
class Normalization:
    """Statistics of all bands of the input, in its order.

    Attributes:
        mean: ``[band]`` float32 in physical units, 0 where unknown.
        std: ``[band]`` float32 in physical units, 1 where unknown or where a band is constant.
        known: ``[band]`` bool. A band without statistics was never seen in training: its pixels count as invalid.
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    known: NDArray[np.bool_]


class PackageInfo(BaseModel):
    """How chips become a model's input, and where the model comes from.

    Attributes:
        reads: The chips that the model is made for: sensors, bands and their groups, size, GSD.
        statistics: Sensor id -> band -> statistics; absent where unknown.
        ignore: Sensor id -> flags that make a pixel of the sensor invalid.
        training_digest: Digest of the chips that the model was trained on; empty for an untrained one.
        metrics: Name -> value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reads: ModelInput
    statistics: Mapping[str, Mapping[str, BandStatistics]]
    ignore: Mapping[str, Flags]
    training_digest: str = ""
    metrics: Mapping[str, _Metric] = Field(default_factory=dict)

    @classmethod
    def from_store(cls, store: ChipStore, sensors: Iterable[str] = ()) -> PackageInfo:
        """Describe the input of a model that will be trained on ``store``, with the statistics of its training split.

        Args:
            store: The chips.
            sensors: Sensors to read, in this order; one that the store lacks stays invalid everywhere, so that the
                model can be trained further on chips that have it. Empty: all that the store has, except labels.

        Raises:
            EarthenwareError: ``UNKNOWN_SENSOR``.
        """
        chosen = [sensor(name) for name in read_sensors(sensors, store.sensors)]
        return cls(
            reads=model_input([one.id for one in chosen], store.chip_size, store.gsd),
            statistics={one.id: store.statistics.get(one.id, {}) for one in chosen},
            ignore={one.id: one.ignore for one in chosen},
            training_digest=store.content_digest,
        )

    @property
    def sensors(self) -> dict[str, tuple[str, ...]]:
        """Sensor id -> names of its bands; all bands in this order are those of the input."""
        return {one.sensor: one.bands for one in self.reads.sensors}

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the input's bands, in order."""
        return self.reads.bands

    @property
    def normalization(self) -> Normalization:
        """The statistics as arrays."""
        found = [
            self.statistics.get(one.sensor, {}).get(band, BandStatistics())
            for one in self.reads.sensors
            for band in one.bands
        ]
        mean, std = (np.array([getattr(one, name) for one in found], np.float64) for name in ("mean", "std"))
        known = np.isfinite(mean) & np.isfinite(std)
        scale = np.where(known & (std > 1e-6), std, 1.0)
        return Normalization(np.where(known, mean, 0.0).astype(np.float32), scale.astype(np.float32), known)

    def require_bands_of(self, store: ChipStore) -> None:
        """Check that the store's sensors have the bands that the model reads.

        Raises:
            EarthenwareError: ``BANDS_DIFFER``.
        """
        for sensor_id, bands in self.sensors.items():
            there = store.sensors[sensor_id].bands if sensor_id in store.sensors else bands
            missing = [band for band in bands if band not in there]
            if missing:
                raise EarthenwareError(
                    "BANDS_DIFFER",
                    f"The chip store '{store.uri}' has no band {missing[0]} of {sensor_id}, which the model reads.",
                    f"Build chips with the bands {', '.join(bands)}.",
                )


class WeightsFile(BaseModel):
    """Name, size and digest of the file of the weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Literal["model.safetensors"] = WEIGHTS_FILE
    bytes: int
    sha256: str


class ModelDocument(PackageInfo):
    """What ``model.json`` holds.

    Attributes:
        code_version: Version of the family's code that the weights belong to.
        config: The family's configuration: with ``reads``, everything that decides the architecture.
        checksum: Digest of all else in the document.
    """

    format: Literal["earthenware-model"] = PACKAGE_FORMAT
    format_version: Literal[2] = PACKAGE_FORMAT_VERSION
    family: str
    code_version: int
    config: dict[str, bool | int | float | str]
    weights: WeightsFile
    checksum: str = ""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if set(self.ignore) != set(self.sensors):
            raise ValueError("ignore must name the sensors that the model reads")
        return self

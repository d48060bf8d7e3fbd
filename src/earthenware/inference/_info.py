"""What a model must be told of its input, and what it may say of its training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from earthenware.chips import ChipStore, Mask
from earthenware.errors import EarthenwareError
from earthenware.sensors import DEM, PRETRAIN_SENSORS, S1, S2, sensor

DEFAULT_IGNORE: Final[Mapping[str, Mask]] = {
    S2.id: Mask.NODATA | Mask.CLOUD | Mask.SHADOW | Mask.SATURATED,
    S1.id: Mask.NODATA,
    DEM.id: Mask.NODATA,
}
"""Flags that make a pixel invalid: clouds stop light, not radar, and no terrain model changes below them."""


@dataclass(frozen=True)
class Normalization:
    """Statistics of all bands of the cube, in its order.

    Attributes:
        mean: ``[band]`` float32 in physical units, 0 where unknown.
        std: ``[band]`` float32 in physical units, 1 where unknown or where a band is constant.
        known: ``[band]`` bool. A band without statistics was never seen in training: its pixels count as invalid.
    """

    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    known: NDArray[np.bool_]


@dataclass(frozen=True)
class PackageInfo:
    """How chips become a model's input, and where the model comes from.

    Attributes:
        sensors: Sensor id -> names of its bands; all bands in this order are the bands of the cube.
        statistics: Sensor id -> band -> ``mean`` and ``std`` in physical units; None or absent where unknown.
        ignore: Sensor id -> flags that make a pixel of the sensor invalid.
        chip_size: Edge of the training chips in pixels.
        gsd: Ground sampling distance of the training chips in metres.
        training_digest: Digest of the chips that the model was trained on; empty for an untrained one.
        metrics: Name -> value.
    """

    sensors: Mapping[str, tuple[str, ...]]
    statistics: Mapping[str, Mapping[str, Mapping[str, Any]]]
    ignore: Mapping[str, Mask]
    chip_size: int
    gsd: float
    training_digest: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_store(
        cls,
        store: ChipStore,
        *,
        sensor_ids: Iterable[str] = PRETRAIN_SENSORS,
        ignore: Mapping[str, Mask] | None = None,
    ) -> PackageInfo:
        """Describe the input of a model that will be trained on ``store``.

        Args:
            store: The chips, whose statistics are those of its training split.
            sensor_ids: Sensors whose bands make the cube; one that the store lacks stays invalid everywhere.
            ignore: Flags that make a pixel invalid, where they differ from ``DEFAULT_IGNORE``.

        Raises:
            EarthenwareError: ``UNKNOWN_SENSOR``.
        """
        chosen = {sensor_id: sensor(sensor_id) for sensor_id in sensor_ids}
        flags = {**DEFAULT_IGNORE, **(ignore or {})}
        return cls(
            sensors={sensor_id: one.band_names for sensor_id, one in chosen.items()},
            statistics={
                sensor_id: {
                    band: {name: found.get(band, {}).get(name) for name in ("mean", "std")} for band in one.band_names
                }
                for sensor_id, one in chosen.items()
                for found in (store.statistics.get(sensor_id, {}),)
            },
            ignore={sensor_id: flags.get(sensor_id, Mask.NODATA) for sensor_id in chosen},
            chip_size=store.chip_size,
            gsd=store.gsd,
            training_digest=store.content_digest,
        )

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the cube's bands, in order."""
        return tuple(band for bands in self.sensors.values() for band in bands)

    @cached_property
    def normalization(self) -> Normalization:
        """The statistics as arrays."""
        means, deviations, known = [], [], []
        for sensor_id, bands in self.sensors.items():
            for band in bands:
                found = self.statistics.get(sensor_id, {}).get(band, {})
                mean, std = (math.nan if found.get(name) is None else float(found[name]) for name in ("mean", "std"))
                known.append(math.isfinite(mean) and math.isfinite(std))
                means.append(mean if known[-1] else 0.0)
                deviations.append(std if known[-1] and std > 1e-6 else 1.0)
        return Normalization(
            mean=np.array(means, dtype=np.float32), std=np.array(deviations, dtype=np.float32), known=np.array(known)
        )

    def to_json(self) -> dict[str, Any]:
        """Return the mapping that ``model.json`` holds."""
        return {
            "sensors": {sensor_id: list(bands) for sensor_id, bands in self.sensors.items()},
            "statistics": {
                sensor_id: {
                    band: {name: values.get(name) for name in ("mean", "std")} for band, values in bands.items()
                }
                for sensor_id, bands in self.statistics.items()
            },
            "ignore": {
                sensor_id: [str(flag.name).lower() for flag in Mask if flag & flags]
                for sensor_id, flags in self.ignore.items()
            },
            "chip_size": self.chip_size,
            "gsd": self.gsd,
            "training_digest": self.training_digest,
            # JSON knows no number for "no value".
            "metrics": {name: value if math.isfinite(value) else None for name, value in self.metrics.items()},
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> PackageInfo:
        """Return what :meth:`to_json` wrote.

        Raises:
            KeyError: A field is missing or a flag is unknown.
            TypeError: A field has the wrong type.
            ValueError: A field has a wrong value.
        """
        ignore = {}
        for sensor_id, names in values["ignore"].items():
            ignore[sensor_id] = Mask(0)
            for name in names:
                ignore[sensor_id] |= Mask[str(name).upper()]
        return cls(
            sensors={str(sensor_id): tuple(map(str, bands)) for sensor_id, bands in values["sensors"].items()},
            statistics=values["statistics"],
            ignore=ignore,
            chip_size=int(values["chip_size"]),
            gsd=float(values["gsd"]),
            training_digest=str(values["training_digest"]),
            metrics={
                str(name): math.nan if value is None else float(value) for name, value in values["metrics"].items()
            },
        )

    def require_bands_of(self, store: ChipStore) -> None:
        """Check that the store's sensors have the bands that the model reads.

        Raises:
            EarthenwareError: ``BANDS_DIFFER``.
        """
        for sensor_id, bands in self.sensors.items():
            layout = store.sensors.get(sensor_id)
            missing = [band for band in bands if layout is not None and band not in layout.bands]
            if layout is not None and missing:
                raise EarthenwareError(
                    "BANDS_DIFFER",
                    f"The chip store '{store.uri}' has no band {missing[0]} of {sensor_id}, which the model reads.",
                    f"Build chips with the bands {', '.join(bands)}.",
                )

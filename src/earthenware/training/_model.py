"""Which model a spec and a chip store ask for, and how it reads chips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earthenware.chips import ChipStore
from earthenware.inference import PackageInfo, chips_to_batch
from earthenware.models import CubeBatch, MAEConfig
from earthenware.training._spec import TrainSpec


@dataclass(frozen=True)
class Description:
    """A model to train and its input.

    Attributes:
        config: The model.
        info: Its input.
        sensors: The sensors of the store that it reads.
    """

    config: MAEConfig
    info: PackageInfo
    sensors: tuple[str, ...]


def describe(store: ChipStore, spec: TrainSpec) -> Description:
    """Return the model that ``spec`` asks for on the chips of ``store``.

    A sensor that the store lacks stays an input that is invalid everywhere, so that the model can be trained further
    on chips that have it.
    """
    config = MAEConfig.from_preset(
        spec.preset,
        chip_size=store.chip_size,
        patch_size=spec.patch_size,
        mask_ratio=spec.mask_ratio,
        normalize_targets=spec.normalize_targets,
    )
    info = PackageInfo.from_store(store)
    return Description(config, info, tuple(sensor for sensor in info.sensors if sensor in store.sensors))


def reader(store: ChipStore, description: Description) -> Callable[[NDArray[np.int64]], CubeBatch]:
    """Return the function that reads chips into a batch, just as inference does."""
    return lambda chips: chips_to_batch(store, chips, description.info)

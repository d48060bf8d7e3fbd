"""Which model a spec and a chip store ask for, and how it reads chips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earthenware.chips import ChipStore
from earthenware.errors import EarthenwareError
from earthenware.inference import PackageInfo, chips_to_batch
from earthenware.models import CubeBatch, family
from earthenware.training._spec import TrainSpec


@dataclass(frozen=True)
class Description:
    """A model to train and its input.

    Attributes:
        config: The model's configuration, of its family.
        info: Its input.
        sensors: The sensors of the store that it reads.
    """

    config: Any
    info: PackageInfo
    sensors: tuple[str, ...]


def describe(store: ChipStore, spec: TrainSpec) -> Description:
    """Return the model that ``spec`` asks for on the chips of ``store``.

    Raises:
        EarthenwareError: ``UNKNOWN_SENSOR``, ``BAD_MODEL``.
    """
    info = PackageInfo.from_store(store, spec.sensors)
    try:
        chosen = family(spec.family)
        config = chosen.configure(spec.preset, info.reads, spec.model_values(chosen.values))
    except (LookupError, ValueError) as error:
        raise EarthenwareError("BAD_MODEL", str(error.args[0]), "Change it in the spec's section 'train'.") from error
    return Description(config, info, tuple(sensor for sensor in info.sensors if sensor in store.sensors))


def reader(store: ChipStore, description: Description) -> Callable[[NDArray[np.int64]], CubeBatch]:
    """Return the function that reads chips into a batch, just as inference does."""
    return lambda chips: chips_to_batch(store, chips, description.info)

"""What a training run is told, on every worker alike, and how workers tell of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earthenware.chips import ChipStore
from earthenware.models import ModelFamily
from earthenware.training._spec import TrainSpec

PACKAGE = "model"
"""Folder of the model package in the attempt's scratch and among the step's results."""

Note = dict[str, Any]
"""What a worker tells the driver: JSON values, with a ``kind``: "progress", "epoch", "log" or "error"."""

Post = Callable[[Note], object]
"""Passes a note on and does not wait for its arrival."""


@dataclass(frozen=True)
class Job:
    """What to train, and the URIs of its chips and checkpoints.

    Attributes:
        attempt: Name of the attempt, for checkpoints and for files that the workers of one machine share.
        family: Family of the model; the process that trains may not know it yet.
    """

    spec: TrainSpec
    chips: str
    checkpoints: str
    attempt: str
    family: ModelFamily[Any]


def split_chips(store: ChipStore, split: str) -> NDArray[np.int64]:
    """Return the numbers of a split's chips `[chip]`, in the order of their ids."""
    return np.flatnonzero(store.column("split") == split)

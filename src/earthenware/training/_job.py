"""What a training run is told, on every worker alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earthenware.chips import ChipStore
from earthenware.training._spec import TrainSpec


@dataclass(frozen=True)
class Job:
    """What to train.

    Attributes:
        spec: The spec.
        chips: URI of the chip store.
        checkpoints: Prefix of the checkpoints.
        token: Name of this launch, for files that the workers of one machine share.
    """

    spec: TrainSpec
    chips: str
    checkpoints: str
    token: str


def split_chips(store: ChipStore, split: str) -> NDArray[np.int64]:
    """Return the numbers of a split's chips `[chip]`, in the order of their ids."""
    splits = store.index["split"].to_numpy(zero_copy_only=False)
    return np.flatnonzero(splits == split).astype(np.int64)


def total_steps(chips: int, spec: TrainSpec) -> int:
    """Return the number of optimiser steps of a whole run over ``chips`` training chips."""
    return spec.epochs * -(-chips // spec.batch_size)

"""Random masks that belong to a chip and an epoch, whatever batch or worker it comes in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

VALIDATION = 2**31
"""The "epoch" of validation masks: always the same, so that validation losses of different epochs compare."""


def mask_noise(chips: NDArray[np.int64], shape: tuple[int, ...], seed: int, epoch: int) -> NDArray[np.float32]:
    """Draw the uniform noise that decides what is hidden.

    Args:
        chips: `[chip]` numbers of the chips in the store.
        shape: Shape of one chip's noise, (group, patch).
        seed: Seed of the run.
        epoch: Epoch, or :data:`VALIDATION`.

    Returns:
        `[chip, group, patch]` numbers from 0 to below 1.
    """
    noise = np.empty((len(chips), *shape), dtype=np.float32)
    for row, chip in enumerate(chips):
        np.random.default_rng([seed, epoch, int(chip), 4]).random(out=noise[row], dtype=np.float32)
    return noise

"""Band statistics: the features that an encoder must beat to be worth its cost."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def band_statistics(pixels: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean and standard deviation of every band over its valid pixels.

    Args:
        pixels: `[..., band, y, x]`, any unit.
        valid: True for the pixels that count, same shape.

    Returns:
        `[..., 2 * band]`: the means, then the deviations; NaN for a band without a valid pixel.

    Raises:
        ValueError: When the shapes differ.
    """
    if pixels.shape != valid.shape:
        raise ValueError(f"pixels have shape {pixels.shape}, valid {valid.shape}")
    number = valid.sum((-2, -1)).astype(np.float64)
    empty = np.where(number > 0, number, np.nan)
    values = np.where(valid, pixels, 0.0).astype(np.float64)
    mean = values.sum((-2, -1)) / empty
    spread = np.where(valid, values - np.nan_to_num(mean)[..., None, None], 0.0)
    deviation = np.sqrt((spread**2).sum((-2, -1)) / empty)
    return np.concatenate([mean, deviation], axis=-1)

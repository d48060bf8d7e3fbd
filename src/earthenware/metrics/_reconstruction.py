"""Errors of a reconstruction, counted only where a pixel was hidden from the model and is known to be true."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


def patches_to_pixels(patches: NDArray[Any], patch_size: int) -> NDArray[Any]:
    """Repeat one value per patch over the patch's pixels.

    Args:
        patches: `[..., patch]`, row by row over a square of patches.
        patch_size: Side of a patch in pixels.

    Returns:
        `[..., y, x]`.

    Raises:
        ValueError: When the patches do not form a square.
    """
    side = round(patches.shape[-1] ** 0.5)
    if side * side != patches.shape[-1]:
        raise ValueError(f"{patches.shape[-1]} patches do not form a square")
    square = patches.reshape(*patches.shape[:-1], side, side)
    return np.repeat(np.repeat(square, patch_size, axis=-2), patch_size, axis=-1)


def masked_mean_squared_error(target: NDArray[Any], predicted: NDArray[Any], counted: NDArray[np.bool_]) -> float:
    """Mean squared error over the counted pixels.

    Args:
        target: `[..., y, x]`, any unit; values that do not count may be NaN.
        predicted: Same shape and unit.
        counted: True for the pixels that count, same shape.

    Returns:
        The error in the squared unit; NaN when no pixel counts.
    """
    errors = np.asarray(target[counted], np.float64) - np.asarray(predicted[counted], np.float64)
    return float((errors**2).mean()) if errors.size else float("nan")


@dataclass
class SquaredErrors:
    """Squared errors per band, added up over many chips.

    Attributes:
        bands: Number of bands.
        total: Sums of squared errors `[band]`.
        count: Number of pixels behind the sums `[band]`.
    """

    bands: int
    total: NDArray[np.float64] = field(init=False)
    count: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.total = np.zeros(self.bands)
        self.count = np.zeros(self.bands, np.int64)

    def add(self, target: NDArray[Any], predicted: NDArray[Any], counted: NDArray[np.bool_]) -> None:
        """Add the counted pixels of `[..., band, y, x]`.

        Raises:
            ValueError: When the shapes differ.
        """
        if not target.shape == predicted.shape == counted.shape:
            raise ValueError(f"shapes differ: {target.shape}, {predicted.shape}, {counted.shape}")
        errors = np.where(counted, np.asarray(target, np.float64) - np.asarray(predicted, np.float64), 0.0) ** 2
        axes = tuple(a for a in range(target.ndim) if a != target.ndim - 3)
        self.total += errors.sum(axes)
        self.count += counted.sum(axes)

    def mean(self, bands: slice | list[int] | tuple[int, ...] | None = None) -> float:
        """Mean squared error over the pixels of some bands (all by default); NaN without a pixel."""
        chosen = slice(None) if bands is None else (bands if isinstance(bands, slice) else list(bands))
        count = int(self.count[chosen].sum())
        return float(self.total[chosen].sum() / count) if count else float("nan")

"""Errors of a reconstruction, counted only where a pixel was hidden from the model and is known to be true."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


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

"""What the model eats: co-registered pixels, their validity, and where and when they were seen."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass
class CubeBatch:
    """A batch of datacube chips on one grid.

    Attributes:
        pixels: ``[batch, band, y, x]`` float32, normalised per band (zero mean, unit deviation), 0 where invalid.
        valid: ``[batch, band, y, x]`` bool, True where the pixel may be looked at and learned from.
        lonlat: ``[batch, 2]`` longitude and latitude of the chip's centre in degrees; NaN where unknown.
        timestamp: ``[batch]`` float64 seconds since 1970-01-01 UTC; NaN where unknown.
        gsd: ``[batch]`` ground sampling distance of the grid in metres.
    """

    pixels: Tensor
    valid: Tensor
    lonlat: Tensor
    timestamp: Tensor
    gsd: Tensor

    def __post_init__(self) -> None:
        if self.pixels.ndim != 4:
            raise ValueError(f"pixels must be [batch, band, y, x], got the shape {list(self.pixels.shape)}.")
        if self.valid.dtype != torch.bool:
            raise ValueError(f"valid must be bool, got {self.valid.dtype}.")
        size = len(self)
        shapes = {"valid": self.pixels.shape, "lonlat": (size, 2), "timestamp": (size,), "gsd": (size,)}
        for name, shape in shapes.items():
            found = getattr(self, name).shape
            if found != shape:
                raise ValueError(f"{name} must have the shape {list(shape)}, got {list(found)}.")

    def __len__(self) -> int:
        return int(self.pixels.shape[0])

    def to(self, device: torch.device | str) -> CubeBatch:
        """Return the batch on another device."""
        tensors = self.pixels, self.valid, self.lonlat, self.timestamp, self.gsd
        return CubeBatch(*(tensor.to(device) for tensor in tensors))

    def without_metadata(self) -> CubeBatch:
        """Return the same pixels as if nobody knew where and when they were seen."""
        unknown = float("nan")
        return replace(
            self, lonlat=torch.full_like(self.lonlat, unknown), timestamp=torch.full_like(self.timestamp, unknown)
        )

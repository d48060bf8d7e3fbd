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
        if self.valid.shape != self.pixels.shape:
            raise ValueError(
                f"valid must have the shape of pixels {list(self.pixels.shape)}, got {list(self.valid.shape)}."
            )
        if self.valid.dtype != torch.bool:
            raise ValueError(f"valid must be bool, got {self.valid.dtype}.")
        batch = self.pixels.shape[0]
        for name, shape in (("lonlat", (batch, 2)), ("timestamp", (batch,)), ("gsd", (batch,))):
            found = tuple(getattr(self, name).shape)
            if found != shape:
                raise ValueError(f"{name} must have the shape {list(shape)}, got {list(found)}.")

    def __len__(self) -> int:
        return int(self.pixels.shape[0])

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> CubeBatch:
        """Return the batch on another device."""
        return CubeBatch(*(t.to(device, non_blocking=non_blocking) for t in self._tensors()))

    def pin_memory(self) -> CubeBatch:
        """Return the batch in page-locked memory, which a data loader asks for before a copy to an accelerator."""
        return CubeBatch(*(t.pin_memory() for t in self._tensors()))

    def without_metadata(self) -> CubeBatch:
        """Return the same pixels as if nobody knew where and when they were seen."""
        unknown = float("nan")
        return replace(
            self, lonlat=torch.full_like(self.lonlat, unknown), timestamp=torch.full_like(self.timestamp, unknown)
        )

    def select(self, index: Tensor) -> CubeBatch:
        """Return the samples at ``index`` (int64 positions or a bool mask, ``[sample]``)."""
        return CubeBatch(*(t[index] for t in self._tensors()))

    def _tensors(self) -> tuple[Tensor, ...]:
        return self.pixels, self.valid, self.lonlat, self.timestamp, self.gsd

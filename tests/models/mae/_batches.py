"""Small batches of made-up chips."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import torch

from earthenware.models import CubeBatch, ModelInput
from earthenware.models.mae import FAMILY, MaskedAutoencoder

from .._inputs import cube


def small_model(reads: ModelInput | None = None, **changes: Any) -> MaskedAutoencoder:
    values = {"patch_size": 4, "dim": 32, "depth": 2, "heads": 2, "dim_head": 16, "decoder_dim": 32}
    reads = reads or cube()
    return FAMILY.build(FAMILY.configure("nano", reads, {**values, **changes}), reads)


def make_batch(count: int = 3, *, size: int = 16, bands: int = 13, seed: int = 0, missing: float = 0.0) -> CubeBatch:
    """Return smooth random chips; ``missing`` is the share of pixels that are invalid, per band."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, bands, 4, 4, generator=generator)
    pixels = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear")
    valid = torch.rand(count, bands, size, size, generator=generator) >= missing
    return CubeBatch(
        pixels=pixels * valid,
        valid=valid,
        lonlat=torch.rand(count, 2, generator=generator) * 100 - 50,
        timestamp=1.6e9 + 1e7 * torch.rand(count, generator=generator, dtype=torch.float64),
        gsd=torch.full((count,), 10.0),
    )


def select(batch: CubeBatch, index: torch.Tensor) -> CubeBatch:
    """Return the samples at ``index``."""
    return CubeBatch(*(getattr(batch, field.name)[index] for field in fields(batch)))

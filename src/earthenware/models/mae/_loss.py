"""The reconstruction error of group-patches over their valid pixels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from earthenware.models._cube import BandGroup


def normalize_patches(patches: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Bring each band of each patch to zero mean and unit deviation over its valid pixels.

    Args:
        patches: ``[batch, patch, band, pixel]``.
        valid: Same shape, bool.

    Returns:
        Normalised patches, and the means and deviations ``[batch, patch, band, 1]`` taken out of them.
    """
    weight = valid.to(patches.dtype)
    count = weight.sum(-1, keepdim=True).clamp(min=1.0)
    mean = (patches * weight).sum(-1, keepdim=True) / count
    variance = ((patches - mean).square() * weight).sum(-1, keepdim=True) / count
    deviation = (variance + 1e-6).sqrt()
    return (patches - mean) / deviation, mean, deviation


def patch_errors(prediction: Tensor, target: Tensor, valid: Tensor, groups: Sequence[BandGroup]) -> Tensor:
    """Return the mean squared error of every group-patch over its valid pixels.

    Args:
        prediction: ``[batch, patch, band, pixel]`` in the cube's band order.
        target: Same shape.
        valid: Same shape, bool; a group-patch without a valid pixel has the error 0.
        groups: Band groups.

    Returns:
        ``[batch, group, patch]`` float32.
    """
    squared = (prediction.float() - target.float()).square() * valid
    total, count = squared.sum(-1), valid.sum(-1, dtype=torch.float32)
    errors = [total[:, :, list(g.bands)].sum(-1) / count[:, :, list(g.bands)].sum(-1).clamp(min=1.0) for g in groups]
    return torch.stack(errors, dim=1)

"""Patches of band groups: cut out, counted as tokens, hidden, compared, and put back."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from earthenware.models._cube import BandGroup


def patchify(pixels: Tensor, patch_size: int) -> Tensor:
    """Cut images ``[batch, band, y, x]`` into square patches, row by row.

    Returns:
        ``[batch, patch, band, patch_size * patch_size]``.

    Raises:
        ValueError: If the patch size does not divide the image's sides.
    """
    batch, bands, height, width = pixels.shape
    if height % patch_size or width % patch_size:
        raise ValueError(f"patches of {patch_size} pixels do not fill an image of {height} x {width} pixels.")
    rows, columns = height // patch_size, width // patch_size
    cut = pixels.reshape(batch, bands, rows, patch_size, columns, patch_size)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(batch, rows * columns, bands, patch_size * patch_size)


def unpatchify(patches: Tensor, rows: int, columns: int) -> Tensor:
    """Undo :func:`patchify`: return ``[batch, band, y, x]`` for patches in ``rows`` and ``columns``."""
    batch, _, bands, area = patches.shape
    side = round(area**0.5)
    cut = patches.reshape(batch, rows, columns, bands, side, side)
    return cut.permute(0, 3, 1, 4, 2, 5).reshape(batch, bands, rows * side, columns * side)


def valid_tokens(valid: Tensor, groups: Sequence[BandGroup], min_valid: float) -> Tensor:
    """Tell which group-patches hold enough valid pixels to be tokens: ``[batch, group, patch]`` bool.

    Args:
        valid: ``[batch, patch, band, pixel]`` bool.
        groups: Band groups.
        min_valid: Least share of valid pixels over the group's bands; none at all is never enough.
    """
    shares = valid.to(torch.float32).mean(-1)
    per_group = torch.stack([shares[:, :, list(group.bands)].mean(-1) for group in groups], dim=1)
    # The tolerance keeps "exactly half" in, whatever the rounding of the means.
    return (per_group > 0.0) & (per_group >= min_valid - 1e-6)


def visible_count(tokens: Tensor, ratio: float) -> Tensor:
    """Return ``ceil((1 - ratio) * tokens)``, the number of tokens that stay visible.

    Written as what is left after hiding, with a tolerance for ratios such as 0.29 that binary fractions fall short of.
    """
    return tokens - (ratio * tokens.to(torch.float64) + 1e-6).floor().to(tokens.dtype)


def mask_from_noise(noise: Tensor, valid: Tensor, ratio: float) -> Tensor:
    """Hide a share of every sample's valid tokens, by its own noise and validity only.

    Args:
        noise: ``[batch, ...]`` uniform noise, one number per token.
        valid: Same shape, bool.
        ratio: Share of the valid tokens to hide, 0 to below 1.

    Returns:
        Same shape, bool: True for hidden tokens, which are the targets of the loss. Invalid tokens are False.
    """
    flat = valid.flatten(1)
    order = noise.flatten(1).masked_fill(~flat, 2.0).argsort(dim=1)
    rank = order.argsort(dim=1)  # the inverse permutation
    keep = visible_count(flat.sum(1, keepdim=True), ratio)
    return ((rank >= keep) & flat).view_as(valid)


def visible_first(visible: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Find the tokens that are visible ``[batch, token]``, at most ``count`` per sample, padded to this length.

    Returns:
        Positions ``[batch, count]`` int64, visible ones first, and ``[batch, count]`` bool, False for padding.
    """
    positions = (~visible).to(torch.uint8).argsort(dim=1, stable=True)[:, :count]
    return positions, visible.gather(1, positions)


def normalize_patches(patches: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Bring each band of each patch ``[batch, patch, band, pixel]`` to zero mean and unit deviation where valid.

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
    """Return the mean squared error of every group-patch over its valid pixels; 0 where it has none.

    Args:
        prediction: ``[batch, patch, band, pixel]`` in the cube's band order.
        target: Same shape.
        valid: Same shape, bool.
        groups: Band groups.

    Returns:
        ``[batch, group, patch]`` float32.
    """
    squared = (prediction.float() - target.float()).square() * valid
    total, count = squared.sum(-1), valid.sum(-1, dtype=torch.float32)
    errors = [total[:, :, list(g.bands)].sum(-1) / count[:, :, list(g.bands)].sum(-1).clamp(min=1.0) for g in groups]
    return torch.stack(errors, dim=1)

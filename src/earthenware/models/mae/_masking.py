"""Which group-patches are tokens, and which of them the encoder sees."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from earthenware.models._cube import BandGroup


def valid_tokens(valid: Tensor, groups: Sequence[BandGroup], min_valid: float) -> Tensor:
    """Tell which group-patches hold enough valid pixels to be tokens.

    Args:
        valid: ``[batch, patch, band, pixel]`` bool, patchified.
        groups: Band groups.
        min_valid: Least share of valid pixels over the group's bands; none at all is never enough.

    Returns:
        ``[batch, group, patch]`` bool.
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
    """Hide a share of every sample's valid tokens at random.

    A sample's mask depends on its own noise and validity only.

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
    """Find the visible tokens of each sample, padded to one length.

    Args:
        visible: ``[batch, token]`` bool with at most ``count`` True per sample.
        count: Length to pad to.

    Returns:
        Positions ``[batch, count]`` int64, visible ones first, and ``[batch, count]`` bool, False for padding.
    """
    positions = (~visible).to(torch.uint8).argsort(dim=1, stable=True)[:, :count]
    return positions, visible.gather(1, positions)

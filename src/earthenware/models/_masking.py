"""Which of a sample's valid tokens the encoder sees."""

from __future__ import annotations

import torch
from torch import Tensor


def draw_noise(shape: tuple[int, ...], generator: torch.Generator | None, device: torch.device) -> Tensor:
    """Draw uniform noise where the generator lives and bring it to ``device``: a CPU seed means one mask anywhere."""
    source = device if generator is None else generator.device
    return torch.rand(shape, generator=generator, device=source).to(device)


def visible_count(tokens: Tensor | int, ratio: float) -> Tensor | int:
    """Return ``ceil((1 - ratio) * tokens)``, the number of tokens that stay visible.

    Written as what is left after hiding, with a tolerance for ratios such as 0.29 that binary fractions fall short of.
    """
    if isinstance(tokens, int):
        return tokens - int(ratio * tokens + 1e-6)
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

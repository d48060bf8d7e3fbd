"""Masks that belong to a chip, not to a batch or a run."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from earthenware.models import mask_from_noise


def chip_masks(chip_ids: Sequence[str], token_valid: Tensor, ratio: float, seed: int = 0) -> Tensor:
    """Draw the mask of each chip from its id.

    Args:
        chip_ids: ``[chip]`` ids.
        token_valid: ``[chip, group, patch]`` bool.
        ratio: Share of valid tokens to hide.
        seed: Other seeds give other masks.

    Returns:
        ``[chip, group, patch]`` bool, True for what to hide.
    """
    noise = torch.empty(token_valid.shape, dtype=torch.float32)
    for row, chip_id in enumerate(chip_ids):
        key = hashlib.sha256(f"{seed}:{chip_id}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(key[:8], "big") >> 1)
        noise[row] = torch.rand(token_valid.shape[1:], generator=generator)
    return mask_from_noise(noise.to(token_valid.device), token_valid, ratio)

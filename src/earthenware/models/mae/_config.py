"""The shape of a masked autoencoder: sizes and named presets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

from earthenware.models._cube import ModelInput

PRESETS: Final[Mapping[str, Mapping[str, int]]] = {
    "nano": {
        "dim": 128, "depth": 4, "heads": 4, "dim_head": 32, "mlp_ratio": 2,
        "decoder_dim": 64, "decoder_depth": 1, "decoder_heads": 2, "decoder_dim_head": 32, "decoder_mlp_ratio": 2,
    },
    "tiny": {
        "dim": 256, "depth": 4, "heads": 4, "dim_head": 64, "mlp_ratio": 2,
        "decoder_dim": 128, "decoder_depth": 2, "decoder_heads": 2, "decoder_dim_head": 64, "decoder_mlp_ratio": 2,
    },
    "small": {
        "dim": 768, "depth": 12, "heads": 12, "dim_head": 64, "mlp_ratio": 4,
        "decoder_dim": 512, "decoder_depth": 8, "decoder_heads": 8, "decoder_dim_head": 64, "decoder_mlp_ratio": 4,
    },
    "medium": {
        "dim": 1024, "depth": 24, "heads": 16, "dim_head": 64, "mlp_ratio": 4,
        "decoder_dim": 512, "decoder_depth": 8, "decoder_heads": 16, "decoder_dim_head": 64, "decoder_mlp_ratio": 4,
    },
    "large": {
        "dim": 1280, "depth": 32, "heads": 16, "dim_head": 64, "mlp_ratio": 4,
        "decoder_dim": 512, "decoder_depth": 8, "decoder_heads": 16, "decoder_dim_head": 64, "decoder_mlp_ratio": 4,
    },
}  # fmt: skip
"""Sizes by name. tiny to large are those of Clay v0; nano is for a processor without an accelerator."""


@dataclass(frozen=True)
class MAEConfig:
    """With the input, everything that decides the parameters and the loss of a masked autoencoder.

    Attributes:
        patch_size: Side of a patch in pixels; divides the side of a chip.
        dim: Width of the encoder's tokens; a multiple of 8.
        depth: Number of encoder blocks.
        heads: Attention heads of a block.
        dim_head: Width of one attention head.
        mlp_ratio: Hidden width of a block's feed-forward layer over ``dim``.
        decoder_dim: As ``dim``, of the decoder; so are the four that follow it.
        mask_ratio: Share of a sample's valid patch tokens that are hidden from the encoder, 0 to below 1.
        min_valid: Least share of valid pixels (0 to 1) that makes a group's patch a token; a patch without any valid
            pixel never is one.
        reference_gsd: Ground sampling distance in metres at which neighbouring patches lie one position apart.
        normalize_targets: Whether the loss compares patches brought to zero mean and unit deviation per band, as in
            "Masked Autoencoders Are Scalable Vision Learners" (He et al., 2021).

    Raises:
        ValueError: If a value is of another type or out of its range.
    """

    patch_size: int = 8
    dim: int = 128
    depth: int = 4
    heads: int = 4
    dim_head: int = 32
    mlp_ratio: int = 2
    decoder_dim: int = 64
    decoder_depth: int = 1
    decoder_heads: int = 2
    decoder_dim_head: int = 32
    decoder_mlp_ratio: int = 2
    mask_ratio: float = 0.75
    min_valid: float = 0.5
    reference_gsd: float = 10.0
    normalize_targets: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type == "int" and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ValueError(f"{field.name} must be a whole number of at least 1, got {value!r}.")
            if field.type == "float" and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise ValueError(f"{field.name} must be a number, got {value!r}.")
            if field.type == "bool" and not isinstance(value, bool):
                raise ValueError(f"{field.name} must be true or false, got {value!r}.")
        for name in ("dim", "decoder_dim"):
            if getattr(self, name) % 8:
                raise ValueError(f"{name} must be a multiple of 8, got {getattr(self, name)}.")
        if not 0.0 <= self.mask_ratio < 1.0:
            raise ValueError(f"mask_ratio must be at least 0 and below 1, got {self.mask_ratio}.")
        if not 0.0 <= self.min_valid <= 1.0:
            raise ValueError(f"min_valid must lie between 0 and 1, got {self.min_valid}.")
        if not (math.isfinite(self.reference_gsd) and self.reference_gsd > 0.0):
            raise ValueError(f"reference_gsd must be a positive number of metres, got {self.reference_gsd}.")

    def require_fit(self, reads: ModelInput) -> None:
        """Raise a ValueError where patches do not fill the chips."""
        if reads.chip_size % self.patch_size:
            size = reads.chip_size
            raise ValueError(f"patch_size is {self.patch_size} pixels, which does not divide the chips' {size}.")

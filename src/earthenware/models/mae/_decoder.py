"""From what the encoder saw to all pixels, in the band order of the cube."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from earthenware.models._cube import BandGroup
from earthenware.models.mae._config import MAEConfig
from earthenware.models.mae._tokenizer import TokenEncoding
from earthenware.models.mae._transformer import Transformer


class Decoder(nn.Module):
    """A small transformer over visible tokens and mask tokens with one linear head per band group."""

    band_order: Tensor

    def __init__(self, config: MAEConfig, groups: tuple[BandGroup, ...]) -> None:
        super().__init__()
        dim = config.decoder_dim
        self.area = config.patch_size**2
        self.project = nn.Linear(config.dim, dim)
        self.mask_token = nn.Parameter(torch.zeros(dim))
        self.encoding = TokenEncoding(groups, dim, config.reference_gsd)
        self.transformer = Transformer(
            dim, config.decoder_depth, config.decoder_heads, config.decoder_dim_head, config.decoder_mlp_ratio
        )
        self.heads = nn.ModuleList(nn.Linear(dim, len(group.bands) * self.area) for group in groups)
        # Heads speak in the order of the groups; losses and pictures are in the order of the cube. This is the inverse
        # permutation, without which a band would be compared with its neighbour's head.
        spoken = torch.tensor([band for group in groups for band in group.bands])
        self.register_buffer("band_order", spoken.argsort(), persistent=False)

    def forward(
        self,
        seen: Tensor,
        positions: Tensor,
        present: Tensor,
        metadata_known: Tensor,
        tokens_valid: Tensor,
        grid: tuple[int, int],
        gsd: Tensor,
    ) -> Tensor:
        """Reconstruct every patch, hidden or not.

        Args:
            seen: ``[batch, count + metadata, dim]`` the encoder's output, metadata tokens last.
            positions: ``[batch, count]`` places of the first ``count`` of them among all patch tokens.
            present: ``[batch, count]`` False where such a token is padding.
            metadata_known: ``[batch, metadata]`` bool.
            tokens_valid: ``[batch, group, patch]`` bool; invalid tokens are reconstructed but lend nothing to others.
            grid: Patches along y and x.
            gsd: ``[batch]`` metres.

        Returns:
            ``[batch, patch, band, pixel]`` in the band order of the cube.
        """
        batch, groups, patches = tokens_valid.shape
        projected = self.project(seen)
        known, metadata = projected[:, : positions.shape[1]], projected[:, positions.shape[1] :]
        blank = self.mask_token.to(projected.dtype)
        tokens = blank.expand(batch, groups * patches, -1)
        index = positions[..., None].expand_as(known)
        tokens = tokens.scatter(1, index, torch.where(present[..., None], known, blank))
        tokens = tokens + self.encoding(*grid, gsd).flatten(1, 2).to(tokens.dtype)
        mixed = self.transformer(
            torch.cat([tokens, metadata], dim=1), torch.cat([tokens_valid.flatten(1), metadata_known], dim=1)
        )
        by_group = mixed[:, : groups * patches].view(batch, groups, patches, -1)
        spoken = torch.cat(
            [head(by_group[:, i]).view(batch, patches, -1, self.area) for i, head in enumerate(self.heads)], dim=2
        )
        return spoken.index_select(2, self.band_order)

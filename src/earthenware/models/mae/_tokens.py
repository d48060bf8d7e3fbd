"""Pixels, place and time to tokens, and tokens to pixels again."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from earthenware.models._batch import CubeBatch
from earthenware.models._cube import BandGroup
from earthenware.models._encodings import (
    PLACE_FEATURES,
    TIME_FEATURES,
    encode_positions,
    encode_wavelengths,
    place_features,
    time_features,
)
from earthenware.models.mae._config import MAEConfig
from earthenware.models.mae._transformer import Transformer


class GroupPatchEmbedding(nn.Module):
    """One convolution and one LayerNorm per band group: a patch of a group becomes a token."""

    def __init__(self, config: MAEConfig, groups: tuple[BandGroup, ...]) -> None:
        super().__init__()
        self.groups = groups
        size = config.patch_size
        self.projections = nn.ModuleList(
            nn.Conv2d(len(group.bands), config.dim, kernel_size=size, stride=size) for group in groups
        )
        self.norms = nn.ModuleList(nn.LayerNorm(config.dim) for _ in groups)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return ``[batch, group, patch, dim]`` for ``[batch, band, y, x]`` pixels."""
        return torch.stack(
            [
                norm(projection(pixels[:, list(group.bands)]).flatten(2).transpose(1, 2))
                for group, projection, norm in zip(self.groups, self.projections, self.norms, strict=True)
            ],
            dim=1,
        )


class TokenEncoding(nn.Module):
    """Fixed encodings that tell tokens apart: the patch's position in one half, the group's wavelengths in the other.

    They are scaled to a mean square of 1, that of the tokens they are added to. Sines and cosines alone have half of
    it, and a small model then learns markedly slower which tokens lie at one place.
    """

    of_groups: Tensor

    def __init__(self, groups: tuple[BandGroup, ...], dim: int, reference_gsd: float) -> None:
        super().__init__()
        self.dim = dim
        self.reference_gsd = reference_gsd
        # Not persistent: it follows from the configuration, which travels with the weights.
        self.register_buffer("of_groups", _encode_groups(groups, dim // 2), persistent=False)

    def forward(self, rows: int, columns: int, gsd: Tensor) -> Tensor:
        """Return ``[batch, group, patch, dim]`` for a grid of patches and a resolution ``[batch]`` in metres."""
        positions = encode_positions(rows, columns, gsd / self.reference_gsd, self.dim // 2)
        batch, patches, half = positions.shape
        shape = batch, len(self.of_groups), patches, half
        encoding = [positions[:, None].expand(shape), self.of_groups[None, :, None].expand(shape)]
        return 2**0.5 * torch.cat(encoding, dim=-1)


class MetadataEmbedding(nn.Module):
    """Place and time as two more tokens; an unknown one is marked invalid."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.place = nn.Linear(PLACE_FEATURES, dim)
        self.time = nn.Linear(TIME_FEATURES, dim)

    def forward(self, batch: CubeBatch) -> tuple[Tensor, Tensor]:
        """Return tokens ``[batch, 2, dim]`` and whether they are known ``[batch, 2]``."""
        known_place = batch.lonlat.isfinite().all(-1)
        known_time = batch.timestamp.isfinite()
        place = self.place(place_features(batch.lonlat.nan_to_num(0.0, 0.0, 0.0)))
        time = self.time(time_features(batch.timestamp.nan_to_num(0.0, 0.0, 0.0)))
        return torch.stack([place, time], dim=1), torch.stack([known_place, known_time], dim=1)


def _encode_groups(groups: tuple[BandGroup, ...], dim: int) -> Tensor:
    """Mean encoding of each group's wavelengths, brought to the length of a single one: ``[group, dim]``."""
    rows = []
    for group in groups:
        if group.wavelengths_nm:
            mean = encode_wavelengths(torch.tensor(group.wavelengths_nm, dtype=torch.float64), dim).mean(0)
            rows.append(mean * ((dim / 2) ** 0.5 / mean.norm()))
        else:
            rows.append(torch.zeros(dim))
    return torch.stack(rows)


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
        """Reconstruct every patch, hidden or not: ``[batch, patch, band, pixel]`` in the band order of the cube.

        Args:
            seen: ``[batch, count + metadata, dim]`` the encoder's output, metadata tokens last.
            positions: ``[batch, count]`` places of the first ``count`` of them among all patch tokens.
            present: ``[batch, count]`` False where such a token is padding.
            metadata_known: ``[batch, metadata]`` bool.
            tokens_valid: ``[batch, group, patch]`` bool; invalid tokens are reconstructed but lend nothing to others.
            grid: Patches along y and x.
            gsd: ``[batch]`` metres.
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

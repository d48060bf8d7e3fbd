"""Pixels, place and time to tokens."""

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

    Args:
        groups: Band groups.
        dim: Width of a token.
        reference_gsd: Ground sampling distance in metres at which neighbouring patches lie one position apart.
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
        count = self.of_groups.shape[0]
        encoding = torch.cat(
            [
                positions[:, None].expand(batch, count, patches, half),
                self.of_groups[None, :, None].expand(batch, count, patches, half),
            ],
            dim=-1,
        )
        return 2**0.5 * encoding


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

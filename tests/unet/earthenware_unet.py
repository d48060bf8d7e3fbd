"""A second family, as an installed package would bring it: a U-Net of one step that fills in single pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earthenware.models import (
    CubeBatch,
    Description,
    ModelFamily,
    ModelInput,
    PretrainingEncoder,
    PretrainingLoss,
    Tokens,
)


@dataclass(frozen=True)
class UNetConfig:
    channels: int = 8


class UNet(PretrainingEncoder):
    family = "unet"
    description = Description(
        "U-Net", "A U-Net over chips.", "mean over the pixels of the bottleneck", ("https://arxiv.org/abs/1505.04597",)
    )

    def __init__(self, config: UNetConfig, reads: ModelInput) -> None:
        super().__init__()
        self.config, self.reads, self.width, self.stride = config, reads, 2 * config.channels, 2
        self.down = nn.Conv2d(len(reads.bands), config.channels, 3, padding=1)
        self.deep = nn.Conv2d(config.channels, self.width, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(self.width, config.channels, 2, stride=2)
        self.out = nn.Conv2d(2 * config.channels, len(reads.bands), 3, padding=1)

    def encode(self, batch: CubeBatch) -> Tokens:
        deep = F.relu(self.deep(F.relu(self.down(batch.pixels))))
        valid = F.max_pool2d(batch.valid.any(1).float(), 2).bool().flatten(1)
        return Tokens(deep.flatten(2).transpose(1, 2) * valid[..., None], valid)

    def noise_shape(self, chip_size: int) -> tuple[int, ...]:
        return 1, chip_size, chip_size

    def pretraining_loss(self, batch: CubeBatch, noise: Tensor) -> PretrainingLoss:
        hidden = (noise < 0.5) & batch.valid
        fine = F.relu(self.down(batch.pixels.masked_fill(hidden, 0.0)))
        made = self.out(torch.cat([fine, self.up(F.relu(self.deep(fine)))], dim=1))
        targets = hidden.sum()
        return PretrainingLoss(((made - batch.pixels).square() * hidden).sum() / targets.clamp(min=1), targets)


class UNetFamily(ModelFamily[UNetConfig]):
    name, version, presets, config = "unet", 3, {"nano": {"channels": 8}, "tiny": {"channels": 16}}, UNetConfig

    def build(self, config: UNetConfig, reads: ModelInput) -> UNet:
        return UNet(config, reads)


FAMILY = UNetFamily()

"""The masked autoencoder: hide most of a datacube, learn by filling it in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from earthenware.models._batch import CubeBatch
from earthenware.models._cube import ModelInput
from earthenware.models._encoder import (
    Description,
    PretrainingEncoder,
    PretrainingLoss,
    ReconstructingEncoder,
    Reconstruction,
    Tokens,
)
from earthenware.models._patches import (
    mask_from_noise,
    normalize_patches,
    patch_errors,
    patchify,
    unpatchify,
    valid_tokens,
    visible_first,
)
from earthenware.models.mae._config import MAEConfig
from earthenware.models.mae._tokens import Decoder, GroupPatchEmbedding, MetadataEmbedding, TokenEncoding
from earthenware.models.mae._transformer import Transformer


@dataclass
class MAEOutput:
    """Losses and reconstructions of a batch.

    Attributes:
        loss: Mean of ``patch_error`` over all targets of the batch, so that every hidden group-patch has the same
            weight; 0 where a batch has no target.
        reconstruction: ``[batch, band, y, x]`` float32 in normalised units and the cube's band order. Only what was
            hidden is learned: elsewhere it means little.
        masked: ``[batch, group, patch]`` bool, the targets: valid group-patches hidden from the encoder.
        visible: ``[batch, group, patch]`` bool, the valid group-patches that the encoder saw.
        patch_error: ``[batch, group, patch]`` float32 mean squared error over the valid pixels of each target, else 0.
    """

    loss: Tensor
    reconstruction: Tensor
    masked: Tensor
    visible: Tensor
    patch_error: Tensor

    @property
    def loss_per_sample(self) -> Tensor:
        """``[batch]`` mean error over each sample's targets; NaN for a sample without any."""
        return self.patch_error.sum((1, 2)) / self.masked.sum((1, 2))


class MaskedAutoencoder(PretrainingEncoder, ReconstructingEncoder):
    """A vision transformer over band groups, after Clay v0.

    Each patch of each band group is a token. The encoder sees a random quarter of a sample's valid tokens and two
    tokens for place and time; the decoder fills in the rest. What is invalid (clouds, swath edges, absent sensors) is
    neither seen nor asked for, and changes nothing.

    Linear and patch-embedding weights start Xavier-uniform, biases at 0 but those of the patch embedding standard
    normal, norms at identity, the reconstruction heads and the mask token (truncated) normal with a deviation of 0.02;
    the values follow from torch's global seed.
    """

    config: MAEConfig
    family: ClassVar = "mae"
    description: ClassVar = Description(
        title="Masked autoencoder (Vision Transformer)",
        summary="Masked autoencoder over the band groups of co-registered chips.",
        pooling="mean over the tokens of valid patches",
        references=("https://arxiv.org/abs/2111.06377", "https://github.com/Clay-foundation/model"),
    )

    def __init__(self, config: MAEConfig, reads: ModelInput) -> None:
        super().__init__()
        config.require_fit(reads)
        self.config = config
        self.reads = reads
        self.width = config.dim
        self.stride = config.patch_size
        self.patches = GroupPatchEmbedding(config, reads.groups)
        self.encoding = TokenEncoding(reads.groups, config.dim, config.reference_gsd)
        self.metadata = MetadataEmbedding(config.dim)
        self.encoder = Transformer(config.dim, config.depth, config.heads, config.dim_head, config.mlp_ratio)
        self.decoder = Decoder(config, reads.groups)
        self._initialize()

    def forward(self, batch: CubeBatch, mask: Tensor) -> MAEOutput:
        """Hide what ``mask`` ``[batch, group, patch]`` says, encode, decode, compare."""
        grid = self._grid(batch)
        pixels = batch.pixels.masked_fill(~batch.valid, 0.0)
        valid = patchify(batch.valid, self.stride)
        tokens_valid = valid_tokens(valid, self.reads.groups, self.config.min_valid)
        if mask.shape != tokens_valid.shape or mask.dtype != torch.bool:
            raise ValueError(f"mask must be bool of the shape {list(tokens_valid.shape)}, got {list(mask.shape)}.")
        masked = mask & tokens_valid
        visible = tokens_valid & ~masked

        positions, present = visible_first(visible.flatten(1), int(visible.flatten(1).sum(1).max()))
        tokens = self._embed_patches(pixels, grid, batch.gsd)
        tokens = tokens.gather(1, positions[..., None].expand(-1, -1, tokens.shape[-1]))
        metadata, known = self.metadata(batch)
        seen = self.encoder(torch.cat([tokens, metadata.to(tokens.dtype)], 1), torch.cat([present, known], 1))
        prediction = self.decoder(seen, positions, present, known, tokens_valid, grid, batch.gsd).float()

        target, filled = patchify(pixels, self.stride).float(), prediction.detach()
        if self.config.normalize_targets:
            target, mean, deviation = normalize_patches(target, valid)
            # For pictures: the hidden patch's own level and contrast are put back.
            filled = filled * deviation + mean
        errors = patch_errors(prediction, target, valid, self.reads.groups) * masked
        return MAEOutput(
            loss=errors.sum() / masked.sum().clamp(min=1),
            reconstruction=unpatchify(filled, *grid),
            masked=masked,
            visible=visible,
            patch_error=errors.detach(),
        )

    def noise_shape(self, chip_size: int) -> tuple[int, int]:
        """Return the group-patches of a chip: (group, patch)."""
        return len(self.reads.groups), (chip_size // self.stride) ** 2

    def mask(self, batch: CubeBatch, noise: Tensor) -> Tensor:
        """Return what ``noise`` ``[batch, group, patch]`` hides: the same shape, True for hidden valid tokens."""
        return mask_from_noise(noise, self.token_validity(batch), self.config.mask_ratio)

    def pretraining_loss(self, batch: CubeBatch, noise: Tensor) -> PretrainingLoss:
        """Return the mean squared error over the group-patches that ``noise`` ``[batch, group, patch]`` hides."""
        output = self(batch, self.mask(batch, noise))
        return PretrainingLoss(output.loss, output.masked.sum())

    @property
    def levels_known(self) -> bool:
        return self.config.normalize_targets

    def reconstruct(self, batch: CubeBatch, noise: Tensor) -> Reconstruction:
        """Fill in the group-patches that ``noise`` ``[batch, group, patch]`` hides."""
        output = self(batch, self.mask(batch, noise))
        return Reconstruction(
            pixels=output.reconstruction,
            hidden=self._to_pixels(output.masked, batch) & batch.valid,
            visible=self._to_pixels(output.visible, batch) & batch.valid,
            error=output.loss_per_sample,
        )

    def encode(self, batch: CubeBatch) -> Tokens:
        """Encode every valid token of the chips, nothing hidden; tokens run over groups, then patches row by row."""
        grid = self._grid(batch)
        valid = self.token_validity(batch).flatten(1)
        tokens = self._embed_patches(batch.pixels.masked_fill(~batch.valid, 0.0), grid, batch.gsd)
        metadata, known = self.metadata(batch)
        mixed = self.encoder(torch.cat([tokens, metadata.to(tokens.dtype)], 1), torch.cat([valid, known], 1))
        return Tokens(mixed[:, : valid.shape[1]].masked_fill(~valid[..., None], 0.0), valid)

    def token_validity(self, batch: CubeBatch) -> Tensor:
        """Return which group-patches of the chips are tokens: ``[batch, group, patch]`` bool."""
        return valid_tokens(patchify(batch.valid, self.stride), self.reads.groups, self.config.min_valid)

    def _to_pixels(self, tokens: Tensor, batch: CubeBatch) -> Tensor:
        """Spread ``[batch, group, patch]`` over the pixels of the groups' bands: ``[batch, band, y, x]``."""
        group_of = {band: number for number, group in enumerate(self.reads.groups) for band in group.bands}
        per_band = tokens[:, [group_of[band] for band in range(len(group_of))]]
        patches = per_band.reshape(len(tokens), -1, *self._grid(batch))
        return patches.repeat_interleave(self.stride, 2).repeat_interleave(self.stride, 3)

    def _embed_patches(self, pixels: Tensor, grid: tuple[int, int], gsd: Tensor) -> Tensor:
        tokens: Tensor = self.patches(pixels)
        encoding: Tensor = self.encoding(*grid, gsd)
        return (tokens + encoding.to(tokens.dtype)).flatten(1, 2)

    def _grid(self, batch: CubeBatch) -> tuple[int, int]:
        """Return how many patches lie along y and x of a batch that fits the model."""
        _, bands, height, width = batch.pixels.shape
        if bands != len(self.reads.bands):
            raise ValueError(f"The model reads {len(self.reads.bands)} bands, the batch has {bands}.")
        size = self.stride
        if height % size or width % size or not height or not width:
            raise ValueError(f"patches of {size} pixels do not fill chips of {height} x {width} pixels.")
        return height // size, width // size

    def _initialize(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
            elif isinstance(module, nn.Conv2d):
                # A patch embedding is a linear layer over the flattened patch.
                nn.init.xavier_uniform_(module.weight.flatten(1))
            if isinstance(module, nn.Linear | nn.Conv2d) and module.bias is not None:
                nn.init.zeros_(module.bias)
        # The norm after a patch embedding sees only the direction of a token, which for a linear map is the same for a
        # bright patch as for a dark one. Spread biases make brightness turn the token, so that it is not lost.
        for name, parameter in self.patches.projections.named_parameters():
            if name.endswith("bias"):
                nn.init.normal_(parameter, std=1.0)
        # Small heads: the first reconstruction is close to the mean of every band, a loss of about 1.
        for name, parameter in self.decoder.heads.named_parameters():
            if name.endswith("weight"):
                nn.init.trunc_normal_(parameter, std=0.02)
        nn.init.normal_(self.decoder.mask_token, std=0.02)

"""The masked autoencoder: hide most of a datacube, learn by filling it in."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from earthenware.models._batch import CubeBatch
from earthenware.models._config import MAEConfig
from earthenware.models._decoder import Decoder
from earthenware.models._loss import normalize_patches, patch_errors
from earthenware.models._masking import draw_noise, mask_from_noise, visible_count, visible_first
from earthenware.models._patches import patchify, unpatchify, valid_tokens
from earthenware.models._tokenizer import GroupPatchEmbedding, MetadataEmbedding, TokenEncoding
from earthenware.models._transformer import Transformer


@dataclass
class Tokens:
    """What the encoder says of every patch of every band group.

    Attributes:
        tokens: ``[batch, token, dim]`` after the final norm; tokens run over groups, then patches row by row. Zero
            where invalid.
        valid: ``[batch, token]`` bool.
        metadata: ``[batch, 2, dim]`` the tokens of place and time.
        groups: Number of band groups.
    """

    tokens: Tensor
    valid: Tensor
    metadata: Tensor
    groups: int

    @property
    def by_group(self) -> Tensor:
        """The same tokens as ``[batch, group, patch, dim]``."""
        batch, _, dim = self.tokens.shape
        return self.tokens.view(batch, self.groups, -1, dim)

    @property
    def valid_by_group(self) -> Tensor:
        """Their validity as ``[batch, group, patch]``."""
        return self.valid.view(len(self.valid), self.groups, -1)


@dataclass
class MAEOutput:
    """Losses and reconstructions of a batch.

    Attributes:
        loss: Mean of ``patch_error`` over all targets of the batch, so that every hidden group-patch has the same
            weight; 0 where a batch has no target.
        reconstruction: ``[batch, band, y, x]`` float32 in normalised units and the cube's band order. Only what was
            hidden is learned: elsewhere it means little. With ``normalize_targets`` each patch's own mean and
            deviation, which the model never saw, are put back: good for pictures, not for
            comparing errors with other methods.
        masked: ``[batch, group, patch]`` bool, the targets: valid group-patches hidden from the encoder.
        visible: ``[batch, group, patch]`` bool, the valid group-patches that the encoder saw.
        patch_error: ``[batch, group, patch]`` float32 mean squared error over the valid pixels of each target, else 0.
        group_names: Names of the groups.
    """

    loss: Tensor
    reconstruction: Tensor
    masked: Tensor
    visible: Tensor
    patch_error: Tensor
    group_names: tuple[str, ...]

    @property
    def loss_per_sample(self) -> Tensor:
        """``[batch]`` mean error over each sample's targets; NaN for a sample without any."""
        return self.patch_error.sum((1, 2)) / self.masked.sum((1, 2))

    @property
    def loss_per_group(self) -> dict[str, Tensor]:
        """Mean error over each group's targets in the batch; NaN for a group without any."""
        means = self.patch_error.sum((0, 2)) / self.masked.sum((0, 2))
        return dict(zip(self.group_names, means.unbind(), strict=True))


class MaskedAutoencoder(nn.Module):
    """A vision transformer over band groups, after Clay v0.

    Each patch of each band group is a token. The encoder sees a random quarter of a sample's valid tokens and two
    tokens for place and time; the decoder fills in the rest. What is invalid (clouds, swath edges, absent sensors) is
    neither seen nor asked for, and changes nothing.

    Linear and patch-embedding weights start Xavier-uniform, biases at 0 but those of the patch embedding standard
    normal, norms at identity, the reconstruction heads and the mask token (truncated) normal with a deviation of 0.02;
    the values follow from torch's global seed.

    Chips of other sizes than ``config.chip_size`` are taken as long as patches fill them: no parameter depends on it.

    Args:
        config: Sizes, band groups and loss.
    """

    def __init__(self, config: MAEConfig) -> None:
        super().__init__()
        self.config = config
        self.patches = GroupPatchEmbedding(config)
        self.encoding = TokenEncoding(config.groups, config.dim, config.reference_gsd)
        self.metadata = MetadataEmbedding(config.dim)
        self.encoder = Transformer(config.dim, config.depth, config.heads, config.dim_head, config.mlp_ratio)
        self.decoder = Decoder(config)
        self._initialize()

    def forward(
        self, batch: CubeBatch, *, generator: torch.Generator | None = None, mask: Tensor | None = None
    ) -> MAEOutput:
        """Hide, encode, decode, compare.

        Args:
            batch: Chips.
            generator: Source of the random mask; None takes torch's global one.
            mask: ``[batch, group, patch]`` bool, True for what to hide, instead of a random mask.

        Raises:
            ValueError: If the batch or the mask does not fit the configuration.
        """
        grid = self._check(batch)
        pixels = batch.pixels.masked_fill(~batch.valid, 0.0)
        valid = patchify(batch.valid, self.config.patch_size)
        tokens_valid = valid_tokens(valid, self.config.groups, self.config.min_valid)
        if mask is None:
            noise = draw_noise(tuple(tokens_valid.shape), generator, tokens_valid.device)
            masked = mask_from_noise(noise, tokens_valid, self.config.mask_ratio)
            # As many as a sample with all tokens valid shows: one shape for all batches.
            count = int(visible_count(tokens_valid[0].numel(), self.config.mask_ratio))
        else:
            if mask.shape != tokens_valid.shape or mask.dtype != torch.bool:
                raise ValueError(f"mask must be bool of the shape {list(tokens_valid.shape)}, got {list(mask.shape)}.")
            masked = mask & tokens_valid
            count = int((tokens_valid & ~mask).flatten(1).sum(1).max())
        visible = tokens_valid & ~masked

        positions, present = visible_first(visible.flatten(1), count)
        tokens = self._embed_patches(pixels, grid, batch.gsd)
        tokens = tokens.gather(1, positions[..., None].expand(-1, -1, tokens.shape[-1]))
        metadata, known = self.metadata(batch)
        seen = self.encoder(torch.cat([tokens, metadata.to(tokens.dtype)], 1), torch.cat([present, known], 1))
        prediction = self.decoder(seen, positions, present, known, tokens_valid, grid, batch.gsd).float()

        target = patchify(pixels, self.config.patch_size).float()
        if self.config.normalize_targets:
            target, mean, deviation = normalize_patches(target, valid)
            # For pictures: the hidden patch's own level and contrast are put back.
            reconstruction = unpatchify(prediction.detach() * deviation + mean, *grid)
        else:
            reconstruction = unpatchify(prediction.detach(), *grid)
        errors = patch_errors(prediction, target, valid, self.config.groups) * masked
        return MAEOutput(
            loss=errors.sum() / masked.sum().clamp(min=1),
            reconstruction=reconstruction,
            masked=masked,
            visible=visible,
            patch_error=errors.detach(),
            group_names=tuple(group.name for group in self.config.groups),
        )

    def encode(self, batch: CubeBatch) -> Tokens:
        """Encode every valid token of the chips, nothing hidden.

        Raises:
            ValueError: If the batch does not fit the configuration.
        """
        grid = self._check(batch)
        valid = self.token_validity(batch).flatten(1)
        tokens = self._embed_patches(batch.pixels.masked_fill(~batch.valid, 0.0), grid, batch.gsd)
        metadata, known = self.metadata(batch)
        mixed = self.encoder(torch.cat([tokens, metadata.to(tokens.dtype)], 1), torch.cat([valid, known], 1))
        count = valid.shape[1]
        return Tokens(
            tokens=mixed[:, :count].masked_fill(~valid[..., None], 0.0),
            valid=valid,
            metadata=mixed[:, count:],
            groups=len(self.config.groups),
        )

    def embed(self, batch: CubeBatch, pool: str = "mean", *, metadata: bool = False) -> Tensor:
        """Return one vector per chip.

        Args:
            batch: Chips.
            pool: ``"mean"``: the mean over the chip's valid patch tokens; a chip without any gets zeros.
            metadata: Whether the encoder is told place and time. By default it is not: an embedding then says what a
                chip looks like rather than where it lies, and land cover of places never seen is read from it better.

        Returns:
            ``[batch, dim]`` float32.

        Raises:
            ValueError: If the batch does not fit the configuration or there is no such pooling.
        """
        if pool != "mean":
            raise ValueError(f"There is no pooling {pool!r}; the one there is is 'mean'.")
        tokens = self.encode(batch if metadata else batch.without_metadata())
        return tokens.tokens.float().sum(1) / tokens.valid.sum(1, keepdim=True).clamp(min=1)

    def token_validity(self, batch: CubeBatch) -> Tensor:
        """Return which group-patches of the chips are tokens: ``[batch, group, patch]`` bool."""
        return valid_tokens(patchify(batch.valid, self.config.patch_size), self.config.groups, self.config.min_valid)

    def _embed_patches(self, pixels: Tensor, grid: tuple[int, int], gsd: Tensor) -> Tensor:
        tokens: Tensor = self.patches(pixels)
        encoding: Tensor = self.encoding(*grid, gsd)
        return (tokens + encoding.to(tokens.dtype)).flatten(1, 2)

    def _check(self, batch: CubeBatch) -> tuple[int, int]:
        _, bands, height, width = batch.pixels.shape
        if bands != self.config.bands:
            raise ValueError(f"The model reads {self.config.bands} bands, the batch has {bands}.")
        size = self.config.patch_size
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

"""What every model can do, and what some can do besides; all else rests on this and names no family.

What is given a batch raises a ValueError where the batch, or the noise, does not fit the model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from earthenware.models._batch import CubeBatch
from earthenware.models._cube import ModelInput


@dataclass(frozen=True)
class Description:
    """What catalogs, cards and reports tell of a model.

    Attributes:
        title: Its architecture in a few words.
        summary: One sentence on what it is.
        pooling: How an embedding comes from what the encoder says of a chip's parts.
        references: URLs of the publications that it rests on.
    """

    title: str
    summary: str
    pooling: str
    references: tuple[str, ...] = ()


@dataclass
class Tokens:
    """What an encoder says of the parts of chips.

    Attributes:
        tokens: ``[batch, token, width]``, zero where invalid.
        valid: ``[batch, token]`` bool.
    """

    tokens: Tensor
    valid: Tensor

    def mean(self) -> Tensor:
        """Return the mean over each chip's valid tokens, ``[batch, width]`` float32; zeros for a chip without any."""
        return self.tokens.float().sum(1) / self.valid.sum(1, keepdim=True).clamp(min=1)


class Encoder(nn.Module, ABC):
    """A module that turns chips into tokens and embeddings.

    Chips of other sizes than those of :attr:`reads` are taken as long as their side is a multiple of :attr:`stride`.

    Attributes:
        family: Name of its family.
        description: What documents say of it.
        config: Its configuration, as its family makes it.
        reads: The chips that it is made for.
        width: Length of a token and of an embedding.
        stride: What the side of a chip must be a multiple of, in pixels.
    """

    family: ClassVar[str]
    description: ClassVar[Description]
    config: Any
    reads: ModelInput
    width: int
    stride: int

    @abstractmethod
    def encode(self, batch: CubeBatch) -> Tokens:
        """Encode chips, nothing hidden, with what is known of their place and time."""

    def embed(self, batch: CubeBatch) -> Tensor:
        """Return one vector per chip, ``[batch, width]`` float32.

        The encoder is not told place and time: an embedding says what a chip looks like rather than where it lies, and
        land cover of places never seen is read from it better.
        """
        return self.encode(batch.without_metadata()).mean()


@dataclass
class PretrainingLoss:
    """What pretraining minimises over a batch.

    Attributes:
        loss: Mean over the batch's targets, to be differentiated; 0 where it has none.
        targets: Their number, by which the means of batches are weighed.
    """

    loss: Tensor
    targets: Tensor


@dataclass
class Reconstruction:
    """Chips of which a part was hidden, filled in.

    Attributes:
        pixels: ``[batch, band, y, x]`` float32 in normalised units. Only what was hidden is learned.
        hidden: ``[batch, band, y, x]`` bool, the targets: valid pixels that were hidden from the encoder.
        visible: ``[batch, band, y, x]`` bool, valid pixels that it saw.
        error: ``[batch]`` float32 mean error over each chip's targets, as pretraining counts it; NaN without any.
    """

    pixels: Tensor
    hidden: Tensor
    visible: Tensor
    error: Tensor


class HidingEncoder(Encoder):
    """Hides a part of every chip; which part is decided by noise, so that a chip's is its own in every batch."""

    @abstractmethod
    def noise_shape(self, chip_size: int) -> tuple[int, ...]:
        """Return the shape of the uniform noise that one chip of this size needs."""


class PretrainingEncoder(HidingEncoder):
    """Learns from chips without labels."""

    @abstractmethod
    def pretraining_loss(self, batch: CubeBatch, noise: Tensor) -> PretrainingLoss:
        """Hide what ``noise`` ``[batch, *noise_shape]`` (0 to below 1) says and tell how far off the model is."""


class ReconstructingEncoder(HidingEncoder):
    """Fills in what was hidden."""

    @property
    @abstractmethod
    def levels_known(self) -> bool:
        """Whether a reconstruction is given the level and contrast of what was hidden, which the model never saw.

        That is good for pictures, not for comparing errors with other methods.
        """

    @abstractmethod
    def reconstruct(self, batch: CubeBatch, noise: Tensor) -> Reconstruction:
        """Hide what ``noise`` ``[batch, *noise_shape]`` (0 to below 1) says and fill it in."""

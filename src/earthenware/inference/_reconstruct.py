"""Chips to what the model makes of them when most of each is hidden."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from earthenware.chips import ChipStore
from earthenware.errors import EarthenwareError
from earthenware.inference._batches import iterate_batches
from earthenware.inference._info import Normalization
from earthenware.inference._package import Package
from earthenware.inference._session import noise_for, working_model
from earthenware.models import ReconstructingEncoder


@dataclass(frozen=True)
class ChipReconstructions:
    """Chips beside their reconstructions.

    Attributes:
        indices: ``[chip]`` numbers of the chips.
        target: ``[chip, band, y, x]`` float32 what was measured, in normalised units; NaN where invalid.
        predicted: ``[chip, band, y, x]`` float32 everywhere, in normalised units; learned only where the model saw
            nothing.
        masked: ``[chip, band, y, x]`` bool, the targets: valid pixels that were hidden from the model.
        visible: ``[chip, band, y, x]`` bool, valid pixels that the model saw.
        error: ``[chip]`` float32 mean error over the targets in normalised units, as the model counts it in training;
            NaN without any.
        normalization: By which bands become normalised.
    """

    indices: NDArray[np.int64]
    target: NDArray[np.float32]
    predicted: NDArray[np.float32]
    masked: NDArray[np.bool_]
    visible: NDArray[np.bool_]
    error: NDArray[np.float32]
    normalization: Normalization

    @property
    def original(self) -> NDArray[np.float32]:
        """``[chip, band, y, x]`` what was measured, in physical units; NaN where invalid."""
        return self._physical(self.target)

    @property
    def reconstruction(self) -> NDArray[np.float32]:
        """``[chip, band, y, x]`` what the model made of it, in physical units."""
        return self._physical(self.predicted)

    @property
    def filled(self) -> NDArray[np.float32]:
        """``[chip, band, y, x]`` what the model saw, and its reconstruction everywhere else: the picture to show."""
        return self._physical(np.where(self.visible, self.target, self.predicted))

    def _physical(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return values * self.normalization.std[:, None, None] + self.normalization.mean[:, None, None]


def iterate_reconstructions(
    store: ChipStore,
    package: Package,
    indices: Sequence[int] | NDArray[np.int64] | None = None,
    *,
    batch_size: int = 64,
    device: str = "auto",
    seed: int = 0,
) -> Generator[ChipReconstructions, None, None]:
    """Hide most of each chip, as noise drawn from its id says, fill it in, and yield the results batch by batch.

    Args:
        store: The chips.
        package: The model.
        indices: Numbers of the chips, in the order wanted; None for all.
        batch_size: Chips per forward pass.
        device: ``"auto"``, ``"cpu"`` or a torch device.
        seed: Other seeds hide other parts; 0 hides those of ``embed_chips``.

    Raises:
        EarthenwareError: ``CANNOT_RECONSTRUCT``, ``DEVICE_UNAVAILABLE``, ``BANDS_DIFFER``, ``CHIP_SIZE``,
            ``CHIPS_CORRUPT``.
    """
    numbers = np.arange(len(store)) if indices is None else np.asarray(indices, dtype=np.int64)
    with working_model(store, package, device) as (model, target):
        if not isinstance(model, ReconstructingEncoder):
            message = f"A model of the family {package.model.family!r} does not fill in what is hidden of a chip."
            raise EarthenwareError("CANNOT_RECONSTRUCT", message, "Use a model that does.")
        for block, on_cpu in iterate_batches(store, numbers, package.info, batch_size):
            with torch.inference_mode():
                output = model.reconstruct(on_cpu.to(target), noise_for(model, store, block, seed).to(target))
            yield ChipReconstructions(
                indices=block,
                target=np.where(on_cpu.valid.numpy(), on_cpu.pixels.numpy(), np.float32(np.nan)),
                predicted=output.pixels.cpu().numpy(),
                masked=output.hidden.cpu().numpy(),
                visible=output.visible.cpu().numpy(),
                error=output.error.cpu().numpy(),
                normalization=package.info.normalization,
            )

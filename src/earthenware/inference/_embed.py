"""Chips to embeddings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from earthenware.chips import ChipStore
from earthenware.inference._batches import iterate_batches
from earthenware.inference._package import Package
from earthenware.inference._session import noise_for, working_model
from earthenware.models import ReconstructingEncoder


@dataclass(frozen=True)
class ChipEmbeddings:
    """Embeddings of chips, in the order asked for.

    Attributes:
        embeddings: ``[chip, width]`` float32, as the model pools them.
        valid_fraction: ``[chip]`` float32 share of valid values over all pixels and bands that the model reads.
        reconstruction_loss: ``[chip]`` float32 mean squared error, in normalised units, of what noise drawn from the
            chip's id hides; NaN for a chip with nothing to hide, for a model that cannot reconstruct, or where it was
            not asked for.
    """

    embeddings: NDArray[np.float32]
    valid_fraction: NDArray[np.float32]
    reconstruction_loss: NDArray[np.float32]

    def select(self, chips: NDArray[np.bool_]) -> ChipEmbeddings:
        """Return those of some chips."""
        return ChipEmbeddings(self.embeddings[chips], self.valid_fraction[chips], self.reconstruction_loss[chips])


def embed_chips(
    store: ChipStore,
    package: Package,
    indices: Sequence[int] | NDArray[np.int64] | None = None,
    *,
    batch_size: int = 64,
    device: str = "auto",
    with_loss: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> ChipEmbeddings:
    """Embed chips; a chip's result does not depend on the others nor on the size of the batches.

    Args:
        store: The chips.
        package: The model.
        indices: Numbers of the chips, in the order wanted; None for all.
        batch_size: Chips per forward pass.
        device: ``"auto"``, ``"cpu"`` or a torch device.
        with_loss: Whether to reconstruct each chip as well, which takes about a third of the time.
        progress: Called with the number of chips done and the total after each batch.

    Raises:
        EarthenwareError: ``DEVICE_UNAVAILABLE``, ``BANDS_DIFFER``, ``CHIP_SIZE``, ``CHIPS_CORRUPT``.
    """
    numbers = np.arange(len(store)) if indices is None else np.asarray(indices, dtype=np.int64)
    result = ChipEmbeddings(
        embeddings=np.zeros((len(numbers), package.width), dtype=np.float32),
        valid_fraction=np.zeros(len(numbers), dtype=np.float32),
        reconstruction_loss=np.full(len(numbers), np.nan, dtype=np.float32),
    )
    done = 0
    with working_model(store, package, device) as (model, target):
        for block, on_cpu in iterate_batches(store, numbers, package.info, batch_size):
            batch = on_cpu.to(target)
            rows = slice(done, done + len(block))
            with torch.inference_mode():
                result.embeddings[rows] = model.embed(batch).cpu().numpy()
                if with_loss and isinstance(model, ReconstructingEncoder):
                    noise = noise_for(model, store, block).to(target)
                    result.reconstruction_loss[rows] = model.reconstruct(batch, noise).error.cpu().numpy()
            result.valid_fraction[rows] = on_cpu.valid.numpy().mean((1, 2, 3))
            done += len(block)
            if progress is not None:
                progress(done, len(numbers))
    return result

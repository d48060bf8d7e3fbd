"""Features of chips: of the trained encoder, of the untrained one, and of no encoder at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earthenware.chips import ChipStore
from earthenware.metrics import band_statistics

if TYPE_CHECKING:
    from earthenware.inference import Package


def untrained(package: Package, seed: int) -> Package:
    """Return the package with the weights that its architecture starts from."""
    return package.untrained(seed)


def encoder_features(
    store: ChipStore,
    package: Package,
    indices: NDArray[np.int64],
    *,
    batch_size: int,
    device: str,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Return the embeddings of chips, `[chip, dimension]`."""
    from earthenware.inference import embed_chips

    return embed_chips(
        store, package, indices, batch_size=batch_size, device=device, with_loss=False, progress=progress
    ).embeddings


def statistics_features(
    store: ChipStore, package: Package, indices: NDArray[np.int64], *, batch_size: int
) -> NDArray[Any]:
    """Return mean and deviation of every band over the pixels that the encoder sees, `[chip, 2 * band]`."""
    from earthenware.inference import iterate_batches

    parts = [
        band_statistics(batch.pixels.numpy(), batch.valid.numpy())
        for _, batch in iterate_batches(store, indices, package.info, batch_size)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, 2 * len(package.info.bands)))

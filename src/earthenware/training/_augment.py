"""Flips and quarter turns of chips: the eight ways to lay a square, the same for pixels and validity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def orientations(positions: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """Draw one of eight orientations per chip, from (seed, epoch, chip): independent of batches and workers.

    Args:
        positions: `[chip]` positions of the chips in the training set.
        seed: Seed of the run.
        epoch: Epoch number.

    Returns:
        `[chip]` integers 0 to 7.
    """
    return np.array([np.random.default_rng([seed, epoch, int(chip), 8]).integers(8) for chip in positions], dtype=int)


def lay(square: torch.Tensor, orientation: np.ndarray) -> torch.Tensor:
    """Lay chips `[batch, band, y, x]`, each its own way: ``way % 4`` quarter turns, then a flip if 4 or more."""
    import torch

    laid = torch.empty_like(square)
    for way in np.unique(orientation):
        rows = torch.from_numpy(np.flatnonzero(orientation == way))
        turned = torch.rot90(square[rows], int(way) % 4, dims=(-2, -1))
        laid[rows] = turned.flip(-1) if way >= 4 else turned
    return laid

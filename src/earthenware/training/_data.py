"""Batches for one worker, made ahead of time in a thread, resumable at any step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from earthenware.inference import hiding_noise, read_ahead
from earthenware.models import CubeBatch
from earthenware.training._sampler import ChipSampler

_VALIDATION = 2**31
"""The "epoch" of what validation hides: always the same, so that validation losses of different epochs compare."""

_AHEAD = 2
"""Batches that are made ahead of time."""


@dataclass
class TrainingBatch:
    """What one step learns from; Lightning moves it to the device field by field.

    Attributes:
        cube: The chips.
        noise: `[batch, ...]` uniform noise that decides what the model hides.
        chips: Number of chips of the global batch, over all workers.
    """

    cube: CubeBatch
    noise: torch.Tensor
    chips: int


class ChipLoader:
    """Iterates over the batches of one epoch after another.

    Lightning sets the epoch through :attr:`sampler` and keeps :meth:`state_dict` in its checkpoints. The state counts
    the batches that were handed out, not those that wait in the thread.

    Args:
        sampler: Which chips, as positions in ``chips``; its seed is that of masks and turns, too.
        chips: `[position]` numbers of the split's chips in the store.
        read: Reads chips of the store into a batch.
        noise: Shape of the noise of one chip.
        training: Whether to hide other parts each epoch; validation hides the same every time.
        augment: Whether to turn chips in training.
    """

    def __init__(
        self,
        sampler: ChipSampler,
        chips: NDArray[np.int64],
        read: Callable[[NDArray[np.int64]], CubeBatch],
        *,
        noise: tuple[int, ...],
        training: bool,
        augment: bool = False,
    ) -> None:
        self.sampler = sampler
        self.batch_sampler = None  # Lightning looks here before it looks at the sampler
        self._chips, self._read, self._shape = chips, read, noise
        self._training, self._augment = training, augment and training
        self._given: dict[str, Any] = sampler.state_dict()

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return len(self.sampler)

    def __iter__(self) -> Iterator[TrainingBatch]:
        """Yield the remaining batches of the sampler's epoch."""
        for state, batch in read_ahead(self._tasks(), ahead=_AHEAD):
            self._given = state
            yield batch

    def _tasks(self) -> Iterator[Callable[[], tuple[dict[str, Any], TrainingBatch]]]:
        epoch = self.sampler.epoch
        for positions in self.sampler:
            size = self.sampler.global_size(self.sampler.step - 1)
            yield partial(self._make, self.sampler.state_dict(), self._chips[positions], epoch, size)

    def _make(
        self, state: dict[str, Any], chips: NDArray[np.int64], epoch: int, size: int
    ) -> tuple[dict[str, Any], TrainingBatch]:
        cube = self._read(chips)
        if self._augment:
            ways = orientations(chips, self.sampler.seed, epoch)
            cube.pixels, cube.valid = lay(cube.pixels, ways), lay(cube.valid, ways)
        keys = [(self.sampler.seed, epoch if self._training else _VALIDATION, int(chip), 4) for chip in chips]
        return state, TrainingBatch(cube, hiding_noise(keys, self._shape), size)

    def state_dict(self) -> dict[str, Any]:
        """Return where the loader stands."""
        return dict(self._given)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state, on any number of workers."""
        self.sampler.load_state_dict(state)
        self._given = self.sampler.state_dict()


def orientations(chips: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """Draw one of eight orientations per chip `[chip]` from (seed, epoch, chip): independent of batches and workers."""
    return np.array([np.random.default_rng([seed, epoch, int(chip), 8]).integers(8) for chip in chips], dtype=int)


def lay(square: torch.Tensor, orientation: np.ndarray) -> torch.Tensor:
    """Lay chips `[batch, band, y, x]`, each its own way: ``way % 4`` quarter turns, then a flip if 4 or more."""
    laid = torch.empty_like(square)
    for way in np.unique(orientation):
        rows = torch.from_numpy(np.flatnonzero(orientation == way))
        turned = torch.rot90(square[rows], int(way) % 4, dims=(-2, -1))
        laid[rows] = turned.flip(-1) if way >= 4 else turned
    return laid

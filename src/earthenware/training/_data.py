"""Batches for one worker, made ahead of time in a thread, resumable at any step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from earthenware.inference import hiding_noise
from earthenware.models import CubeBatch
from earthenware.training._sampler import ChipSampler

_VALIDATION = 2**31
"""The "epoch" of what validation hides: always the same, so that validation losses of different epochs compare."""

Read = Callable[[NDArray[np.int64]], CubeBatch]


@dataclass
class TrainingBatch:
    """What one step learns from.

    Attributes:
        cube: The chips.
        noise: `[batch, ...]` uniform noise that decides what the model hides.
        chips: Number of chips of the global batch, over all workers.
    """

    cube: CubeBatch
    noise: torch.Tensor
    chips: int

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> TrainingBatch:
        """Return the batch on another device."""
        cube = self.cube.to(device, non_blocking=non_blocking)
        return TrainingBatch(cube, self.noise.to(device, non_blocking=non_blocking), self.chips)

    def pin_memory(self) -> TrainingBatch:
        """Return the batch in page-locked memory, for copies to a GPU that do not wait."""
        return TrainingBatch(self.cube.pin_memory(), self.noise.pin_memory(), self.chips)


class ChipLoader:
    """Iterates over the batches of one epoch after another.

    Lightning sets the epoch through :attr:`sampler` and keeps :meth:`state_dict` in its checkpoints. The state counts
    the batches that were handed out, not those that wait in the thread.

    Args:
        sampler: Which chips, as positions in ``chips``.
        chips: `[position]` numbers of the split's chips in the store.
        read: Reads chips of the store into a batch.
        noise: Shape of the noise of one chip.
        seed: Seed of masks and turns.
        training: Whether to turn chips and hide others each epoch; validation shows the same every time.
        augment: Whether to turn chips in training.
        ahead: Batches to make ahead of time.
    """

    def __init__(
        self,
        sampler: ChipSampler,
        chips: NDArray[np.int64],
        read: Read,
        *,
        noise: tuple[int, ...],
        seed: int,
        training: bool,
        augment: bool = False,
        ahead: int = 2,
    ) -> None:
        self.sampler = sampler
        self.batch_sampler = None  # Lightning looks here before it looks at the sampler
        self._chips, self._read, self._shape, self._seed = chips, read, noise, seed
        self._training, self._augment, self._ahead = training, augment and training, ahead
        self._given: dict[str, Any] = sampler.state_dict()

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return len(self.sampler)

    def __iter__(self) -> Iterator[TrainingBatch]:
        """Yield the remaining batches of the sampler's epoch."""
        epoch = self.sampler.epoch
        with ThreadPoolExecutor(1, thread_name_prefix="chips") as pool:
            waiting: list[tuple[dict[str, Any], Future[TrainingBatch]]] = []
            for positions in self.sampler:
                size = self.sampler.global_size(self.sampler.step - 1)
                task = pool.submit(self._make, self._chips[positions], epoch, size)
                waiting.append((self.sampler.state_dict(), task))
                if len(waiting) > self._ahead:
                    yield self._hand(waiting)
            while waiting:
                yield self._hand(waiting)

    def _hand(self, waiting: list[tuple[dict[str, Any], Future[TrainingBatch]]]) -> TrainingBatch:
        state, task = waiting.pop(0)
        batch = task.result()
        self._given = state
        return batch

    def _make(self, chips: NDArray[np.int64], epoch: int, size: int) -> TrainingBatch:
        cube = self._read(chips)
        if self._augment:
            ways = orientations(chips, self._seed, epoch)
            cube.pixels, cube.valid = lay(cube.pixels, ways), lay(cube.valid, ways)
        keys = [(self._seed, epoch if self._training else _VALIDATION, int(chip), 4) for chip in chips]
        return TrainingBatch(cube, hiding_noise(keys, self._shape), size)

    def state_dict(self) -> dict[str, Any]:
        """Return where the loader stands."""
        return dict(self._given)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state, on any number of workers."""
        self.sampler.load_state_dict(state)
        self._given = self.sampler.state_dict()


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
    laid = torch.empty_like(square)
    for way in np.unique(orientation):
        rows = torch.from_numpy(np.flatnonzero(orientation == way))
        turned = torch.rot90(square[rows], int(way) % 4, dims=(-2, -1))
        laid[rows] = turned.flip(-1) if way >= 4 else turned
    return laid

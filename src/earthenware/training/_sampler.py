"""Which chips each worker sees at each step: without replacement, without padding, resumable at any step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from earthenware.errors import EarthenwareError


class ChipSampler:
    """Batches of chip positions for one worker.

    An epoch is one permutation of all chips, drawn from (seed, epoch). It is cut into ``ceil(count / batch_size)``
    *global* batches whose sizes differ by at most one, and worker ``rank`` of ``world_size`` takes every
    ``world_size``-th chip of each. Hence, over all workers, an epoch shows each chip exactly once; nothing is padded or
    dropped, because cutting evenly leaves no small last batch; and the global batches do not depend on the number of
    workers, so a run may be resumed with another one.

    Attributes:
        epoch: Epoch of the batches that iteration yields.
        step: Number of batches of that epoch already yielded.
    """

    def __init__(
        self, count: int, batch_size: int, *, seed: int, rank: int = 0, world_size: int = 1, shuffle: bool = True
    ) -> None:
        """Lay out the epochs of ``count`` chips; those that are not shuffled come in order, which validation wants.

        Raises:
            EarthenwareError: ``TOO_FEW_CHIPS`` when a step would leave a worker without a chip.
        """
        self.count, self.batch_size, self.seed = count, batch_size, seed
        self.rank, self.world_size, self.shuffle = rank, world_size, shuffle
        self.steps = -(-count // batch_size)
        self.epoch = self.step = 0
        if count // max(1, self.steps) < world_size:
            raise EarthenwareError(
                "TOO_FEW_CHIPS",
                f"{count} chips in batches of {batch_size} cannot feed {world_size} workers at every step.",
                "Lower workers, or raise batch_size.",
            )

    def __len__(self) -> int:
        """Return the number of steps of every epoch."""
        return self.steps

    def _start(self, step: int) -> int:
        return step * self.count // self.steps

    def global_size(self, step: int) -> int:
        """Return the number of chips of a step's global batch."""
        return self._start(step + 1) - self._start(step)

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of ``epoch``; the epoch that is under way keeps its place."""
        if epoch != self.epoch:
            self.epoch, self.step = epoch, 0

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield this worker's chips `[chip]` (int64 positions) of each remaining step of the epoch."""
        order = np.arange(self.count)
        if self.shuffle:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(self.count)
        while self.step < self.steps:
            batch = slice(self._start(self.step), self._start(self.step + 1))
            self.step += 1
            yield order[batch][self.rank :: self.world_size]
        self.epoch, self.step = self.epoch + 1, 0

    def state_dict(self) -> dict[str, Any]:
        """Return where the sampler stands: the same on every worker."""
        epoch, step = (self.epoch + 1, 0) if self.step >= self.steps else (self.epoch, self.step)
        return {"epoch": epoch, "step": step, "seed": self.seed, "count": self.count, "batch_size": self.batch_size}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where :meth:`state_dict` was taken, on any number of workers.

        Raises:
            EarthenwareError: ``CHECKPOINT_MISMATCH`` when it belongs to other chips, another seed or batch size.
        """
        for name in ("seed", "count", "batch_size"):
            if state[name] != getattr(self, name):
                raise EarthenwareError(
                    "CHECKPOINT_MISMATCH",
                    f"The checkpoint was made with {name} {state[name]}, this run has {getattr(self, name)}.",
                    "Train into another output.",
                )
        self.epoch, self.step = int(state["epoch"]), int(state["step"])

"""What is hidden of a chip: noise that belongs to the chip, whatever batch, worker or run it comes in.

A model hides where the noise is highest; see :class:`earthenware.models.Pretraining`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor


def hiding_noise(keys: Sequence[Iterable[int]], shape: tuple[int, ...]) -> Tensor:
    """Draw uniform noise for each chip from its key.

    Args:
        keys: ``[chip]`` numbers (not negative) that the chip's noise follows from.
        shape: Shape of one chip's noise.

    Returns:
        ``[chip, *shape]`` float32 from 0 to below 1.
    """
    noise = np.empty((len(keys), *shape), dtype=np.float32)
    for row, key in enumerate(keys):
        np.random.default_rng(list(key)).random(out=noise[row], dtype=np.float32)
    return torch.from_numpy(noise)


def key_of(chip_id: str, seed: int = 0) -> tuple[int, int]:
    """Return the key of a chip that stays the same in every store and at every time; other seeds give others."""
    return seed, int.from_bytes(hashlib.sha256(chip_id.encode()).digest()[:8], "big")

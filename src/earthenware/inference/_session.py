"""A model made ready to compute on a store's chips: its device, whether it fits, and what is hidden of each chip."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earthenware.chips import ChipStore
from earthenware.errors import EarthenwareError
from earthenware.inference._device import resolve_device
from earthenware.inference._package import Package
from earthenware.models import Encoder, ReconstructingEncoder


@contextmanager
def working_model(store: ChipStore, package: Package, device: str) -> Iterator[tuple[Encoder, torch.device]]:
    """Lend a model in evaluation mode on a device; mode and device are put back at the end.

    Gradients are the caller's matter: weights that move in inference mode could never be trained again.

    Raises:
        EarthenwareError: ``BANDS_DIFFER``; ``CHIP_SIZE`` where the model takes no chips of this size;
            ``DEVICE_UNAVAILABLE``.
    """
    package.info.require_bands_of(store)
    model, size = package.model, package.model.stride
    if store.chip_size % size:
        raise EarthenwareError(
            "CHIP_SIZE",
            f"The chips of '{store.uri}' are {store.chip_size} pixels wide; the model takes multiples of {size}.",
            f"Build chips whose size is a multiple of {size}.",
        )
    target = resolve_device(device)
    home, training = next(model.parameters()).device, model.training
    try:
        yield model.to(target).eval(), target
    finally:
        model.to(home).train(training)


def hiding_noise(keys: Sequence[Iterable[int]], shape: tuple[int, ...]) -> Tensor:
    """Draw uniform noise for each chip from its key, whatever batch, worker or run it comes in.

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


def noise_for(model: ReconstructingEncoder, store: ChipStore, chips: NDArray[np.int64], seed: int = 0) -> Tensor:
    """Return the noise that says what a model hides of chips ``[chip]`` of a store."""
    keys = [key_of(name, seed) for name in store.index["chip_id"].take(chips).to_pylist()]
    return hiding_noise(keys, model.noise_shape(store.chip_size))

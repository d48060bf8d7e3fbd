"""A model made ready to compute, and left as it was found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from earthenware.chips import ChipStore
from earthenware.errors import EarthenwareError
from earthenware.inference._package import Package
from earthenware.models import Encoder


@contextmanager
def working_model(model: Encoder, device: torch.device) -> Iterator[tuple[Encoder, torch.device]]:
    """Lend a model in evaluation mode on a device; mode and device are put back at the end.

    Gradients are the caller's matter: weights that move in inference mode could never be trained again.
    """
    home, training = next(model.parameters()).device, model.training
    try:
        yield model.to(device).eval(), device
    finally:
        model.to(home).train(training)


def require_fit(store: ChipStore, package: Package) -> None:
    """Check that a model can read a store's chips.

    Raises:
        EarthenwareError: ``BANDS_DIFFER``, or ``CHIP_SIZE`` where the model takes no chips of this size.
    """
    package.info.require_bands_of(store)
    size = package.model.stride
    if store.chip_size % size:
        raise EarthenwareError(
            "CHIP_SIZE",
            f"The chips of '{store.uri}' are {store.chip_size} pixels wide; the model takes multiples of {size}.",
            f"Build chips whose size is a multiple of {size}.",
        )

"""How well hidden pixels are filled in, beside what takes no learning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earthenware.chips import ChipStore
from earthenware.evaluation._panels import reconstruction_panel
from earthenware.metrics import SquaredErrors, bilinear_inpainting
from earthenware.pages import Picture

if TYPE_CHECKING:
    from earthenware.inference import Package

METHODS = ("model", "bilinear", "mean")
"""The model; bilinear inpainting of each band from its own visible pixels; the mean of the training pixels."""


@dataclass(frozen=True)
class Reconstruction:
    """Errors of hidden, valid pixels in normalised units, all methods on the same pixels.

    Attributes:
        chips: Number of chips.
        pixels: Number of hidden values compared, over all bands.
        overall: Method -> mean squared error over all of them.
        groups: Band group -> method -> mean squared error.
        pictures: Chip number -> panel of the original, what the model saw, and what it made of it.
    """

    chips: int
    pixels: int
    overall: dict[str, float]
    groups: dict[str, dict[str, float]]
    pictures: dict[int, Picture]

    def to_json(self) -> dict[str, Any]:
        """Return the numbers, null for an error over no pixel."""
        groups = {name: _known(errors) for name, errors in self.groups.items()}
        return {"chips": self.chips, "pixels": self.pixels, "overall": _known(self.overall), "groups": groups}


def _known(errors: dict[str, float]) -> dict[str, float | None]:
    return {name: value if np.isfinite(value) else None for name, value in errors.items()}


def measure_reconstruction(
    store: ChipStore,
    package: Package,
    indices: NDArray[np.int64],
    *,
    shown: Sequence[int] = (),
    seed: int = 0,
    batch_size: int = 64,
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
) -> Reconstruction:
    """Hide most of each chip and compare what the model and the baselines fill in.

    Args:
        store: The chips.
        package: The model.
        indices: Chip numbers.
        shown: Those of them to make pictures of.
        seed: Seed of the masks.
        batch_size: Chips per forward pass.
        device: Where to run the model.
        progress: Called with the number of chips done and the total.
    """
    from earthenware.inference import iterate_reconstructions

    bands = len(package.info.bands)
    statistics = package.info.normalization
    mean, std = statistics.mean[:, None, None], statistics.std[:, None, None]
    errors = {method: SquaredErrors(bands) for method in METHODS}
    pictures: dict[int, Picture] = {}
    done = 0
    for batch in iterate_reconstructions(store, package, indices, batch_size=batch_size, device=device, seed=seed):
        for row, chip in enumerate(batch.indices.tolist()):
            target = np.nan_to_num((batch.original[row] - mean) / std)
            made = (batch.reconstruction[row] - mean) / std
            hidden = batch.masked[row]
            errors["model"].add(target, made, hidden)
            errors["mean"].add(target, np.zeros_like(target), hidden)
            errors["bilinear"].add(target, bilinear_inpainting(target, batch.visible[row]), hidden)
            if chip in shown:
                pictures[chip] = reconstruction_panel(
                    batch.original[row], batch.visible[row], batch.filled[row], package.info.sensors
                )
            done += 1
        if progress is not None:
            progress(done, len(indices))
    groups = {group.name: list(group.bands) for group in package.info.reads.groups}
    return Reconstruction(
        chips=len(indices),
        pixels=int(errors["model"].count.sum()),
        overall={method: errors[method].mean() for method in METHODS},
        groups={name: {method: errors[method].mean(chosen) for method in METHODS} for name, chosen in groups.items()},
        pictures=pictures,
    )

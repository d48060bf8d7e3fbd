"""How well hidden pixels are filled in, beside what takes no learning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from earthenware.chips import ChipStore
from earthenware.evaluation._sample import HELD_OUT
from earthenware.metrics import SquaredErrors, bilinear_inpainting
from earthenware.pages import Picture, View, hatch, montage, views_of
from earthenware.products import METHODS, Errors, GroupErrors, ReconstructionResult

if TYPE_CHECKING:
    from earthenware.evaluation._spec import EvaluateSpec
    from earthenware.inference import Package


@dataclass(frozen=True)
class Reconstruction:
    """What a reconstruction gave.

    Attributes:
        result: The errors.
        pictures: Chip number -> panel of the original, what the model saw, and what it made of it.
        views: What the rows of a panel show.
    """

    result: ReconstructionResult
    pictures: dict[int, Picture]
    views: tuple[str, ...]


def measure_reconstruction(
    store: ChipStore,
    package: Package,
    indices: NDArray[np.int64],
    *,
    split: str,
    shown: Sequence[int],
    spec: EvaluateSpec,
    progress: Callable[[int, int], None],
) -> Reconstruction:
    """Hide most of each chip of a split, by their numbers, and compare what the model and the baselines fill in.

    Of those in ``shown`` there will be pictures. ``progress`` is called with the number of chips done and the total.
    """
    from earthenware.inference import iterate_reconstructions

    errors = {method: SquaredErrors(len(package.info.bands)) for method in METHODS}
    views = views_of(package.info.sensors)
    pictures: dict[int, Picture] = {}
    done = 0
    for batch in iterate_reconstructions(
        store, package, indices, batch_size=spec.batch_size, device=spec.device, seed=spec.seed
    ):
        target = np.nan_to_num(batch.target)
        errors["model"].add(target, batch.predicted, batch.masked)
        errors["mean"].add(target, np.zeros_like(target), batch.masked)
        for row in range(len(target)):
            errors["bilinear"].add(target[row], bilinear_inpainting(target[row], batch.visible[row]), batch.masked[row])
        for row, chip in enumerate(batch.indices.tolist()):
            if chip in shown:
                pictures[chip] = _panel(batch.original[row], batch.visible[row], batch.filled[row], views)
        done += len(target)
        progress(done, len(indices))

    def means(bands: tuple[int, ...] | None = None) -> dict[str, float]:
        return {method: errors[method].mean(bands) for method in METHODS}

    result = ReconstructionResult(
        split=split,
        held_out=split == HELD_OUT,
        levels_known=package.levels_known,
        chips=len(indices),
        pixels=int(errors["model"].count.sum()),
        overall=Errors(**means()),
        groups=tuple(GroupErrors(name=group.name, **means(group.bands)) for group in package.info.reads.groups),
    )
    return Reconstruction(result, pictures, tuple(view.title for view in views))


def _panel(
    original: NDArray[np.float32], visible: NDArray[np.bool_], filled: NDArray[np.float32], views: Sequence[View]
) -> Picture:
    """Lay out one chip: a row per view; columns are the original, what the model saw, and the filled-in chip.

    Each row has one stretch, that of its original, so that its pictures compare. All arrays are `[band, y, x]`, values
    in physical units, NaN where invalid.
    """
    rows = []
    for view in views:
        values = original[list(view.bands)]
        stretch = view.stretch(values)
        # Elevation without light, which would show the seams of patches and little else.
        first = view.shade(values, stretch)
        hidden = np.asarray(np.isfinite(values).all(0) & ~visible[list(view.bands)].all(0))
        made = np.where(np.isfinite(values).any(0), filled[list(view.bands)], np.nan)
        rows.append([first, hatch(first, hidden), view.shade(made, stretch)])
    return montage(rows or [[np.zeros((*original.shape[1:], 3), np.uint8)]])

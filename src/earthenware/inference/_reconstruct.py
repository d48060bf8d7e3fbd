"""Chips to what the model makes of them when most of each is hidden."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earthenware.chips import ChipStore
from earthenware.errors import EarthenwareError
from earthenware.inference._batches import iterate_batches
from earthenware.inference._device import resolve_device
from earthenware.inference._masks import chip_masks
from earthenware.inference._package import Package
from earthenware.inference._session import require_fit, working_model
from earthenware.models import MAEConfig


@dataclass(frozen=True)
class ChipReconstructions:
    """Chips beside their reconstructions, in physical units.

    Attributes:
        indices: ``[chip]`` numbers of the chips.
        original: ``[chip, band, y, x]`` float32, NaN where invalid.
        reconstruction: ``[chip, band, y, x]`` float32 everywhere; learned only where the model saw nothing. A model
            with ``normalize_targets`` predicts patterns only, and the hidden patch's own mean and deviation
            are put back.
        masked: ``[chip, band, y, x]`` bool, the targets: valid pixels that were hidden from the model.
        visible: ``[chip, band, y, x]`` bool, valid pixels that the model saw.
        masked_patches: ``[chip, group, patch]`` bool, the hidden group-patches.
        error: ``[chip]`` float32 mean squared error over hidden group-patches, in normalised units; NaN without any.
        group_error: ``[chip, group]`` float32 the same per band group.
        groups: Names of the band groups.
        bands: Names of the bands.
    """

    indices: NDArray[np.int64]
    original: NDArray[np.float32]
    reconstruction: NDArray[np.float32]
    masked: NDArray[np.bool_]
    visible: NDArray[np.bool_]
    masked_patches: NDArray[np.bool_]
    error: NDArray[np.float32]
    group_error: NDArray[np.float32]
    groups: tuple[str, ...]
    bands: tuple[str, ...]

    @property
    def filled(self) -> NDArray[np.float32]:
        """``[chip, band, y, x]`` what the model saw, and its reconstruction everywhere else: the picture to show."""
        return np.where(self.visible, self.original, self.reconstruction)


def reconstruct_chips(
    store: ChipStore,
    package: Package,
    indices: Sequence[int] | NDArray[np.int64] | None = None,
    *,
    batch_size: int = 64,
    device: str = "auto",
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> ChipReconstructions:
    """Hide most of each chip by a mask drawn from its id and fill it in.

    A chip of 64 pixels takes about 0.5 MB in the result: see :func:`iterate_reconstructions` for many.

    Args:
        store: The chips.
        package: The model.
        indices: Numbers of the chips, in the order wanted; None for all.
        batch_size: Chips per forward pass.
        device: ``"auto"``, ``"cpu"`` or a torch device.
        seed: Other seeds give other masks; 0 gives those of ``embed_chips``.
        progress: Called with the number of chips done and the total after each batch.

    Raises:
        EarthenwareError: ``DEVICE_UNAVAILABLE``, ``BANDS_DIFFER``, ``CHIP_SIZE``, ``CHIPS_CORRUPT``, ``NO_CHIPS``.
    """
    total = len(store) if indices is None else len(indices)
    parts = []
    done = 0
    for part in iterate_reconstructions(store, package, indices, batch_size=batch_size, device=device, seed=seed):
        parts.append(part)
        done += len(part.indices)
        if progress is not None:
            progress(done, total)
    if not parts:
        raise EarthenwareError("NO_CHIPS", f"No chip of '{store.uri}' was given to reconstruct.")
    joined = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(ChipReconstructions)
        if field.name not in ("groups", "bands")
    }
    return ChipReconstructions(**joined, groups=parts[0].groups, bands=parts[0].bands)


def iterate_reconstructions(
    store: ChipStore,
    package: Package,
    indices: Sequence[int] | NDArray[np.int64] | None = None,
    *,
    batch_size: int = 64,
    device: str = "auto",
    seed: int = 0,
) -> Generator[ChipReconstructions, None, None]:
    """Yield the reconstructions of :func:`reconstruct_chips` batch by batch; arguments and errors as there."""
    require_fit(store, package)
    numbers = np.arange(len(store)) if indices is None else np.asarray(indices, dtype=np.int64)
    statistics, config = package.info.normalization, package.model.config
    mean, std = statistics.mean[:, None, None], statistics.std[:, None, None]
    ids = store.index["chip_id"]
    with working_model(package.model, resolve_device(device)) as (model, target):
        for block, on_cpu in iterate_batches(store, numbers, package.info, batch_size):
            batch = on_cpu.to(target)
            names = ids.take(block).to_pylist()
            with torch.inference_mode():
                mask = chip_masks(names, model.token_validity(batch), config.mask_ratio, seed)
                output = model(batch, mask=mask)
            hidden, seen = (
                (_to_pixels(tokens, config, store.chip_size) & batch.valid).cpu().numpy()
                for tokens in (output.masked, output.visible)
            )
            physical = batch.pixels.cpu().numpy() * std + mean
            yield ChipReconstructions(
                indices=block,
                original=np.where(on_cpu.valid.numpy(), physical, np.float32(np.nan)),
                reconstruction=output.reconstruction.cpu().numpy() * std + mean,
                masked=hidden,
                visible=seen,
                masked_patches=output.masked.cpu().numpy(),
                error=output.loss_per_sample.cpu().numpy(),
                group_error=(output.patch_error.sum(2) / output.masked.sum(2)).cpu().numpy(),
                groups=output.group_names,
                bands=package.info.bands,
            )


def _to_pixels(tokens: Tensor, config: MAEConfig, chip_size: int) -> Tensor:
    """Spread ``[chip, group, patch]`` over the pixels of the groups' bands: ``[chip, band, y, x]``."""
    side, size = chip_size // config.patch_size, config.patch_size
    of_band = torch.empty(config.bands, dtype=torch.int64, device=tokens.device)
    for number, group in enumerate(config.groups):
        of_band[list(group.bands)] = number
    patches = tokens[:, of_band].reshape(len(tokens), config.bands, side, side)
    return patches.repeat_interleave(size, 2).repeat_interleave(size, 3)

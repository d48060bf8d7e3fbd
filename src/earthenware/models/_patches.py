"""Pixels to patches and back."""

from __future__ import annotations

from torch import Tensor


def patchify(pixels: Tensor, patch_size: int) -> Tensor:
    """Cut images into square patches, row by row.

    Args:
        pixels: ``[batch, band, y, x]``.
        patch_size: Side of a patch in pixels.

    Returns:
        ``[batch, patch, band, patch_size * patch_size]``.

    Raises:
        ValueError: If the patch size does not divide the image's sides.
    """
    batch, bands, height, width = pixels.shape
    if height % patch_size or width % patch_size:
        raise ValueError(f"patches of {patch_size} pixels do not fill an image of {height} x {width} pixels.")
    rows, columns = height // patch_size, width // patch_size
    cut = pixels.reshape(batch, bands, rows, patch_size, columns, patch_size)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(batch, rows * columns, bands, patch_size * patch_size)


def unpatchify(patches: Tensor, rows: int, columns: int) -> Tensor:
    """Undo :func:`patchify`.

    Args:
        patches: ``[batch, patch, band, patch_size * patch_size]`` with ``rows * columns`` patches.
        rows: Patches along y.
        columns: Patches along x.

    Returns:
        ``[batch, band, y, x]``.
    """
    batch, _, bands, area = patches.shape
    side = round(area**0.5)
    cut = patches.reshape(batch, rows, columns, bands, side, side)
    return cut.permute(0, 3, 1, 4, 2, 5).reshape(batch, bands, rows * side, columns * side)

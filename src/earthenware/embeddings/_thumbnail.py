"""Small true-colour pictures of chips, for people who browse a product."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

GREY = 128
"""What stands where nothing was measured."""


def true_colour(reflectance: NDArray[Any], ceiling: float = 2800.0) -> NDArray[np.uint8]:
    """Turn red, green and blue into a picture that looks natural and compares across chips.

    Args:
        reflectance: `[3, y, x]` red, green, blue reflectance times 10000; NaN where nothing was measured.
        ceiling: The reflectance times 10000 that becomes white; fixed, so that dark places stay dark. A chip
            that is brighter than this (cloud, snow, sand) lifts it to its own 98th percentile.

    Returns:
        `[y, x, 3]`.
    """
    values = np.asarray(reflectance, np.float64)
    known = np.isfinite(values)
    bright = float(np.percentile(values[known], 98)) if known.any() else ceiling
    # Land reflects 2 to 15 %: on a linear scale that is nearly black.
    shown = np.clip(np.nan_to_num(values) / max(ceiling, bright), 0.0, 1.0) ** (1 / 1.4)
    picture = np.where(known, np.round(255.0 * shown), GREY)
    return np.asarray(np.moveaxis(picture, 0, -1), np.uint8)


def encode_jpeg(picture: NDArray[np.uint8], size: int, quality: int = 80) -> bytes:
    """Encode `[y, x, 3]` as JPEG, reduced so that its longest edge is at most ``size`` pixels."""
    from PIL import Image

    image = Image.fromarray(picture)
    if max(image.size) > size:
        image.thumbnail((size, size), Image.Resampling.BOX)
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=quality, optimize=True)
    return buffer.getvalue()

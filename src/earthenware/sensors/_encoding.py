"""Physical values and the int16 numbers that a chip store holds for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

NODATA: Final = -32768
"""Stored value of a pixel without data, in every sensor."""

_LARGEST: Final = 32767
_SMALLEST: Final = -32767  # one above NODATA: a clipped value must never turn into nodata


def encode(values: npt.ArrayLike, scale: float, offset: float) -> npt.NDArray[np.int16]:
    """Turn physical values `[..., y, x]` into stored int16, with NaN and infinities as nodata.

    Values beyond the range are clipped to its ends, never to nodata. A scale that is not larger than 0 is a ValueError.
    """
    import numpy as np

    if not scale > 0:
        raise ValueError(f"scale must be larger than 0, not {scale}")
    physical = np.asarray(values)
    finite = np.isfinite(physical)
    steps = np.where(finite, physical, offset).astype(np.float64)
    # In place: a strip of a scene has millions of pixels, and most sensors store their unit as it is.
    if offset:
        steps -= offset
    if scale != 1:
        steps /= scale
    np.clip(np.rint(steps, out=steps), _SMALLEST, _LARGEST, out=steps)
    return np.where(finite, steps.astype(np.int16), np.int16(NODATA))


def decode(stored: npt.ArrayLike, scale: float, offset: float = 0.0) -> npt.NDArray[np.float32]:
    """Turn stored int16 into physical float32, with nodata as NaN.

    Args:
        stored: Stored numbers `[..., y, x]`.
        scale: Physical units per stored step.
        offset: Physical value of the stored 0.

    Returns:
        float32 of the same shape.
    """
    import numpy as np

    numbers = np.asarray(stored)
    values = numbers.astype(np.float32)
    if scale != 1.0:
        values *= np.float32(scale)
    if offset != 0.0:
        values += np.float32(offset)
    values[numbers == NODATA] = np.nan
    return values

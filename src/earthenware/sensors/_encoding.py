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

# Below this power a pixel is noise of the processor, not backscatter: -100 dB.
_SMALLEST_POWER: Final = 1e-10


def encode(values: npt.ArrayLike, scale: float, offset: float = 0.0) -> npt.NDArray[np.int16]:
    """Turn physical values into stored int16, with NaN and infinities as nodata.

    Args:
        values: Physical values `[..., y, x]`, any float type.
        scale: Physical units per stored step, larger than 0.
        offset: Physical value of the stored 0.

    Returns:
        int16 of the same shape; values beyond the range are clipped to its ends, never to nodata.

    Raises:
        ValueError: The scale is not larger than 0.
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


def db_from_linear(power: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Turn linear backscatter (power) into decibels.

    Zero and negative power mean "no measurement" in the Sentinel-1 products and become NaN.

    Args:
        power: Linear gamma0 or sigma0 `[..., y, x]`.

    Returns:
        Decibels, float32, of the same shape.
    """
    import numpy as np

    linear = np.asarray(power, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        measured = np.isfinite(linear) & (linear > 0)
    decibels = 10.0 * np.log10(np.where(measured, np.maximum(linear, _SMALLEST_POWER), 1.0))
    return np.where(measured, decibels, np.nan).astype(np.float32)

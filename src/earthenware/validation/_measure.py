"""Pixel statistics of chips, vectorised over a block of them.

Everything is counted on the stored integers and turned into physical units at the end, so that no float copy of the
pixels is made. Here ``pixels`` are stored values `[chip, band, y, x]`, and a ``mask`` holds flags `[chip, y, x]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from earthenware.chips import Mask
from earthenware.sensors import SENSORS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from earthenware.chips import SensorLayout

_VEGETATION: Final = (10, 20, 30, 40, 90, 95)  # WorldCover codes under which near infrared is brighter than red
_BRIGHT_BLUE: Final = 2000  # reflectance * 10000
_EDGE: Final = np.int16(32767)


def measure_bands(layout: SensorLayout, pixels: NDArray[np.int16], mask: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """Describe each band of each chip, `[chip, band]`.

    Numbers of ``pixels``, of ``valid`` and of ``implausible`` ones (what is flagged as cloud or saturated may hold any
    value); ``sum`` and ``squares`` of physical values; their ``minimum`` and ``maximum``, NaN where none is valid.
    """
    measured = pixels != layout.nodata
    valid = np.count_nonzero(measured, axis=(2, 3))
    # An implausible value can only lie in a band whose extremes are: most bands need no second pass.
    lowest = np.where(measured, pixels, _EDGE).min(axis=(2, 3)).astype(np.float64)
    highest = pixels.max(axis=(2, 3)).astype(np.float64)  # nodata is the smallest int16
    total = pixels.sum(axis=(2, 3), dtype=np.int64) - (measured.shape[2] * measured.shape[3] - valid) * layout.nodata
    filled = np.where(measured, pixels, 0).astype(np.float32).reshape(*pixels.shape[:2], -1)
    squares = np.einsum("cbp,cbp->cb", filled, filled, dtype=np.float64, casting="same_kind")
    empty = valid == 0
    minimum, maximum = lowest * layout.scale + layout.offset, highest * layout.scale + layout.offset
    minimum[empty] = maximum[empty] = np.nan
    scaled = total * layout.scale + valid * layout.offset
    scaled_squares = squares * layout.scale**2 + 2 * layout.offset * layout.scale * total + valid * layout.offset**2
    return {
        "pixels": np.full(valid.shape, measured.shape[2] * measured.shape[3]),
        "valid": valid,
        "sum": scaled,
        "squares": scaled_squares,
        "minimum": minimum,
        "maximum": maximum,
        "implausible": _implausible(layout, pixels, mask, minimum, maximum),
    }


def plausible_range(layout: SensorLayout) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the smallest and the largest plausible value of each band, in physical units; infinite where unknown."""
    entry = SENSORS.get(layout.id)
    stated = {} if entry is None else {band.name: band.plausible for band in entry.bands}
    limits = np.array([stated.get(band) or (-np.inf, np.inf) for band in layout.bands])
    return limits[:, 0], limits[:, 1]


def _implausible(
    layout: SensorLayout,
    pixels: NDArray[np.int16],
    mask: NDArray[np.uint8],
    minimum: NDArray[np.float64],
    maximum: NDArray[np.float64],
) -> NDArray[np.int64]:
    legend = SENSORS[layout.id].legend if layout.id in SENSORS else {}
    if legend:
        known = np.zeros(2**16, dtype=bool)
        known[[*legend, layout.nodata]] = True  # negative codes count from the end, as in the view below
        return np.asarray(np.count_nonzero(~known[pixels.view(np.uint16)], axis=(2, 3)))
    counts = np.zeros(pixels.shape[:2], dtype=np.int64)
    low, high = plausible_range(layout)
    with np.errstate(invalid="ignore"):
        suspects = (minimum < low) | (maximum > high)
    for chip, band in np.argwhere(suspects):
        stored = pixels[chip, band].astype(np.float64)
        physical = stored * layout.scale + layout.offset
        outside = (stored != layout.nodata) & ((physical < low[band]) | (physical > high[band]))
        outside &= (mask[chip] & (Mask.CLOUD | Mask.SATURATED)) == 0
        counts[chip, band] = np.count_nonzero(outside)
    return counts


def measure_chips(layout: SensorLayout, pixels: NDArray[np.int16], mask: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """Compare each chip's mask with its pixels, `[chip]`.

    ``nodata_fraction`` is that of the flag, ``flagged_but_measured`` counts pixels with the nodata flag that hold a
    value in some band, ``nodata_but_unflagged`` pixels without it that lack a value in some band.
    """
    missing = pixels == layout.nodata
    anywhere, everywhere = missing.any(axis=1), missing.all(axis=1)
    flagged = (mask & Mask.NODATA) != 0
    return {
        "nodata_fraction": flagged.mean(axis=(1, 2)),
        "flagged_but_measured": np.count_nonzero(flagged & ~everywhere, axis=(1, 2)),
        "nodata_but_unflagged": np.count_nonzero(~flagged & anywhere, axis=(1, 2)),
    }


def colour_bands(layout: SensorLayout) -> dict[str, int]:
    """Return where a sensor's blue, red and near infrared bands stand; empty where it lacks one of them."""
    entry = SENSORS.get(layout.id)
    if entry is None or entry.kind != "optical":
        return {}
    named = {band.common_name: layout.bands.index(band.name) for band in entry.bands if band.name in layout.bands}
    # The wide band where an instrument has both.
    named["near_infrared"] = named.get("nir", named.get("nir08", -1))
    found = {colour: named.get(colour, -1) for colour in ("blue", "red", "near_infrared")}
    return found if min(found.values()) >= 0 else {}


def vegetation_means(
    layout: SensorLayout, pixels: NDArray[np.int16], mask: NDArray[np.uint8], land_cover: NDArray[np.int16]
) -> dict[str, NDArray[Any]]:
    """Sum red and near infrared over clear vegetation, for a sensor that has :func:`colour_bands`.

    Of each chip the number of pixels with ``vegetation``, by WorldCover codes `[chip, y, x]`, and the sums of physical
    values over them, ``red`` and ``near_infrared``.
    """
    blue, red, near_infrared = (pixels[:, place] for place in colour_bands(layout).values())
    clear = (mask & (Mask.NODATA | Mask.CLOUD | Mask.SHADOW | Mask.SNOW | Mask.WATER | Mask.SATURATED)) == 0
    # No plant is as bright in blue as snow, cloud and haze that the flags missed.
    clear &= blue < _BRIGHT_BLUE
    chosen = clear & np.isin(land_cover, _VEGETATION) & (red != layout.nodata) & (near_infrared != layout.nodata)
    count = np.count_nonzero(chosen, axis=(1, 2))

    def total(band: NDArray[np.int16]) -> NDArray[Any]:
        stored = np.where(chosen, band, 0).sum(axis=(1, 2), dtype=np.int64)
        return np.asarray(stored * layout.scale + count * layout.offset)

    return {"vegetation": count, "red": total(red), "near_infrared": total(near_infrared)}

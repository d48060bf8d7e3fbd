"""Band statistics from sums that merge exactly.

Stored pixels are integers, so a band's count, sum and sum of squares are integers too. Kept as such they merge in any
order and any grouping to the very same mean and standard deviation, and the subtraction in the variance loses nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from earthenware.chips._document import BandStatistics, SensorLayout
from earthenware.sensors import UNUSABLE

Sums = dict[str, dict[str, list[int]]]
"""Sensor -> band -> [count, sum, sum of squares] of stored values."""

_BLOCK = 2**22
"""Pixels summed at once in float64: 2**22 squares of int16 stay below 2**53, where float64 integers are exact."""


def band_sums(layout: SensorLayout, pixels: NDArray[np.int16], mask: NDArray[np.uint8]) -> dict[str, list[int]]:
    """Sum the usable pixels [chip, band, y, x] of each band, by the flags [chip, y, x]."""
    usable = (mask & int(UNUSABLE)) == 0
    step = max(1, _BLOCK // max(1, mask.shape[-1] * mask.shape[-2]))
    result: dict[str, list[int]] = {}
    for index, band in enumerate(layout.bands):
        totals = [0, 0, 0]
        for start in range(0, len(pixels), step):
            stored = pixels[start : start + step, index]
            valid = usable[start : start + step] & (stored != layout.nodata)
            values = np.where(valid, stored, 0).astype(np.float64).ravel()
            totals[0] += int(np.count_nonzero(valid))
            totals[1] += int(values.sum())
            totals[2] += int(values @ values)
        result[band] = totals
    return result


def merge_sums(parts: Iterable[Mapping[str, Mapping[str, Sequence[int]]]]) -> Sums:
    """Add the sums of several parts; the order does not matter."""
    merged: Sums = {}
    for part in parts:
        for sensor, bands in part.items():
            known = merged.setdefault(sensor, {})
            for band, sums in bands.items():
                before = known.get(band, [0, 0, 0])
                known[band] = [int(a) + int(b) for a, b in zip(before, sums, strict=True)]
    return merged


def describe(
    sums: Mapping[str, Mapping[str, Sequence[int]]], layouts: Mapping[str, SensorLayout]
) -> dict[str, dict[str, BandStatistics]]:
    """Turn sums into statistics in physical units, sensor -> band -> statistics."""
    result: dict[str, dict[str, BandStatistics]] = {}
    for sensor in sorted(sums):
        layout = layouts[sensor]
        result[sensor] = {}
        for band in layout.bands:
            count, total, squares = (int(value) for value in sums[sensor].get(band, (0, 0, 0)))
            if count == 0:
                result[sensor][band] = BandStatistics()
                continue
            variance = Fraction(count * squares - total * total, count * count)
            mean = float(Fraction(total, count)) * layout.scale + layout.offset
            result[sensor][band] = BandStatistics(mean=mean, std=math.sqrt(variance) * layout.scale, count=count)
    return result

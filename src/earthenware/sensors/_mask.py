"""What a pixel's quality flags mean, from the reader of an asset to the loss of a model."""

from __future__ import annotations

from enum import IntFlag


class Mask(IntFlag):
    """Bit flags of a mask array; a pixel may carry several.

    In array arithmetic write ``mask & int(Mask.CLOUD)``: NumPy widens a uint8 array to int64 for the flag itself.
    """

    NODATA = 1
    """Nothing was measured here; the pixel holds the nodata value in every band."""
    CLOUD = 2
    """Cloud of medium or high probability, or cirrus."""
    SHADOW = 4
    """Cloud shadow."""
    SNOW = 8
    """Snow or ice."""
    WATER = 16
    """Open water."""
    SATURATED = 32
    """At least one band is saturated or defective."""


UNUSABLE = Mask.NODATA | Mask.CLOUD | Mask.SHADOW | Mask.SATURATED
"""The flags that keep a pixel of an optical sensor out of statistics: its value says nothing about the ground."""

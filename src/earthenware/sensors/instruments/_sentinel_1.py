"""What all products of Sentinel-1 share."""

from __future__ import annotations

from typing import Final

C_BAND_NM: Final = 299_792_458.0 / 5.405e9 * 1e9
"""Wavelength of the carrier of 5.405 GHz in nm."""

WINDOW_DAYS: Final = 6.0
"""One satellite repeats its orbit every 12 days: the nearest pass is within 6."""

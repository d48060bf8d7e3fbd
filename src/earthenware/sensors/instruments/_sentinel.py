"""What products of the Sentinels share."""

from __future__ import annotations

from typing import Final

LICENCE: Final = "Copernicus Sentinel data terms (free, full and open; attribution)"

C_BAND_NM: Final = 299_792_458.0 / 5.405e9 * 1e9
"""Wavelength in nm of Sentinel-1's carrier of 5.405 GHz."""

WINDOW_DAYS: Final = 6.0
"""One satellite of Sentinel-1 repeats its orbit every 12 days: the nearest pass is within 6."""

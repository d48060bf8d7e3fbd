"""Rasters that somebody else made: opened by named drivers only, within limits, and with the user's keys for no other.

A link comes from a catalog, and a catalog may lie. So GDAL is never asked to find out what a file is: a VRT that is
served as ``B04.tif`` would make it read any file of this machine, or sign requests with this user's keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earthenware.lazy import lazy_exports

if TYPE_CHECKING:
    from earthenware.rasters._open import Reading, open_raster, read_pixels
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = ["Reading", "open_raster", "read_pixels"]

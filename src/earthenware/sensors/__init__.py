"""What an instrument measures and its role in a datacube, and how each catalog names and stores it.

One entry per sensor (``instruments/``) says everything that the rest of the house asks: bands, wavelengths (nm), ground
sampling distances (m), units, flags, windows in time, groups of bands, plausible values, collections and asset names.
Beside them stands the table of catalogs. STAC items are plain mappings.
"""

from earthenware.sensors._assets import (
    asset_for,
    declared_offset,
    has_asset,
    href_signer,
    is_of_mode,
    profile_for,
    sensor_of,
)
from earthenware.sensors._catalogs import PROFILES, CatalogProfile
from earthenware.sensors._encoding import NODATA, decode
from earthenware.sensors._sensor import (
    UNUSABLE,
    Band,
    Collection,
    Mask,
    OffsetCheck,
    OffsetDecision,
    Quality,
    Sensor,
)
from earthenware.sensors._table import SENSORS, collection_in, sensor

__all__ = [
    "NODATA",
    "PROFILES",
    "SENSORS",
    "UNUSABLE",
    "Band",
    "CatalogProfile",
    "Collection",
    "Mask",
    "OffsetCheck",
    "OffsetDecision",
    "Quality",
    "Sensor",
    "asset_for",
    "collection_in",
    "declared_offset",
    "decode",
    "has_asset",
    "href_signer",
    "is_of_mode",
    "profile_for",
    "sensor",
    "sensor_of",
]

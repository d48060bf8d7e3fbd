"""What an instrument measures and its role in a datacube, and how each catalog names and stores it.

One entry per sensor (``instruments/``) says everything that the rest of the house asks: bands, wavelengths (nm), ground
sampling distances (m), units, flags, windows in time, groups of bands, plausible values, collections and asset names.
Beside them stands the table of catalogs. STAC items are plain mappings.
"""

from earthenware.sensors._assets import (
    asset_for,
    collection_of,
    declared_offset,
    has_asset,
    href_signer,
    is_of_mode,
    profile_for,
    sensor_of,
)
from earthenware.sensors._catalogs import PROFILES, CatalogProfile
from earthenware.sensors._encoding import NODATA, db_from_linear, decode, encode
from earthenware.sensors._mask import UNUSABLE, Mask
from earthenware.sensors._sensor import Band, Collection, OffsetCheck, OffsetDecision, OffsetRule, Quality, Sensor
from earthenware.sensors._table import SENSORS, collection_in, sensor
from earthenware.sensors.instruments._sentinel_2_baseline import (
    BOA_OFFSET,
    OffsetDeclaration,
    offset_declaration,
    processing_baseline,
)
from earthenware.sensors.instruments._sentinel_2_offset import (
    EVIDENCE_BANDS,
    OffsetEvidence,
    decide_offset,
    offset_evidence,
)
from earthenware.sensors.instruments.cop_dem_glo_30 import SENSOR as DEM
from earthenware.sensors.instruments.land_cover import SENSOR as LAND_COVER
from earthenware.sensors.instruments.land_cover import WORLD_COVER_CLASSES, land_cover_lookup
from earthenware.sensors.instruments.sentinel_1_rtc import SENSOR as S1
from earthenware.sensors.instruments.sentinel_2_l2a import SENSOR as S2

PRETRAIN_SENSORS = (S2.id, S1.id, DEM.id)
BAND_GROUPS = {**S2.groups, **S1.groups, **DEM.groups}

__all__ = [
    "BAND_GROUPS",
    "BOA_OFFSET",
    "DEM",
    "EVIDENCE_BANDS",
    "LAND_COVER",
    "NODATA",
    "PRETRAIN_SENSORS",
    "PROFILES",
    "S1",
    "S2",
    "SENSORS",
    "UNUSABLE",
    "WORLD_COVER_CLASSES",
    "Band",
    "CatalogProfile",
    "Collection",
    "Mask",
    "OffsetCheck",
    "OffsetDecision",
    "OffsetDeclaration",
    "OffsetEvidence",
    "OffsetRule",
    "Quality",
    "Sensor",
    "asset_for",
    "collection_in",
    "collection_of",
    "db_from_linear",
    "decide_offset",
    "declared_offset",
    "decode",
    "encode",
    "has_asset",
    "href_signer",
    "is_of_mode",
    "land_cover_lookup",
    "offset_declaration",
    "offset_evidence",
    "processing_baseline",
    "profile_for",
    "sensor",
    "sensor_of",
]

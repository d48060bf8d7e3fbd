"""What an instrument measures, and how each catalog names and stores it.

Bands, wavelengths (nm), ground sampling distances (m), storage units, radiometric offsets, legends, reference
statistics; the table of catalogs with their asset names, flags, signing and licences. STAC items are plain mappings.
"""

from earthenware.sensors._assets import asset_for, has_asset, href_signer, profile_for, sensor_of
from earthenware.sensors._catalogs import PROFILES, SCL_BAND, CatalogProfile, CollectionProfile
from earthenware.sensors._classes import SCL_CLASSES, SCL_FLAGS, WORLD_COVER_CLASSES, land_cover_lookup
from earthenware.sensors._encoding import NODATA, db_from_linear, decode, encode, linear_from_db
from earthenware.sensors._matching import TIME_MATCHES, TimeMatch
from earthenware.sensors._offset import (
    EVIDENCE_BANDS,
    OffsetDecision,
    OffsetEvidence,
    decide_offset,
    offset_evidence,
)
from earthenware.sensors._radiometry import (
    BOA_OFFSET,
    OffsetDeclaration,
    declared_offset,
    offset_declaration,
    processing_baseline,
)
from earthenware.sensors._sensors import (
    BAND_GROUPS,
    DEM,
    LAND_COVER,
    PRETRAIN_SENSORS,
    S1,
    S2,
    SENSORS,
    Band,
    Sensor,
    sensor,
)
from earthenware.sensors._statistics import CLAY_V0_STATISTICS, BandStatistics

__all__ = [
    "BAND_GROUPS",
    "BOA_OFFSET",
    "CLAY_V0_STATISTICS",
    "DEM",
    "EVIDENCE_BANDS",
    "LAND_COVER",
    "NODATA",
    "PRETRAIN_SENSORS",
    "PROFILES",
    "S1",
    "S2",
    "SCL_BAND",
    "SCL_CLASSES",
    "SCL_FLAGS",
    "SENSORS",
    "TIME_MATCHES",
    "WORLD_COVER_CLASSES",
    "Band",
    "BandStatistics",
    "CatalogProfile",
    "CollectionProfile",
    "OffsetDecision",
    "OffsetDeclaration",
    "OffsetEvidence",
    "Sensor",
    "TimeMatch",
    "asset_for",
    "db_from_linear",
    "decide_offset",
    "declared_offset",
    "decode",
    "encode",
    "has_asset",
    "href_signer",
    "land_cover_lookup",
    "linear_from_db",
    "offset_declaration",
    "offset_evidence",
    "processing_baseline",
    "profile_for",
    "sensor",
    "sensor_of",
]

"""The chip store: its format, its writer and its reader; nothing else knows how chips lie on disk.

A store is a document, ``store.json``, and parts. A part is a directory with ``pixels.zarr`` (Zarr v3; per sensor the
arrays ``pixels`` [chip, band, y, x] int16 and ``mask`` [chip, y, x] uint8, one chip per inner chunk) and
``chips.parquet`` (GeoParquet, one row per chip in the arrays' order). A sensor that a chip lacks takes no chunk.
"""

from earthenware.chips._digest import chip_digest
from earthenware.chips._document import (
    FORMAT,
    FORMAT_VERSION,
    STORE_FILE,
    BandStatistics,
    PartEntry,
    SensorLayout,
    StoreDocument,
)
from earthenware.chips._index import column, index_schema
from earthenware.chips._reader import ChipArrays, ChipStore
from earthenware.chips._store import merge_documents, store_document, write_chips
from earthenware.chips._writer import ChipWriter, PartSummary
from earthenware.sensors import NODATA, UNUSABLE, Mask

__all__ = [
    "FORMAT",
    "FORMAT_VERSION",
    "NODATA",
    "STORE_FILE",
    "UNUSABLE",
    "BandStatistics",
    "ChipArrays",
    "ChipStore",
    "ChipWriter",
    "Mask",
    "PartEntry",
    "PartSummary",
    "SensorLayout",
    "StoreDocument",
    "chip_digest",
    "column",
    "index_schema",
    "merge_documents",
    "store_document",
    "write_chips",
]

"""The index of chips: one row per chip, a GeoParquet table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import shapely

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.sensors import SENSORS

_TIME = pa.timestamp("us", tz="UTC")


def column(sensor: str, name: str) -> str:
    """Return the index column of a sensor: ``column("sentinel-1-rtc", "present")`` is sentinel_1_rtc_present."""
    return f"{sensor.replace('-', '_')}_{name}"


def index_schema(sensors: Sequence[str]) -> pa.Schema:
    """Return the columns of the index of a store with these sensors.

    Per chip: id, scene, site, split, acquisition time (UTC), centre in degrees, footprint (WKB polygon, OGC:CRS84),
    affine transform of the chip in its CRS, position in its scene (chip rows and columns), GSD in metres, the digest of
    its pixels and masks, and its most frequent land-cover class with that class's fraction of the labelled pixels.
    Per sensor: presence, time, source item ids and links, and the fractions (0 to 1) of cloud and of nodata.
    A sensor may add columns of its own (see its entry): one whose numbers may carry a radiometric offset adds the
    offset as declared, as applied (digital numbers), whether the pixels contradict the declaration, and the dark
    digital number that the decision rests on.
    """
    fields: list[tuple[str, pa.DataType]] = [
        ("chip_id", pa.string()),
        ("scene_id", pa.string()),
        ("site", pa.string()),
        ("split", pa.string()),
        ("datetime", _TIME),
        ("lon", pa.float64()),
        ("lat", pa.float64()),
        ("geometry", pa.binary()),
        ("crs", pa.string()),
        ("transform", pa.list_(pa.float64())),
        ("row", pa.int32()),
        ("col", pa.int32()),
        ("gsd", pa.float64()),
        ("digest", pa.string()),
        ("land_cover", pa.int16()),
        ("land_cover_fraction", pa.float64()),
    ]
    for sensor in sensors:
        fields += [
            (column(sensor, "present"), pa.bool_()),
            (column(sensor, "datetime"), _TIME),
            (column(sensor, "items"), pa.list_(pa.string())),
            (column(sensor, "hrefs"), pa.list_(pa.string())),
            (column(sensor, "cloud_fraction"), pa.float64()),
            (column(sensor, "nodata_fraction"), pa.float64()),
        ]
        if sensor in SENSORS:
            fields += [
                (column(sensor, name), pa.type_for_alias(kind)) for name, kind in SENSORS[sensor].index_columns.items()
            ]
    return pa.schema(fields)


def index_table(rows: Sequence[Mapping[str, Any]], sensors: Sequence[str]) -> pa.Table:
    """Turn rows into an index table; a column that a row lacks is null.

    Raises:
        EarthenwareError: ``CHIP_ROW``; a row holds an unknown column or a value of a wrong type.
    """
    schema = index_schema(sensors)
    unknown = {key for row in rows for key in row} - set(schema.names)
    if unknown:
        raise EarthenwareError("CHIP_ROW", f"The chip index has no column '{min(unknown)}'.")
    try:
        return pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise EarthenwareError("CHIP_ROW", f"A chip's index row is wrong: {error}.") from error


def with_geo_metadata(table: pa.Table) -> pa.Table:
    """Add the GeoParquet description of the footprints."""
    shapes = [shape for shape in shapely.from_wkb(table["geometry"].to_pylist()) if shape is not None]
    geo = storage.geo_metadata(bounds=tuple(shapely.total_bounds(shapes)) if shapes else None)
    return table.replace_schema_metadata({**(table.schema.metadata or {}), **geo})

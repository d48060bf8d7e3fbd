"""The file metadata that makes a Parquet table a GeoParquet 1.1 one."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Final

_BOX: Final = ("xmin", "ymin", "xmax", "ymax")


def geo_metadata(
    types: Collection[str] = ("Polygon",),
    bounds: tuple[float, float, float, float] | None = None,
    *,
    covering: bool = False,
) -> dict[bytes, bytes]:
    """Describe a column ``geometry`` of WKB in longitude and latitude.

    Args:
        types: The types of geometry in it.
        bounds: West, south, east and north of all rows in degrees; None for a table without rows.
        covering: Whether a column ``bbox`` of structs holds the bounds of each row.

    Returns:
        The metadata of the file's schema.
    """
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": sorted(types),
        # No "crs": the default is OGC:CRS84, longitude before latitude.
        "edges": "planar",
    }
    if covering:
        column["covering"] = {"bbox": {edge: ["bbox", edge] for edge in _BOX}}
    if bounds is not None:
        column["bbox"] = [float(value) for value in bounds]
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    return {b"geo": json.dumps(geo, sort_keys=True).encode()}

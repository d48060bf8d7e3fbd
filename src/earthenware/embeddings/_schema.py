"""The product's table: its columns and the metadata that make it GeoParquet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

EMBEDDINGS_FILE = "embeddings.parquet"

REQUIRED = (
    "id", "geometry", "bbox", "lon", "lat", "datetime", "source_items", "sensors", "gsd", "cloud_fraction",
    "valid_fraction", "reconstruction_loss", "embedding", "model_digest", "site", "split", "scene_id", "crs",
)  # fmt: skip
"""Columns that every product has; ``thumbnail`` is optional."""


def product_schema(dimensions: int, *, thumbnails: bool) -> pa.Schema:
    """Return the columns of an embedding product.

    Args:
        dimensions: Length of a vector.
        thumbnails: Whether there is a column of JPEG thumbnails.

    Returns:
        Per row: the chip's id, footprint (WKB polygon in longitude and latitude), its bounding box in degrees, its
        centre in degrees, acquisition time (UTC), STAC item ids and sensors it was made from, ground sampling distance
        in metres, cloud fraction and valid fraction (0 to 1), reconstruction loss (mean squared error of hidden pixels
        in normalised units), thumbnail, vector, digest of the model, and the site, split, scene and CRS of the chip.
    """
    import pyarrow as pa

    fields = [
        pa.field("id", pa.string(), nullable=False),
        pa.field("geometry", pa.binary(), nullable=False),
        pa.field(
            "bbox",
            pa.struct([pa.field(edge, pa.float64(), nullable=False) for edge in ("xmin", "ymin", "xmax", "ymax")]),
            nullable=False,
        ),
        pa.field("lon", pa.float64(), nullable=False),
        pa.field("lat", pa.float64(), nullable=False),
        pa.field("datetime", pa.timestamp("us", tz="UTC")),
        pa.field("source_items", pa.list_(pa.string())),
        pa.field("sensors", pa.list_(pa.string())),
        pa.field("gsd", pa.float64()),
        pa.field("cloud_fraction", pa.float64()),
        pa.field("valid_fraction", pa.float64()),
        pa.field("reconstruction_loss", pa.float64()),
        pa.field("thumbnail", pa.binary()),
        pa.field("embedding", pa.list_(pa.field("element", pa.float32(), nullable=False), dimensions), nullable=False),
        pa.field("model_digest", pa.string(), nullable=False),
        pa.field("site", pa.string()),
        pa.field("split", pa.string()),
        pa.field("scene_id", pa.string()),
        pa.field("crs", pa.string()),
    ]
    return pa.schema([field for field in fields if thumbnails or field.name != "thumbnail"])


def geo_metadata(bounds: tuple[float, float, float, float] | None, emb: Mapping[str, Any]) -> dict[bytes, bytes]:
    """Return the footer entries ``geo`` (GeoParquet 1.1) and ``emb`` (what the vectors are).

    Args:
        bounds: West, south, east and north of all rows in degrees; None for a product without rows.
        emb: The description of the vectors.
    """
    geometry: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": ["Polygon"],
        # No "crs": the default is OGC:CRS84, longitude before latitude, which is what the footprints are in.
        "edges": "planar",
        "covering": {"bbox": {edge: ["bbox", edge] for edge in ("xmin", "ymin", "xmax", "ymax")}},
    }
    if bounds is not None:
        geometry["bbox"] = list(bounds)
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": geometry}}
    encoded = {"geo": geo, "emb": dict(emb)}
    return {key.encode(): json.dumps(value, sort_keys=True).encode() for key, value in encoded.items()}

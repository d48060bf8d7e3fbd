"""The embedding product: its table, the metadata that make it GeoParquet, and its reader."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.steps import artifact, find_manifest, read_artifact

if TYPE_CHECKING:
    import pyarrow as pa

EMBEDDINGS_FILE = "embeddings.parquet"
_REMEDY = "Run 'earthenware embed' again into a new output."


def product_schema(dimensions: int, *, thumbnails: bool) -> pa.Schema:
    """Return the columns of an embedding product.

    Args:
        dimensions: Length of a vector.
        thumbnails: Whether there is the column of JPEG thumbnails, the only one that a product may lack.

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
    geo = storage.geo_metadata(bounds=bounds, covering=True)
    return {**geo, b"emb": json.dumps(dict(emb), sort_keys=True).encode()}


@dataclass(frozen=True)
class EmbeddingProduct:
    """An embedding product in memory.

    Attributes:
        uri: Where its table lies.
        table: The table, its vectors included.
        embeddings: The vectors `[row, dimension]` float32.
    """

    uri: str
    table: pa.Table
    embeddings: NDArray[np.float32]

    @classmethod
    def open(cls, uri: str) -> EmbeddingProduct:
        """Read a product and check that it is whole.

        Args:
            uri: An embed step's output, or one Parquet file of such a product.

        Raises:
            EarthenwareError: ``NO_PRODUCT`` when there is none, ``OUTPUT_DAMAGED`` when it is not what its step wrote,
                ``NOT_PARQUET`` or ``PRODUCT_CORRUPT`` when it is damaged or of another kind, ``EMPTY_PRODUCT`` when it
                has no rows.
        """
        where, data = _read(storage.normalise(uri))
        table = storage.parse_table(data, where)
        return cls(where, table, _vectors(table, storage.redact(where)))

    def __len__(self) -> int:
        return len(self.table)

    def column(self, name: str) -> NDArray[Any]:
        """Return a column as an array."""
        return np.asarray(self.table[name].to_numpy(zero_copy_only=False))


def _read(uri: str) -> tuple[str, bytes]:
    """Return where the table lies, and its bytes; one that was copied without its manifest is still a product."""
    what = f"holds no embedding product: {EMBEDDINGS_FILE} is missing"
    try:
        if uri.endswith(".parquet"):
            return uri, storage.read_bytes(uri)
        manifest = find_manifest(uri)
        if manifest is None or EMBEDDINGS_FILE in manifest.artifacts:
            return artifact(uri, EMBEDDINGS_FILE, manifest), read_artifact(uri, EMBEDDINGS_FILE, manifest)
        what = f"is the output of '{manifest.step}', which holds no embeddings"
    except FileNotFoundError:
        pass
    remedy = "Give the output of 'earthenware embed'."
    raise EarthenwareError("NO_PRODUCT", f"'{storage.redact(uri)}' {what}.", remedy)


def _vectors(table: pa.Table, shown: str) -> NDArray[np.float32]:
    import pyarrow as pa

    missing = [name for name in product_schema(0, thumbnails=False).names if name not in table.schema.names]
    if missing:
        message = f"'{shown}' is not an embedding product: it has no column '{missing[0]}'."
        raise EarthenwareError("PRODUCT_CORRUPT", message, "Give the output of 'earthenware embed'.")
    kind = table.schema.field("embedding").type
    if not pa.types.is_fixed_size_list(kind) or kind.value_type != pa.float32():
        message = f"'{shown}': the column 'embedding' is {kind}, not vectors of float32 of one length."
        raise EarthenwareError("PRODUCT_CORRUPT", message, _REMEDY)
    if not len(table):
        raise EarthenwareError("EMPTY_PRODUCT", f"The embedding product '{shown}' has no rows.", _REMEDY)
    flat = table["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    vectors = np.asarray(flat, np.float32).reshape(len(table), kind.list_size)
    broken = np.flatnonzero(~np.isfinite(vectors).all(1))
    if len(broken):
        message = f"'{shown}': the vector of '{table['id'][int(broken[0])]}' is not finite ({len(broken)} such rows)."
        raise EarthenwareError("PRODUCT_CORRUPT", message, _REMEDY)
    return vectors

"""The embedding product: its table, the metadata that make it GeoParquet, and its reader."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earthenware import storage
from earthenware.errors import EarthenwareError, first_line
from earthenware.steps import artifact, find_manifest

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
            EarthenwareError: ``NO_PRODUCT`` when there is none, ``PRODUCT_CORRUPT`` when it is damaged or of another
                kind, ``EMPTY_PRODUCT`` when it has no rows.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        where, digest = _locate(uri)
        shown = storage.redact(where)
        try:
            data = storage.read_bytes(where)
        except (FileNotFoundError, NotADirectoryError):
            message = f"'{storage.redact(uri)}' holds no embedding product: {EMBEDDINGS_FILE} is missing."
            raise EarthenwareError("NO_PRODUCT", message, "Give the output of 'earthenware embed'.") from None
        if digest is not None and hashlib.sha256(data).hexdigest() != digest:
            message = f"'{shown}' is damaged: its digest is not the one in the manifest."
            raise EarthenwareError("PRODUCT_CORRUPT", message, _REMEDY)
        try:
            table = pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)  # as storage.read_table does
        except (pa.ArrowException, OSError) as error:
            message = f"'{shown}' is not a whole Parquet file ({first_line(error)})."
            raise EarthenwareError("PRODUCT_CORRUPT", message, _REMEDY) from error
        return cls(where, table, _vectors(table, shown))

    def __len__(self) -> int:
        return len(self.table)

    def column(self, name: str) -> NDArray[Any]:
        """Return a column as an array."""
        return np.asarray(self.table[name].to_numpy(zero_copy_only=False))


def _locate(uri: str) -> tuple[str, str | None]:
    """Return the table's URI, and its digest where a manifest states one."""
    uri = storage.normalise(uri)
    if uri.endswith(".parquet"):
        return uri, None
    where = storage.join(uri, EMBEDDINGS_FILE)
    manifest = find_manifest(uri)
    if manifest is None:
        return where, None  # a product that was copied without its manifest is still a product
    record = manifest.artifacts.get(EMBEDDINGS_FILE)
    if record is None:
        message = f"'{storage.redact(uri)}' is the output of '{manifest.step}', which holds no embeddings."
        raise EarthenwareError("NO_PRODUCT", message, "Give the output of 'earthenware embed'.")
    return artifact(uri, EMBEDDINGS_FILE), record.sha256


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

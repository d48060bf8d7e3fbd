"""Reading an embedding product, and saying clearly when it is not one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earthenware import storage
from earthenware.embeddings._schema import EMBEDDINGS_FILE, REQUIRED
from earthenware.errors import EarthenwareError, first_line
from earthenware.steps import read_manifest

if TYPE_CHECKING:
    import pyarrow as pa

_REMEDY = "Run 'earthenware embed' again into a new output."


@dataclass(frozen=True)
class Product:
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
    def open(cls, uri: str) -> Product:
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
    try:
        manifest = read_manifest(uri)
    except EarthenwareError as error:
        if error.code != "NOT_FINISHED":
            raise
        return where, None  # a product that was copied without its manifest is still a product
    record = manifest.artifacts.get(EMBEDDINGS_FILE)
    if record is None:
        message = f"'{storage.redact(uri)}' is the output of '{manifest.step}', which holds no embeddings."
        raise EarthenwareError("NO_PRODUCT", message, "Give the output of 'earthenware embed'.")
    return where, record.sha256


def _vectors(table: pa.Table, shown: str) -> NDArray[np.float32]:
    import pyarrow as pa

    missing = [name for name in REQUIRED if name not in table.schema.names]
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

"""The embedding product as the report reads it: places, vectors, and their colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.metrics import components_to_rgb, principal_components

if TYPE_CHECKING:
    import pyarrow as pa

FIT_ROWS = 20_000
"""Principal components of more rows than this are fitted on a sample of so many."""


@dataclass(frozen=True)
class ProductView:
    """Rows of an embedding product.

    Attributes:
        table: Its table.
        vectors: The vectors `[row, dimension]`.
        colours: The first three principal components as colours `[row, 3]`.
        shares: Share of the variance in each of the three `[3]`.
    """

    table: pa.Table
    vectors: NDArray[np.float32]
    colours: NDArray[np.uint8]
    shares: NDArray[np.float64]

    def column(self, name: str) -> NDArray[Any]:
        """Return a column as an array."""
        return np.asarray(self.table[name].to_numpy(zero_copy_only=False))


def read_product(output: str) -> ProductView:
    """Read the product of an embed step.

    Raises:
        EarthenwareError: ``NO_PRODUCT`` when there is none, or what reading it raises.
    """
    try:
        table = storage.read_table(storage.join(storage.normalise(output), "embeddings.parquet"))
    except FileNotFoundError:
        message = f"'{storage.redact(output)}' holds no embedding product."
        raise EarthenwareError("NO_PRODUCT", message, "Give the output of 'earthenware embed'.") from None
    size = table.schema.field("embedding").type.list_size
    flat = table["embedding"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    vectors = np.asarray(flat, np.float32).reshape(-1, size)
    scores, shares = _components(vectors)
    return ProductView(table, vectors, components_to_rgb(scores), shares)


def _components(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Project on three components; of a large product these come from evenly spaced rows."""
    if len(vectors) <= FIT_ROWS:
        return principal_components(vectors)
    sample = vectors[np.linspace(0, len(vectors) - 1, FIT_ROWS).astype(int)].astype(np.float64)
    scores, shares = principal_components(sample)
    # The directions that give these scores: least squares is exact, as the scores are linear in the sample.
    directions = np.linalg.lstsq(sample - sample.mean(0), scores, rcond=None)[0]
    return (vectors - sample.mean(0)) @ directions, shares

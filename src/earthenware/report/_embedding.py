"""An embedding product with a colour for every vector, which every picture of it shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earthenware.metrics import components_to_rgb, principal_components
from earthenware.pages import MISSING, Picture, number
from earthenware.products import EmbeddingProduct


@dataclass(frozen=True)
class ColouredProduct:
    """An embedding product and its colours.

    Attributes:
        product: The product.
        colours: The first three principal components as red, green and blue `[row, 3]`.
        shares: Share of the variance in each of the three `[3]`.
        sites: Site of each row `[row]`.
    """

    product: EmbeddingProduct
    colours: NDArray[np.uint8]
    shares: NDArray[np.float64]
    sites: NDArray[np.str_]

    @classmethod
    def of(cls, product: EmbeddingProduct) -> ColouredProduct:
        """Give a product its colours."""
        scores, shares = principal_components(product.embeddings)
        return cls(product, components_to_rgb(scores), shares, product.column("site").astype(str))

    def __len__(self) -> int:
        return len(self.product)

    def hex(self, colour: NDArray[Any]) -> str:
        """Return a colour as HTML writes it."""
        return "#" + "".join(f"{int(value):02x}" for value in colour)

    def picture(self, ids: list[str], rows: NDArray[Any], columns: NDArray[Any]) -> Picture | None:
        """Picture some chips, one pixel each; None where the product has none of them."""
        of_chip = {name: row for row, name in enumerate(self.product.table["id"].to_pylist())}
        picture = np.full((int(rows.max()) + 1, int(columns.max()) + 1, 3), MISSING, np.uint8)
        known = [
            (of_chip[name], row, col) for name, row, col in zip(ids, rows, columns, strict=True) if name in of_chip
        ]
        for number_, row, col in known:
            picture[row, col] = self.colours[number_]
        return picture if known else None

    @property
    def sentence(self) -> str:
        """How much of the embeddings' variance the colours show."""
        first, second, third = (number(100 * share, 2) for share in self.shares)
        return (
            f"Red, green and blue are the first three principal components of all {len(self):,} embeddings, which hold "
            f"{first}, {second} and {third} % of their variance. Similar colours mean similar embeddings, across all "
            "sites."
        )

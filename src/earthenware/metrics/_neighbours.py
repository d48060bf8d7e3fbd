"""Exact nearest neighbours under the cosine distance."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 2**22  # products held at once: 32 MiB of float64
SLACK = 1e-10  # far above the rounding of a product of unit vectors, far below any difference that matters


def unit_vectors(features: NDArray[Any]) -> NDArray[np.float64]:
    """Scale vectors `[record, dimension]` to length 1; a zero vector stays zero (cosine distance 1 to everything)."""
    values = np.asarray(features, np.float64)
    length = np.sqrt(np.einsum("rd,rd->r", values, values))[:, None]
    return np.asarray(np.divide(values, length, out=np.zeros_like(values), where=length > 0))


def _refine(
    query: NDArray[np.float64], units: NDArray[np.float64], products: NDArray[np.float64], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Order one query's candidates by distances that do not depend on how the product was blocked."""
    threshold = np.partition(products, len(products) - k)[len(products) - k]
    candidates = np.flatnonzero(products >= threshold - SLACK)
    distances = 1.0 - (units[candidates] * query).sum(1)
    # Vectors that are equal bit by bit give equal sums, and then the lower index comes first.
    order = np.lexsort((candidates, distances))[:k]
    return candidates[order], np.maximum(distances[order], 0.0)


def nearest_neighbours(
    queries: NDArray[Any],
    features: NDArray[Any],
    k: int,
    *,
    excluded: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Find the k nearest records of every query, exactly, in blocks.

    Args:
        queries: `[query, dimension]`.
        features: `[record, dimension]`.
        k: Number of neighbours; at most the number of records.
        excluded: `[query, record]`, true for records that may not be returned.

    Returns:
        Indices of the records `[query, k]` from nearest to farthest, and their cosine distances `[query, k]` in 0..2.
        Equal distances are ordered by index. Where a query has fewer than k records that it may see, the
        rest has index -1 and distance infinity.

    Raises:
        ValueError: When ``k`` is out of range or the dimensions differ.
    """
    if not 1 <= k <= len(features):
        raise ValueError(f"k must be in 1..{len(features)}, got {k}")
    if queries.ndim != 2 or queries.shape[1] != features.shape[1]:
        raise ValueError(f"queries {queries.shape} do not match features {features.shape}")
    sought, units = unit_vectors(queries), unit_vectors(features)
    indices = np.full((len(sought), k), -1, np.int64)
    distances = np.full((len(sought), k), np.inf)
    step = max(1, BLOCK // len(units))
    for start in range(0, len(sought), step):
        products = sought[start : start + step] @ units.T
        products[np.isnan(products)] = -np.inf  # a vector that is not finite is nobody's neighbour
        if excluded is not None:
            products[excluded[start : start + step]] = -np.inf
        for row, product in enumerate(products):
            seen = min(k, int(np.isfinite(product).sum()))
            if seen:
                found = _refine(sought[start + row], units, product, seen)
                indices[start + row, :seen], distances[start + row, :seen] = found
    return indices, distances

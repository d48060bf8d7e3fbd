"""The Hilbert curve: an order of places in which neighbours in the file are neighbours on the ground."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

ORDER = 24
"""Bits per axis over the globe: cells of 360 / 2**24 degrees, about 2 m, far below a chip."""


def hilbert_index(x: NDArray[Any], y: NDArray[Any], order: int) -> NDArray[np.uint64]:
    """Number the cells of a grid of 2**order x 2**order cells along the Hilbert curve.

    Cells with successive numbers share an edge, and every aligned square of 4**n cells is one run of numbers.

    Args:
        x: Column of each cell `[cell]`, 0 to 2**order - 1.
        y: Row of each cell `[cell]`.
        order: Bits per axis, 1 to 31.

    Returns:
        Position on the curve `[cell]`, 0 to 4**order - 1; the curve starts at (0, 0) and ends at (2**order - 1, 0).

    Raises:
        ValueError: When a cell lies outside the grid or the order is out of range.
    """
    if not 1 <= order <= 31:
        raise ValueError(f"order must be in 1..31, got {order}")
    columns, rows = np.array(x, np.int64), np.array(y, np.int64)
    if columns.size and (min(columns.min(), rows.min()) < 0 or max(columns.max(), rows.max()) >= 1 << order):
        raise ValueError(f"a cell lies outside the grid of 2**{order} cells")
    index = np.zeros(columns.shape, np.uint64)
    for bit in range(order - 1, -1, -1):
        right, upper = (columns >> bit) & 1, (rows >> bit) & 1
        # The four quadrants are visited in the order (0, 0), (0, 1), (1, 1), (1, 0).
        index = (index << np.uint64(2)) | ((3 * right) ^ upper).astype(np.uint64)
        # Inside the first and the last quadrant the curve is mirrored, so that the ends of the four pieces meet.
        size = (1 << bit) - 1
        columns, rows = columns & size, rows & size
        flipped = (upper == 0) & (right == 1)
        columns, rows = np.where(flipped, size - columns, columns), np.where(flipped, size - rows, rows)
        columns, rows = np.where(upper == 0, rows, columns), np.where(upper == 0, columns, rows)
    return index


def hilbert_order(lon: NDArray[Any], lat: NDArray[Any], ids: NDArray[Any]) -> NDArray[np.int64]:
    """Order places along the Hilbert curve over the globe.

    Args:
        lon: Longitudes in degrees, -180 to 180 `[record]`.
        lat: Latitudes in degrees, -90 to 90 `[record]`.
        ids: Unique ids `[record]` that order records of one cell.

    Returns:
        Indices of the records in their new order `[record]`.
    """
    cells = 1 << ORDER
    column = np.clip(np.floor((np.asarray(lon, np.float64) + 180.0) / 360.0 * cells), 0, cells - 1).astype(np.int64)
    row = np.clip(np.floor((np.asarray(lat, np.float64) + 90.0) / 180.0 * cells), 0, cells - 1).astype(np.int64)
    return np.lexsort((np.asarray(ids), hilbert_index(column, row, ORDER)))

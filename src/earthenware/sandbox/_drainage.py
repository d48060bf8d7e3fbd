"""Where water runs on a terrain, and the valleys that it cuts."""

from __future__ import annotations

import heapq

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray


def erode(
    elevation: NDArray[np.float64], outlet: NDArray[np.bool_], *, strength: float, steps: int
) -> NDArray[np.float64]:
    """Cut valleys into a terrain by the stream power law, solved implicitly from the outlets upwards.

    A cell sinks towards the one it drains into at a rate that grows with the square root of its drained area, as
    bedrock rivers do (Braun and Willett 2013 describe the scheme); slopes creep a little between the valleys.

    Args:
        elevation: Height of each cell [y, x].
        outlet: Whether a cell is open water [y, x]; outlets and the border keep their height.
        strength: Rate per step at a drained area of one cell.
        steps: Number of steps.

    Returns:
        The eroded heights [y, x].
    """
    height = elevation
    for _ in range(steps):
        receiver, area, order = flow(height, outlet)
        flat = height.ravel().tolist()
        rate = (strength * np.sqrt(area.ravel())).tolist()
        to = receiver.tolist()
        for cell in order.tolist():
            target = to[cell]
            if target >= 0 and flat[cell] > flat[target]:
                flat[cell] = (flat[cell] + rate[cell] * flat[target]) / (1 + rate[cell])
        cut = np.array(flat).reshape(height.shape)
        height = np.where(outlet, height, scipy.ndimage.gaussian_filter(cut, 0.55))
    return height


def flow(
    elevation: NDArray[np.float64], outlet: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Find the way of the water from every cell to an outlet or to the edge.

    Cells are reached from the outlets upwards, lowest first, so a hollow drains over its lowest rim.

    Args:
        elevation: Height of each cell [y, x].
        outlet: Whether a cell is open water [y, x], where streams end. The border of the grid drains too.

    Returns:
        The flat index of the cell that each cell [y * x] drains into (-1 at outlets), the number of cells [y, x]
        that drain through each cell, itself included, and all flat indices in an order in which every cell follows
        the one it drains into.
    """
    rows, columns = elevation.shape
    # A frame of visited cells saves the test for the edge in the inner loop.
    wide = columns + 2
    heights = np.full((rows + 2, wide), np.inf)
    heights[1:-1, 1:-1] = elevation
    height = heights.ravel().tolist()
    done = np.ones((rows + 2, wide), bool)
    done[1:-1, 1:-1] = False
    visited = done.ravel().tolist()
    start = np.zeros((rows + 2, wide), bool)
    start[1:-1, 1:-1] = outlet
    start[1, 1:-1] = start[-2, 1:-1] = True
    start[1:-1, 1] = start[1:-1, -2] = True
    receiver = [-1] * len(height)
    heap: list[tuple[float, int]] = []
    for cell in np.flatnonzero(start.ravel()).tolist():
        visited[cell] = True
        heap.append((height[cell], cell))
    heapq.heapify(heap)
    order: list[int] = []
    steps = (-wide - 1, -wide, -wide + 1, -1, 1, wide - 1, wide, wide + 1)
    while heap:
        level, cell = heapq.heappop(heap)
        order.append(cell)
        for step in steps:
            other = cell + step
            if not visited[other]:
                visited[other] = True
                receiver[other] = cell
                heapq.heappush(heap, (max(level, height[other]), other))
    area = [1.0] * len(height)
    for cell in reversed(order):
        if receiver[cell] >= 0:
            area[receiver[cell]] += area[cell]
    framed = np.array(receiver, dtype=np.int64).reshape(rows + 2, wide)[1:-1, 1:-1]
    flat = np.where(framed >= 0, (framed // wide - 1) * columns + framed % wide - 1, -1)
    reached = np.array(order, dtype=np.int64)
    reached = (reached // wide - 1) * columns + reached % wide - 1
    return flat.ravel(), np.array(area).reshape(rows + 2, wide)[1:-1, 1:-1], reached

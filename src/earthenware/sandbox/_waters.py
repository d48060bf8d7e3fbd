"""Where water runs on a terrain, the valleys that it cuts, a lowland river and the crescents it has left behind."""

from __future__ import annotations

import heapq

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from earthenware.sandbox._noise import Field

_STEP = 0.5  # pixels between points of a river's line


def erode(
    elevation: NDArray[np.float64], outlet: NDArray[np.bool_], *, strength: float, steps: int
) -> NDArray[np.float64]:
    """Cut valleys into a terrain by the stream power law, solved implicitly from the outlets upwards.

    A cell sinks towards the one it drains into at a rate that grows with the square root of its drained area, as
    bedrock rivers do (Braun and Willett 2013 describe the scheme); slopes creep a little between the valleys.
    Outlets [y, x] and the border keep their height. ``strength`` is the rate per step where one cell is drained.
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


def river_line(rng: np.random.Generator, size: int, heading: float, swing: float) -> NDArray[np.bool_]:
    """Draw the centre line [y, x] of a river across the ground: a sine-generated curve with a wandering wavelength.

    ``heading`` is its direction downstream, in radians from the x axis towards growing rows; ``swing`` is the largest
    angle between the two.
    """
    length = int(size * 7 / _STEP)
    step = np.arange(length, dtype=np.float64)

    def wander(points: int, low: float, high: float) -> NDArray[np.float64]:
        return np.interp(step, np.linspace(0, length, points), rng.uniform(low, high, points))

    wavelength = 190 * np.exp(wander(48, -0.5, 0.4))
    phase = np.cumsum(2 * np.pi * _STEP / wavelength) + rng.uniform(0, 2 * np.pi)
    angle = heading + swing * wander(40, 0.6, 1.0) * np.sin(phase) + wander(24, -0.6, 0.6)
    x, y = np.cumsum(np.cos(angle)) * _STEP, np.cumsum(np.sin(angle)) * _STEP
    middle = length // 2
    shift = rng.uniform(-0.16, 0.16) * size
    columns = np.round(x - x[middle] + size / 2 - shift * np.sin(heading)).astype(int)
    rows = np.round(y - y[middle] + size / 2 + shift * np.cos(heading)).astype(int)
    inside = (columns >= 0) & (columns < size) & (rows >= 0) & (rows < size)
    line = np.zeros((size, size), bool)
    line[rows[inside], columns[inside]] = True
    return line


def oxbows(rng: np.random.Generator, distance: Field, valley: float) -> NDArray[np.bool_]:
    """Return where crescents of old river bed hold water [y, x].

    Given are the distance from the river's line [y, x] and half the width of its valley, in pixels.
    """
    result = np.zeros(distance.shape, bool)
    y, x = np.indices(distance.shape, dtype=np.float32)
    rows, columns = np.nonzero((distance > 10) & (distance < valley * 0.6))
    if not len(rows):
        return result
    for _ in range(max(2, distance.size // 60_000)):
        pick = int(rng.integers(len(rows)))
        radius, start, arc = rng.uniform(7, 16), rng.uniform(0, 2 * np.pi), rng.uniform(0.9, 1.9)
        dy, dx = y - rows[pick], x - columns[pick]
        turn = np.abs((np.arctan2(dy, dx) - start + np.pi) % (2 * np.pi) - np.pi)
        result |= (np.abs(np.hypot(dy, dx) - radius) < 1.9 * np.clip(1.2 - turn / arc, 0, 1)) & (turn < arc)
    return result

"""Fields: rectangles in blocks of one direction each, and circles under irrigation arms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earthenware.sandbox._noise import Field, fractal


@dataclass(frozen=True)
class Parcels:
    """A division of the ground into parcels; every field is [y, x] at 10 m.

    Attributes:
        label: Number of the parcel, from 0.
        count: Number of parcels.
        edge: Whether a pixel lies on the upper or left edge of its parcel, where tracks and hedges run.
        rows: Position across the direction of work, in pixels: a function of it makes stripes.
        pivot: Whether the pixel lies in a circular field.
    """

    label: NDArray[np.int32]
    count: int
    edge: NDArray[np.bool_]
    rows: Field
    pivot: NDArray[np.bool_]


def make_parcels(
    rng: np.random.Generator, shape: tuple[int, int], *, width: float, pivots: int, blocked: NDArray[np.bool_]
) -> Parcels:
    """Divide the ground into parcels.

    Args:
        rng: Source of randomness.
        shape: Rows and columns, in pixels of 10 m.
        width: Typical width of a parcel, in pixels.
        pivots: Number of circular fields.
        blocked: Where circular fields may not lie [y, x].

    Returns:
        The parcels; they cover the whole ground.
    """
    y, x = np.indices(shape, dtype=np.float32)
    blocks = max(4, round(shape[0] * shape[1] / 130**2))
    centres = rng.uniform(0, max(shape), (blocks, 2)).astype(np.float32)
    # Blocks of one land reform or village share a direction; their borders wind a little.
    bend_y, bend_x = (9 * fractal(rng, shape, beta=3.0, longest=60) for _ in range(2))
    best = np.full(shape, np.inf, np.float32)
    block = np.zeros(shape, np.int32)
    for index, (cy, cx) in enumerate(centres):
        distance = (y + bend_y - cy) ** 2 + (x + bend_x - cx) ** 2
        closer = distance < best
        best[closer], block[closer] = distance[closer], index
    general = rng.uniform(0, np.pi)
    angle = (general + rng.normal(0, 0.35, blocks) + rng.choice([0, np.pi / 2], blocks)).astype(np.float32)
    wide = (width * np.exp(rng.normal(0, 0.38, blocks))).clip(3.2)
    long = wide * rng.uniform(1.4, 5.0, blocks)
    u, v, row, column = (np.empty(shape, np.float32) for _ in range(4))
    sway = 1.3 * fractal(rng, shape, beta=3.5, longest=90)
    for index in range(blocks):
        inside = block == index
        if not inside.any():
            continue
        cosine, sine = np.cos(angle[index]), np.sin(angle[index])
        du = x[inside] * cosine + y[inside] * sine + sway[inside]
        dv = y[inside] * cosine - x[inside] * sine
        u[inside], v[inside] = du, dv
        breaks = _breaks(rng, float(du.min()), float(du.max()), wide[index])
        strip = np.searchsorted(breaks, du)
        row[inside] = strip
        # Each strip is cut across at its own places.
        shift = rng.uniform(0, long[index], len(breaks) + 1)[strip]
        cuts = _breaks(rng, float(dv.min()) - long[index], float(dv.max()) + 2 * long[index], long[index])
        column[inside] = np.searchsorted(cuts, dv + shift)
    key = (block.astype(np.int64) * 4096 + row.astype(np.int64)) * 4096 + column.astype(np.int64)
    rows = u
    pivot = np.zeros(shape, bool)
    for index in range(pivots):
        cy, cx = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        radius = rng.uniform(11, 27)
        away = np.hypot(y - cy, x - cx)
        circle = away < radius
        if blocked[circle].mean() > 0.05 or pivot[circle].any():
            continue
        pivot |= circle
        turn = np.arctan2(y - cy, x - cx)
        sectors = int(rng.choice([1, 1, 2, 3]))
        sector = ((turn + rng.uniform(0, 6)) % (2 * np.pi) / (2 * np.pi) * sectors).astype(np.int64)
        key = np.where(circle, -1 - index * 8 - sector, key)
        rows = np.where(circle, away, rows).astype(np.float32)
    _, inverse = np.unique(key, return_inverse=True)
    label: NDArray[np.int32] = inverse.reshape(shape).astype(np.int32)
    edge = np.zeros(shape, bool)
    edge[1:, :] |= label[1:, :] != label[:-1, :]
    edge[:, 1:] |= label[:, 1:] != label[:, :-1]
    return Parcels(label, int(label.max()) + 1, edge, rows, pivot)


def _breaks(rng: np.random.Generator, low: float, high: float, step: float) -> NDArray[np.float64]:
    """Cut a line from ``low`` to ``high`` into pieces of about ``step``."""
    count = max(2, int((high - low) / step) + 2)
    return low + np.cumsum(step * rng.uniform(0.55, 1.5, count))

"""What people made of the land: towns with streets, roofs and parks, the roads between them, and fields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earthenware.sandbox._noise import Field, fractal
from earthenware.sandbox._places import Theme
from earthenware.sandbox._terrain import Terrain

GARDEN, STREET, ROOF_GREY, ROOF_RED, ROOF_BRIGHT = range(5)
"""What a built-up pixel shows."""


@dataclass(frozen=True)
class Towns:
    """Built-up ground; every field is [y, x] at 10 m."""

    built: NDArray[np.bool_]
    park: NDArray[np.bool_]  # inside a town
    surface: NDArray[np.uint8]  # GARDEN, STREET or one of the roofs
    height: Field  # of the building, in metres
    road: NDArray[np.bool_]  # outside towns


@dataclass(frozen=True)
class Parcels:
    """A division of the whole ground into parcels; every field is [y, x] at 10 m."""

    label: NDArray[np.int32]  # number of the parcel, from 0
    count: int
    edge: NDArray[np.bool_]  # upper and left edges of parcels, where tracks and hedges run
    rows: Field  # position across the direction of work, in pixels: a function of it makes stripes
    pivot: NDArray[np.bool_]  # circles under irrigation arms


def make_towns(rng: np.random.Generator, terrain: Terrain, theme: Theme) -> Towns:
    """Build towns on flat, dry ground and join them by roads."""
    shape = terrain.elevation.shape
    size = shape[0]
    built = np.zeros(shape, bool)
    park = np.zeros(shape, bool)
    surface = np.zeros(shape, np.uint8)
    height = np.zeros(shape, np.float32)
    y, x = np.indices(shape, dtype=np.float32)
    rough = fractal(rng, shape, beta=2.6, longest=50)
    fine = fractal(rng, shape, beta=2.0, longest=16)
    red_share = float(rng.uniform(0.1, 0.8))
    centres: list[tuple[float, float]] = []
    for index in range(theme.towns):
        centre = _site(rng, terrain, centres, size, edge=0.3 if index == 0 else 0.1)
        if centre is None:
            continue
        centres.append(centre)
        radius = theme.town if index == 0 else theme.town * rng.uniform(0.16, 0.5) + 5
        radius = float(min(radius, size * 0.3))
        dy = np.asarray(y - np.float32(centre[0]), dtype=np.float32)
        dx = np.asarray(x - np.float32(centre[1]), dtype=np.float32)
        away = np.asarray(np.hypot(dy, dx), dtype=np.float32)
        inside = (away + radius * 0.28 * rough + 2 * fine < radius) & (terrain.slope < 0.35) & ~terrain.water
        near = np.nonzero(away < radius * 2.2)
        window = (slice(near[0].min(), near[0].max() + 1), slice(near[1].min(), near[1].max() + 1))
        _build(
            rng, inside[window], away[window] / np.float32(radius), dy[window], dx[window], red_share,
            surface[window], height[window], park[window],
        )  # fmt: skip
        built |= inside
    park &= built
    road = _roads(rng, centres, size) & ~terrain.water
    return Towns(built & ~park, park, surface, np.where(built & ~park, height, 0).astype(np.float32), road & ~built)


def _site(
    rng: np.random.Generator, terrain: Terrain, others: list[tuple[float, float]], size: int, edge: float
) -> tuple[float, float] | None:
    """Choose the best of a few random sites: flat, dry, not far from water, away from other towns."""
    tries = rng.uniform(size * edge, size * (1 - edge), (24, 2))
    best, choice = -np.inf, None
    for row, column in tries:
        r, c = int(row), int(column)
        if terrain.water[r, c]:
            continue
        gap = min((np.hypot(row - a, column - b) for a, b in others), default=size)
        score = -12 * terrain.slope[r, c] - terrain.water_distance[r, c] / size * 2 + min(gap / size, 0.3) * 6
        if score > best:
            best, choice = score, (float(row), float(column))
    return choice


def _build(
    rng: np.random.Generator, town: NDArray[np.bool_], far: Field, py: Field, px: Field, red_share: float,
    surface: NDArray[np.uint8], height: Field, park: NDArray[np.bool_],
) -> None:  # fmt: skip
    """Lay out one town: quarters with a street grid of their own, blocks in them, roofs in those.

    ``far`` is the distance from its centre in radii, ``py`` and ``px`` are in pixels; the last three are written to.
    """
    shape = town.shape
    quarters = 1 if max(shape) < 40 else int(min(9, 2 + max(shape) // 45))
    seeds = rng.normal(0, max(shape) * 0.25, (quarters, 2))
    quarter = np.argmin([(py - a) ** 2 + (px - b) ** 2 for a, b in seeds], axis=0)
    bend = 2.0 * fractal(rng, shape, beta=3.6, longest=60)
    general = rng.uniform(0, np.pi / 2)
    for index in range(quarters):
        here = town & (quarter == index)
        if not here.any():
            continue
        angle = general + (rng.normal(0, 0.3) if index else 0.0)
        u = (px * np.cos(angle) + py * np.sin(angle) + bend)[here]
        v = (py * np.cos(angle) - px * np.sin(angle) + bend)[here]
        works = bool(rng.random() < 0.2 and index)
        block_u, block_v = (13.0, 19.0) if works else (rng.uniform(6, 9), rng.uniform(8, 15))
        iu, iv = np.floor(u / block_u).astype(np.int64), np.floor(v / block_v).astype(np.int64)
        in_u, in_v = u - iu * block_u, v - iv * block_v
        street = (in_u < 1.25) | (in_v < 1.25)
        block_noise = _hash(iu, iv, int(rng.integers(2**31)))
        lot_u, lot_v = (6.0, 9.0) if works else (2.6, 2.9)
        lot = _hash(
            np.floor(u / lot_u).astype(np.int64), np.floor(v / lot_v).astype(np.int64), int(rng.integers(2**31))
        )
        dense = np.clip(1.15 - 0.75 * far[here], 0.3, 0.95)
        roof = lot < dense
        kind = np.where(
            works,
            np.where(block_noise < 0.35, ROOF_BRIGHT, ROOF_GREY),
            np.where(block_noise < red_share, ROOF_RED, np.where(lot * 7.7 % 1 < 0.16, ROOF_BRIGHT, ROOF_GREY)),
        )
        local = np.where(street, STREET, np.where(roof, kind, GARDEN)).astype(np.uint8)
        tall = np.where(local >= ROOF_GREY, (5 + 22 * (block_noise > 0.82) * (far[here] < 0.6)) * (0.7 + 0.6 * lot), 0)
        green = (block_noise * 13.7 % 1) < (0.02 if works else 0.07)
        surface[here] = local
        height[here] = tall
        park[here] |= green & ~street


def _hash(a: NDArray[np.int64], b: NDArray[np.int64], salt: int) -> NDArray[np.float64]:
    """Turn pairs of integers into numbers in 0..1 that look random."""
    mixed = (a.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) ^ (
        b.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
    )
    mixed ^= np.uint64(salt * 0x165667B19E3779F9 % 2**64)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(32)
    return np.asarray((mixed >> np.uint64(11)).astype(np.float64) / 2.0**53)


def _roads(rng: np.random.Generator, centres: list[tuple[float, float]], size: int) -> NDArray[np.bool_]:
    """Join towns to their nearest neighbours and the first to the world outside."""
    road = np.zeros((size, size), bool)
    pairs: list[tuple[tuple[float, float], tuple[float, float]]] = []
    for index, town in enumerate(centres[1:], start=1):
        nearest = min(centres[:index], key=lambda other: np.hypot(other[0] - town[0], other[1] - town[1]))
        pairs.append((town, nearest))
    if centres:
        angle = rng.uniform(0, 2 * np.pi)
        for turn in (0.0, np.pi + rng.normal(0, 0.5)):
            away = (
                centres[0][0] + size * 1.5 * np.sin(angle + turn),
                centres[0][1] + size * 1.5 * np.cos(angle + turn),
            )
            pairs.append((centres[0], away))
    for (ay, ax), (by, bx) in pairs:
        length = float(np.hypot(by - ay, bx - ax))
        t = np.linspace(0, 1, int(length * 2) + 2)
        bow = length * 0.12 * rng.normal() * np.sin(np.pi * t) + 0.03 * length * rng.normal() * np.sin(3 * np.pi * t)
        ny, nx = (bx - ax) / max(length, 1), -(by - ay) / max(length, 1)
        rows = np.round(ay + (by - ay) * t + ny * bow).astype(int)
        columns = np.round(ax + (bx - ax) * t + nx * bow).astype(int)
        keep = (rows >= 0) & (rows < size) & (columns >= 0) & (columns < size)
        road[rows[keep], columns[keep]] = True
    return road


def make_parcels(
    rng: np.random.Generator, shape: tuple[int, int], *, width: float, pivots: int, blocked: NDArray[np.bool_]
) -> Parcels:
    """Divide the ground into rectangles, in blocks of one direction each, and circles outside of what is blocked.

    ``width`` is that of a typical parcel, in pixels; ``pivots`` is the number of circles to try.
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

"""The lie of the land: relief with cut valleys, a meandering main river, streams, lakes and the sea."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from earthenware.sandbox._noise import Field, fractal, ridged, smooth, unit
from earthenware.sandbox._places import Theme
from earthenware.sandbox._waters import erode, flow, oxbows, river_line

_CELL: Final = 4  # pixels per cell of the drainage grid


@dataclass(frozen=True)
class Terrain:
    """Bare ground without what grows or stands on it; every field is [y, x] at 10 m."""

    elevation: Field  # height of the ground, or of the water's surface, in metres
    water: NDArray[np.bool_]  # permanent water
    depth: Field  # of the water, in arbitrary units, 0 on land
    channel: NDArray[np.bool_]  # where a stream runs that is too narrow to be seen as water
    moisture: Field  # share of the ground that drains through here, 0 on ridges to 1 in valleys
    above_water: Field  # height above the nearest water, in metres
    water_distance: Field  # in pixels
    slope: Field  # in metres per metre


def make_terrain(rng: np.random.Generator, size: int, theme: Theme) -> Terrain:
    """Shape the ground of one place; ``size`` in pixels of 10 m is a multiple of 4."""
    shape = (size, size)
    hills = fractal(rng, shape, beta=4.4, longest=280)
    hills = unit((1 - theme.ridges) * hills + theme.ridges * ridged(rng, shape, longest=260))
    relief = (hills - np.float32(np.quantile(hills, 0.01))) * np.float32(theme.relief)
    heading = float(rng.uniform(0, 2 * np.pi))
    y, x = np.indices(shape, dtype=np.float32)
    downstream = (x - size / 2) * np.float32(np.cos(heading)) + (y - size / 2) * np.float32(np.sin(heading))
    water = np.zeros(shape, bool)
    depth = np.zeros(shape, np.float32)
    if theme.sea:
        # The coast runs across the river's heading; inlets and headlands wind it.
        shore = downstream - size * np.float32(rng.uniform(0.05, 0.2)) + 26 * fractal(rng, shape, beta=3.7, longest=160)
        relief = np.maximum(relief, 2) * (1 - np.exp(np.minimum(shore, 0) / 60)) + np.clip(-shore * 0.08, 0, 10)
        sea = shore > 0
        water, depth = sea, np.where(sea, 0.3 + shore / 60, 0).astype(np.float32)
        relief = np.where(sea, 0, relief)
    else:
        relief = relief - downstream * np.float32(0.015)
    line = river_line(rng, size, heading, theme.meander)
    distance = scipy.ndimage.distance_transform_edt(~line).astype(np.float32)
    width = theme.river / 2 * np.clip(1 + 0.25 * fractal(rng, shape, beta=4.0, longest=80), 0.55, 1.7)
    # The river lies in a valley that it cut itself, wider where it swings more.
    valley = 16 + 7 * theme.river * max(theme.meander, 0.4)
    cut = 1 - np.exp(-((distance / valley) ** 1.7))
    base = np.float32(0) if theme.sea else -downstream * np.float32(0.015)
    relief = np.where(water, relief, (relief - base) * cut + base + np.minimum(distance * 0.03, 3))
    river = (distance < width) & ~water
    depth = np.where(river, 0.25 + 0.6 * (1 - distance / np.maximum(width, 0.1)), depth)
    water = water | river
    if theme.meander > 1.2:
        ox = oxbows(rng, distance, valley) & ~water
        depth, water = np.where(ox, 0.3, depth), water | ox
    elevation = (np.float32(theme.base) + relief).astype(np.float32)
    elevation, share, receiver = _carve(rng, elevation, water, theme)
    channel, stream = _streams(rng, share, receiver, size, theme)
    depth = np.where(stream & ~water, 0.2, depth)
    water = water | stream
    if theme.lakes > 0:
        lake, surface, lake_depth = _lakes(rng, elevation, theme)
        depth = np.where(lake & ~water, lake_depth, depth)
        elevation, water = np.where(lake, surface, elevation), water | lake
    elevation = elevation.astype(np.float32)
    water_distance = np.full(shape, 1e4, np.float32)
    above = np.full(shape, 1e3, np.float32)
    if water.any():
        away, (rows, columns) = scipy.ndimage.distance_transform_edt(~water, return_indices=True)
        water_distance = away.astype(np.float32)
        above = np.maximum(elevation - elevation[rows, columns], 0)
    gy, gx = np.gradient(smooth(elevation, 1.0), np.float32(10.0))
    moisture = np.log(np.maximum(_enlarge(share, size, order=1), 1e-5))
    moisture = np.clip((smooth(moisture, 2.0) + 9.5) / 6, 0, 1)
    return Terrain(
        elevation, water, depth.astype(np.float32), channel & ~water, moisture, above, water_distance, np.hypot(gx, gy)
    )


def _enlarge(cells: NDArray[np.float64], size: int, order: int) -> Field:
    """Interpolate a grid of cells [y, x] onto the pixels."""
    where = (np.arange(size) + 0.5) / _CELL - 0.5
    grid = np.meshgrid(where, where, indexing="ij")
    return np.asarray(scipy.ndimage.map_coordinates(cells, grid, order=order, mode="nearest"), dtype=np.float32)


def _carve(
    rng: np.random.Generator, elevation: Field, water: NDArray[np.bool_], theme: Theme
) -> tuple[Field, NDArray[np.float64], NDArray[np.int64]]:
    """Let rain cut valleys; return elevation [y, x], and per cell the share of the ground drained and the receiver."""
    size = elevation.shape[0]
    cells = size // _CELL
    coarse = elevation.reshape(cells, _CELL, cells, _CELL).mean(axis=(1, 3), dtype=np.float64)
    outlet = np.asarray(water.reshape(cells, _CELL, cells, _CELL).any(axis=(1, 3)))
    rough = coarse + 0.12 * theme.relief * fractal(rng, coarse.shape, beta=3.0, longest=30)
    cut = erode(np.where(outlet, coarse, rough), outlet, strength=0.13 if theme.relief > 200 else 0.04, steps=8)
    receiver, area, _ = flow(cut, outlet)
    change = _enlarge(cut - coarse, size, order=3)
    fine = fractal(rng, elevation.shape, beta=3.2, longest=24) * np.float32(0.006 * theme.relief)
    carved = np.where(water, elevation, elevation + change + fine)
    return carved.astype(np.float32), area / area.size, receiver


def _streams(
    rng: np.random.Generator, share: NDArray[np.float64], receiver: NDArray[np.int64], size: int, theme: Theme
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Draw the streams; return where narrow ones run and where wide ones stand open [y, x]."""
    cells = share.shape[0]
    stream = np.flatnonzero((share.ravel() > theme.streams) & (receiver >= 0))
    target = receiver[stream]
    part = (np.arange(10, dtype=np.float32) / 10)[None, :]
    rows = ((stream // cells)[:, None] * (1 - part) + (target // cells)[:, None] * part + 0.5) * _CELL
    columns = ((stream % cells)[:, None] * (1 - part) + (target % cells)[:, None] * part + 0.5) * _CELL
    # Both ends of every reach move by the same smooth field, so that reaches stay joined.
    index = (np.clip(rows.astype(int), 0, size - 1), np.clip(columns.astype(int), 0, size - 1))
    rows = rows + 2.6 * fractal(rng, (size, size), beta=4.0, longest=26)[index]
    columns = columns + 2.6 * fractal(rng, (size, size), beta=4.0, longest=26)[index]
    r, c = np.round(rows).astype(int).ravel(), np.round(columns).astype(int).ravel()
    flow_share = np.broadcast_to(share.ravel()[stream][:, None], rows.shape).ravel()
    inside = (r >= 0) & (r < size) & (c >= 0) & (c < size)
    channel = np.zeros((size, size), bool)
    channel[r[inside], c[inside]] = True
    wide = np.zeros((size, size), bool)
    large = inside & (flow_share > 0.035)
    wide[r[large], c[large]] = True
    if theme.dunes > 0:  # dry beds
        return channel, np.zeros_like(wide)
    return channel, scipy.ndimage.binary_dilation(wide, np.ones((2, 2), bool))


def _lakes(rng: np.random.Generator, elevation: Field, theme: Theme) -> tuple[NDArray[np.bool_], Field, Field]:
    """Fill the lowest hollows; return where lakes lie, the height of their surface and their depth [y, x]."""
    basin = smooth(elevation, 5) / np.float32(theme.relief) + 0.8 * fractal(rng, elevation.shape, beta=4.2, longest=130)
    basin = basin + 0.06 * fractal(rng, elevation.shape, beta=3.4, longest=30)
    level = np.float32(np.quantile(basin, theme.lakes))
    lake = scipy.ndimage.binary_opening(basin < level, iterations=2)
    labels, count = scipy.ndimage.label(lake)
    if not count:
        return lake, elevation, np.zeros_like(elevation)
    lowest = np.asarray(scipy.ndimage.minimum(elevation, labels, np.arange(count + 1)), dtype=np.float32)
    return lake, lowest[labels], (0.25 + (level - basin) * 2.5).astype(np.float32)

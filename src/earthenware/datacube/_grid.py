"""The places of chips on a scene's grid: pure functions of numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from earthenware.scenes import Bounds


@dataclass(frozen=True)
class ChipPlaces:
    """Where the chips of a scene lie, in row order: their rows and columns of chips, their first pixels; all [chip]."""

    row: NDArray[np.int64]
    col: NDArray[np.int64]
    y: NDArray[np.int64]
    x: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.row)

    def take(self, chosen: NDArray[Any]) -> ChipPlaces:
        """Return some of the chips, by index or by mask."""
        return ChipPlaces(self.row[chosen], self.col[chosen], self.y[chosen], self.x[chosen])

    def moved(self, y: int, x: int) -> ChipPlaces:
        """Return the same chips seen from a window that begins at pixel (y, x)."""
        return replace(self, y=self.y - y, x=self.x - x)


def chip_starts(length: int, size: int, edges: Literal["drop", "shift"]) -> NDArray[np.int64]:
    """Return the first pixels of a scene's rows of chips, or of its columns."""
    starts = np.arange(length // size, dtype=np.int64) * size
    if edges == "shift" and len(starts) and length % size:
        starts = np.append(starts, length - size)
    return starts


def chip_places(
    height: int, width: int, size: int, edges: Literal["drop", "shift"], rows: tuple[int, int] | None = None
) -> ChipPlaces:
    """Return the chips of a scene, of ``size`` x ``size`` pixels, side by side from its upper left corner.

    ``edges`` "drop" leaves out the remainder; "shift" adds a last row and column of chips that end at the edge.
    ``rows`` are the first and one past the last row of chips to return; None for all.
    """
    ys, xs = chip_starts(height, size, edges), chip_starts(width, size, edges)
    chosen = np.arange(len(ys), dtype=np.int64)[slice(*rows) if rows else slice(None)]
    row = np.repeat(chosen, len(xs))
    col = np.tile(np.arange(len(xs), dtype=np.int64), len(chosen))
    return ChipPlaces(row, col, ys[row], xs[col])


def window_sums(flags: NDArray[np.bool_], places: ChipPlaces, size: int) -> NDArray[np.int64]:
    """Count the true pixels of flags [y, x] in every chip at once, by a summed-area table: counts [chip]."""
    table = np.zeros((flags.shape[0] + 1, flags.shape[1] + 1), dtype=np.int32)
    np.cumsum(flags, axis=0, dtype=np.int32, out=table[1:, 1:])
    np.cumsum(table[1:, 1:], axis=1, out=table[1:, 1:])
    top, left, bottom, right = places.y, places.x, places.y + size, places.x + size
    sums = table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left]
    return sums.astype(np.int64)


def touching(grid: GeoBox, places: ChipPlaces, size: int, bounds: Iterable[Bounds]) -> NDArray[np.bool_]:
    """Return which chips of a scene's grid share ground with any of some bounds in its CRS: flags [chip]."""
    a, _, c, _, e, f = grid.affine[:6]
    left, top = c + a * places.x, f + e * places.y
    right, bottom = left + a * size, top + e * size
    hit = np.zeros(len(places), dtype=bool)
    for west, south, east, north in bounds:
        hit |= (left < east) & (right > west) & (bottom < north) & (top > south)
    return hit


@lru_cache(maxsize=64)
def _to_degrees(crs: str) -> Any:
    from pyproj import Transformer

    return Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)


def footprints(grid: GeoBox, places: ChipPlaces, size: int) -> tuple[NDArray[np.float64], list[bytes]]:
    """Return the centres [chip, 2] of chips as (lon, lat) in degrees, and their outlines as WKB (counterclockwise).

    An outline that crosses the antimeridian goes on beyond 180 degrees instead of jumping around the globe.
    """
    a, _, c, _, e, f = grid.affine[:6]
    across = np.array([0.5, 0.0, 1.0, 1.0, 0.0]) * size  # the centre, then the corners counterclockwise from lower left
    down = np.array([0.5, 1.0, 1.0, 0.0, 0.0]) * size
    xs = c + a * (places.x[:, None] + across)
    ys = f + e * (places.y[:, None] + down)
    lon, lat = _to_degrees(str(grid.crs)).transform(xs, ys)
    lon = lon[:, :1] + (lon - lon[:, :1] + 180.0) % 360.0 - 180.0
    corners = np.stack([lon[:, 1:], lat[:, 1:]], axis=-1)
    shapes = shapely.polygons(corners) if len(corners) else np.empty(0, dtype=object)
    return np.stack([lon[:, 0], lat[:, 0]], axis=-1), list(shapely.to_wkb(shapes))

"""Files that know their place by ground control points alone, such as radar images in ground range.

The points are followed by thin-plate splines, which pass through each of them: a polynomial through all 210 points of
a Sentinel-1 product is off by several pixels in mountains.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

Window = tuple[tuple[int, int], tuple[int, int]]
"""First and one past the last row, and of columns."""

_LATTICE = 9
"""Points along each edge of a grid that are looked up in the file; its outline is no rectangle there."""
_MARGIN = 16
"""Source pixels read around them, for what lies between the points."""


def gcp_window(file: Any, grid: GeoBox) -> Window | None:
    """Return the rows and columns of the file that cover the grid; None where it covers nothing."""
    from rasterio.transform import GCPTransformer
    from rasterio.warp import transform

    points, crs = file.gcps
    across, down = (np.linspace(0, side, _LATTICE) for side in (grid.width, grid.height))
    columns, rows = np.meshgrid(across, down)
    a, b, c, d, e, f = grid.affine[:6]
    xs, ys = a * columns + b * rows + c, d * columns + e * rows + f
    longitudes, latitudes = transform(str(grid.crs), crs, xs.ravel().tolist(), ys.ravel().tolist())
    with GCPTransformer(points, tps=True) as places:
        ys, xs = map(np.asarray, places.rowcol(longitudes, latitudes, op=float))
    if not (np.isfinite(ys).all() and np.isfinite(xs).all()):
        return None
    top, bottom = max(0, math.floor(ys.min()) - _MARGIN), min(file.height, math.ceil(ys.max()) + _MARGIN)
    left, right = max(0, math.floor(xs.min()) - _MARGIN), min(file.width, math.ceil(xs.max()) + _MARGIN)
    return ((top, bottom), (left, right)) if top < bottom and left < right else None


def gcp_warp(file: Any, window: Window) -> dict[str, Any]:
    """Return what tells GDAL's warper where the pixels of a window lie: the points, as seen from the window."""
    from rasterio.control import GroundControlPoint

    points, crs = file.gcps
    (top, _), (left, _) = window
    moved = [GroundControlPoint(row=one.row - top, col=one.col - left, x=one.x, y=one.y) for one in points]
    return {"gcps": moved, "src_crs": crs, "SRC_METHOD": "GCP_TPS"}

"""Bringing one band onto a grid, from the files that hold it.

This stays below odc-stac on purpose. Tried with its version 0.5.3: it trusts an item's ``proj:transform`` over the
file's own georeferencing (an item that was 50 km off came back empty, without an error), a file without a CRS is a bare
AssertionError, and a truncated file's error does not name the file. Here the files decide, and each failure names one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.rasters import Reading, open_raster, read_pixels

Accept = Callable[[NDArray[Any]], NDArray[np.bool_]]
Resampling = Literal["nearest", "bilinear"]
Window = tuple[tuple[int, int], tuple[int, int]]
"""First and one past the last row, and of columns."""

_ALIGNED = 1e-3
"""Pixels by which two grids may be apart and still count as one: a centimetre at 10 m, far below any geolocation."""
_AVERAGED = 4
"""Source pixels per pixel of the grid, along an edge, up to which all of them are read."""
_MARGIN = 3
"""Source pixels read around a window, so that what is interpolated does not depend on where the window ends."""
_LATTICE = 9
"""Points along each edge of a grid that are looked up in a file with ground control points, where its outline is no
rectangle."""
_LATTICE_MARGIN = 16
"""Source pixels read around them, for what lies between the points."""


@lru_cache(maxsize=64)
def _crs(text: str) -> Any:
    from rasterio.crs import CRS

    return CRS.from_user_input(text)


def read_band(
    links: Sequence[str], grid: GeoBox, *, resampling: Resampling, accept: Accept, reading: Reading
) -> tuple[NDArray[np.float32], bool]:
    """Read a band onto a grid: values [y, x], NaN where there is none, and whether any file covers a part of the grid.

    Where grids coincide pixels are copied, never interpolated. Elsewhere they are warped (GDAL places them to 0.02
    source pixels), files that have ground control points instead of a transform by these; a pixel is valid where the
    source pixel that it falls into is valid, and an invalid one gives nothing to its neighbours. Where files overlap,
    the first that has a valid pixel counts. ``accept`` says which raw numbers are measurements; a file's own nodata is
    left out in any case.

    Raises:
        EarthenwareError: ``NO_CRS``, or what :func:`open_raster` raises, naming the file.
    """
    result: NDArray[np.float32] | None = None
    for link in links:
        found = _read_one(link, grid, resampling, accept, reading)
        if found is None:
            continue
        if result is None:
            result = found
        else:
            np.copyto(result, found, where=np.isnan(result))
        if not np.isnan(result).any():
            break
    if result is None:
        return np.full((grid.height, grid.width), np.nan, dtype=np.float32), False
    return result, True


def covered_share(links: Sequence[str], grid: GeoBox, reading: Reading) -> float:
    """Return the share (0..1) of a grid that the frames of some files cover at most; only their headers are read.

    Raises:
        EarthenwareError: What :func:`open_raster` raises, naming the file.
    """
    from rasterio.warp import transform_bounds

    left, bottom, right, top = grid.boundingbox.bbox
    share = 0.0
    for link in links:
        with open_raster(link, reading) as file:
            if file.crs is None:  # it has control points, or nothing, which is found when it is read
                return 1.0
            bounds = transform_bounds(file.crs, _crs(str(grid.crs)), *file.bounds, densify_pts=21)
        wide, high = min(right, bounds[2]) - max(left, bounds[0]), min(top, bounds[3]) - max(bottom, bounds[1])
        share += max(0.0, wide) * max(0.0, high) / ((right - left) * (top - bottom))
    return min(1.0, share)


def _read_one(
    link: str, grid: GeoBox, resampling: Resampling, accept: Accept, reading: Reading
) -> NDArray[np.float32] | None:
    with open_raster(link, reading) as file:
        if file.crs is None and file.gcps[0] and file.gcps[1] is not None:
            return _read_by_gcps(file, grid, resampling, accept)
        if file.crs is None:
            raise EarthenwareError("NO_CRS", f"'{storage.redact(link)}' has no coordinate reference system.")
        return _read_placed(file, grid, resampling, accept)


def _read_placed(file: Any, grid: GeoBox, resampling: Resampling, accept: Accept) -> NDArray[np.float32] | None:
    """Read a file that has a transform."""
    target = _crs(str(grid.crs))
    same = file.crs == target or (file.crs.to_epsg() is not None and file.crs.to_epsg() == target.to_epsg())
    if same and _aligned(file.transform, file.width, grid):
        return _paste(file, grid, accept)
    window = _source_window(file, grid, same)
    if window is None:
        return None
    (top, bottom), (left, right) = window
    # Pixels are skipped (the file has overviews) when the grid is much coarser than the file. Those of a grid that is
    # only somewhat coarser are means of the file's, which the warper makes of all of them.
    step = int(grid.affine.a / abs(file.transform.a)) if same else 1
    step = step if step > _AVERAGED else 1
    shape = max(1, (bottom - top) // step), max(1, (right - left) // step)
    values = _masked(read_pixels(file, window, shape), file.nodata, accept)
    placed = GeoBox(file.shape, file.transform, None)[top:bottom, left:right].zoom_to(shape).affine
    source_crs = target if same else file.crs
    return _warp(values, {"src_transform": placed, "src_crs": source_crs}, grid, resampling)


def _aligned(source: Affine, width: int, grid: GeoBox) -> bool:
    a, b, c, d, e, f = grid.affine[:6]
    if source.b or source.d or b or d:
        return False
    longest = max(width, grid.width, grid.height)
    if abs(source.a / a - 1) * longest > _ALIGNED or abs(source.e / e - 1) * longest > _ALIGNED:
        return False
    across, down = (c - source.c) / a, (f - source.f) / e
    return bool(abs(across - round(across)) < _ALIGNED and abs(down - round(down)) < _ALIGNED)


def _paste(file: Any, grid: GeoBox, accept: Accept) -> NDArray[np.float32] | None:
    a, _, c, _, e, f = grid.affine[:6]
    left, top = round((c - file.transform.c) / a), round((f - file.transform.f) / e)
    rows = (max(0, top), min(file.height, top + grid.height))
    columns = (max(0, left), min(file.width, left + grid.width))
    if rows[0] >= rows[1] or columns[0] >= columns[1]:
        return None
    values = _masked(read_pixels(file, (rows, columns)), file.nodata, accept)
    if values.shape == (grid.height, grid.width):
        return values
    result = np.full((grid.height, grid.width), np.nan, dtype=np.float32)
    result[rows[0] - top : rows[1] - top, columns[0] - left : columns[1] - left] = values
    return result


def _masked(raw: NDArray[Any], nodata: float | None, accept: Accept) -> NDArray[np.float32]:
    valid = accept(raw)
    if nodata is not None and not math.isnan(nodata):
        valid &= raw != nodata
    values = raw.astype(np.float32)
    values[~valid] = np.nan
    return values


def _source_window(file: Any, grid: GeoBox, same: bool) -> Window | None:
    """Return the rows and columns of the file that cover the grid, with a margin; None where it covers nothing."""
    from rasterio.warp import transform_bounds

    bounds = grid.boundingbox.bbox
    if not same:
        bounds = transform_bounds(_crs(str(grid.crs)), file.crs, *bounds, densify_pts=21)
    to = ~file.transform  # written out, as the operator for it differs between versions of affine
    corners = [(x, y) for x in bounds[::2] for y in bounds[1::2]]
    columns = [to.a * x + to.b * y + to.c for x, y in corners]
    rows = [to.d * x + to.e * y + to.f for x, y in corners]
    if min(columns) >= file.width or max(columns) <= 0 or min(rows) >= file.height or max(rows) <= 0:
        return None
    return _window_around(file, rows, columns, _MARGIN)


def _window_around(file: Any, rows: Sequence[float], columns: Sequence[float], margin: int) -> Window | None:
    """Return the window of a file that holds some places in pixels; None where that is nowhere, or nothing of it."""
    if not all(map(math.isfinite, (*rows, *columns))):
        return None
    top, bottom = max(0, math.floor(min(rows)) - margin), min(file.height, math.ceil(max(rows)) + margin)
    left, right = max(0, math.floor(min(columns)) - margin), min(file.width, math.ceil(max(columns)) + margin)
    return ((top, bottom), (left, right)) if top < bottom and left < right else None


def _read_by_gcps(file: Any, grid: GeoBox, resampling: Resampling, accept: Accept) -> NDArray[np.float32] | None:
    """Read a file that knows its place by ground control points alone, such as a radar image in ground range.

    The points are followed by thin-plate splines, which pass through each of them: a polynomial through all 210 points
    of a Sentinel-1 product is off by several pixels in mountains.
    """
    from rasterio.control import GroundControlPoint
    from rasterio.transform import GCPTransformer
    from rasterio.warp import transform

    points, crs = file.gcps
    columns, rows = np.meshgrid(*(np.linspace(0, side, _LATTICE) for side in (grid.width, grid.height)))
    a, b, c, d, e, f = grid.affine[:6]
    xs, ys = a * columns + b * rows + c, d * columns + e * rows + f
    longitudes, latitudes = transform(str(grid.crs), crs, xs.ravel().tolist(), ys.ravel().tolist())
    with GCPTransformer(points, tps=True) as places:
        ys, xs = places.rowcol(longitudes, latitudes, op=float)
    window = _window_around(file, ys, xs, _LATTICE_MARGIN)
    if window is None:
        return None
    (top, _), (left, _) = window
    values = _masked(read_pixels(file, window), file.nodata, accept)
    moved = [GroundControlPoint(row=one.row - top, col=one.col - left, x=one.x, y=one.y) for one in points]
    warped = _warp(values, {"gcps": moved, "src_crs": crs, "SRC_METHOD": "GCP_TPS"}, grid, resampling)
    return None if np.isnan(warped).all() else warped  # the window is a rectangle around a slanted outline


def _warp(
    values: NDArray[np.float32], placed: dict[str, Any], grid: GeoBox, resampling: Resampling
) -> NDArray[np.float32]:
    from rasterio import warp

    def warped(source: NDArray[Any], how: Resampling, nodata: float) -> NDArray[Any]:
        result = np.full((grid.height, grid.width), nodata, dtype=source.dtype)
        warp.reproject(
            source,
            result,
            src_nodata=nodata,
            dst_transform=grid.affine,
            dst_crs=_crs(str(grid.crs)),
            dst_nodata=nodata,
            resampling=warp.Resampling[how],
            num_threads=1,
            **placed,
        )
        return result

    result = warped(values, resampling, math.nan)
    if (
        resampling != "nearest" and (invalid := np.isnan(values)).any()
    ):  # GDAL spreads a valid pixel into invalid ones beside it
        inside = warped((~invalid).astype(np.uint8), "nearest", 0)
        result[inside == 0] = np.nan
    return result

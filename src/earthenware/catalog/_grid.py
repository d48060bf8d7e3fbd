"""The pixel grid of a datacube: 10 m, snapped to the optical item's own grid, in its own CRS."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pyproj
import shapely
import shapely.errors
from pyproj.exceptions import CRSError
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from earthenware.catalog._item import BadItemError
from earthenware.errors import first_line
from earthenware.rasters import Reading, open_raster
from earthenware.sensors import asset_for, href_signer

GSD_M: Final = 10.0
_LARGEST_SIDE: Final = 50_000

Affine = tuple[float, float, float, float, float, float]
HeaderOpener = Callable[[str], tuple[str, Affine, tuple[int, int]]]
"""From the link of a raster to its CRS (text), affine a..f and (height, width)."""


@dataclass(frozen=True)
class Grid:
    """A pixel grid.

    Attributes:
        crs: ``EPSG:<code>``, or WKT where it has no code.
        transform: Affine a, b, c, d, e, f: x = a * column + b * row + c, y = d * column + e * row + f, in metres.
        height: Rows.
        width: Columns.
    """

    crs: str
    transform: Affine
    height: int
    width: int

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right, top in metres."""
        a, _, c, _, e, f = self.transform
        return c, f + e * self.height, c + a * self.width, f

    def overlap(self, other: Grid) -> float:
        """Return the share (0..1) of the smaller grid that two grids of one CRS have in common; 0 for two CRSs."""
        if self.crs != other.crs:
            return 0.0
        mine, theirs = box(*self.bounds), box(*other.bounds)
        return float(mine.intersection(theirs).area / min(mine.area, theirs.area))


def read_header(href: str, reading: Reading | None = None) -> tuple[str, Affine, tuple[int, int]]:
    """Read a raster's header.

    Args:
        href: Its link.
        reading: How to read it.

    Raises:
        EarthenwareError: It cannot be opened; see :func:`earthenware.rasters.open_raster`.
        ValueError: It has no CRS.
    """
    with open_raster(href, reading) as dataset:
        if dataset.crs is None:
            raise ValueError("it has no CRS")
        a, b, c, d, e, f = tuple(dataset.transform)[:6]
        return dataset.crs.to_wkt(), (a, b, c, d, e, f), (dataset.height, dataset.width)


def item_grid(item: Mapping[str, Any], open_header: HeaderOpener = read_header) -> Grid:
    """Return the 10 m grid of a Sentinel-2 item: that of its B02 asset, else of the item, else of the file itself.

    Origins are kept as they are, also where they are no multiples of 10 m. Where the pixels are not 10 m the grid
    keeps origin and extent.

    Args:
        item: STAC item with absolute links.
        open_header: Reads a raster's header, where the item does not describe its grid.

    Raises:
        BadItemError: No usable grid can be found.
    """
    asset = asset_for(item, "sentinel-2-l2a", "B02")
    properties: Mapping[str, Any] = item.get("properties") or {}
    crs = _crs(asset) or _crs(properties)
    transform, shape = _affine(asset), _shape(asset)
    if transform is None or shape is None:
        transform, shape = _affine(properties), _shape(properties)
    if crs is None or transform is None or shape is None:
        href = href_signer(item)(str(asset["href"]))
        try:
            found, affine, found_shape = open_header(href)
            # The three belong together: a file may be a resampled copy of what the item describes.
            crs, transform, shape = _crs({"proj:wkt2": found}), affine, found_shape
        except Exception as error:  # GDAL, HTTP and file errors have no common class
            text = f"it has no proj fields and its B02 cannot be opened: {first_line(error)}"
            raise BadItemError("NO_GRID", text) from error
    if crs is None:
        raise BadItemError("NO_GRID", "its CRS cannot be understood")
    return _ten_metres(crs, transform, shape)


def _ten_metres(crs: str, transform: Affine, shape: tuple[int, int]) -> Grid:
    a, b, c, d, e, f = transform
    height, width = shape
    if b or d or a <= 0 or e >= 0:
        raise BadItemError("NO_GRID", f"its pixel grid is rotated or upside down: {list(transform)}")
    axes = {axis.unit_name for axis in pyproj.CRS.from_user_input(crs).axis_info}
    if axes != {"metre"}:
        raise BadItemError("NO_GRID", f"its CRS {crs[:40]} is not in metres")
    rows, columns = round(height * -e / GSD_M), round(width * a / GSD_M)
    if not (0 < rows <= _LARGEST_SIDE and 0 < columns <= _LARGEST_SIDE):
        raise BadItemError("NO_GRID", f"its grid of {height} x {width} pixels of {a:g} m has no sensible size")
    return Grid(crs, (GSD_M, 0.0, c, 0.0, -GSD_M, f), rows, columns)


def _crs(fields: Mapping[str, Any]) -> str | None:
    for name in ("proj:code", "proj:epsg", "proj:wkt2", "proj:projjson"):
        value = fields.get(name)
        if value:
            try:
                crs = pyproj.CRS.from_user_input(value)
            except (CRSError, TypeError, ValueError):
                continue
            authority = crs.to_authority(min_confidence=100)
            return ":".join(authority) if authority else str(crs.to_wkt())
    return None


def _affine(fields: Mapping[str, Any]) -> Affine | None:
    values = fields.get("proj:transform")
    if not isinstance(values, list | tuple) or len(values) not in {6, 9}:
        return None
    try:
        a, b, c, d, e, f = (float(value) for value in values[:6])
    except (TypeError, ValueError):
        return None
    return (a, b, c, d, e, f) if all(map(math.isfinite, (a, b, c, d, e, f))) else None


def _shape(fields: Mapping[str, Any]) -> tuple[int, int] | None:
    values = fields.get("proj:shape")
    if not isinstance(values, list | tuple) or len(values) != 2:
        return None
    try:
        return int(values[0]), int(values[1])
    except (TypeError, ValueError):
        return None


def transformer(source: str, target: str) -> pyproj.Transformer:
    """Return the transformation between two CRSs, x or longitude first; made once per thread."""
    # PROJ's objects belong to one thread, and radar is matched by several.
    return _thread_transformer(source, target, threading.get_ident())


@lru_cache(maxsize=1024)
def _thread_transformer(source: str, target: str, thread: int) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(source, target, always_xy=True)


def to_grid_crs(geometry: BaseGeometry, crs: str) -> BaseGeometry:
    """Project a footprint in degrees into a grid's CRS; edges are bent along, and the antimeridian is no edge."""
    west, _, east, _ = geometry.bounds
    dense = shapely.segmentize(geometry, 0.1) if east - west < 180 else geometry
    transform = transformer("OGC:CRS84", crs)

    def project(points: Any) -> Any:
        x, y = transform.transform(points[:, 0], points[:, 1])
        return np.column_stack([x, y])

    projected = shapely.transform(dense, project)
    try:
        return projected if projected.is_valid else shapely.make_valid(projected)
    except shapely.errors.GEOSException as error:
        raise BadItemError("MALFORMED_ITEM", "its geometry cannot be projected") from error


def to_degrees(x: float, y: float, crs: str) -> tuple[float, float]:
    """Return longitude and latitude in degrees of a point in a grid's CRS."""
    longitude, latitude = transformer(crs, "OGC:CRS84").transform(x, y)
    return float(longitude), float(latitude)


def grid_boxes(grid: Grid) -> tuple[tuple[float, float, float, float], ...]:
    """Return the boxes in degrees around a grid: two where it lies on both sides of the antimeridian."""
    to_sphere = transformer(grid.crs, "OGC:CRS84")
    west, south, east, north = to_sphere.transform_bounds(*grid.bounds, densify_pts=21)
    if west <= east:
        return ((west, south, east, north),)
    return (west, south, 180.0, north), (-180.0, south, east, north)


def target_area(geometry: BaseGeometry, grid: Grid) -> BaseGeometry:
    """Return the part of a grid that an optical footprint covers, in the grid's CRS."""
    covered = box(*grid.bounds).intersection(to_grid_crs(geometry, grid.crs))
    return covered if covered.area > 0 else box(*grid.bounds)

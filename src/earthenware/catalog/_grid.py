"""The pixel grid of a datacube: the base item's own, in its own CRS, at the base sensor's ground sampling distance."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pyproj
import shapely
import shapely.errors
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj.exceptions import CRSError
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from earthenware.catalog._item import BadItemError
from earthenware.errors import first_line
from earthenware.rasters import Reading, open_raster
from earthenware.sensors import Sensor, asset_for, href_signer

_LARGEST_SIDE: Final = 50_000

HeaderOpener = Callable[[str], GeoBox]
"""From the link of a raster to its grid."""


def read_header(href: str, reading: Reading | None = None) -> GeoBox:
    """Read a raster's grid.

    Args:
        href: Its link.
        reading: How to read it.

    Raises:
        EarthenwareError: It cannot be opened.
        ValueError: It has no CRS.
    """
    with open_raster(href, reading) as dataset:
        if dataset.crs is None:
            raise ValueError("it has no CRS")
        return GeoBox((dataset.height, dataset.width), dataset.transform, dataset.crs.to_wkt())


def item_grid(item: Mapping[str, Any], base: Sensor, open_header: HeaderOpener = read_header) -> GeoBox:
    """Return the grid of a base item: that of its finest band's asset, else of the item, else of the file itself.

    Origins are kept as they are, also where they are no multiples of the ground sampling distance. Where the pixels are
    of another size the grid keeps origin and extent.

    Args:
        item: STAC item with absolute links.
        base: Its sensor.
        open_header: Reads a raster's header, where the item does not describe its grid.

    Raises:
        BadItemError: No usable grid can be found.
    """
    asset = asset_for(item, base.id, base.finest.name)
    properties: Mapping[str, Any] = item.get("properties") or {}
    crs = _crs(asset) or _crs(properties)
    transform, shape = _affine(asset), _shape(asset)
    if transform is None or shape is None:
        transform, shape = _affine(properties), _shape(properties)
    if crs is None or transform is None or shape is None:
        href = href_signer(item)(str(asset["href"]))
        try:
            # The three belong together: a file may be a resampled copy of what the item describes.
            found = open_header(href)
            crs, transform, shape = _crs({"proj:wkt2": str(found.crs)}), found.affine, (found.height, found.width)
        except Exception as error:  # GDAL, HTTP and file errors have no common class
            text = f"it has no proj fields and its {base.finest.name} cannot be opened: {first_line(error)}"
            raise BadItemError("NO_GRID", text) from error
    if crs is None:
        raise BadItemError("NO_GRID", "its CRS cannot be understood")
    return _of_size(crs, transform, shape, base.gsd_m)


def _of_size(crs: str, transform: Affine, shape: tuple[int, int], gsd: float) -> GeoBox:
    height, width = shape
    a, b, c, d, e, f = transform[:6]
    if b or d or a <= 0 or e >= 0:
        raise BadItemError("NO_GRID", f"its pixel grid is rotated or upside down: {[a, b, c, d, e, f]}")
    axes = {axis.unit_name for axis in pyproj.CRS.from_user_input(crs).axis_info}
    if axes != {"metre"}:
        raise BadItemError("NO_GRID", f"its CRS {crs[:40]} is not in metres")
    rows, columns = round(height * -e / gsd), round(width * a / gsd)
    if not (0 < rows <= _LARGEST_SIDE and 0 < columns <= _LARGEST_SIDE):
        raise BadItemError("NO_GRID", f"its grid of {height} x {width} pixels of {a:g} m has no sensible size")
    return GeoBox((rows, columns), Affine(gsd, 0.0, c, 0.0, -gsd, f), crs)


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
    return Affine(a, b, c, d, e, f) if all(map(math.isfinite, (a, b, c, d, e, f))) else None


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


def grid_boxes(grid: GeoBox) -> tuple[tuple[float, float, float, float], ...]:
    """Return the boxes in degrees around a grid: two where it lies on both sides of the antimeridian."""
    to_sphere = transformer(str(grid.crs), "OGC:CRS84")
    west, south, east, north = to_sphere.transform_bounds(*grid.boundingbox.bbox, densify_pts=21)
    if west <= east:
        return ((west, south, east, north),)
    return (west, south, 180.0, north), (-180.0, south, east, north)


def target_area(geometry: BaseGeometry, grid: GeoBox) -> BaseGeometry:
    """Return the part of a grid that a base footprint covers, in the grid's CRS."""
    whole = box(*grid.boundingbox.bbox)
    covered = whole.intersection(to_grid_crs(geometry, str(grid.crs)))
    return covered if covered.area > 0 else whole

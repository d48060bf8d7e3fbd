"""The grid of each base item, in its own CRS, at the base sensor's ground sampling distance; and the site it is of."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

import numpy as np
import pyproj
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from odc.geo.geom import bbox_union
from pyproj.exceptions import CRSError
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from earthenware.catalog._item import BadItemError, SceneItem, judged
from earthenware.catalog._spec import Box
from earthenware.errors import first_line
from earthenware.rasters import Reading, open_raster
from earthenware.scenes import Bounds
from earthenware.sensors import Sensor, asset_for, href_signer
from earthenware.steps import Attempt

_LARGEST_SIDE: Final = 50_000
_FARTHEST: Final = 1e8
"""Metres from a CRS's origin; eastings that begin with the number of one of 60 zones have up to 61 million."""

HeaderOpener = Callable[[str], GeoBox]
"""From the link of a raster to its grid."""

Placed = dict[tuple[str, str], tuple[SceneItem, GeoBox]]
"""Collection and id of an item -> the item with its site, and its grid."""


def read_header(href: str, reading: Reading) -> GeoBox:
    """Read a raster's grid.

    Raises:
        EarthenwareError: It cannot be opened.
        ValueError: It has no CRS.
    """
    with open_raster(href, reading) as dataset:
        if dataset.crs is None:
            raise ValueError("it has no CRS")
        return GeoBox((dataset.height, dataset.width), dataset.transform, dataset.crs.to_wkt())


def item_grid(item: Mapping[str, Any], base: Sensor, open_header: HeaderOpener) -> GeoBox:
    """Return the grid of a base item: that of its finest band's asset, else of the item, else of the file itself.

    Origins are kept as they are, also where they are no multiples of the ground sampling distance. Where the pixels are
    of another size the grid keeps origin and extent.

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
        try:
            # The three belong together: a file may be a resampled copy of what the item describes.
            found = open_header(href_signer(item)(str(asset["href"])))
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
    known = pyproj.CRS.from_user_input(crs)
    if not known.is_projected or {axis.unit_name for axis in known.axis_info} != {"metre"}:
        raise BadItemError("NO_GRID", f"its CRS {crs[:40]} is not in metres")
    rows, columns = round(height * -e / gsd), round(width * a / gsd)
    if not (0 < rows <= _LARGEST_SIDE and 0 < columns <= _LARGEST_SIDE):
        raise BadItemError("NO_GRID", f"its grid of {height} x {width} pixels of {a:g} m has no sensible size")
    grid = GeoBox((rows, columns), Affine(gsd, 0.0, c, 0.0, -gsd, f), crs)
    # The first test: some projections go round the Earth again and again.
    if max(abs(c), abs(f)) > _FARTHEST or not np.isfinite([one for box in grid_boxes(grid) for one in box]).all():
        raise BadItemError("NO_GRID", f"its grid at {c:g}, {f:g} of {crs[:40]} lies nowhere on Earth")
    return grid


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
    values = _numbers(fields.get("proj:transform"))
    return Affine(*values[:6]) if len(values) in {6, 9} and all(map(math.isfinite, values[:6])) else None


def _shape(fields: Mapping[str, Any]) -> tuple[int, int] | None:
    values = _numbers(fields.get("proj:shape"))
    return (int(values[0]), int(values[1])) if len(values) == 2 and all(map(math.isfinite, values)) else None


def _numbers(values: Any) -> list[float]:
    """Return the numbers of a list; none where it is not a list of numbers."""
    try:
        return [float(value) for value in values] if isinstance(values, list | tuple) else []
    except (OverflowError, TypeError, ValueError):
        return []


@lru_cache(maxsize=1024)
def transformer(source: str, target: str) -> pyproj.Transformer:
    """Return the transformation between two CRSs, x or longitude first; threads may share it."""
    return pyproj.Transformer.from_crs(source, target, always_xy=True)


def to_grid_crs(geometry: BaseGeometry, crs: str) -> BaseGeometry:
    """Project a footprint in degrees into a grid's CRS; edges are bent along, and the antimeridian is no edge.

    Where it goes round the Earth, and the CRS cannot, nothing is left of it.
    """
    west, _, east, _ = geometry.bounds
    dense = shapely.segmentize(geometry, 0.1) if east - west < 180 else geometry
    projected = shapely.transform(dense, transformer("OGC:CRS84", crs).transform, interleaved=False)
    if not np.isfinite(shapely.get_coordinates(projected)).all():
        return shapely.Polygon()
    return projected if projected.is_valid else shapely.make_valid(projected)


def grid_boxes(grid: GeoBox) -> tuple[Box, ...]:
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


def centre(grid: GeoBox) -> tuple[float, float]:
    """Return longitude and latitude of a grid's middle in degrees."""
    left, bottom, right, top = grid.boundingbox.bbox
    longitude, latitude = transformer(str(grid.crs), "OGC:CRS84").transform((left + right) / 2, (bottom + top) / 2)
    return float(longitude), float(latitude)


def shared_bounds(one: GeoBox, other: GeoBox) -> Bounds | None:
    """Return the bounds that two grids share, in metres of the first one's CRS."""
    left, bottom, right, top = one.boundingbox.bbox
    theirs = other.boundingbox.bbox
    if other.crs != one.crs:
        theirs = transformer(str(other.crs), str(one.crs)).transform_bounds(*theirs, densify_pts=21)
    shared = max(left, theirs[0]), max(bottom, theirs[1]), min(right, theirs[2]), min(top, theirs[3])
    return shared if shared[0] < shared[2] and shared[1] < shared[3] else None


def overlap(one: GeoBox, other: GeoBox) -> float:
    """Return the share (0..1) of the smaller of two grids that both cover."""

    def area(bounds: Bounds) -> float:
        return (bounds[2] - bounds[0]) * (bounds[3] - bounds[1])

    shared = shared_bounds(one, other)
    smaller = min(area(one.boundingbox.bbox), area(other.boundingbox.bbox))
    return 0.0 if shared is None else area(shared) / smaller


def with_grids(items: Sequence[SceneItem], base: Sensor, attempt: Attempt, open_header: HeaderOpener) -> Placed:
    """Find the grid of each item, and a site for those whose tile is not named; one without a grid is rejected."""
    found: Placed = {}
    grids: dict[str, set[GeoBox]] = defaultdict(set)
    for done, item in enumerate(items, 1):
        try:
            with judged():
                grid = item_grid(item.item, base, open_header)
        except BadItemError as error:
            attempt.reject(item.id, error.reason, str(error))
            continue
        found[item.collection, item.id] = item, grid
        grids[item.site].add(grid)
        if done % 100 == 0:
            attempt.progress(done, len(items), "items")
    names = {(site, grid): name for site in grids for grid, name in _names(site, grids[site]).items()}
    return {key: (replace(item, site=names[item.site, grid]), grid) for key, (item, grid) in found.items()}


def _names(tile: str, grids: set[GeoBox]) -> dict[GeoBox, str]:
    """Name the site of each grid: the tile's name, or where it holds several areas or has no name, the area's cell."""
    clusters: list[list[GeoBox]] = []
    for grid in in_order(grids):
        near = (one for one in clusters if one[0].crs == grid.crs and overlap(one[0], grid) > 0.5)
        cluster = next(near, None)
        if cluster is None:
            clusters.append([grid])
        else:
            cluster.append(grid)
    if tile and len(clusters) == 1:
        return dict.fromkeys(grids, tile)
    prefix = f"{tile}-" if tile else "cell-"
    return {grid: f"{prefix}{_cell(cluster[0])}" for cluster in clusters for grid in cluster}


def _cell(grid: GeoBox) -> str:
    """Name an area of interest by its middle, to a hundredth of a degree."""
    longitude, latitude = centre(grid)
    east_west, north_south = "E" if longitude >= 0 else "W", "N" if latitude >= 0 else "S"
    return f"{abs(latitude):05.2f}{north_south}-{abs(longitude):06.2f}{east_west}"


def in_order(grids: Iterable[GeoBox]) -> list[GeoBox]:
    """Return grids in an order that does not depend on the order of the items."""
    return sorted(grids, key=lambda one: (str(one.crs), one.boundingbox.bbox))


def ground_of(grids: Iterable[GeoBox]) -> GeoBox:
    """Return the grid around all grids of a site: acquisitions of one path and row differ by some pixels."""
    first = in_order(grids)[0]
    around = bbox_union(one.boundingbox for one in grids)
    a, _, _, _, e, _ = first.affine[:6]
    shape = round((around.bottom - around.top) / e), round((around.right - around.left) / a)
    return GeoBox(shape, Affine(a, 0.0, around.left, 0.0, e, around.top), first.crs)

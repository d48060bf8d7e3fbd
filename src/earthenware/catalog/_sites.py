"""Which ground each base item images: its grid, and the name of the site that it shares with others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import box

from earthenware.catalog._grid import HeaderOpener, item_grid, to_degrees
from earthenware.catalog._item import BadItemError, SceneItem
from earthenware.sensors import Sensor
from earthenware.steps import Attempt

Placed = dict[tuple[str, str], tuple[SceneItem, GeoBox]]
"""Collection and id of an item -> the item with its site, and its grid."""


def with_grids(items: Sequence[SceneItem], base: Sensor, attempt: Attempt, open_header: HeaderOpener) -> Placed:
    """Find the grid of each item, and a site for those whose tile is not named; one without a grid is rejected."""
    found: Placed = {}
    for done, item in enumerate(items, 1):
        try:
            grid = item_grid(item.item, base, open_header)
        except BadItemError as error:
            attempt.reject(item.id, error.reason, str(error))
            continue
        found[item.collection, item.id] = item, grid
        if done % 100 == 0:
            attempt.progress(done, len(items), "items")
    grids: dict[str, set[GeoBox]] = {}
    for item, grid in found.values():
        grids.setdefault(item.site, set()).add(grid)
    names = {(site, grid): name for site in grids for grid, name in _names(site, grids[site]).items()}
    return {key: (replace(item, site=names[item.site, grid]), grid) for key, (item, grid) in found.items()}


def in_order(grids: set[GeoBox]) -> list[GeoBox]:
    """Return grids in an order that does not depend on the order of the items."""
    return sorted(grids, key=lambda one: (str(one.crs), one.boundingbox.bbox))


def _names(name: str, grids: set[GeoBox]) -> dict[GeoBox, str]:
    """Name the site of each grid: the tile's name, or where it holds several areas or has no name, the area's cell."""
    clusters: list[list[GeoBox]] = []
    for grid in in_order(grids):
        cluster = next((one for one in clusters if _overlap(one[0], grid) > 0.5), None)
        if cluster is None:
            clusters.append([grid])
        else:
            cluster.append(grid)
    if name and len(clusters) == 1:
        return dict.fromkeys(grids, name)
    prefix = f"{name}-" if name else "cell-"
    return {grid: f"{prefix}{_cell(cluster[0])}" for cluster in clusters for grid in cluster}


def _overlap(one: GeoBox, other: GeoBox) -> float:
    """Return the share (0..1) of the smaller grid that two grids of one CRS have in common; 0 for two CRSs."""
    if one.crs != other.crs:
        return 0.0
    mine, theirs = box(*one.boundingbox.bbox), box(*other.boundingbox)
    return float(mine.intersection(theirs).area / min(mine.area, theirs.area))


def _cell(grid: GeoBox) -> str:
    """Name an area of interest by its middle, to a hundredth of a degree."""
    left, bottom, right, top = grid.boundingbox.bbox
    longitude, latitude = to_degrees((left + right) / 2, (bottom + top) / 2, str(grid.crs))
    east_west, north_south = "E" if longitude >= 0 else "W", "N" if latitude >= 0 else "S"
    return f"{abs(latitude):05.2f}{north_south}-{abs(longitude):06.2f}{east_west}"


def ground_of(grids: set[GeoBox]) -> GeoBox:
    """Return the grid around all grids of a site: acquisitions of one path and row differ by some pixels."""
    first, *others = in_order(grids)
    if not others:
        return first
    lefts, bottoms, rights, tops = zip(*(one.boundingbox.bbox for one in (first, *others)), strict=True)
    a, _, _, _, e, _ = first.affine[:6]
    shape = round((min(bottoms) - max(tops)) / e), round((max(rights) - min(lefts)) / a)
    return GeoBox(shape, Affine(a, 0.0, min(lefts), 0.0, e, max(tops)), first.crs)

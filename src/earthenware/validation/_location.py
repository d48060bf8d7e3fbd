"""Where chips lie: whether positions, outlines and grids agree, and what ground two splits share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


def add_location(chips: pd.DataFrame, chip_size: int) -> None:
    """Work out what the expectations look at, as new columns of the table of chips; the outlines are taken out."""
    import shapely

    chips["off_grid_m"] = _distance_from_grid(chips, chip_size)
    shapes = shapely.from_wkb(chips.pop("geometry").to_numpy(dtype=object), on_invalid="ignore")
    polygons = shapely.is_valid(shapes) & (shapely.get_type_id(shapes) == 3) & (shapely.area(shapes) > 0)
    west, south, east, north = shapely.bounds(shapes).T
    # An outline across the antimeridian goes on beyond 180 degrees; one that jumped would span the globe.
    polygons &= east - west < 180
    chips["geometry_valid"] = polygons & (np.abs(west + east) <= 360) & (south >= -90) & (north <= 90)
    points = shapely.points(chips["lon"].to_numpy(np.float64), chips["lat"].to_numpy(np.float64))
    chips["position_in_geometry"] = shapely.intersects(shapes, points)
    chips["other_split_overlap"], chips["other_split_chip"] = _overlap(shapes, polygons, chips)


def _distance_from_grid(chips: pd.DataFrame, chip_size: int) -> NDArray[np.float64]:
    """Return the distance (m) between each chip's stated centre and the centre that its grid position gives.

    A position that cannot be computed (an unknown CRS, infinite coordinates) counts as infinitely far.
    """
    import pyproj

    distance = np.full(len(chips), np.inf)
    sphere = pyproj.Geod(ellps="WGS84")
    for crs, group in chips.groupby("crs"):
        try:
            to_degrees = pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
        except pyproj.exceptions.CRSError:
            continue
        rows = chips.index.get_indexer(group.index)
        lon, lat = to_degrees.transform(*_centre(group["transform"], chip_size))
        stated_lon, stated_lat = group["lon"].to_numpy(np.float64), group["lat"].to_numpy(np.float64)
        sane = np.isfinite(lon) & np.isfinite(lat) & (np.abs(stated_lat) <= 90) & np.isfinite(stated_lon)
        _, _, metres = sphere.inv(lon[sane], lat[sane], stated_lon[sane], stated_lat[sane])
        distance[rows[sane]] = metres
    return distance


def _centre(transforms: pd.Series[Any], chip_size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the projected centres of chips; a chip's transform maps its pixels' corners (column, row) to x and y."""
    unknown = np.full(6, np.nan)
    affine = np.stack([unknown if values is None or len(values) != 6 else values for values in transforms])
    a, b, c, d, e, f = affine.astype(np.float64).T
    half = chip_size / 2
    return c + (a + b) * half, f + (d + e) * half


def _overlap(shapes: Any, polygons: NDArray[np.bool_], chips: pd.DataFrame) -> tuple[NDArray[np.float64], Any]:
    """Return the largest share of each chip's area that a chip of another split covers, and that chip's id.

    Chips of one site and many dates have the same outline, so outlines are compared once per split.
    """
    import shapely

    share, other = np.zeros(len(shapes)), np.full(len(shapes), "", dtype=object)
    splits = chips["split"].fillna("").to_numpy(dtype=object)
    identifiers = chips["chip_id"].to_numpy(dtype=object)
    for split in sorted(set(splits[polygons])):
        mine = np.flatnonzero(polygons & (splits == split))
        theirs = np.flatnonzero(polygons & (splits != split))
        if not len(theirs):
            continue
        outlines, first, inverse = np.unique(shapely.to_wkb(shapes[mine]), return_index=True, return_inverse=True)
        tree = shapely.STRtree(shapes[theirs])
        a, b = tree.query(shapes[mine[first]], predicate="intersects")
        covered = shapely.area(shapely.intersection(shapes[mine[first]][a], shapes[theirs][b]))
        covered /= shapely.area(shapes[mine[first]][a])
        largest, partner = np.zeros(len(outlines)), np.zeros(len(outlines), dtype=int)
        for outline, candidate, fraction in zip(a, b, covered, strict=True):
            if fraction > largest[outline]:
                largest[outline], partner[outline] = fraction, theirs[candidate]
        share[mine] = largest[inverse]
        other[mine] = np.where(largest[inverse] > 0, identifiers[partner[inverse]], "")
    return share, other

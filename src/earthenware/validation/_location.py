"""Where chips lie: positions, outlines and grids that agree, and ground that no two splits share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from earthenware.validation._check import BETWEEN, IN_SET, Check, naming

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from earthenware.validation._limits import Limits


def add_location(chips: pd.DataFrame, chip_size: int) -> None:
    """Work out what the expectations look at, as new columns of the table of chips; the outlines are taken out.

    Args:
        chips: The chip index.
        chip_size: Side of a chip in pixels.
    """
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


def location_checks(spec: Limits, gsd: float) -> list[Check]:
    """Return the expectations about places, for a store of this ground sampling distance (m)."""
    return [
        Check(
            "longitude_range",
            "chips",
            BETWEEN,
            {"column": "lon", "min_value": -180, "max_value": 180},
            "Longitudes lie between -180 and 180 degrees",
            naming("chips", "have a longitude outside -180 to 180 degrees", "{chip_id} ({lon:.6g})"),
        ),
        Check(
            "latitude_range",
            "chips",
            BETWEEN,
            {"column": "lat", "min_value": -90, "max_value": 90},
            "Latitudes lie between -90 and 90 degrees",
            naming("chips", "have a latitude outside -90 to 90 degrees", "{chip_id} ({lat:.6g})"),
        ),
        Check(
            "geometry_valid",
            "chips",
            IN_SET,
            {"column": "geometry_valid", "value_set": [True]},
            "Each chip's outline is a valid polygon in degrees on the globe",
            naming("chips", "have an outline that is no valid polygon in degrees", "{chip_id}"),
        ),
        Check(
            "position_in_geometry",
            "chips",
            IN_SET,
            {"column": "position_in_geometry", "value_set": [True]},
            "Each chip's longitude and latitude lie inside its outline",
            naming("chips", "have a longitude and latitude outside their outline", "{chip_id} ({lon:.4f}, {lat:.4f})"),
        ),
        Check(
            "position_matches_grid",
            "chips",
            BETWEEN,
            {"column": "off_grid_m", "max_value": spec.position_tolerance},
            f"Each chip's longitude and latitude are within {spec.position_tolerance:g} m of where its grid puts it",
            naming(
                "chips",
                "lie elsewhere than their CRS and transform say, as with a wrong CRS",
                "{chip_id} ({off_grid_m:,.0f} m off in {crs})",
            ),
        ),
        Check(
            "gsd_matches_store",
            "chips",
            BETWEEN,
            {"column": "gsd", "min_value": gsd * 0.999, "max_value": gsd * 1.001},
            f"Each chip's ground sampling distance is the store's {gsd:g} m",
            naming(
                "chips", f"have another ground sampling distance than the store's {gsd:g} m", "{chip_id} ({gsd:g} m)"
            ),
        ),
        Check(
            "splits_do_not_overlap",
            "chips",
            BETWEEN,
            {"column": "other_split_overlap", "max_value": spec.max_split_overlap},
            f"No chip shares more than {spec.max_split_overlap:.0%} of its ground with a chip of another split",
            naming(
                "chips",
                "lie on the ground of a chip of another split",
                "{chip_id} of {split} ({other_split_overlap:.0%} covered by {other_split_chip})",
            ),
        ),
    ]

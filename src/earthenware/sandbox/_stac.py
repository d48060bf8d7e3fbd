"""STAC items in the shape of Planetary Computer's: what those of every product share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from numpy.typing import NDArray
from pyproj import Transformer

Transform = tuple[float, float, float, float, float, float]
Item = dict[str, Any]

COG: Final = "image/tiff; application=geotiff; profile=cloud-optimized"
_SCHEMAS: Final = {
    "classification": "https://stac-extensions.github.io/classification/v1.1.0/schema.json",
    "eo": "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
    "grid": "https://stac-extensions.github.io/grid/v1.1.0/schema.json",
    "proj": "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "raster": "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
    "sar": "https://stac-extensions.github.io/sar/v1.0.0/schema.json",
    "sat": "https://stac-extensions.github.io/sat/v1.0.0/schema.json",
    "view": "https://stac-extensions.github.io/view/v1.0.0/schema.json",
}


@dataclass(frozen=True)
class Layer:
    """The pixels of one asset and how their file is written.

    Attributes:
        pixels: Values [y, x].
        nodata: Value that means no data, or None for no such tag.
        overview: Resampling of the overviews.
        pixel_is_point: Whether to tag pixels as points, as Copernicus DEM does.
        control: Ground control points (row, column, longitude, latitude) in place of a grid, as Sentinel-1 GRD has.
    """

    pixels: NDArray[Any]
    nodata: float | None = None
    overview: str = "nearest"
    pixel_is_point: bool = False
    control: Sequence[tuple[float, float, float, float]] = ()


Product = tuple[Item, Mapping[str, Layer]]
"""An item and the pixels of its assets."""


def make_item(
    collection: str,
    name: str,
    footprint: list[list[float]],
    properties: dict[str, Any],
    assets: dict[str, Any],
    extensions: tuple[str, ...],
) -> Item:
    """Return a STAC item; ``footprint`` is a closed ring of longitudes and latitudes."""
    lons, lats = [point[0] for point in footprint], [point[1] for point in footprint]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [_SCHEMAS[extension] for extension in extensions],
        "id": name,
        "collection": collection,
        "geometry": {"type": "Polygon", "coordinates": [footprint]},
        "bbox": [min(lons), min(lats), max(lons), max(lats)],
        "properties": {
            **properties,
            "description": "Synthetic: made by the Earthenware sandbox, not seen by a satellite.",
        },
        "links": [],
        "assets": assets,
    }


def make_asset(path: str, transform: Transform, shape: tuple[int, ...], epsg: int) -> dict[str, Any]:
    """Return a COG's asset with its grid (projection extension); ``path`` is relative to the catalog."""
    a, _, c, _, e, f = transform
    return {
        "href": f"./{path}",
        "type": COG,
        "roles": ["data"],
        "proj:code": f"EPSG:{epsg}",
        "proj:shape": list(shape),
        "proj:transform": list(transform),
        "proj:bbox": [c, f + e * shape[0], c + a * shape[1], f],
    }


def ring(epsg: int, transform: Transform, shape: tuple[int, ...]) -> list[list[float]]:
    """Return the closed ring of a grid's corners in longitude and latitude, counter-clockwise."""
    a, _, c, _, e, f = transform
    east, south = c + a * shape[1], f + e * shape[0]
    return lon_lat_ring(epsg, [(c, f), (c, south), (east, south), (east, f)])


def lon_lat_ring(epsg: int, corners: Sequence[tuple[float, float]]) -> list[list[float]]:
    """Return the closed ring of corners (easting, northing) in longitude and latitude."""
    out = Transformer.from_crs(epsg, 4326, always_xy=True)
    return [[round(float(value), 9) for value in out.transform(x, y)] for x, y in (*corners, corners[0])]


def time_text(moment: datetime) -> str:
    """Return a time in UTC as STAC writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

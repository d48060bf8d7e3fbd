"""STAC items in the shape of Planetary Computer's: what those of every product share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from numpy.typing import NDArray
from pyproj import Transformer

from earthenware.sandbox._places import Grid

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
    """One asset: its pixels [y, x], how their file is written, and what the item says of it."""

    pixels: NDArray[Any]
    facts: Mapping[str, Any]  # fields of the asset, beside its file and grid
    grid: Grid | None = None
    nodata: float | None = None
    overview: str = "nearest"  # resampling of the overviews
    pixel_is_point: bool = False  # tagged so, as Copernicus DEM is
    control: Sequence[tuple[float, float, float, float]] = ()  # (row, column, lon, lat) in place of a grid


Product = tuple[dict[str, Any], Mapping[str, Layer]]
"""An item and the pixels of its assets."""


def make_product(
    collection: str,
    name: str,
    properties: Mapping[str, Any],
    layers: Mapping[str, Layer],
    extensions: Sequence[str],
    *,
    file: str = "{name}/{asset}.tif",
    assets_have_grids: bool = True,
    footprint: list[list[float]] | None = None,
) -> Product:
    """Return the STAC item of some layers.

    ``footprint`` is a closed ring of longitudes and latitudes; None for the outline of the first layer's grid.
    """
    assets: dict[str, dict[str, Any]] = {}
    for asset, layer in layers.items():
        assets[asset] = {
            "href": f"./{collection}/{file.format(name=name, asset=asset)}",
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "roles": ["data"],
        }
        if layer.grid and assets_have_grids:
            assets[asset] |= {**grid_facts(layer.grid), "proj:bbox": list(layer.grid.bounds)}
        assets[asset] |= layer.facts
    footprint = footprint or _outline(next(layer.grid for layer in layers.values() if layer.grid))
    lons, lats = zip(*footprint, strict=True)
    item = {
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
    return item, layers


def grid_facts(grid: Grid) -> dict[str, Any]:
    """Return a grid in the fields of the projection extension."""
    return {
        "proj:code": f"EPSG:{grid.epsg}",
        "proj:shape": list(grid.shape),
        "proj:transform": list(grid.transform),
    }


def band_facts(title: str, gsd: int, data_type: str, nodata: float, **more: Any) -> dict[str, Any]:
    """Return what the asset of one band says in the common metadata and the raster extension; GSD in metres."""
    bands = [{"data_type": data_type, "nodata": nodata, "spatial_resolution": gsd}]
    return {"title": title, "gsd": float(gsd), **more, "raster:bands": bands}


def _outline(grid: Grid) -> list[list[float]]:
    """Return the ring of a grid's corners, counter-clockwise."""
    west, south, east, north = grid.bounds
    return lon_lat_ring(grid.epsg, [(west, north), (west, south), (east, south), (east, north)])


def lon_lat_ring(epsg: int, corners: Sequence[tuple[float, float]]) -> list[list[float]]:
    """Return the closed ring of corners (easting, northing) in longitude and latitude."""
    out = Transformer.from_crs(epsg, 4326, always_xy=True)
    return [[round(float(value), 9) for value in out.transform(x, y)] for x, y in (*corners, corners[0])]


def time_text(moment: datetime) -> str:
    """Return a time in UTC as STAC writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

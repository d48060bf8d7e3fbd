"""STAC items in the shape of Planetary Computer's: their common parts, and the items of maps."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from pyproj import Transformer

from earthenware.sandbox._dates import Visit
from earthenware.sandbox._maps import DegreeTile
from earthenware.sandbox._places import Place

Transform = tuple[float, float, float, float, float, float]

_COG: Final = "image/tiff; application=geotiff; profile=cloud-optimized"
_SCHEMAS: Final = {
    "eo": "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
    "grid": "https://stac-extensions.github.io/grid/v1.1.0/schema.json",
    "proj": "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "raster": "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
    "sar": "https://stac-extensions.github.io/sar/v1.0.0/schema.json",
    "sat": "https://stac-extensions.github.io/sat/v1.0.0/schema.json",
}


def dem_item(place: Place, tile: DegreeTile) -> dict[str, Any]:
    """Return the item of a part of the elevation model."""
    # The last word tells apart the clippings of several places from one tile of one degree.
    name = f"Copernicus_DSM_COG_10_{tile.tile[:3]}_00_{tile.tile[3:]}_00_DEM_{place.name}"
    shape = tile.pixels.shape
    asset = make_asset(f"cop-dem-glo-30/{name}.tif", tile.transform, shape, 4326) | {"title": tile.tile, "gsd": 30.0}
    properties = {
        "datetime": "2021-04-22T00:00:00Z",
        "platform": "TanDEM-X",
        "gsd": 30,
        "proj:code": "EPSG:4326",
        "proj:shape": list(shape),
        "proj:transform": list(tile.transform),
    }
    return make_item("cop-dem-glo-30", name, ring(4326, tile.transform, shape), properties, {"data": asset}, ("proj",))


def land_cover_item(place: Place, tile: DegreeTile) -> dict[str, Any]:
    """Return the item of a part of the land cover map."""
    name = f"ESA_WorldCover_10m_2021_v200_{tile.tile}_{place.name}"
    shape = tile.pixels.shape
    asset = make_asset(f"esa-worldcover/{name}.tif", tile.transform, shape, 4326) | {
        "title": "Land Cover Classes",
        "gsd": 10.0,
        "raster:bands": [{"data_type": "uint8", "nodata": 0, "spatial_resolution": 10}],
    }
    properties = {
        "datetime": None,
        "start_datetime": "2021-01-01T00:00:00Z",
        "end_datetime": "2021-12-31T23:59:59Z",
        "platform": "sentinel-1a, sentinel-1b, sentinel-2a, sentinel-2b",
        "gsd": 10,
        "grid:code": f"ESAWORLDCOVER-{tile.tile}",
        "esa_worldcover:product_tile": tile.tile,
        "esa_worldcover:product_version": "2.0.0",
        "proj:code": "EPSG:4326",
        "proj:shape": list(shape),
        "proj:transform": list(tile.transform),
    }
    footprint = ring(4326, tile.transform, shape)
    return make_item("esa-worldcover", name, footprint, properties, {"map": asset}, ("grid", "proj", "raster"))


def flood_item(place: Place, visit: Visit) -> dict[str, Any]:
    """Return the item of the flood's water mask (1 water, 0 dry, 255 not known), on the grid of Sentinel-2."""
    name = f"flood_{place.name}_{visit.optical:%Y%m%d}"
    shape = (place.size, place.size)
    asset = make_asset(f"flood-water/{name}.tif", place.transform(), shape, place.epsg) | {
        "title": "Water on the day of the flood, permanent water included",
        "gsd": 10.0,
        "raster:bands": [{"data_type": "uint8", "nodata": 255, "spatial_resolution": 10}],
    }
    properties = {
        "datetime": time_text(visit.optical),
        "gsd": 10,
        "proj:code": f"EPSG:{place.epsg}",
        "proj:shape": list(shape),
        "proj:transform": list(place.transform()),
    }
    footprint = ring(place.epsg, place.transform(), shape)
    return make_item("flood-water", name, footprint, properties, {"water": asset}, ("proj", "raster"))


def make_item(
    collection: str,
    name: str,
    footprint: list[list[float]],
    properties: dict[str, Any],
    assets: dict[str, Any],
    extensions: tuple[str, ...],
) -> dict[str, Any]:
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
        "type": _COG,
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
    corners = [(c, f), (c, south), (east, south), (east, f), (c, f)]
    out = Transformer.from_crs(epsg, 4326, always_xy=True)
    return [[round(float(value), 9) for value in out.transform(x, y)] for x, y in corners]


def time_text(moment: datetime) -> str:
    """Return a time in UTC as STAC writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

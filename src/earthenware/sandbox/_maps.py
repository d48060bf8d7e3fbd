"""Maps: elevation (as Copernicus's) and land cover (as WorldCover's) on degree grids, and the flood's water."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.warp import Resampling, reproject

from earthenware.sandbox._landcover import Ground
from earthenware.sandbox._noise import smooth
from earthenware.sandbox._places import MARGIN, Grid, Place, Visit
from earthenware.sandbox._stac import Layer, Product, band_facts, grid_facts, make_product, time_text

_PAD: Final = 14  # pixels of ground kept around a scene in maps, so that warping finds its neighbours


def map_products(ground: Ground) -> Iterator[Product]:
    """Yield the maps of a place: its elevation, then its land cover, an item per tile of the product."""
    yield from _elevation(ground)
    yield from _land_cover(ground)


def flood_product(ground: Ground, visit: Visit, flooded: NDArray[np.bool_]) -> Product:
    """Return the map of all water on the day of the flood (1 water, 0 dry, 255 not known), on Sentinel-2's grid."""
    place = ground.place
    water = (flooded | ground.terrain.water)[MARGIN:-MARGIN, MARGIN:-MARGIN].astype(np.uint8)
    facts = band_facts("Water on the day of the flood, permanent water included", 10, "uint8", 255)
    layer = Layer(water, facts, place.grid(), nodata=255)
    properties = {"datetime": time_text(visit.optical), "gsd": 10, **grid_facts(place.grid())}
    name = f"flood_{place.name}_{visit.optical:%Y%m%d}"
    return make_product("flood-water", name, properties, {"water": layer}, ("proj", "raster"), file="{name}.tif")


def _elevation(ground: Ground) -> Iterator[Product]:
    """Yield the surface's height in metres, float32, one arc second, per one-degree tile.

    Pixel centres lie on whole arc seconds, as in the real product; a tile ends half a pixel short of its meridian.
    """
    place = ground.place
    surface = smooth(ground.terrain.elevation + 0.5 * ground.structure, 1.2)
    into = Transformer.from_crs(4326, place.epsg, always_xy=True)
    for lat, lon, (west, south, east, north) in _cut(place, 1):
        dx, dy = _longitude_step(lat) / 3600, 1 / 3600
        # The pixel of the tile's own western edge and northern edge belongs to it, those of the far edges do not.
        first, last = _inside(west - lon, east - lon, dx, round(1 / dx))
        top, bottom = _inside(lat + 1 - north, lat + 1 - south, dy, 3600)
        if last <= first or bottom <= top:
            continue
        lons = lon + np.arange(first, last) * dx
        lats = lat + 1 - np.arange(top, bottom) * dy
        x, y = into.transform(*np.meshgrid(lons, lats))
        column = (x - place.west) / 10 + MARGIN - 0.5
        row = (place.north - y) / 10 + MARGIN - 0.5
        values = scipy.ndimage.map_coordinates(surface, [row, column], order=1, mode="nearest").astype(np.float32)
        transform = (dx, 0.0, lon + (first - 0.5) * dx, 0.0, -dy, lat + 1 - (top - 0.5) * dy)
        grid = Grid(4326, transform, values.shape)
        tile = _tile_name(lat, lon)
        # The last word tells apart the clippings of several places from one tile of one degree.
        name = f"Copernicus_DSM_COG_10_{tile[:3]}_00_{tile[3:]}_00_DEM_{place.name}"
        layer = Layer(values, {"title": tile, "gsd": 30.0}, grid, overview="average", pixel_is_point=True)
        properties = {"datetime": "2021-04-22T00:00:00Z", "platform": "TanDEM-X", "gsd": 30, **grid_facts(grid)}
        yield make_product("cop-dem-glo-30", name, properties, {"data": layer}, ("proj",), file="{name}.tif")


def _land_cover(ground: Ground) -> Iterator[Product]:
    """Yield the classes, uint8, 1/12000 degree, 0 where there is no ground, per three-degree tile."""
    place = ground.place
    step = 1 / 12000
    for lat, lon, (west, south, east, north) in _cut(place, 3):
        first, last = int(np.floor((west - lon) / step)), int(np.ceil((east - lon) / step))
        top, bottom = int(np.floor((lat + 3 - north) / step)), int(np.ceil((lat + 3 - south) / step))
        first, top, last, bottom = max(first, 0), max(top, 0), min(last, 36000), min(bottom, 36000)
        if last <= first or bottom <= top:
            continue
        transform = (step, 0.0, lon + first * step, 0.0, -step, lat + 3 - top * step)
        values = np.zeros((bottom - top, last - first), np.uint8)
        reproject(
            ground.classes, values, src_crs=CRS.from_epsg(place.epsg),
            src_transform=Affine(*place.grid(margin=MARGIN).transform), dst_crs=CRS.from_epsg(4326),
            dst_transform=Affine(*transform), src_nodata=0, dst_nodata=0, resampling=Resampling.nearest, num_threads=1,
        )  # fmt: skip
        grid = Grid(4326, transform, values.shape)
        tile = _tile_name(lat, lon)
        layer = Layer(values, band_facts("Land Cover Classes", 10, "uint8", 0), grid, nodata=0)
        properties = {
            "datetime": None,
            "start_datetime": "2021-01-01T00:00:00Z",
            "end_datetime": "2021-12-31T23:59:59Z",
            "platform": "sentinel-1a, sentinel-1b, sentinel-2a, sentinel-2b",
            "gsd": 10,
            "grid:code": f"ESAWORLDCOVER-{tile}",
            "esa_worldcover:product_tile": tile,
            "esa_worldcover:product_version": "2.0.0",
            **grid_facts(grid),
        }
        yield make_product(
            "esa-worldcover", f"ESA_WorldCover_10m_2021_v200_{tile}_{place.name}", properties,
            {"map": layer}, ("grid", "proj", "raster"), file="{name}.tif",
        )  # fmt: skip


def _cut(place: Place, degrees: int) -> Iterator[tuple[int, int, tuple[float, float, float, float]]]:
    """Yield the tiles of ``degrees`` that a place touches, each with the whole place's west, south, east, north."""
    out = Transformer.from_crs(place.epsg, 4326, always_xy=True)
    west, south, east, north = out.transform_bounds(*place.grid(margin=_PAD).bounds)
    for lat in range(int(np.floor(south / degrees)) * degrees, int(np.ceil(north)), degrees):
        for lon in range(int(np.floor(west / degrees)) * degrees, int(np.ceil(east)), degrees):
            yield lat, lon, (west, south, east, north)


def _inside(low: float, high: float, step: float, count: int) -> tuple[int, int]:
    """Return the range of pixel numbers in 0..count whose centres lie between two distances from the edge."""
    return max(int(np.ceil(low / step)), 0), min(int(np.floor(high / step)) + 1, count)


def _tile_name(lat: int, lon: int) -> str:
    """Return the name of a product's tile by its southern and western edge in degrees, such as ``N47E017``."""
    return f"{'NS'[lat < 0]}{abs(lat):02d}{'EW'[lon < 0]}{abs(lon):03d}"


def _longitude_step(lat: int) -> float:
    """Return the spacing of Copernicus GLO-30 along a parallel in arc seconds, for a tile's southern edge.

    Source: Copernicus DEM product handbook, table of longitude spacing by latitude.
    """
    nearest = lat if lat >= 0 else -lat - 1
    for limit, step in ((50, 1.0), (60, 1.5), (70, 2.0), (80, 3.0), (85, 5.0)):
        if nearest < limit:
            return step
    return 10.0

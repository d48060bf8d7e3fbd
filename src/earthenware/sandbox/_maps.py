"""Maps on degree grids: a Copernicus-like elevation model and a WorldCover-like land cover map, cut at tile borders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.warp import Resampling, reproject

from earthenware.sandbox._landcover import Ground
from earthenware.sandbox._noise import smooth
from earthenware.sandbox._places import MARGIN, Place

_PAD: Final = 14  # pixels of ground kept around a scene in maps, so that warping finds its neighbours


@dataclass(frozen=True)
class DegreeTile:
    """A part of a map in EPSG:4326 that lies in one tile of its product.

    Attributes:
        pixels: Values [y, x].
        transform: Affine coefficients a to f, in degrees.
        lat: Southern edge of the product's tile, in whole degrees.
        lon: Western edge of the product's tile, in whole degrees.
    """

    pixels: NDArray[Any]
    transform: tuple[float, float, float, float, float, float]
    lat: int
    lon: int

    @property
    def tile(self) -> str:
        """Name of the product's tile, such as ``N47E017``."""
        south, west = "NS"[self.lat < 0], "EW"[self.lon < 0]
        return f"{south}{abs(self.lat):02d}{west}{abs(self.lon):03d}"


def longitude_step(lat: int) -> float:
    """Return the spacing of Copernicus GLO-30 along a parallel in arc seconds, for a tile's southern edge.

    Source: Copernicus DEM product handbook, table of longitude spacing by latitude.
    """
    nearest = lat if lat >= 0 else -lat - 1
    for limit, step in ((50, 1.0), (60, 1.5), (70, 2.0), (80, 3.0), (85, 5.0)):
        if nearest < limit:
            return step
    return 10.0


def elevation_tiles(ground: Ground) -> list[DegreeTile]:
    """Return the surface's height in metres, float32, one arc second, per one-degree tile.

    Pixel centres lie on whole arc seconds, as in the real product; a tile ends half a pixel short of its meridian.
    """
    place = ground.place
    surface = smooth(ground.terrain.elevation + 0.5 * ground.structure, 1.2)
    into = Transformer.from_crs(4326, place.epsg, always_xy=True)
    tiles = []
    for lat, lon, (west, south, east, north) in _cut(place, 1):
        dx, dy = longitude_step(lat) / 3600, 1 / 3600
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
        tiles.append(DegreeTile(values, transform, lat, lon))
    return tiles


def land_cover_tiles(ground: Ground) -> list[DegreeTile]:
    """Return the classes, uint8, 1/12000 degree, 0 where there is no ground, per three-degree tile."""
    place = ground.place
    step = 1 / 12000
    tiles = []
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
            src_transform=Affine(*place.transform(margin=MARGIN)), dst_crs=CRS.from_epsg(4326),
            dst_transform=Affine(*transform), src_nodata=0, dst_nodata=0, resampling=Resampling.nearest, num_threads=1,
        )  # fmt: skip
        tiles.append(DegreeTile(values, transform, lat, lon))
    return tiles


def _cut(place: Place, degrees: int) -> Iterator[tuple[int, int, tuple[float, float, float, float]]]:
    """Yield the tiles of ``degrees`` that a place touches, each with the whole place's west, south, east, north."""
    out = Transformer.from_crs(place.epsg, 4326, always_xy=True)
    pad = _PAD * 10.0
    edge = place.size * 10.0
    west, south, east, north = out.transform_bounds(
        place.west - pad, place.north - edge - pad, place.west + edge + pad, place.north + pad
    )
    for lat in range(int(np.floor(south / degrees)) * degrees, int(np.ceil(north)), degrees):
        for lon in range(int(np.floor(west / degrees)) * degrees, int(np.ceil(east)), degrees):
            yield lat, lon, (west, south, east, north)


def _inside(low: float, high: float, step: float, count: int) -> tuple[int, int]:
    """Return the range of pixel numbers in 0..count whose centres lie between two distances from the edge."""
    return max(int(np.ceil(low / step)), 0), min(int(np.floor(high / step)) + 1, count)

"""All files and items of one place."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import rasterio
import scipy.ndimage
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.transform import Affine

from earthenware.sandbox._landcover import Ground, make_ground
from earthenware.sandbox._landsat import landsat_product
from earthenware.sandbox._maps import flood_product, map_products
from earthenware.sandbox._places import Visit, make_place, visits
from earthenware.sandbox._sentinel1 import amplitude_product, radar_product
from earthenware.sandbox._sentinel2 import optical_product
from earthenware.sandbox._spec import SandboxSpec
from earthenware.sandbox._stac import Layer, Product

_ACQUIRE: Final[Mapping[str, Callable[[Ground, Visit, NDArray[np.bool_] | None], Product]]] = {
    "sentinel-2-l2a": optical_product,
    "sentinel-1-rtc": radar_product,
    "landsat-c2-l2": landsat_product,
    "sentinel-1-grd": amplitude_product,
}
_FLOODED: Final = 0.2  # of the ground; enough to be seen, not so much that the river's shape is lost


def make_place_files(folder: Path, scratch: Path, number: int, spec: SandboxSpec) -> dict[str, str]:
    """Make the COGs of one place; unfinished ones lie in ``scratch``, on the same file system.

    Returns:
        ``items`` as JSON text, because a committed part keeps no order of keys, and the ``digest`` of all pixels.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    items: list[dict[str, Any]] = []
    digest = hashlib.sha256()
    for item, layers in _products(make_ground(make_place(number, spec.size, spec.seed)), spec.dates, spec.collections):
        for asset, layer in layers.items():
            _write_cog(folder / item["assets"][asset]["href"], scratch, layer)
            digest.update(f"{item['id']}/{asset}/{layer.pixels.dtype}/{layer.pixels.shape}".encode())
            digest.update(np.ascontiguousarray(layer.pixels).data)
        items.append(item)
    return {"items": json.dumps(items), "digest": digest.hexdigest()}


def _products(ground: Ground, dates: int, collections: tuple[str, ...]) -> Iterator[Product]:
    """Yield the maps of a place, then what each visit sees."""
    yield from map_products(ground)
    for visit in visits(ground.place, dates):
        flooded = _inundate(ground) if visit.flood else None
        for collection in collections:
            yield _ACQUIRE[collection](ground, visit, flooded)
        if flooded is not None:
            yield flood_product(ground, visit, flooded)


def _inundate(ground: Ground) -> NDArray[np.bool_]:
    """Return the pixels [y, x] that stand under flood water, beyond the permanent water.

    The water rises from the river until it covers a fifth of the ground, and reaches only hollows joined to the river.
    """
    terrain = ground.terrain
    rise = terrain.above_water + 0.012 * terrain.water_distance + 0.25 * ground.structure * (ground.towns.height > 0)
    level = np.quantile(rise[~terrain.water], _FLOODED)
    wet = (rise < level) | terrain.water
    labels, _ = scipy.ndimage.label(wet)
    joined = np.isin(labels, np.unique(labels[terrain.water])) & wet
    return np.asarray(scipy.ndimage.binary_opening(joined, iterations=1) & ~terrain.water)


def _write_cog(path: Path, scratch: Path, layer: Layer) -> None:
    """Write one band as a Cloud-Optimized GeoTIFF, under another name until it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = scratch / f"{path.parent.name}-{path.name}"
    pixels = layer.pixels
    where: dict[str, Any]
    if layer.grid:
        where = {"crs": CRS.from_epsg(layer.grid.epsg), "transform": Affine(*layer.grid.transform)}
    else:
        points = [GroundControlPoint(row, column, lon, lat, 0.0) for row, column, lon, lat in layer.control]
        where = {"crs": CRS.from_epsg(4326), "gcps": points}
    predictor = "YES" if pixels.dtype.itemsize > 1 else "NO"
    with rasterio.Env(GDAL_NUM_THREADS="1"), rasterio.open(
        unfinished, "w", driver="COG", height=pixels.shape[0], width=pixels.shape[1], count=1, dtype=pixels.dtype,
        nodata=layer.nodata, compress="DEFLATE", level=1, predictor=predictor, blocksize=256,
        overview_resampling=layer.overview, overview_compress="DEFLATE", **where,
    ) as target:  # fmt: skip
        if layer.pixel_is_point:
            target.update_tags(AREA_OR_POINT="Point")
        target.write(pixels, 1)
    unfinished.replace(path)

"""Writing Cloud-Optimized GeoTIFFs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rasterio
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.transform import Affine

_TILE = 256


def write_cog(
    path: Path,
    scratch: Path,
    pixels: NDArray[Any],
    epsg: int,
    transform: tuple[float, float, float, float, float, float],
    *,
    nodata: float | None = None,
    overview: str = "nearest",
    pixel_is_point: bool = False,
) -> None:
    """Write one band as a COG, under another name until it is whole.

    Args:
        path: Where the file goes; its folder is made.
        scratch: Folder on the same file system for the unfinished file.
        pixels: Values [y, x].
        epsg: EPSG code of the grid.
        transform: Affine coefficients a to f.
        nodata: Value that means no data, or None for no such tag.
        overview: Resampling of the overviews.
        pixel_is_point: Whether to tag pixels as points, as Copernicus DEM does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = scratch / f"{path.parent.name}-{path.name}"
    predictor = "YES" if pixels.dtype.itemsize > 1 else "NO"
    with rasterio.Env(GDAL_NUM_THREADS="1"), rasterio.open(
        unfinished, "w", driver="COG", height=pixels.shape[0], width=pixels.shape[1], count=1, dtype=pixels.dtype,
        crs=CRS.from_epsg(epsg), transform=Affine(*transform), nodata=nodata, compress="DEFLATE", level=1,
        predictor=predictor, blocksize=_TILE, overview_resampling=overview, overview_compress="DEFLATE",
    ) as target:  # fmt: skip
        if pixel_is_point:
            target.update_tags(AREA_OR_POINT="Point")
        target.write(pixels, 1)
    unfinished.replace(path)

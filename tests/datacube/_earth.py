"""Makes small scenes with known pixels: GeoTIFFs, STAC items and the table of scenes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import rasterio
import shapely
from affine import Affine
from pyproj import Transformer

S2, S1, DEM, LAND_COVER = "sentinel-2-l2a", "sentinel-1-rtc", "cop-dem-glo-30", "land-cover"
TEN = ("B02", "B03", "B04", "B08")
TWENTY = ("B05", "B06", "B07", "B8A", "B11", "B12")
CRS = "EPSG:32633"
ORIGIN = (512347.125, 5312983.375)
"""Not a multiple of 10 m, as real tiles may have it."""

_TIMES = pa.timestamp("us", tz="UTC")
_ITEMS = pa.list_(pa.struct([("id", pa.string()), ("datetime", _TIMES), ("item", pa.string())]))


def write_tiff(
    path: Path,
    values: np.ndarray,
    transform: Affine | Sequence[float],
    *,
    crs: str | None = CRS,
    nodata: float | None = None,
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1, dtype=values.dtype, crs=crs,
        transform=transform if isinstance(transform, Affine) else Affine(*transform), nodata=nodata,
        tiled=True, blockxsize=64, blockysize=64, compress="deflate",
    ) as file:  # fmt: skip
        file.write(values, 1)
    return path


def grid_transform(gsd: float = 10.0, origin: tuple[float, float] = ORIGIN) -> Affine:
    return Affine(gsd, 0.0, origin[0], 0.0, -gsd, origin[1])


def degrees_grid(height: int, width: int, origin: tuple[float, float], step: float) -> tuple[Affine, tuple[int, int]]:
    """Return a grid in degrees that covers a scene with room to spare."""
    to = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    xs = [origin[0] - 300, origin[0] + width * 10 + 300]
    ys = [origin[1] + 300, origin[1] - height * 10 - 300]
    lon, lat = to.transform([xs[0], xs[1], xs[0], xs[1]], [ys[0], ys[0], ys[1], ys[1]])
    shape = (int((max(lat) - min(lat)) / step) + 2, int((max(lon) - min(lon)) / step) + 2)
    return Affine(step, 0.0, min(lon), 0.0, -step, max(lat)), shape


class Earth:
    """A folder of scenes; arrays as written are kept in ``truth`` by scene and file name."""

    def __init__(self, folder: Path, *, height: int = 160, width: int = 144) -> None:
        self.folder = folder
        self.height, self.width = height, width
        self.rows: list[dict[str, Any]] = []
        self.truth: dict[str, dict[str, np.ndarray]] = {}

    def add(
        self,
        name: str,
        *,
        seed: int = 0,
        offset: int = 0,
        baseline: str = "02.14",
        split: str = "train",
        clouds: str = "block",
        lacks: Sequence[str] = (),
    ) -> dict[str, Any]:
        """Add a scene.

        Args:
            name: Scene id.
            seed: Seed of its pixels.
            offset: What is added to reflectance * 10000 in the file.
            baseline: Processing baseline that the item declares.
            split: Split.
            clouds: "block" for some clouds and a swath edge, "none", or "all".
            lacks: Sensors, or "SCL", that the scene has no file of.
        """
        rng = np.random.default_rng(seed)
        origin = (ORIGIN[0] + 5000.0 * len(self.rows), ORIGIN[1])
        height, width = self.height, self.width
        folder, truth = self.folder / name, self.truth.setdefault(name, {})
        when = datetime(2021, 6, 1, 10, 30, 15, 24000, tzinfo=UTC) + timedelta(days=5 * len(self.rows))

        def asset(file: str, values: np.ndarray, transform: Affine, **options: Any) -> dict[str, str]:
            truth[file] = values
            return {"href": str(write_tiff(folder / f"{file}.tif", values, transform, **options)), "type": "image/tiff"}

        def ground(shape: tuple[int, int], low: int, high: int) -> np.ndarray:
            return rng.integers(low, high, shape)

        scl = np.full((height // 2, width // 2), 4, dtype=np.uint8)
        scl[10:20, 40:50] = 6
        if clouds == "block":
            scl[4:24, 4:20], scl[24:30, 4:20] = 9, 3
            scl[:, -13:] = 0
            scl[50:54, 30:34], scl[56:57, 40:41] = 11, 1
        elif clouds == "all":
            scl[:] = 8
        edge = np.repeat(np.repeat(scl == 0, 2, axis=0), 2, axis=1)
        assets: dict[str, dict[str, dict[str, str]]] = {S2: {}, S1: {}, DEM: {}, LAND_COVER: {}}
        for band in TEN:
            dn = (ground((height, width), 150, 4000) + offset).astype(np.uint16)
            dn[edge] = 0
            assets[S2][band] = asset(band, dn, grid_transform(10, origin), nodata=0)
        for band in TWENTY:
            dn = (ground((height // 2, width // 2), 150, 5000) + offset).astype(np.uint16)
            dn[scl == 0] = 0
            assets[S2][band] = asset(band, dn, grid_transform(20, origin), nodata=0)
        if "SCL" not in lacks:
            assets[S2]["SCL"] = asset("SCL", scl, grid_transform(20, origin), nodata=0)
        for band in ("vv", "vh"):
            power = rng.gamma(4.0, 0.02, (height, width)).astype(np.float32)
            power[:5] = -32768.0
            assets[S1][band] = asset(band, power, grid_transform(10, origin), nodata=-32768.0)
        transform, shape = degrees_grid(height, width, origin, 1 / 3600)
        row, col = np.mgrid[0 : shape[0], 0 : shape[1]]
        heights = (400 + 60 * np.sin(row / 5) + 40 * np.cos(col / 7)).astype(np.float32)
        assets[DEM]["data"] = asset("data", heights, transform, crs="EPSG:4326")
        transform, shape = degrees_grid(height, width, origin, 1 / 12000)
        classes = np.kron(rng.choice([10, 30, 40, 50, 80], (shape[0] // 40 + 1, shape[1] // 40 + 1)), np.ones((40, 40)))
        classes = classes[: shape[0], : shape[1]].astype(np.uint8)
        assets[LAND_COVER]["map"] = asset("map", classes, transform, crs="EPSG:4326", nodata=0)

        collections = {LAND_COVER: "esa-worldcover"}
        entries = {}
        for sensor, files in assets.items():
            moment = when if sensor == S2 else when - timedelta(days=2)
            item = {
                "type": "Feature", "stac_version": "1.0.0", "id": f"{sensor}_{name}",
                "collection": collections.get(sensor, sensor), "geometry": None, "links": [], "assets": files,
                "properties": {"datetime": moment.isoformat(), "s2:processing_baseline": baseline},
            }  # fmt: skip
            entries[sensor] = (
                [] if sensor in lacks else [{"id": item["id"], "datetime": moment, "item": json.dumps(item)}]
            )
        scene = {
            "id": name, "site": f"site-{len(self.rows)}", "datetime": when, "split": split, "crs": CRS,
            "geometry": shapely.box(14.9, 47.9, 15.1, 48.0).wkb,
            "transform": list(grid_transform(10, origin))[:6], "height": height, "width": width, "catalog": "generic",
            **entries,
        }  # fmt: skip
        self.rows.append(scene)
        return scene

    def item(self, scene: dict[str, Any], sensor: str) -> dict[str, Any]:
        return json.loads(scene[sensor][0]["item"])

    def set_item(self, scene: dict[str, Any], sensor: str, item: dict[str, Any]) -> None:
        scene[sensor][0]["item"] = json.dumps(item)

    def table(self) -> str:
        """Write the table of scenes; return its path."""
        fields = [
            ("id", pa.string()), ("site", pa.string()), ("datetime", _TIMES), ("split", pa.string()),
            ("geometry", pa.binary()),
            ("crs", pa.string()), ("transform", pa.list_(pa.float64())), ("height", pa.int32()),
            ("width", pa.int32()), ("catalog", pa.string()), ("withheld", pa.list_(pa.list_(pa.float64(), 4))),
            *((sensor, _ITEMS) for sensor in (S2, S1, DEM, LAND_COVER)),
        ]  # fmt: skip
        path = self.folder / "scenes.parquet"
        pq.write_table(pa.Table.from_pylist(self.rows, schema=pa.schema(fields)), path)
        return str(path)

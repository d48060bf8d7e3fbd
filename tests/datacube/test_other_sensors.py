"""Landsat as the base of a datacube, and Sentinel-1 GRD, which has ground control points instead of a transform."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.control import GroundControlPoint

from earthenware import storage
from earthenware.chips import ChipStore, Mask, column
from earthenware.datacube import BuildSpec, build
from earthenware.datacube._read import read_band
from earthenware.rasters import Reading
from earthenware.scenes import ChosenItem, Scene, scenes_table
from tests.datacube._earth import CRS, write_tiff

LANDSAT, GRD, RTC = "landsat-c2-l2", "sentinel-1-grd", "sentinel-1-rtc"
BANDS = ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22")
SIDE = 96
LEFT, TOP = 500_015.0, 5_300_025.0
MOMENT = datetime(2023, 7, 1, 10, 0, tzinfo=UTC)


def amplitude(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The radar amplitude of a place, so smooth that interpolation hardly shows."""
    return 3000 + 900 * np.sin(x / 700.0) + 700 * np.cos(y / 500.0)


def ground_of(row: np.ndarray, col: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A slanted and slightly bent swath of 10 m pixels that covers the scene."""
    x = LEFT - 1500 + 9.7 * col + 2.1 * row + 4e-4 * (col - 200) ** 2
    y = TOP + 1500 + 2.0 * col - 9.8 * row - 3e-4 * (row - 200) ** 2
    return x, y


def write_grd(path: Path, *, height: int = 640, width: int = 520) -> Path:
    """Write an image in ground range: amplitudes, a border of 0, and control points in degrees."""
    row, col = np.mgrid[0:height, 0:width] + 0.5
    values = np.rint(amplitude(*ground_of(row, col))).astype(np.uint16)
    values[:, :8] = 0
    to_degrees = Transformer.from_crs(CRS, "EPSG:4326", always_xy=True)
    points = []
    for down in np.linspace(0, height, 11):
        for across in np.linspace(0, width, 9):
            lon, lat = to_degrees.transform(*ground_of(np.array(down), np.array(across)))
            points.append(GroundControlPoint(row=float(down), col=float(across), x=float(lon), y=float(lat), z=300.0))
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=1, dtype="uint16", tiled=True, blockxsize=128,
        blockysize=128, compress="deflate",
    ) as file:  # fmt: skip
        file.write(values, 1)
        file.gcps = (points, rasterio.CRS.from_epsg(4326))
    return path


def item(collection: str, files: dict[str, Path], **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": f"{collection}-1", "collection": collection, "geometry": None,
        "links": [], "assets": {name: {"href": str(path), "type": "image/tiff"} for name, path in files.items()},
        "properties": {"datetime": MOMENT.isoformat(), **properties},
    }  # fmt: skip


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A Landsat scene with radar of both kinds, built into chips."""
    folder = tmp_path_factory.mktemp("landsat")
    rng = np.random.default_rng(5)
    transform = Affine(30, 0, LEFT, 0, -30, TOP)
    numbers = {band: rng.integers(7400, 30000, (SIDE, SIDE)).astype(np.uint16) for band in BANDS}
    quality = np.full((SIDE, SIDE), 21824, dtype=np.uint16)
    quality[:8, :8], quality[8:16, :8], quality[16:20, :4], quality[:4, 40:50] = 22280, 23888, 30048, 21952
    quality[:, 90:] = 1
    numbers["red"][30, 30], numbers["red"][31, 31] = 65535, 100
    files = {}
    for band, values in numbers.items():
        values[quality == 1] = 0
        files[band] = write_tiff(folder / f"{band}.tif", values, transform, nodata=0)
    files["qa_pixel"] = write_tiff(folder / "qa.tif", quality, transform, nodata=1)
    radar = {name: write_grd(folder / f"{name}.tiff") for name in ("vv", "vh")}
    power = np.zeros((3 * SIDE, 3 * SIDE), dtype=np.float32)
    for shift in range(3):
        power[shift::3] = 0.02 * (shift + 1)
    rtc = {name: write_tiff(folder / f"rtc-{name}.tif", power, Affine(10, 0, LEFT, 0, -10, TOP)) for name in radar}
    items = {
        LANDSAT: item(LANDSAT, files, platform="landsat-9"),
        GRD: item(GRD, radar, **{"sar:instrument_mode": "IW"}),
        RTC: item(RTC, rtc),
    }
    scene = Scene(
        id="a",
        site="WRS2-198026",
        datetime=MOMENT,
        geometry=shapely.box(15, 47.8, 15.1, 47.9),
        grid=GeoBox((SIDE, SIDE), transform, CRS),
        items={name: (ChosenItem(one["id"], MOMENT, one),) for name, one in items.items()},
        split="train",
    )
    storage.write_table(scenes_table([scene], list(items)), str(folder / "scenes.parquet"))
    report = build(BuildSpec(chip_size=32, max_cloud=1, max_nodata=1), f"{folder}/scenes.parquet", str(folder / "out"))
    return {"store": ChipStore.open(report.output), "numbers": numbers, "quality": quality, "scene": scene}


def whole(store: ChipStore, sensor: str) -> tuple[np.ndarray, np.ndarray]:
    """Put the chips of a scene together again."""
    rows = store.index.select(["row", "col"]).to_pylist()
    values = np.full((len(store.sensors[sensor].bands), SIDE, SIDE), np.nan, dtype=np.float32)
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    for chip, place in enumerate(rows):
        at = np.s_[place["row"] * 32 : place["row"] * 32 + 32, place["col"] * 32 : place["col"] * 32 + 32]
        values[(slice(None), *at)], mask[at] = store.read(sensor, chip)
    return values, mask


def test_a_landsat_store_has_landsats_grid_and_all_sensors(truth: dict[str, Any]) -> None:
    store = truth["store"]
    assert store.gsd == 30
    assert list(store.sensors) == [LANDSAT, GRD, RTC]
    assert store.sensors[LANDSAT].bands == BANDS
    assert len(store) == 9
    assert store.index["gsd"].to_pylist() == [30.0] * 9
    assert not [name for name in store.index.column_names if "offset" in name]
    assert store.index[column(LANDSAT, "cloud_fraction")].to_pylist()[0] == pytest.approx(128 / 1024)


def test_landsat_reflectance_is_in_the_unit_of_sentinel_2(truth: dict[str, Any]) -> None:
    values, mask = whole(truth["store"], LANDSAT)
    measured = (mask & int(Mask.NODATA)) == 0
    np.testing.assert_array_equal(measured, truth["quality"] != 1)
    for index, band in enumerate(BANDS):
        reflectance = truth["numbers"][band].astype(float) * 0.0000275 - 0.2
        np.testing.assert_allclose(values[index][measured], 10000 * reflectance[measured], atol=0.51)
    assert values[BANDS.index("red"), 31, 31] == pytest.approx(-1972.5, abs=0.6)  # negative reflectance is kept


def test_landsat_flags_follow_its_quality_bits(truth: dict[str, Any]) -> None:
    _, mask = whole(truth["store"], LANDSAT)
    expected = {22280: Mask.CLOUD, 23888: Mask.SHADOW, 30048: Mask.SNOW, 21952: Mask.WATER, 1: Mask.NODATA, 21824: 0}
    for number, flag in expected.items():
        at = truth["quality"] == number
        at[30, 30] = False
        assert set(mask[at].tolist()) == {int(flag)}
    assert mask[30, 30] == int(Mask.SATURATED)


def test_radar_in_ground_range_is_put_in_its_place_by_control_points(truth: dict[str, Any]) -> None:
    values, mask = whole(truth["store"], GRD)
    row, col = np.mgrid[0:SIDE, 0:SIDE] + 0.5
    expected = 20 * np.log10(amplitude(LEFT + 30 * col, TOP - 30 * row))
    assert not mask.any()
    # A pixel of 10 m aside would be 0.06 dB at the steepest place.
    assert np.abs(values - expected).max() < 0.03


def test_finer_pixels_are_averaged_not_picked(truth: dict[str, Any]) -> None:
    """Rows of three strengths in turn: their mean is 0.04, whichever row lies in the middle."""
    values, _ = whole(truth["store"], RTC)
    inside = values[:, 2:-2, 2:-2]
    np.testing.assert_allclose(inside, 10 * np.log10(0.04), atol=0.3)


def _read_grd(path: Path, grid: GeoBox) -> tuple[np.ndarray, bool]:
    return read_band([str(path)], grid, resampling="bilinear", accept=lambda raw: raw > 0, reading=Reading())


def test_windows_of_a_ground_range_image_agree_and_borders_are_nodata(tmp_path: Path) -> None:
    path = write_grd(tmp_path / "vv.tiff")
    grid = GeoBox((400, 500), Affine(10, 0, LEFT - 2500, 0, -10, TOP + 1000), CRS)
    together, covered = _read_grd(path, grid)
    assert covered
    assert np.isnan(together[:, :20]).all()
    row, col = np.mgrid[0:400, 0:500] + 0.5
    expected = amplitude(LEFT - 2500 + 10 * col, TOP + 1000 - 10 * row)
    inside = np.isfinite(together)
    assert 0.4 < inside.mean() < 0.95
    assert np.abs(together[inside] - expected[inside]).max() < 10
    assert together[inside].min() > 1000, "what lies outside the image must not bleed into it"
    parts = np.concatenate([_read_grd(path, grid[top : top + 100, :])[0] for top in range(0, 400, 100)])
    both = inside & np.isfinite(parts)
    assert (inside != np.isfinite(parts)).mean() < 0.01
    assert np.abs(parts[both] - together[both]).max() < 5


def test_a_ground_range_image_elsewhere_covers_nothing(tmp_path: Path) -> None:
    path = write_grd(tmp_path / "vv.tiff")
    for east, north in ((60_000, 0), (0, 60_000), (8_000, -9_000)):
        grid = GeoBox((64, 64), Affine(10, 0, LEFT + east, 0, -10, TOP + north), CRS)
        values, covered = _read_grd(path, grid)
        assert not covered
        assert np.isnan(values).all()


def test_the_scenes_table_names_the_items(truth: dict[str, Any]) -> None:
    row = truth["store"].index.to_pylist()[0]
    assert row[column(GRD, "items")] == [f"{GRD}-1"]
    assert json.dumps(row[column(GRD, "hrefs")]).count("tiff") == 2

"""Landsat and Sentinel-1 GRD: the same ground as the other scenes, in the shape in which archives give them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.warp import reproject
from scipy import ndimage

from earthenware.sandbox import SandboxSpec
from tests.sandbox.conftest import Made, load, moment

ALIKE = {"blue": "B02", "green": "B03", "red": "B04", "nir08": "B8A", "swir16": "B11", "swir22": "B12"}
BANDS = ("coastal", *ALIKE)
FILL, DILATED, CIRRUS, CLOUD, SHADOW, SNOW, CLEAR, WATER = (1 << bit for bit in range(8))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Three places, one of which floods and one of which lies on the zone border, with every kind of scene."""
    everything = ("sentinel-2-l2a", "sentinel-1-rtc", "landsat-c2-l2", "sentinel-1-grd")
    spec = SandboxSpec(seed=7, places=3, dates=3, size=160, workers=2, collections=everything)
    return load(tmp_path_factory.mktemp("both") / "sandbox", spec)


def reflectance(made: Made, item: dict[str, Any], band: str) -> np.ndarray:
    """Landsat's reflectance [y, x], NaN where there is no data."""
    numbers = made.read(item, band).astype(np.float32)
    facts = item["assets"][band]["raster:bands"][0]
    return np.where(numbers == facts["nodata"], np.nan, numbers * facts["scale"] + facts["offset"])


def test_other_scenes_change_nothing_of_the_default_ones(both: Made, tmp_path: Any) -> None:
    plain = load(tmp_path / "plain", SandboxSpec(seed=7, places=1, dates=3, size=160, workers=1))
    for item in plain.items:
        (same,) = [other for other in both.items if other["id"] == item["id"]]
        assert same == item
        for asset in item["assets"]:
            assert plain.path(item, asset).read_bytes() == both.path(same, asset).read_bytes()


def test_collections_are_those_asked_for(tmp_path: Any) -> None:
    spec = SandboxSpec(seed=7, places=2, dates=1, size=64, workers=1, collections="sentinel-1-grd,landsat-c2-l2")  # type: ignore[arg-type]
    made = load(tmp_path / "few", spec)
    assert spec.collections == ("landsat-c2-l2", "sentinel-1-grd")
    found = {item["collection"] for item in made.items}
    assert found == {"landsat-c2-l2", "sentinel-1-grd", "cop-dem-glo-30", "esa-worldcover", "flood-water"}
    with pytest.raises(ValueError, match="landsat-5"):
        SandboxSpec(collections=("landsat-5",))


def test_landsat_lies_on_its_own_grid_and_covers_the_scene(both: Made) -> None:
    items = both.of("landsat-c2-l2")
    assert len(items) == len(both.of("sentinel-2-l2a"))
    for item in items:
        assert set(item["assets"]) == {*BANDS, "qa_pixel"}
        scene = both.of("sentinel-2-l2a", item["id"][-3:])[0]
        with rasterio.open(both.path(scene, "B04")) as source:
            inner, crs = source.bounds, source.crs
        for name, asset in item["assets"].items():
            with rasterio.open(both.path(item, name)) as source:
                assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
                assert source.dtypes == ("uint16",)
                assert source.crs == crs
                assert f"EPSG:{source.crs.to_epsg()}" == item["properties"]["proj:code"]
                assert list(source.transform[:6]) == item["properties"]["proj:transform"]
                assert list(source.shape) == item["properties"]["proj:shape"]
                assert "proj:transform" not in asset
                assert source.res == (30, 30)
                assert source.bounds.left % 30 == source.bounds.top % 30 == 15
                assert source.nodata == asset["raster:bands"][0]["nodata"] == (1 if name == "qa_pixel" else 0)
                assert source.bounds.left <= inner.left < inner.right <= source.bounds.right
                assert source.bounds.bottom <= inner.bottom < inner.top <= source.bounds.top


def test_landsat_sees_the_reflectance_that_sentinel_2_sees(both: Made) -> None:
    """Clear land of both, a few days apart: within 0.03 of each other where most pixels are, and in one pattern."""
    compared = 0
    for item in both.of("landsat-c2-l2"):
        scenes = both.of("sentinel-2-l2a", item["id"][-3:])
        scene = min(scenes, key=lambda other: abs(moment(other) - moment(item)))
        assert abs(moment(scene) - moment(item)).days <= 4
        like = both.path(item, "red")
        clear = both.read(item, "qa_pixel") & (FILL | DILATED | CIRRUS | CLOUD | SHADOW | SNOW) == 0
        scl = both.onto([scene], "SCL", like, Resampling.nearest)
        both_clear = clear & ndimage.binary_erosion(np.isin(scl, (2, 4, 5, 6)), iterations=2)
        if both_clear.mean() < 0.2:
            continue
        compared += 1
        offset = 1000 if scene["properties"]["s2:processing_baseline"] >= "04.00" else 0
        for band, other in ALIKE.items():
            ours = reflectance(both, item, band)[both_clear]
            theirs = (both.onto([scene], other, like, Resampling.average)[both_clear] - offset) / 10000
            assert np.median(np.abs(ours - theirs)) < 0.03, band
            assert np.corrcoef(ours, theirs)[0, 1] > 0.8, band
    assert compared >= 4


def test_the_quality_band_says_what_the_pixels_show(both: Made) -> None:
    cloudy = 0
    for item in both.of("landsat-c2-l2"):
        quality = both.read(item, "qa_pixel")
        fill = quality == FILL
        for band in BANDS:
            assert ((both.read(item, band) == 0) == fill).all()
        assert ((quality & FILL != 0) == fill).all()
        cloud = quality & CLOUD != 0
        stated = item["properties"]["eo:cloud_cover"]
        assert stated == pytest.approx(100 * cloud.sum() / (~fill).sum(), abs=0.01)
        rest = quality[~fill]
        assert ((rest & CLEAR == 0) == (rest & (CLOUD | DILATED) != 0)).all()
        for bit, shift in ((CLOUD, 8), (SHADOW, 10), (SNOW, 12), (CIRRUS, 14)):
            assert set(np.unique(rest >> shift & 3)) <= {1, 3}
            assert ((rest >> shift & 3 == 3) == (rest & bit != 0)).all()
        blue = reflectance(both, item, "blue")
        ground = (quality & (CLEAR | WATER | SNOW | CIRRUS | SHADOW) == CLEAR) & ~fill
        if min(cloud.sum(), ground.sum()) > 100:
            cloudy += 1
            assert np.median(blue[cloud]) > 2 * np.median(blue[ground])
        water = (quality & (WATER | SHADOW | CIRRUS | DILATED) == WATER) & ~fill
        if min(water.sum(), ground.sum()) > 30:
            near = reflectance(both, item, "nir08")
            assert np.median(near[water]) < 0.6 * np.median(near[ground])
    assert cloudy >= 2


def test_grd_has_control_points_and_no_grid(both: Made) -> None:
    assert len(both.of("sentinel-1-grd")) == len(both.of("sentinel-1-rtc"))
    for item in both.of("sentinel-1-grd"):
        assert not [key for facts in (item["properties"], *item["assets"].values()) for key in facts if "proj:" in key]
        for channel in ("vv", "vh"):
            with rasterio.open(both.path(item, channel)) as source:
                assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
                assert source.crs is None
                assert source.transform.is_identity
                assert source.dtypes == ("uint16",)
                assert list(source.shape) == item["properties"]["s1:shape"]
                points, crs = source.gcps
                assert crs.to_epsg() == 4326
                assert len(points) == 49
                first = next(point for point in points if (point.row, point.col) == (0, 0))
                down = next(point for point in points if point.col == 0 and point.row == source.height)
                right = next(point for point in points if point.row == 0 and point.col == source.width)
        # Lines follow the flight, samples the beam; both lean from the grid of the map.
        ascending = item["properties"]["sat:orbit_state"] == "ascending"
        assert (down.y > first.y) == (right.x > first.x) == ascending
        assert abs(down.x - first.x) > 0.1 * abs(down.y - first.y)
        west, south, east, north = item["bbox"]
        assert west <= min(point.x for point in points) + 1e-6
        assert north >= max(point.y for point in points) - 1e-6
        assert south < down.y < north
        assert west < right.x < east


def test_grd_shows_what_the_terrain_corrected_product_shows(both: Made) -> None:
    """Warped by its control points, calibrated and averaged, it is gamma nought of the same moment within 0.1 dB."""
    compared = 0
    for grd in both.of("sentinel-1-grd"):
        (rtc,) = [item for item in both.of("sentinel-1-rtc", grd["id"][-3:]) if moment(item) == moment(grd)]
        for channel in ("vv", "vh"):
            with rasterio.open(both.path(rtc, channel)) as grid:
                truth = np.where(grid.read(1) == grid.nodata, np.nan, grid.read(1))
                amplitude = np.zeros(grid.shape, np.float64)
                with rasterio.open(both.path(grd, channel)) as source:
                    points, crs = source.gcps
                    reproject(
                        source.read(1).astype(np.float64), amplitude, gcps=points, src_crs=crs, src_nodata=0,
                        dst_crs=grid.crs, dst_transform=grid.transform, dst_nodata=0, resampling=Resampling.nearest,
                    )  # fmt: skip
            incidence = np.radians(38.5)
            gamma = amplitude**2 / (237**2 / np.sin(incidence)) / np.cos(incidence)
            here = (amplitude > 0) & np.isfinite(truth)
            assert here.mean() > 0.6

            def decibels(power: np.ndarray, use: np.ndarray = here) -> np.ndarray:
                mean = ndimage.uniform_filter(np.where(use, power, 0), 7) / ndimage.uniform_filter(use * 1.0, 7)
                return 10 * np.log10(np.maximum(mean, 1e-9))

            inner = ndimage.binary_erosion(here, iterations=8)
            difference = decibels(gamma) - decibels(truth)
            assert abs(np.median(difference[inner])) < 0.1
            # Speckle of 49 averaged pixels of 4.4 looks leaves 0.3 dB in each.
            assert np.percentile(np.abs(difference[inner]), 68) < 0.7
            moved = [
                np.abs(np.roll(decibels(gamma), shift, axis=(0, 1)) - decibels(truth))[inner].mean()
                for shift in ((2, 0), (-2, 0), (0, 2), (0, -2))
            ]
            assert np.abs(difference[inner]).mean() < 0.8 * min(moved)
            compared += 1
    assert compared >= 12

"""The pixels: offsets, clouds, speckle, maps that agree with scenes, the flood."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from rasterio.warp import Resampling
from scipy import ndimage

from tests.sandbox.conftest import Made, moment


def twice(field: np.ndarray) -> np.ndarray:
    return np.kron(field, np.ones((2, 2), field.dtype))


def test_the_offset_is_in_the_dark_pixels(varied: Made, small: Made) -> None:
    before, after = [], []
    for made in (varied, small):
        for item in made.of("sentinel-2-l2a"):
            water = made.read(item, "SCL") == 6
            if water.sum() < 30:
                continue
            dark = np.percentile(made.read(item, "B12")[water], 10)
            (after if item["properties"]["s2:processing_baseline"] >= "04.00" else before).append(dark)
    assert len(before) >= 3
    assert len(after) >= 3
    assert max(before) < 400
    assert 1000 < min(after) < max(after) < 1400


def test_clouds_are_bright_and_their_shadows_dark_and_beside_them(small: Made, varied: Made) -> None:
    compared = 0
    for made in (small, varied):
        for item in made.of("sentinel-2-l2a"):
            scl = made.read(item, "SCL")
            ground = np.isin(scl, (4, 5))
            cloud, shadow = scl == 9, scl == 3
            if min(ground.sum(), cloud.sum(), shadow.sum()) < 200 or (scl == 11).any():
                continue  # too few to tell, or snow, which is as bright
            compared += 1
            blue, near = made.reflectance(item, "B02"), made.reflectance(item, "B8A")
            assert np.median(blue[twice(cloud)]) > 0.4
            assert np.median(blue[twice(cloud)]) > 3 * np.median(blue[twice(ground)])
            assert np.median(near[shadow]) < 0.72 * np.median(near[ground])
    assert compared >= 4


def test_shadows_are_the_clouds_moved_away_from_the_sun(varied: Made) -> None:
    compared = 0
    for item in varied.of("sentinel-2-l2a"):
        scl = varied.read(item, "SCL")
        cloud, shadow = scl == 9, scl == 3
        if not (0.02 < cloud.mean() < 0.3 and shadow.sum() > 300):
            continue
        # Where the shadow picture matches the cloud picture best is where the clouds' shadows fall.
        match = np.fft.irfft2(np.fft.rfft2(shadow - shadow.mean()) * np.conj(np.fft.rfft2(cloud - cloud.mean())))
        size = match.shape[0]
        row, column = np.unravel_index(int(np.argmax(ndimage.gaussian_filter(match, 2, mode="wrap"))), match.shape)
        azimuth = np.radians(item["properties"]["s2:mean_solar_azimuth"])
        away = np.array([np.cos(azimuth), -np.sin(azimuth)])  # rows grow to the south
        # The cloud field closes on itself: the way that the shadows went may leave the scene and enter again.
        way = np.arange(5, 420)[:, None] * away
        miss = (np.array([row, column]) - way + size / 2) % size - size / 2
        assert np.hypot(*miss.T).min() < 3
        compared += 1
    assert compared >= 2


def test_speckle_has_the_looks_that_the_item_states(varied: Made) -> None:
    """Over open water, where the mean changes least, the variance to squared mean ratio gives the looks."""
    estimates = []
    for item in varied.of("sentinel-1-rtc"):
        pixels = varied.read(item, "vh")
        dark = ndimage.uniform_filter(pixels, 9)
        spread = ndimage.uniform_filter(pixels.astype(np.float64) ** 2, 9) - dark.astype(np.float64) ** 2
        water = (dark < 10 ** (-24.5 / 10)) & (dark > 0) & (spread > 0)
        if water.sum() > 500:
            estimates.append(float(np.median(dark[water] ** 2 / spread[water])))
    assert estimates
    assert np.median(estimates) == pytest.approx(item["properties"]["sar:looks_equivalent_number"], abs=0.9)


def test_radar_is_linear_float_with_planetary_computers_nodata(small: Made) -> None:
    for item in small.of("sentinel-1-rtc"):
        for channel in ("vv", "vh"):
            with rasterio.open(small.path(item, channel)) as source:
                assert source.nodata == -32768
                pixels = source.read(1)
            valid = pixels[pixels != -32768]
            assert valid.dtype == np.float32
            assert (valid > 0).all()
            assert 10 ** (-30 / 10) < np.median(valid) < 1
        vv, vh = small.read(item, "vv"), small.read(item, "vh")
        assert np.median(vv[vv > 0]) > 2 * np.median(vh[vh > 0])


def test_built_up_ground_is_bright_and_water_dark_for_radar(varied: Made) -> None:
    built, water, grass = [], [], []
    for scene, radar in zip(varied.of("sentinel-2-l2a"), varied.of("sentinel-1-rtc"), strict=True):
        place = scene["id"][-3:]
        like = varied.path(scene, "B04")
        classes = varied.onto(varied.of("esa-worldcover", place), "map", like, Resampling.nearest)
        vv = varied.onto(varied.of("sentinel-1-rtc", place)[:1], "vv", like, Resampling.nearest)
        for values, code in ((built, 50), (water, 80), (grass, 30)):
            here = (classes == code) & np.isfinite(vv)
            if here.sum() > 500:
                values.append(10 * np.log10(vv[here].mean()))
        assert moment(radar)
    assert min(map(len, (built, water, grass))) >= 4
    assert np.median(built) > np.median(grass) + 2.5
    assert np.median(water) < np.median(grass) - 3


def test_maps_are_in_degrees_and_agree_with_the_scene(varied: Made) -> None:
    agreements = []
    for scene in varied.of("sentinel-2-l2a"):
        place = scene["id"][-3:]
        like = varied.path(scene, "B04")
        for item in varied.of("esa-worldcover", place):
            with rasterio.open(varied.path(item, "map")) as source:
                assert source.crs.to_epsg() == 4326
                assert source.res == pytest.approx((1 / 12000, 1 / 12000))
                assert source.nodata == 0
                codes = set(np.unique(source.read(1))) - {0}
                assert codes <= {10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100}
        classes = varied.onto(varied.of("esa-worldcover", place), "map", like, Resampling.nearest)
        assert np.isfinite(classes).all()
        scl = twice(varied.read(scene, "SCL"))
        clear = np.isin(scl, (4, 5, 6))
        water, seen = (classes == 80) & clear, (scl == 6) & clear
        if water.sum() > 400:
            agreements.append((water & seen).sum() / (water | seen).sum())
    assert len(agreements) >= 4
    # A shift of a single pixel would cost a river of five pixels a third of its match.
    assert np.median(agreements) > 0.8


def test_class_borders_fall_where_the_scene_changes(varied: Made) -> None:
    """The map fits the scene better in its place than moved by two pixels in any direction."""
    for scene in varied.of("sentinel-2-l2a")[:5]:
        classes = varied.onto(
            varied.of("esa-worldcover", scene["id"][-3:]), "map", varied.path(scene, "B04"), Resampling.nearest
        )
        near = varied.reflectance(scene, "B08")
        clear = np.isin(twice(varied.read(scene, "SCL")), (4, 5, 6, 7))
        if clear.mean() < 0.5:
            continue
        inner = (slice(8, -8), slice(8, -8))

        def unexplained(dy: int, dx: int, c=classes, n=near, ok=clear, window=inner) -> float:
            moved = np.roll(c, (dy, dx), axis=(0, 1))[window].astype(int)
            values, use = n[window], ok[window] & np.isfinite(n[window])
            counts = np.maximum(np.bincount(moved[use]), 1)
            means = np.bincount(moved[use], values[use]) / counts
            return float(((values - means[moved])[use] ** 2).mean())

        here = unexplained(0, 0)
        assert all(here < unexplained(dy, dx) for dy, dx in ((2, 0), (-2, 0), (0, 2), (0, -2)))


def test_elevation_is_georeferenced_as_copernicus_is(small: Made) -> None:
    for item in small.of("cop-dem-glo-30"):
        with rasterio.open(small.path(item, "data")) as source:
            assert source.crs.to_epsg() == 4326
            assert source.nodata is None
            assert source.dtypes == ("float32",)
            assert source.tags()["AREA_OR_POINT"] == "Point"
            a, _, c, _, e, f = source.transform[:6]
            lat = source.bounds.bottom
            step = 1 / 3600 if abs(lat) < 50 else 1.5 / 3600
            assert a == pytest.approx(step)
            assert e == pytest.approx(-1 / 3600)
            # Pixel centres lie on whole steps.
            assert ((c + a / 2) / step) == pytest.approx(round((c + a / 2) / step), abs=1e-5)
            assert ((f + e / 2) * 3600) == pytest.approx(round((f + e / 2) * 3600), abs=1e-5)
            assert np.isfinite(source.read(1)).all()


def test_slopes_of_the_elevation_model_are_lit_by_the_sun(small: Made, varied: Made) -> None:
    """In hilly places, pixels that face the sun are brighter: elevation and scene are aligned."""
    correlations = []
    for scene in varied.of("sentinel-2-l2a"):
        like = varied.path(scene, "B04")
        height = varied.onto(varied.of("cop-dem-glo-30", scene["id"][-3:]), "data", like, Resampling.bilinear)
        if not np.isfinite(height).all() or height.std() < 60:
            continue
        gy, gx = np.gradient(height, 10)
        azimuth = np.radians(scene["properties"]["s2:mean_solar_azimuth"])
        facing = -gx * np.sin(azimuth) + gy * np.cos(azimuth)
        classes = varied.onto(varied.of("esa-worldcover", scene["id"][-3:]), "map", like, Resampling.nearest)
        clear = np.isin(twice(varied.read(scene, "SCL")), (2, 4, 5))
        for code in (20, 30, 60):
            here = (classes == code) & clear
            if here.sum() > 2000:
                correlations.append(np.corrcoef(facing[here], varied.reflectance(scene, "B08")[here])[0, 1])
    assert correlations
    assert min(correlations) > 0.2


def test_the_flood_darkens_what_its_mask_says(small: Made) -> None:
    (flood,) = small.of("flood-water")
    water = small.read(flood, "water")
    scenes = small.of("sentinel-2-l2a", "P00")
    (scene,) = [item for item in scenes if moment(item) == moment(flood)]
    like = small.path(scene, "B04")
    assert flood["assets"]["water"]["proj:transform"] == scene["assets"]["B04"]["proj:transform"]
    assert set(np.unique(water)) <= {0, 1, 255}
    classes = small.onto(small.of("esa-worldcover", "P00"), "map", like, Resampling.nearest)
    clear = np.isin(twice(small.read(scene, "SCL")), (4, 5, 6))
    low = np.isin(classes, (30, 40, 90)) & clear
    drowned, dry = low & (water == 1), low & (water == 0)
    assert drowned.sum() > 300
    assert 0.1 < (water == 1).mean() < 0.5
    near = small.reflectance(scene, "B08")
    assert np.median(near[drowned]) < 0.5 * np.median(near[dry])
    radar = min(small.of("sentinel-1-rtc", "P00"), key=lambda item: abs(moment(item) - moment(scene)))
    vv = 10 * np.log10(small.onto([radar], "vv", like, Resampling.nearest))
    use = np.isfinite(vv)
    assert np.median(vv[drowned & use]) < np.median(vv[dry & use]) - 4
    # On every other date the same ground is dry land.
    for other in scenes:
        land = drowned & np.isin(twice(small.read(other, "SCL")), (4, 5))
        if other is not scene and land.sum() > 300:
            assert np.median(small.reflectance(other, "B08")[land]) > 1.5 * np.median(near[drowned])

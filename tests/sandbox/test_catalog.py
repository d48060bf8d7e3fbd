"""The catalog: STAC that pystac reads, files that are where and what their assets say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from pyproj import Transformer
from rasterio.warp import Resampling

from earthenware.sandbox import SandboxSpec, make_sandbox
from tests.sandbox.conftest import Made, moment

S2_GSD = {"B02": 10, "B03": 10, "B04": 10, "B08": 10} | dict.fromkeys(
    ("B05", "B06", "B07", "B8A", "B11", "B12", "SCL"), 20
)


def test_pystac_reads_it_and_every_href_resolves(small: Made) -> None:
    collection = pystac.ItemCollection.from_file(str(small.folder / "items.json"))
    items = list(collection)
    assert len({(item.collection_id, item.id) for item in items}) == len(items)
    assert {item.collection_id for item in items} == {
        "sentinel-2-l2a", "sentinel-1-rtc", "cop-dem-glo-30", "esa-worldcover", "flood-water",
    }  # fmt: skip
    for item in items:
        again = pystac.Item.from_dict(item.to_dict())
        assert again.bbox is not None
        assert item.datetime or (item.properties["start_datetime"] and item.properties["end_datetime"])
        for asset in item.assets.values():
            assert asset.href.startswith("./")
            assert (small.folder / asset.href).is_file()


def test_every_file_is_a_cog_on_the_grid_that_its_asset_states(small: Made) -> None:
    for item in small.items:
        for name, asset in item["assets"].items():
            with rasterio.open(small.path(item, name)) as source:
                assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
                assert source.block_shapes == [(256, 256)]
                assert f"EPSG:{source.crs.to_epsg()}" == asset["proj:code"]
                assert list(source.shape) == asset["proj:shape"]
                np.testing.assert_allclose(source.transform[:6], asset["proj:transform"], rtol=0, atol=1e-9)
                np.testing.assert_allclose(source.bounds, asset["proj:bbox"], rtol=0, atol=1e-9)
                stated = asset.get("raster:bands", [{}])[0]
                assert source.nodata == stated.get("nodata")
                assert source.dtypes[0] == stated.get("data_type", "float32")
                out = Transformer.from_crs(source.crs, 4326, always_xy=True)
                left, bottom, right, top = source.bounds
                lons, lats = out.transform((left, right), (top, bottom))
            west, south, east, north = item["bbox"]
            assert west - 1e-6 <= min(lons) <= max(lons) <= east + 1e-6
            assert south - 1e-6 <= min(lats) <= max(lats) <= north + 1e-6


def test_sentinel_2_has_its_native_resolutions(small: Made) -> None:
    for item in small.of("sentinel-2-l2a"):
        assert set(item["assets"]) == set(S2_GSD)
        for band, gsd in S2_GSD.items():
            with rasterio.open(small.path(item, band)) as source:
                assert source.res == (gsd, gsd)
                assert source.shape == (small.spec.size * 10 // gsd,) * 2
                assert source.dtypes == (("uint8",) if band == "SCL" else ("uint16",))
                assert source.bounds.left % 60 == 0
                assert source.bounds.top % 60 == 0


def test_places_lie_in_two_zones_on_both_hemispheres_and_on_the_border(tmp_path: Path) -> None:
    spec = SandboxSpec(seed=1, places=24, dates=1, size=64, workers=2)
    made = Made(tmp_path, make_sandbox(spec, tmp_path / "all"), spec, [])
    items = pystac.ItemCollection.from_file(made.summary.catalog).items
    optical = [item for item in items if item.collection_id == "sentinel-2-l2a"]
    assert {item.properties["proj:code"] for item in optical} == {
        "EPSG:32633", "EPSG:32634", "EPSG:32733", "EPSG:32734",
    }  # fmt: skip
    centres = {item.id[-3:]: ((item.bbox[0] + item.bbox[2]) / 2, (item.bbox[1] + item.bbox[3]) / 2) for item in optical}
    assert len(centres) == 24
    assert len({(lon // 0.5, lat // 0.5) for lon, lat in centres.values()}) == 24
    assert all((lon < 18) == (item.properties["proj:code"][-1] == "3") for item in optical for lon in [centre(item)])
    assert sum(abs(lon - 18) < 0.02 for lon, _ in centres.values()) == 3
    days = [item.datetime.timetuple().tm_yday for item in optical]
    assert any(day <= 4 or day >= 362 for day in days)


def centre(item: pystac.Item) -> float:
    assert item.bbox is not None
    return (item.bbox[0] + item.bbox[2]) / 2


def test_a_place_on_the_border_has_maps_of_two_tiles_and_radar_of_the_other_zone(small: Made) -> None:
    scenes = small.of("sentinel-2-l2a", "P02")
    west, _, east, _ = scenes[0]["bbox"]
    assert west < 18 < east
    assert len(small.of("cop-dem-glo-30", "P02")) == 2
    assert len(small.of("esa-worldcover", "P02")) == 2
    like = small.path(scenes[0], "B04")
    for collection, asset in (("cop-dem-glo-30", "data"), ("esa-worldcover", "map")):
        assert np.isfinite(small.onto(small.of(collection, "P02"), asset, like, Resampling.nearest)).all()
    zones = {
        (item["properties"]["sat:orbit_state"], item["properties"]["proj:code"])
        for item in small.of("sentinel-1-rtc", "P02")
    }
    own = scenes[0]["properties"]["proj:code"]
    assert len(zones) == 2
    for state, code in zones:
        assert (code == own) == (state == "descending")
    for item in small.of("sentinel-1-rtc", "P02"):
        warped = small.onto([item], "vv", like, Resampling.nearest)
        edge_of_swath = (small.read(item, "vv")[:, 30:-30] == -32768).any()
        assert edge_of_swath or np.isfinite(warped).all()


def test_dates_stand_on_both_sides_of_the_offset_and_radar_within_six_days(small: Made) -> None:
    border = datetime(2022, 1, 25, tzinfo=UTC)
    states = set()
    for number in range(small.spec.places):
        optical = small.of("sentinel-2-l2a", f"P{number:02d}")
        radar = small.of("sentinel-1-rtc", f"P{number:02d}")
        assert len(optical) == len(radar) == small.spec.dates + (number == 0)
        assert min(map(moment, optical)) < border <= max(map(moment, optical))
        assert len({moment(item) for item in optical}) == len(optical)
        for item in optical:
            baseline = item["properties"]["s2:processing_baseline"]
            assert (baseline >= "04.00") == (moment(item) >= border)
            assert 7 <= moment(item).hour <= 11  # morning passes over 13 to 24 degrees east
            nearest = min(radar, key=lambda other: abs(moment(other) - moment(item)))
            assert abs(moment(nearest) - moment(item)) <= timedelta(days=6)
        states |= {item["properties"]["sat:orbit_state"] for item in radar}
    assert states == {"ascending", "descending"}


def test_percentages_agree_with_the_scene_classification(small: Made) -> None:
    for item in small.of("sentinel-2-l2a"):
        scl = small.read(item, "SCL")
        properties = item["properties"]
        seen = scl[scl != 0]
        assert set(np.unique(scl)) <= set(range(12))
        assert properties["eo:cloud_cover"] == pytest.approx(100 * np.isin(seen, (8, 9, 10)).mean(), abs=1e-4)
        assert properties["s2:nodata_pixel_percentage"] == pytest.approx(100 * (scl == 0).mean(), abs=1e-4)
        assert properties["s2:cloud_shadow_percentage"] == pytest.approx(100 * (seen == 3).mean(), abs=1e-4)
        assert properties["s2:water_percentage"] == pytest.approx(100 * (seen == 6).mean(), abs=1e-4)
        blank = np.kron(scl == 0, np.ones((2, 2), bool))
        assert ((small.read(item, "B04") == 0) == blank).all()
        assert ((small.read(item, "B11") == 0) == (scl == 0)).all()

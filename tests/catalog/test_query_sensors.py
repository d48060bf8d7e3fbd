"""The sensors of a query decide which items are looked at, whose grid counts, what is matched and within which time."""

import pytest

from earthenware.catalog import QuerySpec, query
from earthenware.errors import EarthenwareError
from earthenware.scenes import open_scenes
from tests.catalog.items import grd, landsat, optical, radar, static, write

WIDE = (450_000.0, 5_440_000.0, 560_000.0, 5_550_000.0)
LANDSAT = "landsat-c2-l2,sentinel-1-grd,cop-dem-glo-30"


def run(folder, items, **fields):
    report = query(QuerySpec(catalog=write(folder, items), **fields), str(folder / "out-{fingerprint}"))
    return report, open_scenes(report.output).scenes()


@pytest.fixture
def items():
    return [
        landsat("scene", "2023-06-10T10:00:00Z"),
        landsat("old", "2023-06-10T10:00:10Z", platform="landsat-7"),
        optical("sentinel", "2023-06-10T10:00:00Z"),
        grd("near", "2023-06-14T05:00:00Z", WIDE),
        grd("polar", "2023-06-10T16:00:00Z", WIDE, mode="EW"),
        radar("rtc", "2023-06-10T17:00:00Z", WIDE),
        static("dem", "cop-dem-glo-30", WIDE, "data"),
    ]


def test_landsat_gives_the_grid_and_radar_in_ground_range_is_matched(tmp_path, items):
    report, (scene,) = run(tmp_path, items, sensors=LANDSAT)
    assert scene.base == "landsat-c2-l2"
    assert scene.id == "WRS2-198026_20230610T100000"
    assert (scene.grid.resolution.x, scene.grid.resolution.y) == (30, -30)
    assert (scene.grid.shape, str(scene.grid.crs)) == ((256, 256), "EPSG:32633")
    assert list(scene.items) == LANDSAT.split(",")
    assert [[one.id for one in chosen] for chosen in scene.items.values()] == [["scene"], ["near"], ["dem"]]
    assert report.manifest.counts["with_sentinel_1_grd"] == 1
    assert "with_sentinel_1_rtc" not in report.manifest.counts
    # Another Landsat, another mode, and two sensors that were not asked for.
    assert report.manifest.counts["items_of_other_collections"] == 4
    assert not report.manifest.rejects
    assert set(report.manifest.details["licences"]) == {"landsat-c2-l2", "sentinel-1-grd", "cop-dem-glo-30"}


def test_the_same_file_serves_sentinel_2(tmp_path, items):
    _, (scene,) = run(tmp_path, items)
    assert (scene.base, scene.grid.resolution.x) == ("sentinel-2-l2a", 10)
    assert [one.id for one in scene.items["sentinel-1-rtc"]] == ["rtc"]


def test_windows_are_each_sensors_own_unless_asked_otherwise(tmp_path, items):
    _, (scene,) = run(tmp_path, items, sensors=LANDSAT, max_days="sentinel-1-grd=3")
    assert scene.items["sentinel-1-grd"] == ()
    with pytest.raises(EarthenwareError, match="a match of each of sentinel-1-grd, cop-dem-glo-30") as error:
        run(tmp_path, items, sensors=LANDSAT, max_days="sentinel-1-grd=3", on_missing_sensor="drop")
    assert "max_days" in error.value.remedy
    _, kept = run(tmp_path, items, sensors=LANDSAT, on_missing_sensor="drop")
    assert len(kept) == 1


def test_a_collection_of_another_name_may_be_asked_for(tmp_path, items):
    items[0]["collection"] = "my-landsat"
    items.append(landsat("usual", "2023-07-10T10:00:00Z"))
    _, (scene,) = run(tmp_path, items, sensors=LANDSAT, collections="landsat-c2-l2=my-landsat")
    assert scene.items["landsat-c2-l2"][0].id == "scene"
    _, (scene,) = run(tmp_path, items, sensors=LANDSAT)
    assert scene.items["landsat-c2-l2"][0].id == "usual"


def test_limits_are_shares(tmp_path):
    items = [
        landsat("clear", "2023-06-10T10:00:00Z", **{"eo:cloud_cover": 30.0}),
        landsat("cloudy", "2023-07-12T10:00:00Z", **{"eo:cloud_cover": 30.1}),
    ]
    _, scenes = run(tmp_path, items, sensors="landsat-c2-l2", max_cloud=0.3)
    assert [scene.items["landsat-c2-l2"][0].id for scene in scenes] == ["clear"]
    items = [
        optical("full", "2023-06-10T10:00:00Z", **{"s2:nodata_pixel_percentage": 60.0}),
        optical("empty", "2023-07-12T10:00:00Z", **{"s2:nodata_pixel_percentage": 60.1}),
    ]
    _, scenes = run(tmp_path, items)
    assert [scene.items["sentinel-2-l2a"][0].id for scene in scenes] == ["full"]


def test_acquisitions_that_are_some_pixels_apart_are_one_site_whose_whole_ground_counts(tmp_path):
    """What a neighbour of another split shares with any acquisition of a site is withheld from all of them."""
    shift = 30 * 20
    items = [
        landsat("a", "2023-06-10T10:00:00Z", size=2000),
        landsat("b", "2023-07-12T10:00:00Z", size=2000, origin=(500_015.0 + shift, 5_500_025.0)),
        landsat("c", "2023-06-11T10:00:00Z", size=2000, path=197, origin=(500_015.0 + 30 * 1900, 5_500_025.0)),
    ]
    found = set()
    for seed in range(12):
        _, scenes = run(tmp_path, items, sensors="landsat-c2-l2", seed=seed, validation_percent=50, split_block_km=5)
        by_site = {scene.site: scene for scene in scenes}
        assert len(scenes) == 3
        assert len(by_site) == 2
        west, east = by_site["WRS2-198026"], by_site["WRS2-197026"]
        if west.split != east.split and west.split == "train":
            ((left, _, right, _),) = west.withheld
            assert (left, right) == (500_015.0 + 30 * 1900, 500_015.0 + shift + 30 * 2000)
            found.add("west")
    assert found, "no seed divided the two sites so: this shows nothing"

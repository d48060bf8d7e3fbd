"""Queries over ItemCollection files: real places, matching, sampling, and bad records."""

import json
import os
import random
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest

from earthenware.catalog import QuerySpec, query
from earthenware.catalog._file import check_file
from earthenware.errors import EarthenwareError
from tests.catalog.items import optical, radar, static, write

AREA = (500_003.0, 5_494_887.0, 505_123.0, 5_500_007.0)  # of an optical item: 5120 m


def rows_of(report):
    return pq.read_table(f"{report.output}/scenes.parquet").to_pylist()


def run(folder, items, **fields):
    catalog = write(folder, items)
    return query(QuerySpec(catalog=catalog, **fields), str(folder / "out-{fingerprint}"))


def test_three_real_places(realdata, tmp_path):
    catalog = realdata / "mini_catalog" / "items.json"
    report = query(QuerySpec(catalog=str(catalog)), str(tmp_path / "out"))
    rows = {row["sentinel-2-l2a"][0]["id"]: row for row in rows_of(report)}
    expected = {
        "S2_282D_485L_3_3": ("EPSG:32722", 790236.0403820039, 7198039.252334285, datetime(2021, 7, 23, 13, 22, 41)),
        "S2_38D_378R_2_3": ("EPSG:32736", 617301.8198784497, 9625098.22745184, datetime(2023, 6, 10, 7, 46, 21)),
        "S2_433D_629L_3_1": ("EPSG:32718", 717729.8352053782, 5700093.330553154, datetime(2020, 4, 8, 14, 37, 29)),
    }
    assert rows.keys() == expected.keys()
    for name, (crs, left, top, moment) in expected.items():
        row = rows[name]
        assert row["crs"] == crs
        assert row["transform"] == [10.0, 0.0, left, 0.0, -10.0, top]
        assert (row["height"], row["width"]) == (224, 224)
        assert row["datetime"] == moment.replace(tzinfo=UTC)
        tile = name.removeprefix("S2_")
        assert [item["id"] for item in row["sentinel-1-rtc"]] == [f"S1_{tile}"]
        assert [item["id"] for item in row["cop-dem-glo-30"]] == [f"DEM_{tile}"]
        assert [item["id"] for item in row["land-cover"]] == [f"LULC_{tile}"]
        for sensor in ("sentinel-2-l2a", "sentinel-1-rtc", "cop-dem-glo-30", "land-cover"):
            for asset in json.loads(row[sensor][0]["item"])["assets"].values():
                assert asset["href"].startswith(str(catalog.parent))
    assert {row["split"] for row in rows.values()} == {"train", "validation"}
    geo = json.loads(pq.read_schema(f"{report.output}/scenes.parquet").metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    assert geo["columns"]["geometry"]["encoding"] == "WKB"
    assert "| scenes | 3 |" in (tmp_path / "out" / "summary.md").read_text()
    assert query(QuerySpec(catalog=str(catalog)), str(tmp_path / "out")).reused


def test_radar_window_is_in_days(realdata, tmp_path):
    catalog = str(realdata / "mini_catalog" / "items.json")
    near = query(QuerySpec(catalog=catalog, max_days=("sentinel-1-rtc=1",)), str(tmp_path / "near"))
    assert near.manifest.counts["with_sentinel_1_rtc"] == 1
    dropped = query(
        QuerySpec(
            catalog=catalog,
            max_days=("sentinel-1-rtc=1",),
            on_missing_sensor="drop",
            sensors=("sentinel-2-l2a", "sentinel-1-rtc", "cop-dem-glo-30"),
        ),
        str(tmp_path / "dropped"),
    )
    assert [row["sentinel-2-l2a"][0]["id"] for row in rows_of(dropped)] == ["S2_38D_378R_2_3"]
    assert dropped.manifest.counts["dropped_missing_sensor"] == 2
    assert "land-cover" not in rows_of(dropped)[0]


def test_an_item_that_describes_the_originals_of_its_resampled_files(realdata, tmp_path):
    folder = realdata / "rio_tiler_pds" / "sentinel-2-l2a_S2A_29RKH_20200219"
    item = json.loads((folder / "S2A_29RKH_20200219_0_L2A.json").read_text())
    for asset in item["assets"].values():
        asset["href"] = str(folder / asset["href"].rsplit("/", 1)[-1])
    (row,) = rows_of(run(tmp_path, [item]))
    assert row["site"] == "29RKH"
    assert row["crs"] == "EPSG:32629"
    assert row["transform"] == [10, 0, 199980, 0, -10, 2800020]
    assert (row["height"], row["width"]) == (10980, 10980)
    # Without proj fields the header of the file counts: 1098 pixels of 100 m are the same ground.
    for asset in item["assets"].values():
        for key in [key for key in asset if key.startswith("proj:")]:
            del asset[key]
    (again,) = rows_of(run(tmp_path, [item]))
    assert (again["crs"], again["transform"], again["height"]) == (row["crs"], row["transform"], row["height"])


def test_the_nearest_pass_that_covers_the_scene_is_taken(tmp_path):
    left, bottom, right, top = AREA
    middle = (bottom + top) / 2
    items = [
        optical("scene", "2023-06-10T10:00:00Z"),
        radar("half", "2023-06-10T16:00:00Z", (left, bottom, right, middle), state="ascending", orbit=1),
        radar("south", "2023-06-12T05:00:00Z", (left - 5e4, bottom - 5e4, right + 5e4, middle)),
        radar("north", "2023-06-12T05:00:25Z", (left - 5e4, middle - 50, right + 5e4, top + 5e4)),
        radar("later", "2023-06-15T05:00:00Z", (left - 5e4, bottom - 5e4, right + 5e4, top + 5e4)),
        radar("too late", "2023-06-17T05:00:00Z", (left - 5e4, bottom - 5e4, right + 5e4, top + 5e4)),
    ]
    (row,) = rows_of(run(tmp_path, items))
    # Its two slices cover the scene only together.
    assert {item["id"] for item in row["sentinel-1-rtc"]} == {"south", "north"}


def test_a_partial_pass_is_filled_up_by_its_own_orbit_direction(tmp_path):
    left, bottom, right, top = AREA
    third = (top - bottom) / 3
    items = [
        optical("scene", "2023-06-10T10:00:00Z"),
        radar("main", "2023-06-11T05:00:00Z", (left, bottom, right, top - third)),
        radar("opposite", "2023-06-10T16:00:00Z", (left, top - third, right, top), state="ascending", orbit=7),
        radar("same", "2023-06-06T05:10:00Z", (left, top - third, right, top), orbit=51),
    ]
    (row,) = rows_of(run(tmp_path, items))
    assert [item["id"] for item in row["sentinel-1-rtc"]] == ["main", "same"]


def test_land_cover_of_the_nearest_year_and_elevation_without_duplicates(tmp_path):
    left, bottom, right, top = AREA
    wide = (left - 5e4, bottom - 5e4, right + 5e4, top + 5e4)
    items = [
        optical("scene", "2020-06-10T10:00:00Z"),
        static("2020", "esa-worldcover", wide, "map", year=2020),
        static("2021", "esa-worldcover", wide, "map", year=2021),
        static("other", "io-lulc", wide, "data"),
        static("dem", "cop-dem-glo-30", wide, "data"),
        static("dem copy", "cop-dem-glo-30", wide, "data"),
        static("dem elsewhere", "cop-dem-glo-30", (left - 9e4, bottom, left - 1e4, top), "data"),
    ]
    (row,) = rows_of(run(tmp_path, items))
    assert [item["id"] for item in row["land-cover"]] == ["2020"]
    assert [item["id"] for item in row["cop-dem-glo-30"]] == ["dem"]
    (row,) = rows_of(run(tmp_path, items, collections="land-cover=io-lulc"))
    assert [item["id"] for item in row["land-cover"]] == ["other"]


def test_duplicates_give_way_to_the_newest_processing(tmp_path):
    items = [
        optical("old", "2023-06-10T10:00:00Z", **{"s2:processing_baseline": "02.14"}),
        optical("new", "2023-06-10T10:00:05Z", **{"s2:nodata_pixel_percentage": 1.0}),
        optical("sliver", "2023-06-10T10:00:20Z", **{"s2:nodata_pixel_percentage": 55.0}),
        optical("next day", "2023-06-11T10:00:00Z"),
    ]
    report = run(tmp_path, items, scenes_per_site=0)
    assert [row["sentinel-2-l2a"][0]["id"] for row in rows_of(report)] == ["new", "next day"]
    assert report.manifest.counts["duplicates"] == 2


def test_two_areas_of_one_tile_are_two_sites(tmp_path):
    moment = "2023-06-10T10:00:00Z"
    items = [optical("one", moment), optical("two", moment, origin=(560_003.0, 5_500_007.0))]
    sites = {row["site"] for row in rows_of(run(tmp_path, items))}
    assert len(sites) == 2
    assert all(site.startswith("33UVR-") for site in sites)


def test_items_of_two_collections_may_share_their_ids(tmp_path):
    """Each keeps its own grid, and the order of the file decides nothing."""
    places = {"sentinel-2-l2a": 500_003.0, "sentinel-s2-l2a-cogs": 560_003.0}
    items = []
    for collection, left in places.items():
        for month in (6, 7):
            moment = f"2023-{month:02d}-10T10:00:00Z"
            item = optical(f"same-{month}", moment, origin=(left, 5_500_007.0))
            items.append(item | {"collection": collection})
    found = []
    for ordered in (items, items[::-1]):
        (folder := tmp_path / str(len(found))).mkdir()
        rows = rows_of(run(folder, ordered, scenes_per_site=0, max_cloud=1.0))
        chosen = [(json.loads(row["sentinel-2-l2a"][0]["item"])["collection"], row["transform"][2]) for row in rows]
        assert sorted(chosen) == sorted((name, left) for name, left in places.items() for _ in range(2))
        found.append([(row["id"], row["transform"]) for row in rows])
    assert found[0] == found[1]


def test_items_without_a_tile_get_the_cell_of_their_area(tmp_path):
    items = [optical(f"scene{n}", f"2023-0{n}-10T10:00:00Z") for n in (1, 2)]
    for item in items:
        del item["properties"]["s2:mgrs_tile"]
    assert {row["site"] for row in rows_of(run(tmp_path, items))} == {"cell-49.63N-015.04E"}


def test_sampling_spreads_over_seasons_prefers_clear_scenes_and_ignores_the_order(tmp_path):
    items = [
        optical(f"m{month:02d}d{day}", f"2022-{month:02d}-{day:02d}T10:00:00Z", **{"eo:cloud_cover": cloud})
        for month in range(1, 13)
        for day, cloud in ((3, 45.0), (13, 2.0), (23, 30.0))
    ]
    first = run(tmp_path, items)
    ids = [row["sentinel-2-l2a"][0]["id"] for row in rows_of(first)]
    assert len(ids) == len(set(ids)) == 4
    assert all(name.endswith("d13") for name in ids)
    assert len({(int(name[1:3]) - 1) // 3 for name in ids}) == 4
    random.Random(1).shuffle(items)
    assert [row["sentinel-2-l2a"][0]["id"] for row in rows_of(run(tmp_path, items))] == ids
    others = {tuple(row["id"] for row in rows_of(run(tmp_path, items, seed=seed))) for seed in range(4)}
    assert len(others) > 1
    assert len(rows_of(run(tmp_path, items, max_scenes=3))) == 3
    assert len(rows_of(run(tmp_path, items, scenes_per_site=0))) == 36


def test_filters_of_place_time_and_quality(tmp_path):
    items = [
        optical("kept", "2023-06-10T10:00:00Z"),
        optical("cloudy", "2023-06-15T10:00:00Z", **{"eo:cloud_cover": 80.0}),
        optical("empty", "2023-06-16T10:00:00Z", **{"s2:nodata_pixel_percentage": 90.0}),
        optical("late", "2023-07-01T00:00:00Z"),
        optical("far", "2023-06-10T10:00:00Z", tile="32UVR", origin=(300_003.0, 5_500_007.0)),
    ]
    report = run(tmp_path, items, bbox="14.9,49,16,50", datetime="2023-06", sites="33UVR")
    assert [row["sentinel-2-l2a"][0]["id"] for row in rows_of(report)] == ["kept"]


def damaged():
    """Broken copies of a good item, with the reason of their rejection."""
    good = optical("x", "2023-06-10T10:00:00Z")
    properties, assets = good["properties"], good["assets"]
    grid = {key: value for key, value in assets["B02"].items() if key != "href"}
    return {
        "no datetime": ({**good, "properties": {**properties, "datetime": None}}, "MALFORMED_ITEM"),
        "bad datetime": ({**good, "properties": {**properties, "datetime": "yesterday"}}, "MALFORMED_ITEM"),
        "no geometry": ({**good, "geometry": None}, "MALFORMED_ITEM"),
        "bad geometry": ({**good, "geometry": {"type": "Polygon", "coordinates": [[[0, 0]]]}}, "MALFORMED_ITEM"),
        "metres": ({**good, "geometry": {"type": "Point", "coordinates": [5e5, 5e6]}}, "MALFORMED_ITEM"),
        "no assets": ({**good, "assets": {}}, "MALFORMED_ITEM"),
        "asset text": ({**good, "assets": {**assets, "B02": "B02.tif"}}, "MALFORMED_ITEM"),
        "no B11": ({**good, "assets": {k: v for k, v in assets.items() if k != "B11"}}, "MISSING_ASSET"),
        "properties": ({**good, "properties": []}, "MALFORMED_ITEM"),
        "degrees": (
            {**good, "assets": {**assets, "B02": {"href": "a.tif", **grid, "proj:code": "EPSG:4326"}}},
            "NO_GRID",
        ),
        "rotated": (
            {**good, "assets": {**assets, "B02": {"href": "a.tif", **grid, "proj:transform": [9, 1, 0, 1, -9, 0]}}},
            "NO_GRID",
        ),
        "no grid": ({**good, "assets": {**assets, "B02": {"href": "absent.tif"}}}, "NO_GRID"),
        "driver": ({**good, "assets": {**assets, "B02": {"href": "/vsizip/a.zip/b.tif", **grid}}}, "HOSTILE_LINK"),
    }


@pytest.mark.parametrize("kind", damaged())
def test_a_bad_item_is_left_out_with_its_reason(tmp_path, kind):
    bad, reason = damaged()[kind]
    bad = {**bad, "id": "bad one"}
    report = run(tmp_path, [optical("good", "2023-06-10T10:00:00Z"), bad], reject_limit=0.5)
    assert [row["sentinel-2-l2a"][0]["id"] for row in rows_of(report)] == ["good"]
    (reject,) = pq.read_table(f"{report.output}/rejects.parquet").to_pylist()
    assert (reject["record"], reject["reason"]) == ("bad one", reason)
    assert len(reject["message"]) > 10


def test_things_that_are_no_items_at_all(tmp_path):
    items = [optical("good", "2023-06-10T10:00:00Z"), None, 7, {}, {"type": "Feature"}]
    report = run(tmp_path, items, reject_limit=0.9)
    assert report.manifest.rejects == {"MALFORMED_ITEM": 4}
    with pytest.raises(EarthenwareError) as error:
        run(tmp_path, items)
    assert error.value.code == "TOO_MANY_REJECTS"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"type": "FeatureCollection", "features": [', "NOT_JSON"),
        ('{"type": "Catalog", "id": "x", "links": []}', "NOT_AN_ITEM_COLLECTION"),
        ('{"type": "Feature", "id": "x"}', "NOT_AN_ITEM_COLLECTION"),
        ('{"type": "FeatureCollection"}', "NOT_AN_ITEM_COLLECTION"),
        ("[1, 2]", "NOT_AN_ITEM_COLLECTION"),
        ('{"type": "FeatureCollection", "features": []}', "EMPTY_SEARCH"),
    ],
)
def test_files_that_hold_no_items(tmp_path, text, code):
    path = tmp_path / "items.json"
    path.write_text(text)
    with pytest.raises(EarthenwareError, match=r"items\.json") as error:
        query(QuerySpec(catalog=str(path)), str(tmp_path / "out"))
    assert error.value.code == code
    assert error.value.remedy


@pytest.mark.timeout(60)
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "items.json")
    spec = QuerySpec(catalog=str(tmp_path / "items.json"))
    with pytest.raises(EarthenwareError, match=r"items\.json': it is not a regular file") as error:
        query(spec, str(tmp_path / "out"))
    assert error.value.code == "STORAGE_FAILED"
    with pytest.raises(EarthenwareError, match="not a regular file"):
        check_file(spec.catalog)


def test_an_absent_file_is_named_and_nothing_is_claimed(tmp_path):
    with pytest.raises(EarthenwareError, match=r"absent\.json") as error:
        query(QuerySpec(catalog=str(tmp_path / "absent.json")), str(tmp_path / "out"))
    assert error.value.code == "CATALOG_UNREACHABLE"
    assert not (tmp_path / "out").exists()


def test_filters_that_leave_nothing_say_which_to_relax(tmp_path):
    items = [optical("cloudy", "2023-06-15T10:00:00Z", **{"eo:cloud_cover": 80.0})]
    with pytest.raises(EarthenwareError, match=r"a cloud cover above 0\.5") as error:
        run(tmp_path, items)
    assert "max_cloud" in error.value.remedy
    with pytest.raises(EarthenwareError, match="bbox 1,2,3,4"):
        run(tmp_path, items, bbox="1,2,3,4")


def test_relative_links_of_a_file_on_the_web_stay_on_the_web(tmp_path, httpserver):
    items = [optical("scene", "2023-06-10T10:00:00Z"), optical("thief", "2023-06-20T10:00:00Z")]
    items[1]["assets"]["B03"]["href"] = "/etc/passwd"
    httpserver.expect_request("/data/items.json").respond_with_json({"type": "FeatureCollection", "features": items})
    url = httpserver.url_for("/data/items.json")
    report = query(QuerySpec(catalog=url, reject_limit=0.5), str(tmp_path / "out"))
    (row,) = rows_of(report)
    href = json.loads(row["sentinel-2-l2a"][0]["item"])["assets"]["B02"]["href"]
    assert href == httpserver.url_for("/data/scene/B02.tif")
    assert report.manifest.rejects == {"HOSTILE_LINK": 1}

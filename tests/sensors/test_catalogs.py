"""Which catalog an item comes from and where its bands are: real items of every catalog."""

import json

import pytest

from earthenware.errors import EarthenwareError
from earthenware.sensors import asset_for, has_asset, href_signer, profile_for, sensor, sensor_of

S2 = sensor("sentinel-2-l2a")


@pytest.fixture(scope="module")
def items(realdata):
    stac = realdata / "stac"

    def answer(name):
        return json.loads((stac / "decoded" / f"{name}.json").read_text())["response"]["features"][0]

    def item(path):
        return json.loads((realdata / path).read_text())

    return {
        "planetary-computer": answer("TestItemSearch.test_datetime_results__00"),
        "earth-search-v1": answer("test_multiple_collections__00"),
        "earth-search-c1": item("stac/items/stacchip/sentinel-2-l2a-S2A_T20HNJ_20240311T140636_L2A.json"),
        "earth-search-v0": answer("TestCLISearch.test_non_conformant_can_be_fixed_inprocess__01"),
        "earth-search-v0-old": item("stac/items/odc-stac/S2A_28QCH_20200714_0_L2A.json"),
        "aws": item("rio_tiler_pds/sentinel-2-l2a_S2A_29RKH_20200219/S2A_29RKH_20200219_0_L2A.json"),
        "mini": item("mini_catalog/items.json")["features"][0],
        "dem": answer("TestCLISearch.test_save_inprocess__01"),
        "world-cover": item("stac/items/stactools-esa-worldcover/ESA_WorldCover_10m_2021_v200_N00E006.json"),
        "landsat": item("stac/items/stacchip/landsat-c2l2-sr-LC09_L2SR_086107_20240311_20240312_02_T2_SR.json"),
        "rtc-aws": item("stac/items/stactools-sentinel1/S1A_20200103_17RMJ_ASC.json"),
        "grd": item(
            "stac/items/stactools-sentinel1/S1A_IW_GRDH_1SDV_20210809T173953_20210809T174018_039156_049F13.json"
        ),
    }


@pytest.mark.parametrize(
    ("name", "profile", "sensor_id"),
    [
        ("planetary-computer", "planetary-computer", "sentinel-2-l2a"),
        ("earth-search-v1", "earth-search-v1", "sentinel-2-l2a"),
        ("earth-search-c1", "earth-search-v1", "sentinel-2-l2a"),
        ("earth-search-v0", "earth-search-v0", "sentinel-2-l2a"),
        ("earth-search-v0-old", "earth-search-v0", "sentinel-2-l2a"),
        ("aws", "earth-search-v1", "sentinel-2-l2a"),
        ("mini", "generic", "sentinel-2-l2a"),
        ("dem", "earth-search-v1", "cop-dem-glo-30"),
        ("world-cover", "generic", "land-cover"),
        ("rtc-aws", "generic", "sentinel-1-rtc"),
        ("landsat", "generic", "landsat-c2-l2"),
        ("grd", "generic", "sentinel-1-grd"),
    ],
)
def test_items_are_recognised(items, name, profile, sensor_id):
    assert profile_for(items[name]).name == profile
    assert sensor_of(items[name]) == sensor_id


@pytest.mark.parametrize(
    ("name", "has_scl"),
    [
        ("planetary-computer", True),
        ("earth-search-v1", True),
        ("earth-search-c1", True),
        ("earth-search-v0", True),
        ("aws", True),
        ("mini", False),
    ],
)
def test_every_band_is_found_in_a_geotiff_of_its_own(items, name, has_scl):
    hrefs = [asset_for(items[name], S2.id, band)["href"] for band in S2.band_names]
    for band, href in zip(S2.band_names, hrefs, strict=True):
        assert band in href.rsplit("/", 1)[-1]
        assert href.endswith(".tif")
    assert len(set(hrefs)) == len(hrefs)
    assert has_asset(items[name], S2.id, "SCL") == has_scl


def test_the_other_sensors_are_found_too(items):
    assert asset_for(items["dem"], "cop-dem-glo-30", "dem")["href"].endswith("DEM.tif")
    assert asset_for(items["world-cover"], "land-cover", "class")["href"].endswith("_Map.tif")
    assert asset_for(items["grd"], "sentinel-1-grd", "vh")["href"].endswith(
        "-vh-20210809t173953-20210809t174018-039156-049f13-002.tiff"
    )
    assert asset_for(items["rtc-aws"], "sentinel-1-rtc", "vh")["href"].endswith("Gamma0_VH.tif")


def test_a_missing_asset_names_item_band_and_what_there_is(items):
    item = {**items["mini"], "assets": {"B03": items["mini"]["assets"]["B03"]}}
    with pytest.raises(EarthenwareError, match=r"S2_282D_485L_3_3.*B02.*has B03") as error:
        asset_for(item, S2.id, "B02")
    assert error.value.code == "MISSING_ASSET"


def test_assets_with_unknown_names_are_found_by_their_one_band():
    item = {
        "id": "x",
        "collection": "mine",
        "assets": {
            "picture": {"href": "rgb.tif", "eo:bands": [{"common_name": c} for c in ("red", "green", "blue")]},
            "jp2": {"href": "a.jp2", "type": "image/jp2", "eo:bands": [{"common_name": "red"}]},
            "first": {"href": "a.tif", "type": "image/tiff; application=geotiff", "bands": [{"eo:common_name": "red"}]},
        },
    }
    assert asset_for(item, S2.id, "B04")["href"] == "a.tif"
    with pytest.raises(EarthenwareError):
        asset_for(item, S2.id, "B02")


def test_catalog_urls_are_recognised():
    assert profile_for("https://planetarycomputer.microsoft.com/api/stac/v1").signing == "planetary-computer"
    assert profile_for("https://earth-search.aws.element84.com/v1").name == "earth-search-v1"
    assert profile_for("https://earth-search.aws.element84.com/v0/").name == "earth-search-v0"
    assert profile_for("https://example.org/stac").name == "generic"
    assert profile_for("/data/items.json").name == "generic"
    assert profile_for("https://evil-planetarycomputer.microsoft.com.example.org").name == "generic"


def test_links_that_need_no_signature_stay_as_they_are(items):
    assert href_signer(items["mini"])("./a.tif") == "./a.tif"
    assert href_signer(items["planetary-computer"])("https://example.org/a.tif") == "https://example.org/a.tif"

"""Searching APIs: recorded answers of real catalogs over HTTP, and catalogs that misbehave."""

import json
import socket
import time
from datetime import UTC, datetime

import pyarrow.parquet as pq
import pytest
from werkzeug import Response

from earthenware.catalog import QuerySpec, query
from earthenware.errors import EarthenwareError
from earthenware.network import Patience
from tests.catalog.stand_in import StandIn, check_search, recorded

LANDING = {
    "type": "Catalog",
    "id": "somewhere",
    "stac_version": "1.0.0",
    "description": "A catalog",
    "conformsTo": ["https://api.stacspec.org/v1.0.0/core", "https://api.stacspec.org/v1.0.0/item-search"],
    "links": [
        {"rel": "self", "href": "https://example.org/stac"},
        {"rel": "search", "method": "POST", "type": "application/geo+json", "href": "https://example.org/stac/search"},
    ],
}


def spec_for(url, **fields):
    fields = {"bbox": "-180,-90,180,90", "datetime": "2018/2025", "max_nodata": 1, "max_cloud": 1, **fields}
    return QuerySpec(catalog=url, **fields)


def rows_of(report):
    return pq.read_table(f"{report.output}/scenes.parquet").to_pylist()


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch):
    """Pauses between retries are real, only shorter: the first of them would take two seconds."""
    from earthenware.catalog import _api

    original = _api.StacApi.__init__
    monkeypatch.setattr(_api.StacApi, "__init__", lambda self, url: original(self, url, Patience(backoff=0.01)))


def test_planetary_computer(realdata, httpserver, tmp_path):
    answer = recorded(realdata, "TestItemSearch.test_datetime_results__00")
    landing = recorded(realdata, "TestAPI.test_collections_fallback__00")
    api = StandIn(httpserver, landing, answer["features"])
    spec = spec_for(api.url, bbox="165,40,-170,75", datetime="2019-01-01", scenes_per_site=0)
    report = query(spec, str(tmp_path / "out"))
    rows = rows_of(report)
    assert report.manifest.details["catalog"] == "planetary-computer"
    # The area crosses the antimeridian: two boxes were asked for, and both sides were found.
    optical = [body for body in api.searches if body["collections"] == ["sentinel-2-l2a"] and "next" not in body]
    assert [body["bbox"] for body in optical] == [[165, 40, 180, 75], [-180, 40, -170, 75]]
    inside = {feature["id"] for feature in answer["features"] if 40 < feature["bbox"][1] < 74}
    assert {row["sentinel-2-l2a"][0]["id"] for row in rows} == inside
    assert len(rows) > 10
    expected = {feature["id"]: feature for feature in answer["features"]}
    for row in rows:
        feature = expected[row["sentinel-2-l2a"][0]["id"]]
        assert row["site"] == feature["properties"]["s2:mgrs_tile"]
        assert row["crs"] == f"EPSG:{feature['properties']['proj:epsg']}"
        assert row["transform"] == feature["assets"]["B02"]["proj:transform"]
        assert (row["height"], row["width"]) == (10980, 10980)
        assert row["datetime"] == datetime.fromisoformat(feature["properties"]["datetime"])
        stored = json.loads(row["sentinel-2-l2a"][0]["item"])
        assert stored["assets"]["SCL"]["href"] == feature["assets"]["SCL"]["href"]
        assert "thumbnail" not in stored["assets"]
        assert row["sentinel-1-rtc"] == row["cop-dem-glo-30"] == []
    # Radar is looked for around each scene, within six days.
    radar = [body for body in api.searches if body["collections"] == ["sentinel-1-rtc"]]
    assert len(radar) >= len(rows)
    assert radar[0]["datetime"].startswith("2018-12-26T")


def test_earth_search_v1_with_its_empty_last_page(realdata, httpserver, tmp_path):
    first = recorded(realdata, "test_multiple_collections__00")
    last = recorded(realdata, "test_multiple_collections__01")
    landing = recorded(realdata, "TestCLISearch.test_filter_inprocess__00")
    assert last["features"] == []
    api = StandIn(httpserver, landing, [])
    asked = []

    def replay(request):
        body = request.get_json()
        if "next" in body:  # the token of the recorded answer comes back as it was given
            assert body == first["links"][0]["body"]
            return StandIn._json(last)
        check_search(body)
        asked.append(body)
        if body["collections"] != ["sentinel-2-l2a"]:
            return StandIn._json({"type": "FeatureCollection", "features": [], "links": []})
        text = json.dumps(first).replace("https://earth-search.aws.element84.com/v1", api.url)
        return Response(text, content_type="application/json")

    httpserver.clear_all_handlers()
    httpserver.expect_request("/stac", method="GET").respond_with_json(api.landing)
    httpserver.expect_request("/stac/search", method="POST").respond_with_handler(replay)
    report = query(spec_for(api.url, bbox="-106,40,-105,41", datetime="2023-10-08"), str(tmp_path / "out"))
    (row,) = rows_of(report)
    assert row["id"] == "13TDE_20231008T180255"
    assert row["catalog"] == "earth-search-v1"
    assert row["crs"] == "EPSG:32613"
    assert row["transform"] == [10, 0, 399960, 0, -10, 4500000]
    assert row["datetime"] == datetime(2023, 10, 8, 18, 2, 55, 276000, UTC)
    assert report.manifest.counts["items_of_other_collections"] == 1  # the Landsat item of that answer
    assert not any("sentinel-1-grd" in body["collections"] for body in asked)


def test_earth_search_v0_that_conforms_to_nothing(realdata, httpserver, tmp_path):
    answer = recorded(realdata, "TestCLISearch.test_non_conformant_can_be_fixed_inprocess__01")
    landing = recorded(realdata, "TestCLISearch.test_non_conformant_can_be_fixed_inprocess__00")
    assert "conformsTo" not in landing
    api = StandIn(httpserver, landing, answer["features"])
    report = query(spec_for(api.url, datetime="2025-07", max_cloud=0.5), str(tmp_path / "out"))
    (row,) = rows_of(report)
    assert row["site"] == "20EPT"
    assert row["catalog"] == "earth-search-v0"
    assert row["transform"] == [10, 0, 600000, 0, -10, 3300040]
    assert all("query" not in body for body in api.searches)


def test_elevation_of_earth_search_is_matched(realdata, httpserver, tmp_path):
    scene = recorded(realdata, "test_multiple_collections__00")["features"][0]
    tiles = recorded(realdata, "TestCLISearch.test_save_inprocess__01")["features"]
    west, south = scene["bbox"][:2]

    def moved(tile, number):
        """A recorded elevation tile, moved to a whole degree below the scene."""
        left, bottom = int(west) - 1 + number % 3, int(south) + number // 3
        ring = [[left, bottom], [left + 1, bottom], [left + 1, bottom + 1], [left, bottom + 1], [left, bottom]]
        return {**tile, "geometry": {"type": "Polygon", "coordinates": [ring]}, "id": f"tile-{left}-{bottom}"}

    api = StandIn(
        httpserver,
        recorded(realdata, "TestCLISearch.test_filter_inprocess__00"),
        [scene, *(moved(tile, number) for number, tile in enumerate(tiles[:9]))],
        page=4,
    )
    report = query(spec_for(api.url, on_missing_sensor="keep"), str(tmp_path / "out"))
    (row,) = rows_of(report)
    ids = {item["id"] for item in row["cop-dem-glo-30"]}
    # Column by column of what the scene touches: 106.18 W to 104.88 W, 39.66 N to 40.65 N.
    assert {"tile--106-39", "tile--106-40", "tile--105-39", "tile--105-40"} <= ids
    assert not any(name.endswith("-41") for name in ids)
    assert report.manifest.counts["with_cop_dem_glo_30"] == 1


def test_a_busy_catalog_is_waited_for(realdata, httpserver, tmp_path):
    scene = recorded(realdata, "test_multiple_collections__00")["features"][0]
    api = StandIn(httpserver, LANDING, [scene])
    api.failures = [Response("slow down", status=429, headers={"Retry-After": "1"}), Response("oops", status=503)]
    began = time.monotonic()
    report = query(spec_for(api.url), str(tmp_path / "out"))
    assert report.manifest.counts["scenes"] == 1
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [(503, "CATALOG_ERROR", "after 4 retries"), (404, "CATALOG_ERROR", "HTTP 404"), (400, "CATALOG_ERROR", "HTTP 400")],
)
def test_http_errors_name_the_url_and_the_status(httpserver, tmp_path, status, code, words):
    api = StandIn(httpserver, LANDING, [])
    api.failures = [Response('{"code":"NotFound"}', status=status)] * 10
    with pytest.raises(EarthenwareError) as error:
        query(spec_for(api.url), str(tmp_path / "out"))
    assert error.value.code == code
    assert words in error.value.message
    assert api.url in error.value.message
    assert len(api.failures) == 10 - (5 if status == 503 else 1)
    assert json.loads((tmp_path / "out" / "error.json").read_text())["code"] == code
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_an_unreachable_catalog_is_named(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/stac"
    with pytest.raises(EarthenwareError, match=url) as error:
        query(spec_for(url), str(tmp_path / "out"))
    assert error.value.code == "CATALOG_UNREACHABLE"
    assert error.value.message.endswith("connection refused.")


@pytest.mark.parametrize(
    "body",
    [
        '{"type": "Catalog", "id": "x", "stac_ver',
        "<html>Sign in</html>",
        "[]",
        "{}",
        '{"type": "FeatureCollection", "features": []}',
        json.dumps({**LANDING, "links": []}),
    ],
)
def test_what_is_no_stac_api_is_said_to_be_none(httpserver, tmp_path, body):
    httpserver.expect_request("/stac").respond_with_data(body, content_type="application/json")
    with pytest.raises(EarthenwareError, match="/stac") as error:
        query(spec_for(httpserver.url_for("/stac")), str(tmp_path / "out"))
    assert error.value.code == "NOT_A_STAC_API"


def test_a_truncated_answer_is_an_error_and_not_an_empty_search(httpserver, tmp_path):
    api = StandIn(httpserver, LANDING, [])
    api.failures = [Response('{"type": "FeatureCollection", "features": [{"id"', content_type="application/json")]
    with pytest.raises(EarthenwareError) as error:
        query(spec_for(api.url), str(tmp_path / "out"))
    assert error.value.code == "NOT_A_STAC_API"


def test_a_catalog_that_pages_in_circles_is_left(realdata, httpserver, tmp_path):
    scene = recorded(realdata, "test_multiple_collections__00")["features"][0]
    api = StandIn(httpserver, LANDING, [])
    link = {"rel": "next", "href": f"{api.url}/search", "method": "POST", "body": {"collections": [], "next": "0"}}
    page = {"type": "FeatureCollection", "features": [scene], "links": [link]}
    httpserver.clear_all_handlers()
    httpserver.expect_request("/stac").respond_with_json(api.landing)
    httpserver.expect_request("/stac/search").respond_with_json(page)
    with pytest.raises(EarthenwareError, match="again and again"):
        query(spec_for(api.url), str(tmp_path / "out"))


def test_an_empty_search_says_what_was_asked_and_what_to_relax(httpserver, tmp_path):
    api = StandIn(httpserver, LANDING, [])
    with pytest.raises(EarthenwareError) as error:
        query(spec_for(api.url, bbox="1,2,3,4", datetime="2021-06"), str(tmp_path / "out"))
    assert error.value.code == "EMPTY_SEARCH"
    for words in ("bbox 1,2,3,4", "datetime 2021-06", "sentinel-2-l2a"):
        assert words in error.value.message
    assert "Widen bbox or datetime" in error.value.remedy


def test_too_many_items_are_refused_before_they_are_all_fetched(realdata, httpserver, tmp_path):
    answer = recorded(realdata, "TestItemSearch.test_datetime_results__00")
    api = StandIn(httpserver, LANDING, answer["features"], page=5)
    with pytest.raises(EarthenwareError) as error:
        query(spec_for(api.url, max_items=7), str(tmp_path / "out"))
    assert error.value.code == "TOO_MANY_ITEMS"
    assert len(api.searches) == 2


@pytest.mark.parametrize("href", ["file:///etc/passwd", "/etc/passwd", "C:\\a.tif", "/vsicurl/http://x/y", "~/x.tif"])
def test_an_api_cannot_point_into_this_machine(realdata, httpserver, tmp_path, href):
    scene = recorded(realdata, "test_multiple_collections__00")["features"][0]
    bad = json.loads(json.dumps({**scene, "id": "bad"}))
    bad["assets"]["blue"]["href"] = href
    api = StandIn(httpserver, LANDING, [scene, bad])
    report = query(spec_for(api.url, reject_limit=0.5), str(tmp_path / "out"))
    assert report.manifest.rejects == {"HOSTILE_LINK": 1}
    assert [row["sentinel-2-l2a"][0]["id"] for row in rows_of(report)] == [scene["id"]]
    with pytest.raises(EarthenwareError) as error:
        query(spec_for(api.url, reject_limit=0.1), str(tmp_path / "strict"))
    assert error.value.code == "TOO_MANY_REJECTS"


def test_an_api_needs_an_area_and_an_interval(tmp_path):
    with pytest.raises(EarthenwareError, match="bbox and datetime") as error:
        query(QuerySpec(catalog="https://example.org/stac"), str(tmp_path / "out"))
    assert error.value.code == "BAD_SPEC"
    assert not (tmp_path / "out").exists()

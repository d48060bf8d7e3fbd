"""The catalog over HTTP and as a file."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from earthenware.doctor import Finding
from tests.catalog.stand_in import StandIn, recorded
from tests.doctor.look import SECRET, look

ITEM = {
    "type": "Feature",
    "stac_version": "1.0.0",
    "id": "one",
    "collection": "sentinel-2-l2a",
    "geometry": {"type": "Point", "coordinates": [6, 49]},
    "bbox": [6, 49, 6, 49],
    "properties": {"datetime": "2021-07-01T00:00:00Z"},
    "links": [],
    "assets": {},
}
CORE = "https://api.stacspec.org/v1.0.0/core"
SEARCH = "https://api.stacspec.org/v1.0.0/item-search"


def catalog(uri: str, **values: Any) -> Finding:
    return look("catalog", catalog=uri, **values)["catalog"]


def api(web: HTTPServer, *, conforms: tuple[str, ...] = (CORE, SEARCH), items: tuple[Any, ...] = (ITEM,)) -> str:
    """A STAC API with one page of items; it refuses requests that Item Search 1.0 does not know."""
    url = web.url_for("/stac")
    links = [{"rel": "self", "href": url}, {"rel": "root", "href": url}]
    if SEARCH in conforms:
        links.append({"rel": "search", "href": f"{url}/search", "method": "POST", "type": "application/geo+json"})
    landing = {"type": "Catalog", "id": "mine", "description": "x", "stac_version": "1.0.0", "links": links}

    def search(request: Request) -> Response:
        body = request.get_json()
        assert set(body) <= {"limit", "collections", "bbox", "datetime"}
        assert body["limit"] == 1
        found = {"type": "FeatureCollection", "features": list(items)[:1], "links": []}
        return Response(json.dumps(found), content_type="application/geo+json")

    web.expect_request("/stac", method="GET").respond_with_json({**landing, "conformsTo": list(conforms)})
    web.expect_request("/stac/search", method="POST").respond_with_handler(search)
    return url


def test_an_api_that_can_be_searched(web: HTTPServer) -> None:
    finding = catalog(f"{api(web)}?sig={SECRET}")
    assert finding.state == "ok", finding
    assert "(mine) answers and can be searched" in finding.sentence
    web.check_assertions()


@pytest.mark.parametrize("name", ["TestAPI.test_collections_fallback__00", "TestCLISearch.test_filter_inprocess__00"])
def test_landing_pages_of_real_apis(web: HTTPServer, realdata: Path, name: str) -> None:
    found = {"type": "FeatureCollection", "features": [ITEM], "links": []}
    web.expect_request("/stac/search", method="POST", json={"limit": 1}).respond_with_json(found)
    finding = catalog(StandIn(web, recorded(realdata, name), []).url)
    assert finding.state == "ok", finding


def test_an_api_without_search_or_without_items(web: HTTPServer) -> None:
    finding = catalog(api(web, conforms=(CORE,)))
    assert finding.state == "failed"
    assert "without item search" in finding.sentence
    web.clear()
    finding = catalog(api(web, items=()))
    assert finding.state == "failed"
    assert "no item" in finding.sentence


@pytest.mark.parametrize(("status", "says"), [(401, "HTTP 401"), (404, "HTTP 404"), (503, "HTTP 503")])
def test_an_api_that_answers_with_an_error(web: HTTPServer, status: int, says: str) -> None:
    web.expect_request("/stac").respond_with_data("<html>", status=status, content_type="text/html")
    finding = catalog(web.url_for("/stac"))
    assert finding.state == "failed"
    assert says in finding.sentence


def test_something_that_is_no_catalog(web: HTTPServer) -> None:
    web.expect_request("/page").respond_with_data("<html>hello", content_type="text/html")
    web.expect_request("/object").respond_with_json({"type": "Catalog"})
    for path in ("/page", "/object"):
        finding = catalog(web.url_for(path))
        assert finding.state == "failed"
        assert "STAC" in finding.sentence + finding.remedy


def test_nobody_there_and_nobody_answering(closed: str, silent: str) -> None:
    finding = catalog(closed)
    assert finding.state == "failed"
    assert "connection refused" in finding.sentence
    began = time.monotonic()
    finding = catalog(f"{silent}/stac?sig={SECRET}", seconds=1.0)
    assert finding.state == "failed"
    assert "in time" in finding.sentence or "within 1 s" in finding.sentence
    assert time.monotonic() - began < 20


def test_files(tmp_path: Path, web: HTTPServer) -> None:
    path = tmp_path / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [ITEM]}))
    assert "holds 1 item." in catalog(str(path)).sentence
    web.expect_request("/items.json").respond_with_data(path.read_bytes())
    assert catalog(web.url_for(f"/items.json?sig={SECRET}")).state == "ok"
    for text, says in (
        ("{", "not a complete JSON"),
        ("[]", "not an ItemCollection"),
        (json.dumps(ITEM), "not an Item"),
    ):
        path.write_text(text)
        assert says in catalog(str(path)).sentence
        assert catalog(str(path)).state == "failed"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": []}))
    assert "holds no items" in catalog(str(path)).sentence
    assert "earthenware sandbox" in catalog(str(tmp_path / "absent.json")).remedy


def test_no_catalog_given() -> None:
    assert look("catalog")["catalog"].state == "skipped"

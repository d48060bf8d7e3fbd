"""A STAC API on this machine: it answers with recorded items, and refuses requests that the standard forbids."""

from __future__ import annotations

import json
import re
from datetime import datetime

from pytest_httpserver import HTTPServer
from shapely.geometry import box, shape
from werkzeug import Request, Response

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_KEYS = {"collections", "bbox", "datetime", "limit", "query", "next"}


def recorded(realdata, name):
    """The recorded answer of a real API."""
    return json.loads((realdata / "stac" / "decoded" / f"{name}.json").read_text())["response"]


def check_search(body):
    """Assert that a search body is one of STAC API - Item Search 1.0."""
    assert set(body) <= _KEYS, body
    assert isinstance(body["collections"], list)
    assert all(isinstance(name, str) for name in body["collections"])
    assert 1 <= body.get("limit", 10) <= 1000
    if "bbox" in body:
        west, south, east, north = body["bbox"]
        assert -180 <= west < east <= 180
        assert -90 <= south < north <= 90
    if "datetime" in body:
        ends = body["datetime"].split("/")
        assert len(ends) == 2
        assert all(end == ".." or _MOMENT.fullmatch(end) for end in ends)
    for name, operators in body.get("query", {}).items():
        assert name == "eo:cloud_cover"
        assert set(operators) == {"lte"}


class StandIn:
    """A catalog of items that pages its answers with POST ``next`` tokens, as real APIs do."""

    def __init__(self, server: HTTPServer, landing: dict, items: list[dict], page: int = 10):
        self.server = server
        self.url = server.url_for("/stac")
        self.items = items
        self.page = page
        self.searches: list[dict] = []
        self.failures: list[Response] = []
        old = next(link["href"] for link in landing["links"] if link["rel"] in {"self", "root"}).rstrip("/")
        self.landing = json.loads(json.dumps(landing).replace(old, self.url))
        server.expect_request("/stac", method="GET").respond_with_handler(lambda request: self._json(self.landing))
        server.expect_request("/stac/", method="GET").respond_with_handler(lambda request: self._json(self.landing))
        server.expect_request("/stac/search", method="POST").respond_with_handler(self._search)

    @staticmethod
    def _json(value, status=200):
        return Response(json.dumps(value), status=status, content_type="application/json")

    def _search(self, request: Request) -> Response:
        if self.failures:
            return self.failures.pop(0)
        body = request.get_json()
        check_search(body)
        self.searches.append(body)
        found = [item for item in self.items if self._matches(item, body)]
        start = int(body.get("next", "0"))
        answer = {"type": "FeatureCollection", "features": found[start : start + self.page], "links": []}
        if answer["features"]:
            # Like Earth Search: always a next link, and the page after the last one is empty.
            following = {**body, "next": str(start + self.page)}
            answer["links"].append(
                {"rel": "next", "href": f"{self.url}/search", "method": "POST", "merge": False, "body": following}
            )
        return self._json(answer)

    @staticmethod
    def _matches(item, body):
        properties = item["properties"]
        if item.get("collection") not in body["collections"]:
            return False
        if "bbox" in body and not shape(item["geometry"]).intersects(box(*body["bbox"])):
            return False
        if "datetime" in body and properties.get("datetime"):
            first, last = body["datetime"].split("/")
            moment = datetime.fromisoformat(properties["datetime"])
            if first != ".." and moment < datetime.fromisoformat(first):
                return False
            if last != ".." and moment > datetime.fromisoformat(last):
                return False
        limit = body.get("query", {}).get("eo:cloud_cover", {}).get("lte", 100)
        return properties.get("eo:cloud_cover", 0) <= limit
